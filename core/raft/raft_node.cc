// Tested by tests/core/node/coordinator_test.cc and every scenario.
#include "core/raft/raft_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/runtime/sync.h"

namespace keelson::raft {

namespace {

// Commands proposed and not yet applied, of one group; more are refused.
constexpr std::size_t kProposalsMax = 4096;

}  // namespace

struct RaftNode::Group {
  Group(Env& env, GroupId group_id, const Options& group_options, RecoveredGroup recovered,
        StateMachine& machine)
      : id(group_id), options(group_options), state_machine(machine),
        random(env.random.stream("raft/" + to_string(group_id) + "/election")),
        core(group_options, recovered.hard_state, std::move(recovered.log), *random, env.marks,
             env.clock.now()),
        applied_changed(env.scheduler), leader_changed(env.scheduler) {}

  const GroupId id;
  const Options options;
  StateMachine& state_machine;
  const std::unique_ptr<Random> random;
  Raft core;
  LogIndex last_applied;

  // Callers that wait, each on its own stack.
  std::map<LogIndex, Proposal*> proposals;
  std::multimap<ReadToken, PendingRead*> reads;
  ReadToken last_token;
  ReadRounds read_rounds;
  WaitQueue applied_changed;

  // What was last told to those who watch the leader.
  Role seen_role = Role::follower;
  Term seen_term;
  std::optional<NodeId> seen_leader;
  WaitQueue leader_changed;
};

struct RaftNode::Proposal {
  enum class Outcome { pending, applied, replaced, unknown };

  Proposal(Scheduler& scheduler, Group& owner, LogIndex at, Term in)
      : group(owner), index(at), term(in), decided(scheduler) {
    const bool is_new = group.proposals.emplace(index, this).second;
    CHECK(is_new);
  }
  ~Proposal() {
    const auto found = group.proposals.find(index);
    if (found != group.proposals.end() && found->second == this) group.proposals.erase(found);
  }

  void decide(Outcome to) {
    outcome = to;
    group.proposals.erase(index);
    decided.notify_all();
  }

  Group& group;
  const LogIndex index;
  const Term term;
  Outcome outcome = Outcome::pending;
  Bytes result;
  WaitQueue decided;
};

struct RaftNode::PendingRead {
  PendingRead(Scheduler& scheduler, Group& owner, ReadToken with)
      : group(owner), place(owner.reads.emplace(with, this)), decided(scheduler) {}
  ~PendingRead() {
    if (!is_decided) group.reads.erase(place);
  }

