// The states that a search has been in, by their hashes, and what it has not done from them.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/bytes.h"
#include "sim/explore/system.h"

namespace keelson::sim {

// Sorted.
using SleepSet = std::vector<Event>;

class VisitedStates {
 public:
  struct State {
    std::uint64_t hash = 0;
    std::uint32_t depth = 0;  // The least at which it was met.
    // The events that were not taken from here, since what they lead to is met elsewhere.
    SleepSet asleep;
  };

  VisitedStates();

  // Null if it was not visited. Valid until the next add().
  State* find(std::uint64_t hash);
  // REQUIRES: it is not there.
  void add(State state);
  std::size_t size() const { return states_.size(); }
  const std::vector<State>& all() const { return states_; }

 private:
  void grow();
  std::size_t slot_of(std::uint64_t hash) const;

  std::vector<State> states_;  // In the order of being met.
  // Open addressing: 1 + the place in states_, 0 is free. A power of two, at most half full.
  std::vector<std::uint32_t> slots_;
};

}  // namespace keelson::sim
