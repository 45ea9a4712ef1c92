// Whether what was decided had the quorum that the configuration in force asks for (§6), recomputed
// from outside. Configurations are read from the entries that nodes make durable and apply; votes
// and copies are counted by what is durable. The arithmetic is this file's own.
//
//   quorum   a leader has the votes of the configuration in its log; an entry that is applied has
//            copies on a quorum of the configuration of that moment; of a joint configuration, on
//            one of both halves
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/raft/state_machine.h"
#include "core/raft/types.h"
#include "scenarios/report.h"
#include "sim/true_time.h"

namespace keelson::scenarios {

class QuorumChecks {
 public:
  // `report` outlives this object.
  explicit QuorumChecks(Report& report) : report_(report) {}

  // The configuration of every group before any entry of one. Nothing is checked without it.
  void set_founders(raft::Configuration founders) { founders_ = std::move(founders); }

  // --- what was made durable, in the order in which it was ---

  void on_durable_vote(NodeId voter, GroupId group, raft::Term term, NodeId candidate);
  // Replaces all entries of its index and above.
  void on_durable_entry(NodeId node, GroupId group, const raft::Entry& entry, sim::TrueTime now);
  void on_durable_start(NodeId node, GroupId group, const raft::LogStart& start, bool is_restart);
  void on_wiped(NodeId node);

  // --- what was heard and said ---

  // The node was heard to lead the term.
  void on_leader(NodeId node, GroupId group, raft::Term term, sim::TrueTime now);
  // A leader has sent the entry.
  void on_sent_entry(GroupId group, const raft::Entry& entry, sim::TrueTime now);
  // Some node has applied the entry, as the first of all.
  void on_first_applied(GroupId group, const raft::Entry& entry, sim::TrueTime now);
  // Whatever waits for more evidence is judged by what there is.
  void finish();

  // Whether these nodes are a quorum of some configuration that the group has had.
  bool could_decide(GroupId group, const std::set<NodeId>& nodes) const;

  // For the proof that it still looks.
  struct Seen {
    std::uint64_t elections = 0;
    std::uint64_t commits = 0;
    std::uint64_t configurations = 0;
  };
  const Seen& seen() const { return seen_; }

 private:
  // By the index of their entries.
  using Configurations = std::map<raft::LogIndex, raft::Configuration>;

  struct Election {
    std::optional<NodeId> leader;
    std::map<NodeId, std::set<NodeId>> votes;  // By candidate.
    // What was in force in the log of each node when its first entry of the term became durable.
    std::map<NodeId, raft::Configuration> in_force;
    bool is_judged = false;
  };
  struct Group {
    std::map<raft::Term, Election> elections;
    // Who has ever held an entry of this index durably, and of which term; of those not applied
    // yet.
    std::map<raft::LogIndex, std::vector<std::pair<raft::Term, NodeId>>> holders;
    Configurations applied;
    // All that were ever sent, or durable anywhere.
    std::map<raft::LogIndex, std::map<raft::Term, raft::Configuration>> proposed;
    raft::LogIndex last_applied;
  };
  // A leader goes by a configuration from when it is in its log: a little before anybody outside
  // can know of it.
  struct Commitment {
    GroupId group;
    raft::LogIndex index;
    raft::Term term;
    std::set<NodeId> holders;  // When it was applied, like
    raft::Configuration configuration;
    sim::TrueTime at;
  };
  // One node's durable log.
  struct Member {
    raft::LogIndex start;
    Configurations in_log;
  };

  const raft::Configuration& configuration_at(const Group& group, raft::LogIndex index) const;
  const raft::Configuration& in_force(const Group& group, const Member& member) const;
  void judge_election(GroupId id, raft::Term term, Election& election, sim::TrueTime now);
  void note_proposal(GroupId id, const raft::Entry& entry);
  void judge_older_than(sim::TrueTime time);
  void judge(const Commitment& commitment);
  std::set<NodeId> holders_of(GroupId id, const raft::Entry& entry) const;

  Report& report_;
  raft::Configuration founders_;
  std::map<GroupId, Group> groups_;
  std::map<std::pair<NodeId, GroupId>, Member> members_;
  std::deque<Commitment> to_judge_;  // By time.
  Seen seen_;
};

// A majority of the voters; of a joint configuration, a majority of each of its two halves.
bool is_quorum(const raft::Configuration& configuration, const std::set<NodeId>& nodes);

}  // namespace keelson::scenarios
