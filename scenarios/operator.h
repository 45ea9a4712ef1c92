// Operator: changes who belongs to a cluster, and hands leadership over, while a storm goes on.
//
// It knows what an operator's console shows, and asks the node that leads. What it asks for may be
// refused, be lost, or happen although nobody says so: it looks again and goes on. When the storm
// is over it makes the membership of every group that of the default group, so that a majority of
// the cluster means something again; a healed cluster must carry that out.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/raft/raft_node.h"
#include "scenarios/cluster.h"
#include "scenarios/probe_claim.h"
#include "scenarios/report.h"
#include "sim/choices.h"
#include "sim/world.h"

namespace keelson::scenarios {

struct OperatorOptions {
  std::size_t groups = 1;
  // Between two things that it does, from half of it to one and a half.
  Duration interval = std::chrono::milliseconds(200);
  // What share of them are transfers of leadership; the others change the membership.
  std::uint32_t transfers_per_thousand = 300;
  bool changes_membership = true;
  // Voters of a group: it removes none below and adds none above.
  std::size_t voters_least = 3;
  std::size_t voters_most = 5;
};

class Operator {
 public:
  // The arguments outlive the operator, which must outlive the cluster's processes.
  Operator(sim::World& world, Cluster& cluster, const OperatorOptions& options, ProbeClaim& claim,
           Report& report);

  void start();
  // Begins nothing more, except to settle.
  void stop() { is_stopped_ = true; }

  // From now on makes every group's membership that of the default group, without learners.
  void settle();
  // Whether it is so, by what the leaders say.
  bool is_settled() const;
  // The voters of the default group, as its leader knows them, with those that have lost their disk
  // and get their vote back; empty while there is no leader.
  std::vector<NodeId> voters() const;

 private:
  using Change = raft::ConfigurationChange;

  void act();
  void settle_more();
  // The node that leads the group by its own word, if any does.
  Node* leader_of(GroupId group) const;
  void transfer(Node& leader, GroupId group);
  std::optional<Change> draw_change(const raft::Configuration& present);
  // One step from `present` towards these voters and no learners.
  static std::optional<Change> step_towards(const std::vector<NodeId>& wanted,
                                            const raft::Configuration& present);
  void carry_out(Node& leader, GroupId group, const Change& change);

  sim::World& world_;
  Cluster& cluster_;
  const OperatorOptions options_;
  ProbeClaim& claim_;
  Report& report_;
  sim::ChoiceStream& chance_;
  bool is_stopped_ = false;
  bool is_settling_ = false;
};

}  // namespace keelson::scenarios
