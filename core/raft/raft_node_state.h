// What RaftNode keeps of a group, and of those who wait. For the .cc files of RaftNode only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "core/base/check.h"
#include "core/raft/raft_node.h"
#include "core/runtime/sync.h"

namespace keelson::raft {

// What waits for the applier, of all groups; more stays with the cores.
constexpr std::size_t kToApplyBytesMax = 16 << 20;

// Until what was not written for want of space is tried again.
constexpr Duration kNoSpaceRetry = std::chrono::milliseconds(50);

struct RaftNode::Group {
  Group(Env& env, GroupId group_id, const Options& group_options, Recovered recovered,
        Configuration group_founders)
      : id(group_id), options(group_options), founders(std::move(group_founders)),
        random(env.random.stream("raft/" + to_string(group_id) + "/election")),
        last_applied(recovered.state.index),
        core(group_options, std::move(recovered), *random, env.marks, env.clock.now()),
        applied_changed(env.scheduler), stable_changed(env.scheduler),
        leader_changed(env.scheduler), configuration_changed(env.scheduler) {}

  const GroupId id;
  const Options options;
  const Configuration founders;  // In force until an entry says otherwise.
  const std::unique_ptr<Random> random;
  LogIndex last_applied;
  Raft core;
  bool is_awake = false;
  Instant deadline = Deadline::never().at;  // Its place in RaftNode::deadlines_.

  // Callers that wait, each on its own stack.
  std::map<LogIndex, Proposal*> proposals;
  std::size_t proposals_bytes = 0;  // Of their commands.
  std::multimap<ReadToken, PendingRead*> reads;
  ReadToken last_token;
  ReadRounds read_rounds;
  std::uint64_t elections = 0;
  std::uint64_t proposals_failed = 0;
  Histogram append_latency{Histogram::request_bounds()};
  WaitQueue applied_changed;
  WaitQueue stable_changed;

  // What was last told to those who watch the leader.
  Role seen_role = Role::follower;
  Term seen_term;
  std::optional<NodeId> seen_leader;
  bool seen_transferring = false;
  WaitQueue leader_changed;

  // What was last told of the configuration in force: its index, and whether it was committed.
  std::optional<LogIndex> seen_configuration;
  bool seen_committed = false;
  WaitQueue configuration_changed;

  // Members whose version cannot read what comes next in the log, as far as this leader was told.
  std::set<NodeId> cannot_read_on;

  // Snapshots being sent, by follower; each on its sender's stack.
  std::map<NodeId, Transfer*> transfers;
};

struct RaftNode::Proposal {
  enum class Outcome { pending, applied, replaced, unknown };

  Proposal(Scheduler& scheduler, Group& owner, LogIndex at, Term in, std::size_t size)
      : group(owner), index(at), term(in), bytes(size), decided(scheduler) {
    const bool is_new = group.proposals.emplace(index, this).second;
    CHECK(is_new);
    group.proposals_bytes += bytes;
  }
  ~Proposal() {
    group.proposals_bytes -= bytes;
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
  const std::size_t bytes;
  Outcome outcome = Outcome::pending;
  Bytes result;
  WaitQueue decided;
};

// Measures one call of propose(), however it ends.
class RaftNode::Measured {
 public:
  Measured(const Clock& clock, Group& group)
      : clock_(clock), group_(group), begun_(clock.now()) {}
  ~Measured() {
    if (!is_applied_) ++group_.proposals_failed;
  }
  Measured(const Measured&) = delete;
  Measured& operator=(const Measured&) = delete;

  void applied() {
    is_applied_ = true;
    group_.append_latency.observe(clock_.now() - begun_);
  }

 private:
  const Clock& clock_;
  Group& group_;
  const Instant begun_;
  bool is_applied_ = false;
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

// One snapshot on its way to one follower.
struct RaftNode::Transfer {
  Transfer(Scheduler& scheduler, Group& owner, NodeId to_whom)
      : group(owner), to(to_whom), answered(scheduler) {
    const bool is_new = group.transfers.emplace(to, this).second;
    CHECK(is_new);
  }
  ~Transfer() { group.transfers.erase(to); }

  Group& group;
  const NodeId to;
  SnapshotId id;  // Index 0 until the snapshot is open.
  std::optional<InstallSnapshotReply> answer;
  WaitQueue answered;
  std::uint32_t tries_left = 0;
};

}  // namespace keelson::raft
