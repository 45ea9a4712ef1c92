// What the state store is made of, shared by its .cc files (state_*.cc) and by nothing else.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/kv/group_machine.h"
#include "core/kv/state_mark.h"
#include "core/kv/state_store.h"
#include "core/kv/state_tokens.h"
#include "core/kv/state_unsaved.h"
#include "core/runtime/sync.h"
#include "core/runtime/task_group.h"
#include "core/storage/sqlite_database.h"

namespace keelson::kv {

// One fiber at a time.
class FiberLock {
 public:
  explicit FiberLock(Scheduler& scheduler) : released_(scheduler) {}

  // Holds the lock from its construction, which may suspend, to its end.
  class Hold {
   public:
    explicit Hold(FiberLock& lock) : lock_(lock) {
      while (lock_.is_held_) (void)lock_.released_.wait(Deadline::never());
      lock_.is_held_ = true;
    }
    ~Hold() {
      lock_.is_held_ = false;
      lock_.released_.notify_all();
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    FiberLock& lock_;
  };

  bool is_held() const { return is_held_; }

 private:
  bool is_held_ = false;
  WaitQueue released_;
};

// What is kept in memory of a group: its row, as applied, and which tokens it remembers.
struct GroupState {
  explicit GroupState(std::uint64_t tokens_limit) : tokens(tokens_limit) {}

  std::uint64_t store = 0;
  raft::StateLabel label;
  Bytes configuration;  // The label's, encoded.
  std::uint64_t digest = 0;
  TokenIndex tokens;
  GroupMemory memory;  // Its clock is written as the row kClockRow when it is saved.
  bool is_saved = true;  // Its row in the database is this, or one on its way there.

  GroupRow row() const {
    return {.store = store,
            .label = {.index = label.index, .term = label.term},
            .configuration = configuration,
            .digest = digest,
            .tokens = tokens.next()};
  }
};

// How far a snapshot that arrives has come: a row of `staging`.
struct Staging {
  raft::SnapshotId id;
  std::uint64_t store = 0;
  std::uint64_t next_chunk = 0;
  Bytes rest;  // Of a record whose end is in the next chunk.
  // Together the column `progress`.
  std::uint64_t checksum = 0;  // Running.
  bool has_header = false;
  bool has_end = false;
  std::uint64_t expected_checksum = 0;  // What the end says.
  std::uint64_t digest = 0;             // From here on: what the header says.
  std::uint64_t tokens = 0;
  std::uint64_t next_token = 0;
  Bytes configuration;
};

class StateStore::Parts {
 public:
  // How many rows of garbage go with a transaction that saves, and with make_durable().
  static constexpr std::uint64_t kSweptBySave = 256;
  static constexpr std::uint64_t kSweptByCheckpoint = 512;

