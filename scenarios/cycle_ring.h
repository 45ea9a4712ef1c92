// The ring of FoundationDB's Cycle workload: every node names its successor, and all of them
// together are one ring. A transaction walks three steps from some node and swaps the two in the
// middle. Whatever is run at the same time, a serial order leaves one ring; a write that is lost,
// or a read that is older than another of the same transaction, makes two rings of it, or a loop
// with a tail.
//
// The nodes are the positions of a vector; under which keys they are kept is the workload's affair.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keelson::scenarios {

constexpr std::size_t kRingNodesLeast = 3;

// Each names the next. REQUIRES: nodes >= kRingNodesLeast.
std::vector<std::size_t> new_ring(std::size_t nodes);

// What a rotation has read: each is the successor of the one before. In a ring of three the fourth
// is the first again.
struct RingWalk {
  std::size_t first = 0;
  std::size_t second = 0;
  std::size_t third = 0;
  std::size_t fourth = 0;
};

// What it writes: first, third, second, fourth. Nodes and their new successors.
// REQUIRES: the first three differ.
std::array<std::pair<std::size_t, std::size_t>, 3> rotation(const RingWalk& walk);

// A sentence that says why this is not one ring of all nodes; nothing if it is. Nothing in place of
// a successor: none was found.
std::optional<std::string> why_no_ring(const std::vector<std::optional<std::size_t>>& successors);

}  // namespace keelson::scenarios
