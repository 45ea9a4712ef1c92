// The loop, the log writer, and what callers wait for. The other loops: apply.cc, compaction.cc,
// snapshot_sender.cc; admission.cc.
// Tested by tests/core/node/coordinator_test.cc and every scenario.
#include "core/raft/raft_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/raft/raft_node_state.h"

namespace keelson::raft {

namespace {

// Commands proposed and not yet applied, of one group; more are refused.
constexpr std::size_t kProposalsMax = 4096;
constexpr std::size_t kProposalsBytesMax = 64 << 20;

}  // namespace

RaftNode::RaftNode(Env& env, const RaftNodeOptions& options, Persistence& persistence,
                   StateMachine& state_machine, MessageSender& sender, RaftObserver* observer)
    : env_(env), options_(options), persistence_(persistence), state_machine_(state_machine),
      sender_(sender), observer_(observer), snapshot_numbers_(env.random.stream("raft/snapshots")),
      work_(env.scheduler), writes_changed_(env.scheduler), to_apply_changed_(env.scheduler),
      compaction_wanted_(env.scheduler), compaction_ended_(env.scheduler),
      transfers_(env.scheduler), fibers_(env.scheduler) {}

RaftNode::~RaftNode() { stop(); }

void RaftNode::add_group(GroupId group, const Options& options, Recovered recovered,
                         const Configuration& founders) {
  CHECK(fibers_.size() == 0);
  if (recovered.state.configuration.members.empty()) recovered.state.configuration = founders;
  const bool is_new = groups_
                          .emplace(group, std::make_unique<Group>(env_, group, options,
                                                                  std::move(recovered), founders))
                          .second;
  CHECK(is_new);
  const Raft& core = find(group).core;
  if (core.needs_snapshot()) {
    SOMETIMES(env_.marks, "raft: state lost, asks for a snapshot");
    env_.log.event("raft",
                   fmt::format("{}: the state is lost, the log begins after {}: waiting for "
                               "a snapshot",
                               to_string(group), core.log_start().index.value));
  }
}

void RaftNode::start() {
  for (const auto& [id, group] : groups_) {
    deadlines_.emplace(group->deadline, id);
    wake(*group);
  }
  fibers_.spawn("raft loop", [this] { run(); });
  fibers_.spawn("log writer", [this] { write_loop(); });
  fibers_.spawn("applier", [this] { apply_loop(); });
  fibers_.spawn("compaction", [this] { compact_loop(); });
  fibers_.spawn("disk space", [this] { space_loop(); });
  if (options_.balance_interval > Duration::zero()) {
    fibers_.spawn("balance", [this] { balance_loop(); });
  }
}

void RaftNode::stop() {
  transfers_.stop();
  fibers_.stop();
  for (const auto& [id, group] : groups_) {
    while (!group->proposals.empty()) {
      group->proposals.begin()->second->decide(Proposal::Outcome::unknown);
    }
    for (const auto& [token, read] : std::exchange(group->reads, {})) {
      read->is_decided = true;
      read->decided.notify_all();
    }
  }
}

RaftNode::Group& RaftNode::find(GroupId group) const {
  const auto found = groups_.find(group);
  CHECK(found != groups_.end());
  return *found->second;
}

const Raft& RaftNode::core(GroupId group) const { return find(group).core; }
LogIndex RaftNode::last_applied(GroupId group) const { return find(group).last_applied; }

RaftNode::ReadRounds RaftNode::read_rounds(GroupId group) const {
  return find(group).read_rounds;
}

std::vector<GroupId> RaftNode::groups() const {
  std::vector<GroupId> ids;
  for (const auto& [id, group] : groups_) ids.push_back(id);
  return ids;
}

RaftNode::GroupCounts RaftNode::counts(GroupId id) const {
  const Group& group = find(id);
  return {.elections = group.elections,
          .proposals_failed = group.proposals_failed,
          .pending_proposals = group.proposals.size(),
          .pending_reads = group.reads.size()};
}

const Histogram& RaftNode::append_latency(GroupId group) const {
  return find(group).append_latency;
}

std::size_t RaftNode::waiting_callers() const {
  std::size_t count = 0;
  for (const auto& [id, group] : groups_) count += group->proposals.size() + group->reads.size();
  return count;
}

// --- the loop ---

void RaftNode::run() {
  while (true) {
    while (awake_.empty() && next_turn() > env_.clock.now()) {
      (void)work_.wait(Deadline{next_turn()});
    }
    wake_due();
    for (Group* const group : std::exchange(awake_, {})) attend(*group);
  }
}

void RaftNode::attend(Group& group) {
  group.is_awake = false;
  const Instant now = env_.clock.now();
  if (group.core.next_deadline() <= now) group.core.tick(now);
  const bool may_apply = to_apply_bytes_ < kToApplyBytesMax;
  if (group.core.has_ready(may_apply)) carry_out(group, group.core.take_ready(may_apply));
  notice_leader_change(group);
  notice_configuration_change(group);
  // One take_ready() need not hand out everything; what the applier has no room for waits for it.
  if (group.core.has_ready(may_apply)) {
    wake(group);
  } else if (!may_apply && group.core.has_ready(true)) {
    waiting_for_applier_.insert(group.id);
  }
  const Instant deadline = group.core.next_deadline();
  if (deadline >= group.deadline && group.deadline > now) return;
  deadlines_.erase({group.deadline, group.id});
  group.deadline = deadline;
  deadlines_.emplace(group.deadline, group.id);
}

// After every input to a core.
void RaftNode::wake(Group& group) {
  if (!group.is_awake) {
    group.is_awake = true;
    awake_.push_back(&group);
  }
  work_.notify_one();
}

void RaftNode::wake_due() {
  const Instant now = env_.clock.now();
  for (const auto& [deadline, id] : deadlines_) {
    if (deadline > now) return;
    wake(find(id));
  }
}

Instant RaftNode::next_turn() const {
  const Instant next = deadlines_.empty() ? Deadline::never().at : deadlines_.begin()->first;
  const std::int64_t grain = options_.timer_grain.count();
  if (grain == 0 || next == Deadline::never().at) return next;
  return {(next.ns + grain - 1) / grain * grain};
}

void RaftNode::carry_out(Group& group, Ready ready) {
  if (!disk_is_stalled(group)) send_all(group, ready.messages);
  if (ready.write) write_down(group, ready);
  if (!ready.committed.empty()) {
    to_apply_bytes_ += bytes_of(ready.committed);
    for (Entry& entry : ready.committed) to_apply_.push_back({&group, std::move(entry)});
    to_apply_changed_.notify_one();
  }
  answer_reads(group, ready.reads);
  begin_snapshots(group, ready.snapshots_wanted);
}

void RaftNode::write_down(Group& group, Ready& ready) {
  const bool writes_nothing = !ready.hard_state && !ready.log_restart && ready.entries.empty();
  if (ready.log_restart) persistence_.restart(group.id, *ready.log_restart);
  if (ready.hard_state || !ready.entries.empty()) {
    persistence_.append(group.id, ready.hard_state, ready.entries);
  }
  PendingWrite write{&group, *ready.write, std::move(ready.after_sync),
                     std::move(ready.snapshot_chunks)};
  if (writes_nothing && writes_.empty() && !writing_since_) {
    finish_writes({std::move(write)});  // Every promise before it is durable already.
  } else {
    writes_.push_back(std::move(write));
    writes_changed_.notify_one();
  }
}

void RaftNode::write_loop() {
  while (true) {
    while (writes_.empty()) (void)writes_changed_.wait(Deadline::never());
    std::vector<PendingWrite> writing = std::exchange(writes_, {});
    writing_since_ = env_.clock.now();
    while (true) {
      const auto synced = persistence_.write_and_sync(Deadline::never());
      if (synced) break;
      if (synced.error().code != ErrorCode::no_space) {
        // What reads of the file show now is not what is durable: no promise may rest on it.
        env_.process.fail_stop("the log cannot be made durable: " + synced.error().message);
      }
      SOMETIMES(env_.marks, "raft: log had no space");
      look_for_space(true);
      env_.scheduler.sleep_until(env_.clock.now() + kNoSpaceRetry);
    }
    sync_latency_.observe(env_.clock.now() - *writing_since_);
    writing_since_.reset();
    finish_writes(std::move(writing));
    if (compaction_is_due()) compaction_wanted_.notify_one();
  }
}

void RaftNode::finish_writes(std::vector<PendingWrite> writes) {
  for (PendingWrite& write : writes) {
    send_all(*write.group, write.after_sync);
    write.group->core.persisted(write.write, env_.clock.now());
    write.group->stable_changed.notify_all();
    for (ReceivedChunk& chunk : write.chunks) {
      to_apply_.push_back({write.group, std::move(chunk)});
      to_apply_changed_.notify_one();
    }
    wake(*write.group);
  }
}

// A leader whose disk does not answer can commit nothing, so it stops claiming to lead: without its
// heartbeats the others elect one that can.
bool RaftNode::disk_is_stalled(const Group& group) const {
  return writing_since_ && env_.clock.now() - *writing_since_ > group.options.election_timeout;
}

void RaftNode::send_all(Group& group, const std::vector<Outgoing>& messages) {
  for (const Outgoing& outgoing : messages) sender_.send(outgoing.to, group.id, outgoing.message);
}

void RaftNode::answer_reads(Group& group, const std::vector<ReadResult>& results) {
  for (const ReadResult& result : results) {
    const auto [first, last] = group.reads.equal_range(result.token);
    for (auto it = first; it != last; ++it) {
      it->second->is_decided = true;
      it->second->read_index = result.read_index;
      it->second->decided.notify_all();
    }
    group.reads.erase(first, last);
  }
}

void RaftNode::notice_leader_change(Group& group) {
  const Raft& core = group.core;
  const bool is_news = core.role() != group.seen_role || core.current_term() != group.seen_term ||
                       core.leader() != group.seen_leader;
  if (!is_news && core.is_transferring() == group.seen_transferring) return;
  if (is_news) {
    env_.log.event("raft",
                   fmt::format("{}: term {} -> {}, {} -> {}, leader {}", to_string(group.id),
                               group.seen_term.value, core.current_term().value,
                               name_of(group.seen_role), name_of(core.role()),
                               core.leader() ? to_string(*core.leader()) : "unknown"));
  } else {
    env_.log.event("raft", fmt::format("{}: {}", to_string(group.id),
                                       core.is_transferring() ? "hands over" : "leads on"));
  }
  const bool stands = core.role() == Role::candidate || core.role() == Role::leader;
  if (stands && core.current_term() != group.seen_term) ++group.elections;
  const bool leads_on = core.role() == Role::leader && core.current_term() == group.seen_term;
  const bool lost_leadership = group.seen_role == Role::leader && !leads_on;
  group.seen_role = core.role();
  group.seen_term = core.current_term();
  group.seen_leader = core.leader();
  group.seen_transferring = core.is_transferring();
  group.leader_changed.notify_all();
  group.configuration_changed.notify_all();
  group.cannot_read_on.clear();
  if (lost_leadership) give_up_proposals(group);
}

// Another leader may commit what was proposed here, or may not: the honest answer is "unknown".
// What is committed is applied here too, and answered then.
void RaftNode::give_up_proposals(Group& group) {
  auto next = group.proposals.upper_bound(group.core.commit_index());
  while (next != group.proposals.end()) {
    SOMETIMES(env_.marks, "raft: proposal unknown, leadership lost");
    Proposal& proposal = *next->second;
    ++next;
    proposal.decide(Proposal::Outcome::unknown);
  }
}

void RaftNode::notice_configuration_change(Group& group) {
  const Configuration& present = group.core.configuration();
  const bool is_committed = present.index <= group.core.commit_index();
  const bool is_news = present.index != group.seen_configuration;
  if (!is_news && is_committed == group.seen_committed) return;
  group.seen_configuration = present.index;
  group.seen_committed = is_committed;
  env_.log.event("raft", fmt::format("{}: configuration {}, {}: {}", to_string(group.id),
                                     present.index.value, is_committed ? "committed" : "in force",
                                     describe(present)));
  group.configuration_changed.notify_all();
  name_peers();
}

// Tells the sender whom the configurations name, and where.
void RaftNode::name_peers() {
  std::map<NodeId, Address> peers;
  for (const auto& [group_id, group] : groups_) {
    const Configuration& present = group->core.configuration();
    for (const NodeId id : present.nodes()) {
      const Member& member = *present.find(id);
      if (id != group->options.id && !member.address.empty()) peers[id] = member.address;
    }
  }
  for (const auto& [id, address] : peers) sender_.set_peer(id, address);
  for (const auto& [id, address] : named_peers_) {
    if (!peers.contains(id)) sender_.forget_peer(id);
  }
  named_peers_ = std::move(peers);
}

// --- for callers ---

void RaftNode::receive(NodeId from, Incarnation incarnation, GroupId group_id,
                       const Message& message) {
  const auto found = groups_.find(group_id);
  if (found == groups_.end()) return;
  Group& group = *found->second;
  if (is_reply(message) && speaks_for_another(group, from, incarnation)) {
    return note_stranger(group, from, incarnation);
  }
  group.core.step(from, message, env_.clock.now());
  if (const auto* answer = std::get_if<InstallSnapshotReply>(&message)) {
    const auto transfer = group.transfers.find(from);
    if (transfer != group.transfers.end() && transfer->second->id == answer->id) {
      transfer->second->answer = *answer;
      transfer->second->answered.notify_all();
    }
  }
  const auto* appended = std::get_if<AppendEntriesReply>(&message);
  if (appended != nullptr && appended->unknown_kind && group.cannot_read_on.insert(from).second) {
    env_.log.event("raft", fmt::format("{}: {} is of an older version and cannot read on after {}",
                                       to_string(group_id), to_string(from),
                                       appended->match_index.value));
  }
  promote_if_caught_up(group, from);
  wake(group);
}

Result<Bytes> RaftNode::propose(GroupId id, Bytes command, Deadline deadline) {
  Group& group = find(id);
  Measured measured(env_.clock, group);
  if (disk_is_full_) {
    return Error{ErrorCode::unavailable, fmt::format("{}: the disk is full", to_string(id))};
  }
  if (group.proposals.size() >= kProposalsMax || group.proposals_bytes >= kProposalsBytesMax) {
    return Error{ErrorCode::unavailable, fmt::format("{}: too many proposals", to_string(id))};
  }
  if (group.core.is_transferring()) {
    return Error{ErrorCode::unavailable, fmt::format("{}: handing over", to_string(id))};
  }
  const std::size_t bytes = command.size();
  const auto index = group.core.propose(std::move(command), env_.clock.now());
  if (!index) return Error{ErrorCode::not_leader, fmt::format("not leader of {}", to_string(id))};
  wake(group);
  Proposal proposal(env_.scheduler, group, *index, group.core.current_term(), bytes);
  while (proposal.outcome == Proposal::Outcome::pending) {
    if (!proposal.decided.wait(deadline) && proposal.outcome == Proposal::Outcome::pending) break;
  }
  switch (proposal.outcome) {
    case Proposal::Outcome::applied:
      measured.applied();
      return std::move(proposal.result);
    case Proposal::Outcome::replaced:
      SOMETIMES(env_.marks, "raft: proposal replaced by another leader's entry");
      return Error{ErrorCode::not_leader, fmt::format("lost {} before commit", to_string(id))};
    case Proposal::Outcome::pending:
    case Proposal::Outcome::unknown:
      break;
  }
  return Error{ErrorCode::timed_out, fmt::format("{}: not known to be applied", to_string(id))};
}

Result<LogIndex> RaftNode::confirm_leadership(GroupId id, Deadline deadline) {
  Group& group = find(id);
  const auto token = group.core.read_index(env_.clock.now());
  if (!token) return Error{ErrorCode::not_leader, fmt::format("not leader of {}", to_string(id))};
  wake(group);
  ++(*token > group.last_token ? group.read_rounds.begun : group.read_rounds.shared);
  group.last_token = std::max(group.last_token, *token);
  PendingRead read(env_.scheduler, group, *token);
  while (!read.is_decided) {
    if (!read.decided.wait(deadline) && !read.is_decided) {
      return Error{ErrorCode::timed_out, fmt::format("{}: no quorum answered", to_string(id))};
    }
  }
  if (!read.read_index) {
    return Error{ErrorCode::not_leader, fmt::format("lost leadership of {}", to_string(id))};
  }
  return *read.read_index;
}

Result<void> RaftNode::linearizable_read(GroupId id, Deadline deadline) {
  Group& group = find(id);
  auto read_index = group.core.lease_read_index(env_.clock.now());
  if (read_index) {
    SOMETIMES(env_.marks, "raft: read under a lease");
  } else {
    TRY(read_index, confirm_leadership(id, deadline));
  }
  return wait_until_applied(id, *read_index, deadline);
}

Result<void> RaftNode::wait_until_applied(GroupId id, LogIndex index, Deadline deadline) {
  Group& group = find(id);
  while (group.last_applied < index) {
    if (!group.applied_changed.wait(deadline) && group.last_applied < index) {
      return Error{ErrorCode::timed_out, fmt::format("{}: not applied in time", to_string(id))};
    }
  }
  return {};
}

bool RaftNode::wait_for_leader_change(GroupId group, Deadline deadline) {
  return find(group).leader_changed.wait(deadline);
}

}  // namespace keelson::raft
