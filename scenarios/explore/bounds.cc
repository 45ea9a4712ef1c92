// Tested by tests/scenarios/explore/explored_cluster_test.cc.
#include "scenarios/explore/bounds.h"

namespace keelson::scenarios {

namespace {

Bound elections_probe() {
  Bound bound;
  bound.name = "elections_probe";
  bound.covers = "a leader that is succeeded while probes ask it, by messages in order";
  bound.budget_of(Budget::timeouts) = 1;
  bound.budget_of(Budget::probes) = 2;
  return bound;
}

Bound first_elections() {
  Bound bound;
  bound.name = "first_elections";
  bound.covers = "two nodes that stand for election in a new cluster, and a probe";
  bound.begins_with_leader = false;
  bound.budget_of(Budget::timeouts) = 2;
  bound.budget_of(Budget::probes) = 1;
  return bound;
}

// Figure 8 with three nodes: two leaders in turn whose entries stay their own, and what the first
// sends of them one by one when it leads again.
Bound figure_eight() {
  Bound bound;
  bound.name = "figure_eight";
  bound.covers = "an entry of an earlier term on a majority, and leaders that do not have it";
  bound.sends_entries_one_by_one = true;
  bound.budget_of(Budget::timeouts) = 3;
  bound.budget_of(Budget::proposals) = 1;
  return bound;
}

Bound replication_crash() {
  Bound bound;
  bound.name = "replication_crash";
  bound.covers = "a proposal, an election and a crash, on disks that lose what was not synced";
  bound.disks_are_slow = true;
  bound.budget_of(Budget::timeouts) = 1;
  bound.budget_of(Budget::proposals) = 1;
  bound.budget_of(Budget::restarts) = 1;
  return bound;
}

Bound membership() {
  Bound bound;
  bound.name = "membership";
  bound.covers = "a voter of three replaced by another node, and an election meanwhile";
  bound.nodes = 4;
  bound.founders = {NodeId(1), NodeId(2), NodeId(3)};
  bound.members = {{NodeId(1), NodeId(2), NodeId(4)}};
  bound.budget_of(Budget::timeouts) = 1;
  bound.budget_of(Budget::changes) = 1;
  return bound;
}

}  // namespace

const std::vector<Bound>& all_bounds() {
  static const std::vector<Bound> bounds = {elections_probe(), first_elections(),
                                            replication_crash(), figure_eight(), membership()};
  return bounds;
}

const Bound* find_bound(const std::string& name) {
  for (const Bound& bound : all_bounds()) {
    if (bound.name == name) return &bound;
  }
  return nullptr;
}

}  // namespace keelson::scenarios
