// Tested by tests/scenarios/cycle_ring_test.cc.
#include "scenarios/cycle_ring.h"

#include <fmt/format.h>

#include "core/base/check.h"

namespace keelson::scenarios {

std::vector<std::size_t> new_ring(std::size_t nodes) {
  CHECK(nodes >= kRingNodesLeast);
  std::vector<std::size_t> successors;
  for (std::size_t node = 0; node < nodes; ++node) successors.push_back((node + 1) % nodes);
  return successors;
}

std::array<std::pair<std::size_t, std::size_t>, 3> rotation(const RingWalk& walk) {
  CHECK(walk.first != walk.second && walk.second != walk.third && walk.third != walk.first);
  return {{{walk.first, walk.third}, {walk.third, walk.second}, {walk.second, walk.fourth}}};
}

std::optional<std::string> why_no_ring(const std::vector<std::optional<std::size_t>>& successors) {
  CHECK(successors.size() >= kRingNodesLeast);
  std::vector<bool> was_seen(successors.size());
  std::size_t node = 0;
  for (std::size_t step = 1; step <= successors.size(); ++step) {
    was_seen[node] = true;
    const std::optional<std::size_t> next = successors[node];
    if (!next) return fmt::format("node {} has no successor", node);
    if (*next >= successors.size()) {
      return fmt::format("the successor of node {} is {}, and there are {}", node, *next,
                         successors.size());
    }
    const bool should_end = step == successors.size();
    if (was_seen[*next] != should_end || (should_end && *next != 0)) {
      return fmt::format("from node 0 it is back at node {} after {} steps of {}", *next, step,
                         successors.size());
    }
    node = *next;
  }
  return std::nullopt;
}

}  // namespace keelson::scenarios
