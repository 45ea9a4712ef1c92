// Spreads the leaders of a node's groups over the nodes that could lead them: each leader looks at
// the groups that it knows the leaders of, and hands one over when another node leads fewer by two
// or more. One at a time and not often, for every handover costs its group a pause. The first group
// stays where it is: probes and what stands behind them follow it.
// Tested by tests/core/node/balance_test.cc.
#include "core/raft/raft_node.h"
#include "core/raft/raft_node_state.h"

namespace keelson::raft {

void RaftNode::balance_loop() {
  while (true) {
    env_.scheduler.sleep_for(options_.balance_interval);
    const auto handover = handover_that_balances();
    if (!handover) continue;
    const Deadline deadline = Deadline::in(env_.clock, options_.balance_interval);
    if (transfer_leadership(handover->group, handover->target, deadline)) {
      SOMETIMES(env_.marks, "raft: a leader handed over to a node that led less");
    }
  }
}

std::map<NodeId, std::size_t> RaftNode::groups_led() const {
  std::map<NodeId, std::size_t> led;
  for (const auto& [id, group] : groups_) {
    if (const auto leader = group->core.leader()) ++led[*leader];
  }
  return led;
}

std::optional<RaftNode::Handover> RaftNode::handover_that_balances() const {
  std::map<NodeId, std::size_t> led = groups_led();
  for (const auto& [id, group] : groups_) {
    if (id == groups_.begin()->first || group->core.role() != Role::leader) continue;
    const Configuration& configuration = group->core.configuration();
    if (configuration.is_joint() || group->core.is_transferring()) continue;
    std::optional<NodeId> least;
    for (const auto& [node, member] : configuration.members) {
      const bool may_lead = member.is_voter && node != group->options.id &&
                            sender_.version_of(node) && has_caught_up(*group, node);
      if (may_lead && (!least || led[node] < led[*least])) least = node;
    }
    if (least && led[group->options.id] >= led[*least] + 2) return Handover{id, *least};
  }
  return std::nullopt;
}

}  // namespace keelson::raft
