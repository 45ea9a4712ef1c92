// Log compaction (§7): forgetting the log, and InstallSnapshot for those who need what is
// forgotten.
//
// The state itself never passes through here: raft_node.cc streams it from one state machine to the
// other, and tells this core what it has come to.
// Tested by tests/core/raft/snapshot_test.cc.
#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/raft/raft.h"

namespace keelson::raft {

void Raft::compact(LogIndex last) {
  CHECK(last <= handed_out_index_ && !needs_snapshot_);
  log_.cut(last);
  // What the state includes is not in the log, and its configuration is the one before the rest.
  while (!configurations_.empty() && configurations_.front().index <= last) {
    base_configuration_ = std::move(configurations_.front());
    configurations_.erase(configurations_.begin());
  }
  check_invariants();
}

// --- The follower's side.

void Raft::on_install_snapshot(NodeId from, const InstallSnapshot& request, Instant now) {
  // Figure 13, 1: "Reply immediately if term < currentTerm".
  const ReceivedChunk received{from, request};
  if (!hear_leader(from, request.term, request.round, now)) {
    return answer_chunk(received, 0, false);
  }
  const bool has_it = request.id.index <= handed_out_index_ && !needs_snapshot_;
  if (has_it) return answer_chunk(received, 0, true);
  // A state from before the log's start cannot be continued by it. The leader will have a newer
  // one.
  if (request.id.index < log_.start().index) return answer_chunk(received, 0, false);
  chunks_.push_back(received);
}

void Raft::answer_chunk(const ReceivedChunk& received, std::uint64_t next_chunk, bool installed) {
  reply(received.from, InstallSnapshotReply{.term = persistent_.current_term,
                                            .id = received.message.id,
                                            .next_chunk = next_chunk,
                                            .installed = installed,
                                            .round = heard_round_});
}

void Raft::snapshot_staged(const ReceivedChunk& received, std::uint64_t next_chunk) {
  answer_chunk(received, next_chunk, false);
  note_appends_due();
  check_invariants();
}

bool Raft::may_install(const SnapshotId& id) const {
  if (id.index < log_.start().index) return false;
  return !log_.contains(id.index, id.term) || id.index <= log_.stable_index();
}

// Figure 13, 6: "If existing log entry has same index and term as snapshot's last included entry,
// retain log entries following it and reply". 7: "Discard the entire log".
void Raft::snapshot_installed(const ReceivedChunk& received, const StateLabel& label) {
  CHECK(may_install(received.message.id));
  const LogStart last{.index = label.index, .term = label.term};
  if (log_.contains(last.index, last.term)) {
    SOMETIMES(marks_, "raft: snapshot kept the log behind it");
  } else {
    CHECK(role_ != Role::leader && last.index > handed_out_index_);
    log_.restart(last);
    restart_to_write_ = last;
    configurations_.clear();
  }
  while (!configurations_.empty() && configurations_.front().index <= last.index) {
    configurations_.erase(configurations_.begin());
  }
  base_configuration_ = label.configuration;
  // What was handed out beyond it will be applied after it, unless nothing could be.
  handed_out_index_ = needs_snapshot_ ? last.index : std::max(handed_out_index_, last.index);
  needs_snapshot_ = false;
  commit_index_ = std::max(commit_index_, last.index);
  SOMETIMES(marks_, "raft: snapshot installed");
  answer_chunk(received, received.message.chunk.number + 1, true);
  note_appends_due();
  check_invariants();
}

// --- The leader's side.

void Raft::want_snapshot(NodeId follower, Progress& progress) {
  SOMETIMES(marks_, "raft: follower needs a snapshot");
  if (progress.state() != Progress::State::snapshotting) progress.become_snapshotting();
  snapshots_wanted_.insert(follower);
}

std::optional<Message> Raft::install_snapshot(const StateLabel& label, std::uint64_t number,
                                              SnapshotChunk chunk) const {
  if (role_ != Role::leader) return std::nullopt;
  return InstallSnapshot{.term = persistent_.current_term,
                         .id = {.number = number, .index = label.index, .term = label.term},
                         .configuration = label.configuration,
                         .chunk = std::move(chunk),
                         .round = round_};
}

void Raft::on_install_snapshot_reply(NodeId from, const InstallSnapshotReply& answer,
                                     Instant now) {
  if (answer.term > persistent_.current_term) return become_follower(answer.term, now);
  if (answer.term < persistent_.current_term || role_ != Role::leader) return;
  const auto found = progress_.find(from);
  if (found == progress_.end() || answer.round > round_) return;
  found->second.answered(answer.round);
  // It was committed here, hence is durable there.
  if (answer.installed && answer.id.index <= commit_index_) note_match(from, answer.id.index, now);
  confirm_rounds(now);
}

}  // namespace keelson::raft
