// Sending a snapshot to a follower (§7): chunk by chunk, each answered before the next, so that
// heartbeats and appends are never stuck behind it.
// Tested by tests/core/node/snapshot_test.cc and the scenario snapshot_catch_up.
#include <fmt/format.h>

#include "core/raft/raft_node_state.h"

namespace keelson::raft {

namespace {

// Sent at once by one node: each holds back what it reads from being written over.
constexpr std::size_t kTransfersMax = 4;

}  // namespace

void RaftNode::begin_snapshots(Group& group, const std::set<NodeId>& followers) {
  for (const NodeId follower : followers) {
    if (group.transfers.contains(follower) || transfers_.size() >= kTransfersMax) continue;
    transfers_.spawn("snapshot sender",
                     [this, &group, follower] { send_snapshot(group, follower); });
  }
}

void RaftNode::send_snapshot(Group& group, NodeId follower) {
  if (group.transfers.contains(follower)) return;
  Transfer transfer(env_.scheduler, group, follower);
  auto snapshot = state_machine_.open_snapshot(group.id);
  if (!snapshot) {
    if (snapshot.error().code == ErrorCode::corrupt) end_with_damaged_state(snapshot.error());
    env_.log.event("raft", "no snapshot: " + snapshot.error().message);
    return;
  }
  StateLabel label = (*snapshot)->label();
  if (label.configuration.members.empty()) label.configuration = group.founders;
  if (label.index.value == 0) return;  // There is nothing to send.
  transfer.id = {.number = snapshot_numbers_->below(UINT64_MAX) + 1,
                 .index = label.index,
                 .term = label.term};
  env_.log.event("raft", fmt::format("{}: sends {} a snapshot at {}/{}", to_string(group.id),
                                     to_string(follower), label.index.value, label.term.value));
  ++snapshot_counts_.sent;
  for (std::uint64_t number = 0;; ++number) {
    const auto chunk = (*snapshot)->read(number);
    if (!chunk && chunk.error().code == ErrorCode::corrupt) end_with_damaged_state(chunk.error());
    if (!chunk || !send_chunk(group, transfer, label, *chunk) || chunk->is_last) return;
  }
}

// True when the follower has it and wants the next. Otherwise there is no going on: it has what it
// needs, or it has lost what it had, or this node leads no more. A follower that still needs one
// will be sent another.
bool RaftNode::send_chunk(Group& group, Transfer& transfer, const StateLabel& label,
                          const SnapshotChunk& chunk) {
  for (std::uint32_t tries = 0; tries < options_.snapshot_tries_max; ++tries) {
    const auto message = group.core.install_snapshot(label, transfer.id.number, chunk);
    if (!message) return false;
    transfer.answer.reset();
    sender_.send(transfer.to, group.id, *message);
    const auto deadline = Deadline::in(env_.clock, options_.snapshot_patience);
    while (!transfer.answer && transfer.answered.wait(deadline)) {
    }
    if (!transfer.answer) {
      SOMETIMES(env_.marks, "raft: snapshot chunk sent again");
      continue;
    }
    if (transfer.answer->installed) return false;
    if (transfer.answer->next_chunk == chunk.number + 1) return true;
    if (transfer.answer->next_chunk != chunk.number) {
      SOMETIMES(env_.marks, "raft: follower lost its staged chunks");
      return false;
    }
    env_.scheduler.sleep_until(deadline.at);  // It cannot take the chunk now.
  }
  return false;
}

}  // namespace keelson::raft