  Parts(Env& env, StateStoreOptions options)
      : env_(env), options_(std::move(options)), write_lock_(env.scheduler),
        apply_lock_(env.scheduler), checkpoint_lock_(env.scheduler), mark_lock_(env.scheduler),
        save_wanted_(env.scheduler), saver_(env.scheduler) {}
  ~Parts() {
    saver_.stop();
    CHECK(open_snapshots_ == 0);
    if (files_) files_->abandon();
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  std::string path() const { return options_.folder + "/state.db"; }
  std::string mark_path() const { return options_.folder + "/DURABLE"; }

  // --- opening: state_open.cc ---
  Result<void> open(Deadline deadline);
  Result<void> make_if_missing(Deadline deadline);

  // --- writing rows, by the main connection. REQUIRES: write_lock_ is held ---

  // All of `work` in one transaction, or nothing of it.
  template <typename Work>
  Result<void> in_transaction(const Work& work) {
    // A fiber that is killed in the middle leaves main_ of no use.
    struct Transaction {
      explicit Transaction(SqliteFiles& its_files) : files(its_files) {}
      ~Transaction() {
        if (!has_ended) files.abandon();
      }
      SqliteFiles& files;
      bool has_ended = false;
    };
    CHECK(write_lock_.is_held());
    TRY(begin_.run());
    Transaction transaction(*files_);
    Result<void> done = work();
    if (done) done = commit_.run();
    if (!done) main_->roll_back();
    transaction.has_ended = true;
    CHECK(files_->wal_is_written() || files_->is_abandoned());
    return done;
  }
  // Brings the database up to what was applied before the call, beside what is applied meanwhile:
  // that gathers in `unsaved_` while `saving_` is written. Errors: no_space (what was to be written
  // is kept, and may be tried again).
  Result<void> save();
  // The same while nothing is applied: afterwards the database has all. REQUIRES: apply_lock_ is
  // held, too.
  Result<void> save_everything();
  // What is unsaved is to be saved now. REQUIRES: `saving_` is empty; apply_lock_ is held.
  void begin_saving();
  Result<void> write_saving();
  Result<void> save_rows(std::uint64_t store, const UnsavedRows& rows, std::uint64_t& rows_written);
  void pause_if_ahead(std::uint64_t& rows_written);
  Result<void> put(std::uint64_t store, BytesView key, std::uint64_t version, BytesView value);
  Result<void> put_token(std::uint64_t store, std::uint64_t number, BytesView token,
                         BytesView outcome);
  Result<void> save_group(GroupId id, const GroupRow& row);
  // Which tokens the store remembers, when so many were ever.
  Result<TokenIndex> load_tokens(std::uint64_t store, std::uint64_t tokens);
  // The remembered tokens, oldest first: visit(number, token, outcome).
  template <typename Visit>
  Result<void> walk_tokens(std::uint64_t store, std::uint64_t tokens, const Visit& visit) {
    const std::uint64_t middle = tokens % options_.tokens_remembered;
    TRY(walk_slots(store, middle, options_.tokens_remembered, visit));
    return walk_slots(store, 0, middle, visit);
  }
  // Deletes about so many rows of garbage, inside a transaction. The store that is gone after it,
  // if one is: the caller forgets it when the transaction has committed.
  Result<std::optional<std::uint64_t>> sweep(std::uint64_t rows);
  void forget_garbage(std::optional<std::uint64_t> store);

  // --- saving, from the outside ---

  // Before entries are applied: begins to save when there is enough, and waits for it when there is
  // twice as much. Errors: no_space (nothing may be applied).
  Result<void> make_room();
  // A fiber of its own.
  void save_loop();

  // --- reading, by a connection that sees the last commit. REQUIRES: apply_lock_ is held ---

  // What was applied of the key and is not in the database; as in Unsaved.
  const std::optional<VersionedValue>* find_unsaved(std::uint64_t store, BytesView key) const;
  Result<std::optional<std::uint64_t>> find_version(std::uint64_t store, BytesView key);
  Result<std::optional<VersionedValue>> find_value(std::uint64_t store, BytesView key);
  // As Rows::scan().
  Result<std::vector<Row>> scan(std::uint64_t store, BytesView from, BytesView to,
                                std::size_t limit);
  // What is kept in memory of the group's rows.
  Result<void> load_rules(GroupState& group);
  // The outcome of the token of this number, if it is this one. REQUIRES: it is remembered.
  Result<std::optional<BatchOutcome>> find_outcome(std::uint64_t store, std::uint64_t number,
                                                   BytesView token);

  // Makes durable, and then marks as such, all that is committed: before a checkpoint copies it.
  // REQUIRES: checkpoint_lock_ is held.
  Result<void> sync_and_mark();
  // The mark asks for no frame of the -wal file any more: the database file has them all.
  Result<void> mark_without_wal();
  // Copies the -wal file to the database file as far as readers let it, so that it begins anew.
  // REQUIRES: checkpoint_lock_ is held.
  Result<void> shorten_wal();

  // Puts a whole snapshot in the place of the group's state: one transaction.
  Result<void> replace_group(GroupId id, const Staging& staging, const raft::StateLabel& label);

  void note_committed(GroupId id, const GroupRow& row);

  // Null if there is nothing of the group yet. Never suspends.
  const GroupState* find(GroupId id) const;

  Env& env_;
  const StateStoreOptions options_;
  std::unique_ptr<SqliteFiles> files_;

  // For saving and staging, and for walks over all of a group. The statements end before it.
  std::unique_ptr<SqliteDatabase> main_;
  // Who holds both takes them in this order.
  FiberLock write_lock_;  // To use main_.
  FiberLock apply_lock_;  // To apply, and to read by reader_: what was applied stays as it is.
  SqliteStatement begin_, commit_;
  SqliteStatement put_, remove_, walk_content_;
  SqliteStatement put_token_, walk_tokens_;
  SqliteStatement save_group_;
  SqliteStatement load_staging_, save_staging_, drop_staging_;
  SqliteStatement add_garbage_, drop_garbage_;
  SqliteStatement nth_key_, sweep_before_, sweep_keys_, sweep_tokens_;

  // For applying and reading, so that they do not wait for a transaction that saves.
  std::unique_ptr<SqliteDatabase> reader_;
  SqliteStatement find_version_, find_value_, find_token_, scan_, scan_to_end_;
  VersionCache versions_;

  // For checkpoints, so that saving does not wait for their syncs.
  std::unique_ptr<SqliteDatabase> checkpointer_;
  FiberLock checkpoint_lock_;
  std::unique_ptr<MarkFile> mark_file_;
  FiberLock mark_lock_;
  std::uint64_t wal_begun_ = 0;  // How often the -wal file was begun anew.
  std::size_t open_snapshots_ = 0;

  // As of the last entry applied; what the database does not have of it: first what is on its way
  // there, or was when there was no space, then what is newer.
  std::map<GroupId, GroupState> groups_;
  const GroupMemory nothing_;  // Of a group of which nothing was applied.
  Unsaved saving_;
  Unsaved unsaved_;
  WaitQueue save_wanted_;
  std::optional<Error> save_error_;  // Why `saving_` is still there.
  // What the database has of the groups, as of the last commit; not of those without an entry.
  std::map<GroupId, DurabilityMark::Group> committed_;
  std::vector<std::uint64_t> garbage_;
  std::uint64_t next_store_ = 1;
  TaskGroup saver_;

 private:
  Result<void> prepare_statements();
  Result<void> load();
  Error before_mark(std::string_view what) const;
  Result<void> check_wal_mark();
  Result<void> check_group_marks();

  template <typename Visit>
  Result<void> walk_slots(std::uint64_t store, std::uint64_t from, std::uint64_t to,
                          const Visit& visit) {
    walk_tokens_.bind(1, store).bind(2, from).bind(3, to);
    while (true) {
      TRY(const bool is_row, walk_tokens_.step());
      if (!is_row) break;
      visit(walk_tokens_.integer(0), walk_tokens_.bytes(1), walk_tokens_.bytes(2));
    }
    walk_tokens_.reset();
    return {};
  }
};

// The content of one store. What is written is in memory at once. REQUIRES: apply_lock_ is held
// while it is used.
class StateStore::StoreRows final : public Rows {
 public:
  StoreRows(Parts& parts, std::uint64_t store) : parts_(parts), store_(store) {}

  Result<std::optional<VersionedValue>> get(BytesView key) override;
  Result<std::optional<std::uint64_t>> version(BytesView key) override;
  Result<std::vector<Row>> scan(BytesView from, BytesView to, std::size_t limit) override {
    return parts_.scan(store_, from, to, limit);
  }
  void put(BytesView key, VersionedValue value) override { write(key, std::move(value)); }
  void remove(BytesView key) override { write(key, std::nullopt); }

 private:
  void write(BytesView key, std::optional<VersionedValue> value);

  Parts& parts_;
  const std::uint64_t store_;
};

}  // namespace keelson::kv
