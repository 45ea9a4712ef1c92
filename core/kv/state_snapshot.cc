// Snapshots that we send, and moments of all groups: one read transaction of a connection of its
// own. Tested by tests/core/kv/state_snapshot_test.cc.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/kv/snapshot_format.h"
#include "core/kv/state_parts.h"
#include "core/kv/state_schema.h"
#include "core/raft/messages.h"

namespace keelson::kv {

// A connection inside a read transaction: it sees the database as it is when it is opened.
class StateStore::ReadTransaction {
 public:
  explicit ReadTransaction(Parts& parts) : parts_(parts) { ++parts_.open_snapshots_; }
  // What it has read of the -wal file may be overwritten from here on. Does no I/O.
  ~ReadTransaction() { --parts_.open_snapshots_; }
  ReadTransaction(const ReadTransaction&) = delete;
  ReadTransaction& operator=(const ReadTransaction&) = delete;

  Result<void> open() {
    const std::size_t cache = std::max<std::size_t>(64 * 1024, parts_.options_.cache_bytes / 8);
    TRY(database_, SqliteDatabase::open(*parts_.files_, {.cache_bytes = cache}));
    TRY(database_->execute("BEGIN"));
    // The transaction begins with its first read.
    TRY(SqliteStatement first, database_->prepare(sql::kLoadGroups));
    TRY([[maybe_unused]] const bool is_row, first.step());
    return {};
  }

  SqliteDatabase& database() { return *database_; }

 private:
  Parts& parts_;
  std::unique_ptr<SqliteDatabase> database_;
};

class StateStore::OpenSnapshot final : public raft::Snapshot {
 public:
  // Reads within `transaction`, which outlives it.
  OpenSnapshot(Parts& parts, ReadTransaction& transaction)
      : parts_(parts), database_(transaction.database()) {}
  // Within its own.
  OpenSnapshot(Parts& parts, std::unique_ptr<ReadTransaction> transaction)
      : parts_(parts), owned_(std::move(transaction)), database_(owned_->database()) {}

  Result<void> open(GroupId group) {
    TRY(SqliteStatement load, database_.prepare(sql::kLoadGroup));
    load.bind(1, group.value);
    TRY(const bool is_row, load.step());
    snapshot::Header header{.limit = parts_.options_.tokens_remembered, .configuration = {}};
    Bytes configuration = raft::encode(raft::Configuration{});
    std::uint64_t store = 0;  // Nobody's.
    if (is_row) {
      store = load.integer(1);
      header.index = load.integer(2);
      header.term = load.integer(3);
      configuration = load.bytes(4);
      header.digest = load.integer(5);
      header.tokens = load.integer(6);
    }
    load.reset();
    header.configuration = configuration;
    label_.index = raft::LogIndex(header.index);
    label_.term = raft::Term(header.term);
    TRY(label_.configuration, raft::decode_configuration(configuration));
    snapshot::append(ready_, header, checksum_);
    TRY(keys_, database_.prepare(sql::kWalkContent));
    keys_.bind(1, store);
    TRY(tokens_, database_.prepare(sql::kWalkTokens));
    middle_ = header.tokens % header.limit;
    tokens_.bind(1, store).bind(2, middle_).bind(3, header.limit);
    return {};
  }

  const raft::StateLabel& label() const override { return label_; }

  Result<raft::SnapshotChunk> read(std::uint64_t number) override {
    if (last_ && last_->number == number) return *last_;
    CHECK(number == (last_ ? last_->number + 1 : 0));
    CHECK(!last_ || !last_->is_last);
    // One byte more than fits shows that this chunk is not the last.
    while (part_ != Part::end && ready_.size() <= parts_.options_.chunk_bytes) TRY(fill());
    const std::size_t size = std::min(ready_.size(), parts_.options_.chunk_bytes);
    last_ = raft::SnapshotChunk{.number = number,
                                .is_last = part_ == Part::end && size == ready_.size(),
                                .data = ready_.substr(0, size)};
    ready_.erase(0, size);
    CHECK(last_->is_last == (part_ == Part::end && ready_.empty()));
    return *last_;
  }

