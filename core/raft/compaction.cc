// Compaction (§7) and the space on the disk: when the logs are cut, and what a node does that has
// no room for more.
//
// An entry may go when the state that includes it is durable. It had better stay while a snapshot
// of an earlier state is on its way, or the follower that installs it needs yet another one.
// Tested by tests/core/node/snapshot_test.cc and the scenarios snapshot_catch_up, disk_full.
#include <fmt/format.h>

#include <algorithm>

#include "core/raft/raft_node_state.h"

namespace keelson::raft {

void RaftNode::compact_loop() {
  while (true) {
    while (!compaction_is_due()) (void)compaction_wanted_.wait(Deadline::never());
    const Instant begun = env_.clock.now();
    // It will be tried again: without space there is nothing that could be cut by it.
    if (auto done = compact(false); !done) look_for_space(true);
    env_.scheduler.sleep_until(begun + options_.compaction_interval);
  }
}

bool RaftNode::compaction_is_due() const {
  if (persistence_.bytes() > options_.wal_bytes_max) return true;
  for (const auto& [id, group] : groups_) {
    if (group->core.log_bytes() > options_.log_bytes_max) return true;
  }
  return false;
}

Result<void> RaftNode::compact_now() { return compact(true); }

// Errors: no_space. Others end the node.
Result<void> RaftNode::compact(bool everything) {
  while (is_compacting_) (void)compaction_ended_.wait(Deadline::never());
  struct Turn {
    explicit Turn(RaftNode& owner) : node(owner) { node.is_compacting_ = true; }
    ~Turn() {
      node.is_compacting_ = false;
      node.compaction_ended_.notify_all();
    }
    RaftNode& node;
  } turn(*this);

  const auto durable = state_machine_.make_durable();
  if (!durable && durable.error().code == ErrorCode::no_space) return durable.error();
  if (!durable) end_with_damaged_state(durable.error());
  const bool wal_is_long = persistence_.bytes() > options_.wal_bytes_max;
  const std::vector<GroupId> oldest = persistence_.groups_in_oldest();
  for (const auto& [id, start] : *durable) {
    const auto found = groups_.find(id);
    if (found == groups_.end() || found->second->core.needs_snapshot()) continue;
    Group& group = *found->second;
    const bool holds_oldest = std::find(oldest.begin(), oldest.end(), id) != oldest.end();
    const bool is_long = group.core.log_bytes() > options_.log_bytes_max;
    if (!everything && !is_long && !(wal_is_long && holds_oldest)) continue;
    // A snapshot that is being installed is in the state before the core knows of it.
    const LogIndex durable_index = std::min(start.index, group.last_applied);
    const LogIndex last =
        cut_index(group, durable_index, everything || (wal_is_long && holds_oldest));
    if (last <= group.core.log_start().index) continue;
    SOMETIMES(env_.marks, "raft: log compacted");
    group.core.compact(last);
    persistence_.cut(id, group.core.log_start());
  }
  const auto give_back = [&]() -> Result<void> {
    TRY(persistence_.write_and_sync(Deadline::never()));
    return persistence_.remove_unneeded(Deadline::never());
  };
  const auto given_back = give_back();
  if (!given_back && given_back.error().code != ErrorCode::no_space) {
    env_.process.fail_stop("the log cannot be cut: " + given_back.error().message);
  }
  return given_back;
}

// A log that is merely long keeps its newer half, for followers that are a little behind.
LogIndex RaftNode::cut_index(const Group& group, LogIndex durable, bool all_of_it) const {
  LogIndex last = durable;
  if (!all_of_it) {
    const std::uint64_t start = group.core.log_start().index.value;
    last = std::min(last, LogIndex(start + (group.core.last_log_index().value - start + 1) / 2));
  }
  for (const auto& [follower, transfer] : group.transfers) {
    if (transfer->id.index.value == 0) continue;
    if (transfer->id.index < last) SOMETIMES(env_.marks, "raft: log kept for a snapshot under way");
    last = std::min(last, transfer->id.index);
  }
  return last;
}

// --- the space on the disk ---

void RaftNode::space_loop() {
  while (true) {
    look_for_space(false);
    env_.scheduler.sleep_until(env_.clock.now() + options_.space_check_interval);
  }
}

// A node whose disk is full, or nearly, takes no writes and leaves the lead to one that can. If
// nobody else takes it, this one leads again and serves reads; after a while it asks anew.
void RaftNode::look_for_space(bool ran_out) {
  const auto free = env_.disk.free_bytes();
  const bool is_full = ran_out || (free && *free < options_.disk_reserve_bytes);
  const Instant now = env_.clock.now();
  if (is_full == disk_is_full_) {
    if (!is_full) return;
    const Duration patience = groups_.begin()->second->options.election_timeout * 20;
    if (now - full_since_ < patience) return;
  } else {
    env_.log.event("raft",
                   is_full ? "the disk is full: no writes are taken" : "there is space again");
    if (!is_full) SOMETIMES(env_.marks, "raft: space returned");
  }
  disk_is_full_ = is_full;
  full_since_ = now;
  for (const auto& [id, group] : groups_) {
    if (is_full && group->core.role() == Role::leader) {
      SOMETIMES(env_.marks, "raft: leader without space stepped down");
    }
    group->core.set_reluctant(is_full, now);
    wake(*group);
  }
}

}  // namespace keelson::raft
