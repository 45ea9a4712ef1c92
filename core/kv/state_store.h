// StateStore: the state of all groups of a node, in one SQLite database on its Disk
// (core/storage/sqlite_database.h). A group's state is an ordered map of rows, which
// core/kv/group_machine.h changes, and the memory of which batches were applied. The same entries
// in the same order give the same state and outcomes on every node: it knows no clock, no chance
// and no order but that of keys and the log.
//
// What survives. What is applied stays in memory first and is written many entries at once, in one
// transaction with their labels (core/kv/state_unsaved.h), a few rows at a time while applying goes
// on; a transaction is durable when the database's -wal file was synced after it. So a loss of
// power takes some of the last transactions, whole ones, and what is left is the state at an
// earlier label, from which the log goes on. make_durable() says which label that is at least, and
// writes it down beside the database (core/kv/state_mark.h), so that damage which looks like a loss
// of power is known for what it is.
//
// Tables (core/kv/state_schema.h has the SQL). A "store" is the content of one group; a snapshot
// that is sent to us grows in a store of its own, which takes the place of the group's at
// install().
//   groups   group -> its store, label, digest, and how many tokens were ever remembered
//   kv       (store, key) -> version, value: the rows of core/kv/rows.h
//   tokens   (store, number modulo tokens_remembered) -> number, token, outcome: a ring
//   staging  group -> the store of a snapshot that arrives, and how far it has come
//   garbage  stores that nobody refers to; their rows are deleted a few at a time
//
// More than one fiber may call, as core/raft/state_machine.h says; read(), scan() and
// content_digest() may be called at any time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/kv/group_machine.h"
#include "core/kv/store.h"
#include "core/kv/versions.h"
#include "core/raft/state_machine.h"
#include "core/runtime/env.h"

namespace keelson::kv {

struct StateStoreOptions {
  // The folder of state.db and DURABLE, made when it is missing.
  std::string folder = "state";
  // Retried tokens are recognised while they are among a group's newest so many. Part of the
  // replicated state, hence the same for every node of a group and for all time.
  std::uint64_t tokens_remembered = 10'000;
  // Of a snapshot that we send; at least one byte.
  std::size_t chunk_bytes = 256 * 1024;
  // What was applied is written to the database when there is so much of it. Applying goes on
  // meanwhile, and waits only when there is twice as much.
  std::uint64_t unsaved_bytes_limit = 16 << 20;
  // Pages of the database kept in memory for applying and reading. Every open snapshot keeps an
  // eighth of it, at least 64 KiB.
  std::size_t cache_bytes = 64 << 20;
  // Above this size of the -wal file, make_durable() lets applying wait for one more, short
  // checkpoint, as otherwise a load that never pauses lets the file grow for ever.
  std::uint64_t wal_bytes_limit = 64 << 20;
  // Neighbouring pages that a checkpoint writes at once: for a disk, a few large writes are less
  // work than many small ones.
  std::size_t checkpoint_write_bytes = 256 << 10;
  // Open at the same time; more are refused.
  std::size_t snapshots_limit = 3;
};

// For metrics.
struct StateStoreSizes {
  std::uint64_t database_bytes = 0;
  std::uint64_t wal_bytes = 0;
  std::size_t open_snapshots = 0;
};

// All groups of a node at one moment between two calls of StateStore::apply(). The store outlives
// it. It counts as one open snapshot.
class StateMoment {
 public:
  virtual ~StateMoment() = default;
  // The group as of that moment; it ends before the moment does. Suspends. Errors: io_error,
  // corrupt.
  virtual Result<std::unique_ptr<raft::Snapshot>> open(GroupId group) = 0;
};

class StateStore final : public raft::StateMachine {
 public:
  // Opens the database, or makes an empty one where there is none; what was applied before is there
  // as far as the top of this file says. Errors: corrupt (the message names file and offset: see
  // set_aside()), io_error, no_space, timed_out. `env` outlives the store.
  static Result<std::unique_ptr<StateStore>> open(Env& env, StateStoreOptions options,
                                                  Deadline deadline);
  // For a node whose database is damaged, when open() says so: renames its files to *.damaged, in
  // the place of earlier ones of that name, durably. The next open() makes an empty one. Fine when
  // there is none. REQUIRES: no StateStore of the folder is open.
  static Result<void> set_aside(Env& env, const StateStoreOptions& options, Deadline deadline);

  // Does no I/O. REQUIRES: its snapshots are gone, and no fiber is inside a call.
  ~StateStore() override;
  StateStore(const StateStore&) = delete;
  StateStore& operator=(const StateStore&) = delete;

  // --- raft::StateMachine ---

  raft::StateLabel label(GroupId group) const override;

  // The result of a batch is an encoded BatchResult, that of any other command a CommandResult
  // (core/kv/command.h), that of another entry is empty. After an error that is not no_space the
  // node must end.
  Result<std::vector<Bytes>> apply(const std::vector<raft::Committed>& entries) override;

  // When the disk is full after what was applied has become durable, this is a success: only the
  // -wal file stays as long as it is.
  Result<std::vector<std::pair<GroupId, raft::LogStart>>> make_durable() override;

  Result<std::unique_ptr<raft::Snapshot>> open_snapshot(GroupId group) override;
  Result<std::uint64_t> staged(GroupId group, const raft::SnapshotId& id) override;
  Result<void> stage(GroupId group, const raft::SnapshotId& id,
                     const raft::SnapshotChunk& chunk) override;
  Result<void> install(GroupId group, const raft::SnapshotId& id,
                       const raft::StateLabel& label) override;
  // This object is of no use afterwards.
  Result<void> set_aside() override;

  // Errors: unavailable (too many snapshots are open, or the disk is full), io_error, corrupt.
  // Suspends.
  Result<std::unique_ptr<StateMoment>> open_moment();

  // --- reading ---

  // All of one moment, between two calls of apply(). May suspend. Errors: conflict (as read() of
  // core/kv/versions.h says), io_error, corrupt (the node must end).
  Result<ReadOutcome> read(GroupId group, const ReadRequest& request);
  // Of the group's rows, those of core/kv/rows.h included; as Rows::scan(). May suspend. Errors:
  // io_error, corrupt.
  Result<std::vector<Row>> scan(GroupId group, BytesView from, BytesView to, std::size_t limit);

  // As of the last entry applied, and valid until the caller suspends.
  const GroupMemory& memory(GroupId group) const;

  // A chain over every entry applied and its outcome: equal on two nodes with equal labels, or
  // their state machines have parted. Never suspends.
  std::uint64_t digest(GroupId group) const;
  // Over keys, values and versions in order, then the remembered tokens and their outcomes, oldest
  // first; walks all of the group, and applying waits. May suspend. Errors: io_error, corrupt.
  Result<std::uint64_t> content_digest(GroupId group);
  // How many tokens of the group are remembered. Never suspends.
  std::uint64_t tokens_remembered(GroupId group) const;

  // Never suspends.
  StateStoreSizes sizes() const;

 private:
  class Application;
  class ReadTransaction;
  class OpenSnapshot;
  class OpenMoment;
  class Stager;
  class Parts;
  class StoreRows;
  explicit StateStore(std::unique_ptr<Parts> parts);
  Result<std::unique_ptr<ReadTransaction>> begin_reading();

  std::unique_ptr<Parts> parts_;
};

}  // namespace keelson::kv
