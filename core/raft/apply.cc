// The applier: committed entries into the state machine, and the chunks of snapshots beside it.
// Tested by tests/core/node/*_test.cc and every scenario.
#include <fmt/format.h>

#include <utility>

#include "core/raft/raft_node_state.h"

namespace keelson::raft {

namespace {

// Of one call of StateMachine::apply().
constexpr std::size_t kApplyEntriesMax = 256;
constexpr std::size_t kApplyBytesMax = 4 << 20;

}  // namespace

void RaftNode::apply_loop() {
  while (true) {
    while (to_apply_.empty()) (void)to_apply_changed_.wait(Deadline::never());
    if (std::holds_alternative<Entry>(to_apply_.front().what)) {
      apply_entries();
    } else {
      const ToApply work = std::move(to_apply_.front());
      to_apply_.pop_front();
      take_chunk(*work.group, std::get<ReceivedChunk>(work.what));
    }
  }
}

// The entries at the front of the queue, without those that a snapshot has brought meanwhile.
std::vector<Committed> RaftNode::take_entries() {
  std::vector<Committed> entries;
  std::size_t bytes = 0;
  while (!to_apply_.empty() && entries.size() < kApplyEntriesMax && bytes < kApplyBytesMax) {
    auto* const entry = std::get_if<Entry>(&to_apply_.front().what);
    if (entry == nullptr) break;
    const Group& group = *to_apply_.front().group;
    bytes += entry->data.size();
    to_apply_bytes_ -= entry->data.size();
    if (entry->index > group.last_applied) entries.push_back({group.id, std::move(*entry)});
    to_apply_.pop_front();
  }
  return entries;
}

void RaftNode::apply_entries() {
  const std::vector<Committed> entries = take_entries();
  for (const GroupId id : std::exchange(waiting_for_applier_, {})) wake(find(id));
  if (entries.empty()) return;
  while (true) {
    auto results = state_machine_.apply(entries);
    if (results) {
      CHECK(results->size() == entries.size());
      for (std::size_t i = 0; i < entries.size(); ++i) {
        finish_applying(entries[i], std::move((*results)[i]));
      }
      break;
    }
    if (results.error().code != ErrorCode::no_space) end_with_damaged_state(results.error());
    SOMETIMES(env_.marks, "raft: state had no space");
    look_for_space(true);
    env_.scheduler.sleep_until(env_.clock.now() + kNoSpaceRetry);
  }
  std::set<GroupId> changed;
  for (const Committed& committed : entries) changed.insert(committed.group);
  for (const GroupId id : changed) {
    if (observer_ != nullptr) observer_->on_state_changed(id);
    find(id).applied_changed.notify_all();
  }
  if (compaction_is_due()) compaction_wanted_.notify_one();
}

void RaftNode::finish_applying(const Committed& committed, Bytes result) {
  Group& group = find(committed.group);
  const Entry& entry = committed.entry;
  CHECK(entry.index == group.last_applied.next());  // State machine safety starts here.
  group.last_applied = entry.index;
  if (observer_ != nullptr) observer_->on_applied(group.id, entry);
  const auto waiting = group.proposals.find(entry.index);
  if (waiting == group.proposals.end()) return;
  Proposal& proposal = *waiting->second;
  proposal.result = std::move(result);
  // An entry of another term at this index: ours can never be committed (§5.3, log matching).
  proposal.decide(entry.term == proposal.term ? Proposal::Outcome::applied
                                              : Proposal::Outcome::replaced);
}

void RaftNode::end_with_damaged_state(const Error& error) {
  // Only what is surely lost: after io_error the same state may be read at the next start, and what
  // the log has forgotten is nowhere else on this node.
  if (error.code == ErrorCode::corrupt) {
    if (auto aside = state_machine_.set_aside(); !aside) {
      env_.log.event("raft", "the damaged state cannot be put aside: " + aside.error().message);
    }
  }
  env_.process.fail_stop("the state cannot be used: " + error.message);
  CHECK(false && "fail_stop has returned");
}

// --- a snapshot that a leader sends ---

void RaftNode::take_chunk(Group& group, const ReceivedChunk& received) {
  const SnapshotId& id = received.message.id;
  // Overtaken meanwhile, or not yet to be judged: the leader asks again and is told.
  const bool includes_it = id.index <= group.last_applied && !group.core.needs_snapshot();
  if (includes_it || !group.core.may_install(id)) return;
  const auto done = stage_and_install(group, received);
  if (!done && done.error().code == ErrorCode::no_space) return look_for_space(true);
  if (!done) end_with_damaged_state(done.error());
  wake(group);
}

Result<void> RaftNode::stage_and_install(Group& group, const ReceivedChunk& received) {
  const SnapshotId& id = received.message.id;
  const SnapshotChunk& chunk = received.message.chunk;
  TRY(std::uint64_t wanted, state_machine_.staged(group.id, id));
  if (chunk.number == wanted) {
    auto staged = state_machine_.stage(group.id, id, chunk);
    if (!staged && staged.error().code != ErrorCode::invalid_argument) return staged;
    if (!staged) env_.log.event("raft", "a snapshot's chunk is refused: " + staged.error().message);
    if (staged) ++wanted;
  } else {
    SOMETIMES(env_.marks, "raft: snapshot resumed at a later chunk");
  }
  const bool is_whole = chunk.is_last && wanted == chunk.number + 1;
  if (!is_whole) {
    group.core.snapshot_staged(received, wanted);
    return {};
  }
  const StateLabel label{id.index, id.term, received.message.configuration};
  auto installed = state_machine_.install(group.id, id, label);
  if (!installed && installed.error().code == ErrorCode::invalid_argument) {
    env_.log.event("raft", "a snapshot is refused: " + installed.error().message);
    group.core.snapshot_staged(received, 0);
    return {};
  }
  while (!installed && installed.error().code == ErrorCode::no_space &&
         state_machine_.label(group.id).index == label.index) {
    SOMETIMES(env_.marks, "raft: snapshot had no space to become durable");
    look_for_space(true);
    env_.scheduler.sleep_until(env_.clock.now() + kNoSpaceRetry);
    const auto durable = state_machine_.make_durable();
    installed = durable ? Result<void>() : Result<void>(durable.error());
  }
  TRY(std::move(installed));
  install(group, received);
  return {};
}

void RaftNode::install(Group& group, const ReceivedChunk& received) {
  const StateLabel label = state_machine_.label(group.id);
  env_.log.event("raft", fmt::format("{}: state replaced by the snapshot of {} at {}/{}",
                                     to_string(group.id), to_string(received.from),
                                     label.index.value, label.term.value));
  // Entries may have come meanwhile up to the snapshot's last, and be on their way to the disk.
  while (!group.core.may_install(received.message.id)) {
    SOMETIMES(env_.marks, "raft: snapshot waited for the log");
    (void)group.stable_changed.wait(Deadline::never());
  }
  group.last_applied = label.index;
  ++snapshot_counts_.installed;
  group.core.snapshot_installed(received, label);
  if (observer_ != nullptr) {
    observer_->on_installed(group.id, label);
    observer_->on_state_changed(group.id);
  }
  // What it brought is applied; with which result, is not known here.
  while (!group.proposals.empty() && group.proposals.begin()->first <= label.index) {
    group.proposals.begin()->second->decide(Proposal::Outcome::unknown);
  }
  group.applied_changed.notify_all();
}

}  // namespace keelson::raft