  Group& group;
  const std::multimap<ReadToken, PendingRead*>::iterator place;
  bool is_decided = false;
  std::optional<LogIndex> read_index;
  WaitQueue decided;
};

RaftNode::RaftNode(Env& env, Persistence& persistence, MessageSender& sender,
                   RaftObserver* observer)
    : env_(env), persistence_(persistence), sender_(sender), observer_(observer),
      work_(env.scheduler), writes_changed_(env.scheduler), fibers_(env.scheduler) {}

RaftNode::~RaftNode() { stop(); }

void RaftNode::add_group(GroupId group, const Options& options, RecoveredGroup recovered,
                         StateMachine& state_machine) {
  CHECK(fibers_.size() == 0);
  const bool is_new =
      groups_
          .emplace(group, std::make_unique<Group>(env_, group, options, std::move(recovered),
                                                  state_machine))
          .second;
  CHECK(is_new);
}

void RaftNode::start() {
  fibers_.spawn("raft loop", [this] { run(); });
  fibers_.spawn("log writer", [this] { write_loop(); });
}

void RaftNode::stop() {
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

std::size_t RaftNode::waiting_callers() const {
  std::size_t count = 0;
  for (const auto& [id, group] : groups_) count += group->proposals.size() + group->reads.size();
  return count;
}

// --- the loop ---

void RaftNode::run() {
  while (true) {
    while (!any_ready() && next_deadline() > env_.clock.now()) {
      (void)work_.wait(Deadline{next_deadline()});
    }
    for (const auto& [id, group] : groups_) {
      if (group->core.next_deadline() <= env_.clock.now()) group->core.tick(env_.clock.now());
      if (group->core.has_ready()) carry_out(*group, group->core.take_ready());
      notice_leader_change(*group);
    }
  }
}

void RaftNode::carry_out(Group& group, Ready ready) {
  if (!disk_is_stalled(group)) send_all(group, ready.messages);
  if (ready.write) {
    const bool writes_nothing = !ready.hard_state && ready.entries.empty();
    persistence_.append(group.id, ready.hard_state, ready.entries);
    PendingWrite write{&group, *ready.write, std::move(ready.after_sync)};
    if (writes_nothing && writes_.empty() && !writing_since_) {
      finish_writes({write});  // Every promise before it is durable already.
    } else {
      writes_.push_back(std::move(write));
      writes_changed_.notify_one();
    }
  }
  for (const Entry& entry : ready.committed) apply(group, entry);
  if (!ready.committed.empty()) group.applied_changed.notify_all();
  answer_reads(group, ready.reads);
}

void RaftNode::write_loop() {
  while (true) {
    while (writes_.empty()) (void)writes_changed_.wait(Deadline::never());
    const std::vector<PendingWrite> writing = std::exchange(writes_, {});
    writing_since_ = env_.clock.now();
    const auto synced = persistence_.write_and_sync(Deadline::never());
    if (!synced) {
      // What reads of the file show now is not what is durable: no promise may rest on it.
      env_.process.fail_stop("the log cannot be made durable: " + synced.error().message);
    }
    writing_since_.reset();
    finish_writes(writing);
  }
}

void RaftNode::finish_writes(const std::vector<PendingWrite>& writes) {
  for (const PendingWrite& write : writes) {
    send_all(*write.group, write.after_sync);
    write.group->core.persisted(write.write, env_.clock.now());
  }
  work_.notify_one();
}

// A leader whose disk does not answer can commit nothing, so it stops claiming to lead: without its
// heartbeats the others elect one that can.
bool RaftNode::disk_is_stalled(const Group& group) const {
  return writing_since_ && env_.clock.now() - *writing_since_ > group.options.election_timeout;
}

bool RaftNode::any_ready() const {
  for (const auto& [id, group] : groups_) {
    if (group->core.has_ready()) return true;
  }
  return false;
}

Instant RaftNode::next_deadline() const {
  Instant next = Deadline::never().at;
  for (const auto& [id, group] : groups_) next = std::min(next, group->core.next_deadline());
  return next;
}

void RaftNode::send_all(Group& group, const std::vector<Outgoing>& messages) {
  for (const Outgoing& outgoing : messages) sender_.send(outgoing.to, group.id, outgoing.message);
}

void RaftNode::apply(Group& group, const Entry& entry) {
  CHECK(entry.index == group.last_applied.next());  // State machine safety starts here.
  Bytes result = group.state_machine.apply(entry);
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
  if (core.role() == group.seen_role && core.current_term() == group.seen_term &&
      core.leader() == group.seen_leader) {
    return;
  }
  const bool lost_leadership = group.seen_role == Role::leader;
  env_.log.event("raft", fmt::format("{}: term {} -> {}, {} -> {}, leader {}", to_string(group.id),
                                     group.seen_term.value, core.current_term().value,
                                     name_of(group.seen_role), name_of(core.role()),
                                     core.leader() ? to_string(*core.leader()) : "unknown"));
  group.seen_role = core.role();
  group.seen_term = core.current_term();
  group.seen_leader = core.leader();
  group.leader_changed.notify_all();
  if (!lost_leadership) return;
  // Another leader may commit what was proposed here, or may not: the honest answer is "unknown".
  while (!group.proposals.empty()) {
    SOMETIMES(env_.marks, "raft: proposal unknown, leadership lost");
    group.proposals.begin()->second->decide(Proposal::Outcome::unknown);
  }
}

// --- for callers ---

void RaftNode::receive(NodeId from, GroupId group, const Message& message) {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return;
  found->second->core.step(from, message, env_.clock.now());
  work_.notify_one();
}

Result<Bytes> RaftNode::propose(GroupId id, Bytes command, Deadline deadline) {
  Group& group = find(id);
  if (group.proposals.size() >= kProposalsMax) {
    return Error{ErrorCode::unavailable, fmt::format("{}: too many proposals", to_string(id))};
  }
  const auto index = group.core.propose(std::move(command), env_.clock.now());
  if (!index) return Error{ErrorCode::not_leader, fmt::format("not leader of {}", to_string(id))};
  work_.notify_one();
  Proposal proposal(env_.scheduler, group, *index, group.core.current_term());
  while (proposal.outcome == Proposal::Outcome::pending) {
    if (!proposal.decided.wait(deadline) && proposal.outcome == Proposal::Outcome::pending) break;
  }
  switch (proposal.outcome) {
    case Proposal::Outcome::applied:
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
  work_.notify_one();
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
  while (group.last_applied < *read_index) {
    if (!group.applied_changed.wait(deadline) && group.last_applied < *read_index) {
      return Error{ErrorCode::timed_out, fmt::format("{}: not applied in time", to_string(id))};
    }
  }
  return {};
}

bool RaftNode::wait_for_leader_change(GroupId group, Deadline deadline) {
  return find(group).leader_changed.wait(deadline);
}

}  // namespace keelson::raft
