// FaultBudget: which nodes do not hold what they had promised to hold, so that no more than a
// minority ever does. Raft survives any number of crashes that keep what was synced, and the loss
// of what was synced on a minority; beyond that nothing acknowledged is safe, and the demand is
// another (the scenario lost_disks).
//
// While members change, whose minority that is depends on configurations that may be under way on
// any node. One node is a minority of all of them if none has fewer than three voters.
//
// A harmed node is whole again when the harm is gone from its disk, it waits for no snapshot in the
// place of a state that it had put aside, and, if the disk was replaced, it votes with its new one
// by a configuration that is committed.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace keelson::scenarios {

class FaultBudget {
 public:
  // Says whether the node has everything again that it had ever promised; asked of harmed ones
  // only.
  using IsWhole = std::function<bool(std::size_t node)>;

  // Of `nodes` at most so many are ever harmed. REQUIRES: that is a minority.
  FaultBudget(std::size_t nodes, std::size_t harmed_most, IsWhole is_whole);
  // The most that may be harmed if all of them vote.
  static std::size_t minority_of(std::size_t nodes) { return (nodes - 1) / 2; }

  // Whether one more harm to this node, by its position, stays within the budget.
  bool may_harm(std::size_t node);
  void harmed(std::size_t node) { is_harmed_[node] = true; }
  // By what was found at the last question.
  bool is_harmed(std::size_t node) const { return is_harmed_[node]; }
  // Asks anew.
  std::size_t harmed_count();

 private:
  const std::size_t harmed_most_;
  const IsWhole is_whole_;
  std::vector<bool> is_harmed_;
};

}  // namespace keelson::scenarios