 private:
  enum class Part { keys, older_tokens, newer_tokens, end };

  // One more record.
  Result<void> fill() {
    CHECK(part_ != Part::end);
    SqliteStatement& rows = part_ == Part::keys ? keys_ : tokens_;
    TRY(const bool is_row, rows.step());
    if (is_row && part_ == Part::keys) {
      snapshot::append(ready_,
                       snapshot::Key{.version = rows.integer(1),
                                     .key = rows.bytes(0),
                                     .value = rows.bytes(2)},
                       checksum_);
    } else if (is_row) {
      snapshot::append(ready_,
                       snapshot::Token{.number = rows.integer(0),
                                       .outcome = rows.bytes(2),
                                       .token = rows.bytes(1)},
                       checksum_);
    } else {
      begin_next_part();
    }
    return {};
  }

  void begin_next_part() {
    switch (part_) {
      case Part::keys: part_ = Part::older_tokens; return;
      case Part::older_tokens:
        tokens_.reset();
        tokens_.bind(2, 0).bind(3, middle_);
        part_ = Part::newer_tokens;
        return;
      case Part::newer_tokens:
        snapshot::append(ready_, snapshot::End{checksum_}, checksum_);
        part_ = Part::end;
        return;
      case Part::end: break;
    }
    CHECK(false);
  }

  Parts& parts_;
  const std::unique_ptr<ReadTransaction> owned_;  // Null: another's.
  SqliteDatabase& database_;                      // Its statements end before it.
  SqliteStatement keys_, tokens_;
  raft::StateLabel label_;
  std::uint64_t middle_ = 0;  // The slot of the oldest token, once the ring is full.
  Part part_ = Part::keys;
  Bytes ready_;  // Of the stream, not yet in a chunk.
  std::uint64_t checksum_ = 0;
  std::optional<raft::SnapshotChunk> last_;
};

class StateStore::OpenMoment final : public StateMoment {
 public:
  OpenMoment(Parts& parts, std::unique_ptr<ReadTransaction> transaction)
      : parts_(parts), transaction_(std::move(transaction)) {}

  Result<std::unique_ptr<raft::Snapshot>> open(GroupId group) override {
    auto snapshot = std::make_unique<OpenSnapshot>(parts_, *transaction_);
    TRY(snapshot->open(group));
    return std::unique_ptr<raft::Snapshot>(std::move(snapshot));
  }

 private:
  Parts& parts_;
  const std::unique_ptr<ReadTransaction> transaction_;
};

Result<std::unique_ptr<StateStore::ReadTransaction>> StateStore::begin_reading() {
  if (parts_->open_snapshots_ >= parts_->options_.snapshots_limit) {
    return Error{ErrorCode::unavailable,
                 fmt::format("{} snapshots are open", parts_->open_snapshots_)};
  }
  // Its reader sees what is in the database.
  const auto saved = parts_->save();
  if (!saved && saved.error().code == ErrorCode::no_space) {
    return Error{ErrorCode::unavailable, saved.error().message};
  }
  TRY(saved);
  auto transaction = std::make_unique<ReadTransaction>(*parts_);
  TRY(transaction->open());
  return transaction;
}

Result<std::unique_ptr<raft::Snapshot>> StateStore::open_snapshot(GroupId group) {
  TRY(auto transaction, begin_reading());
  auto snapshot = std::make_unique<OpenSnapshot>(*parts_, std::move(transaction));
  TRY(snapshot->open(group));
  return std::unique_ptr<raft::Snapshot>(std::move(snapshot));
}

Result<std::unique_ptr<StateMoment>> StateStore::open_moment() {
  TRY(auto transaction, begin_reading());
  return std::unique_ptr<StateMoment>(
      std::make_unique<OpenMoment>(*parts_, std::move(transaction)));
}

}  // namespace keelson::kv
