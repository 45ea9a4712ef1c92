// Majority arithmetic: the only place where voters are counted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <vector>

#include "core/base/check.h"
#include "core/raft/types.h"

namespace keelson::raft {

// The least number of voters any two sets of which have one in common.
constexpr std::size_t majority_of(std::size_t voters) { return voters / 2 + 1; }

// The greatest value that a majority has reached, given what each voter has reached: of match
// indexes, the one Figure 2 commits ("a majority of matchIndex[i] >= N"); of echoed rounds, the
// newest one that a majority has seen. Reorders `reached`. REQUIRES: one value a voter, at least
// one.
template <typename Value>
Value reached_by_majority(std::vector<Value>& reached) {
  CHECK(!reached.empty());
  const auto nth = reached.begin() + static_cast<std::ptrdiff_t>(majority_of(reached.size()) - 1);
  std::nth_element(reached.begin(), nth, reached.end(),
                   [](const Value& a, const Value& b) { return a > b; });
  return *nth;
}

// The same of a configuration; §6, joint consensus: "agreement (for elections and entry commitment)
// requires separate majorities from both the old and new configurations". `reached_by(id)` tells
// what a voter has reached; `scratch` is kept for its capacity. REQUIRES: there is a voter.
template <typename Value, typename ReachedBy>
Value reached_by_quorum(const Configuration& configuration, const ReachedBy& reached_by,
                        std::vector<Value>& scratch) {
  const auto reached = [&](const std::map<NodeId, Member>& members) {
    scratch.clear();
    for (const auto& [id, member] : members) {
      if (member.is_voter) scratch.push_back(reached_by(id));
    }
    return reached_by_majority(scratch);
  };
  const Value by_members = reached(configuration.members);
  return configuration.is_joint() ? std::min(by_members, reached(configuration.outgoing))
                                  : by_members;
}

// Whether those who agree are a majority; in a joint configuration, of both.
inline bool is_quorum(const Configuration& configuration, const std::set<NodeId>& agreeing) {
  const auto agree = [&](const std::map<NodeId, Member>& members) {
    std::size_t voters = 0;
    std::size_t count = 0;
    for (const auto& [id, member] : members) {
      if (!member.is_voter) continue;
      ++voters;
      if (agreeing.contains(id)) ++count;
    }
    return count >= majority_of(voters);
  };
  return agree(configuration.members) &&
         (!configuration.is_joint() || agree(configuration.outgoing));
}

}  // namespace keelson::raft
