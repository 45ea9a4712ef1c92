// What Raft replicates: the state of a node's groups, which entries change, and which snapshots
// carry to a node whose log cannot be continued (§7).
//
// The state is a function of the log: it may be behind the log after a crash, and is brought up to
// date from it. The log may forget an entry only when the state that includes it is durable. The
// one implementation of production is core/kv/state_store.h.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/result.h"
#include "core/raft/types.h"

namespace keelson::raft {

// A committed entry, and whose it is.
struct Committed {
  GroupId group;
  Entry entry;
};

// What a state includes: all entries up to this one. "lastIncludedIndex", "lastIncludedTerm" and
// the latest configuration as of that index (Figure 13). Index 0 is the empty state.
struct StateLabel {
  LogIndex index;
  Term term;
  Configuration configuration;

  bool operator==(const StateLabel&) const = default;
};

// A part of a snapshot. Its size is bounded, its number counts from 0.
struct SnapshotChunk {
  std::uint64_t number = 0;
  bool is_last = false;
  Bytes data;

  bool operator==(const SnapshotChunk&) const = default;
};

// Names one snapshot, so that the parts of two are never mixed and an interrupted transfer can go
// on where it was: drawn by the sender.
struct SnapshotId {
  std::uint64_t number = 0;
  LogIndex index;  // Of the label.
  Term term;

  bool operator==(const SnapshotId&) const = default;
};

// One consistent view of one group, while entries go on being applied.
class Snapshot {
 public:
  virtual ~Snapshot() = default;

  virtual const StateLabel& label() const = 0;

  // The chunk of this number: the one after the last that was read, or that one again. Suspends.
  // Errors: io_error, corrupt; the snapshot is useless then.
  virtual Result<SnapshotChunk> read(std::uint64_t number) = 0;
};

// Calls that may suspend are never made at the same time, except open_snapshot() and
// Snapshot::read(), make_durable(), which may go on while entries are applied.
class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // What the state of a group includes now. Never suspends.
  virtual StateLabel label(GroupId group) const = 0;

  // Applies entries, each group's in the order of its log, each exactly once; all or none, together
  // with the labels. Deterministic: no clock, no chance, no order of addresses. Gives the result of
  // each entry, for its proposer. Not durable when it returns. May suspend.
  // REQUIRES: each group's entries continue its label. Errors: no_space (nothing was applied, and
  // the same may be tried again), io_error, corrupt (the node must end).
  virtual Result<std::vector<Bytes>> apply(const std::vector<Committed>& entries) = 0;

  // Makes durable whatever was applied before the call; the labels of that moment, by group, are
  // what a restart will find at least. May suspend. Errors: no_space, io_error, corrupt.
  virtual Result<std::vector<std::pair<GroupId, LogStart>>> make_durable() = 0;

  // A view of the group at its label of now. Suspends. Errors: unavailable (too many are open),
  // io_error, corrupt.
  virtual Result<std::unique_ptr<Snapshot>> open_snapshot(GroupId group) = 0;

  // --- a snapshot that another node sends ---

  // The number of the chunk that is wanted next: what is staged survives a restart, and the chunks
  // of another snapshot of the group do not count. Suspends. Errors: io_error.
  virtual Result<std::uint64_t> staged(GroupId group, const SnapshotId& id) = 0;

  // Keeps the chunk beside the state if it is the wanted one (another is ignored); the state does
  // not change. A chunk of another snapshot replaces what was staged. Suspends. Errors: no_space,
  // invalid_argument (the chunk is no chunk, or belongs to no such snapshot), io_error, corrupt
  // (the state is damaged).
  virtual Result<void> stage(GroupId group, const SnapshotId& id, const SnapshotChunk& chunk) = 0;

  // Puts the staged snapshot in the place of the group's state: atomic, and durable when it
  // returns. A snapshot of before any entry of configuration takes the label's.
  // REQUIRES: all chunks are staged; the group's label is not beyond it. Suspends. Errors:
  // invalid_argument (the whole fails its checksum: what was staged is dropped), no_space (when the
  // label is the snapshot's nevertheless, only its durability is missing, which make_durable()
  // gives it), io_error, corrupt (the state is damaged).
  virtual Result<void> install(GroupId group, const SnapshotId& id, const StateLabel& label) = 0;

  // After `corrupt`: puts what is damaged aside, durably, so that the next start finds an empty
  // state, which the log or a snapshot fills again. Suspends. Errors: io_error.
  virtual Result<void> set_aside() = 0;
};

}  // namespace keelson::raft
