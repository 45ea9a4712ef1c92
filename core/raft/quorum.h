// Majority arithmetic: the only place where voters are counted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "core/base/check.h"

namespace keelson::raft {

// The least number of voters any two sets of which have one in common.
constexpr std::size_t majority_of(std::size_t voters) { return voters / 2 + 1; }

// The greatest value that a majority has reached, given what each voter has reached: of match
// indexes, the one Figure 2 commits ("a majority of matchIndex[i] >= N"); of echoed rounds, the
// newest one that a majority has seen. Reorders `reached`. REQUIRES: one value a voter, at least
// one.
template <typename Value>
Value reached_by_majority(std::span<Value> reached) {
  CHECK(!reached.empty());
  const auto nth = reached.begin() + static_cast<std::ptrdiff_t>(majority_of(reached.size()) - 1);
  std::nth_element(reached.begin(), nth, reached.end(),
                   [](const Value& a, const Value& b) { return a > b; });
  return *nth;
}

}  // namespace keelson::raft
