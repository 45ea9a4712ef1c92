// Tested by tests/sim/explore/search_test.cc.
#include "sim/explore/visited_states.h"

#include <limits>
#include <utility>

#include "core/base/check.h"

namespace keelson::sim {

constexpr std::size_t kFirstSlots = 1024;

VisitedStates::VisitedStates() : slots_(kFirstSlots) {}

// Where it is, or the free slot where it belongs.
std::size_t VisitedStates::slot_of(std::uint64_t hash) const {
  CHECK(states_.size() < slots_.size());
  std::size_t slot = hash & (slots_.size() - 1);
  while (slots_[slot] != 0 && states_[slots_[slot] - 1].hash != hash) {
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slot;
}

VisitedStates::State* VisitedStates::find(std::uint64_t hash) {
  const std::uint32_t place = slots_[slot_of(hash)];
  return place == 0 ? nullptr : &states_[place - 1];
}

void VisitedStates::add(State state) {
  CHECK(states_.size() < std::numeric_limits<std::uint32_t>::max());
  if (2 * (states_.size() + 1) > slots_.size()) grow();
  std::uint32_t& place = slots_[slot_of(state.hash)];
  CHECK(place == 0);
  states_.push_back(std::move(state));
  place = static_cast<std::uint32_t>(states_.size());
}

void VisitedStates::grow() {
  slots_.assign(2 * slots_.size(), 0);
  for (std::size_t i = 0; i < states_.size(); ++i) {
    slots_[slot_of(states_[i].hash)] = static_cast<std::uint32_t>(i + 1);
  }
}

}  // namespace keelson::sim
