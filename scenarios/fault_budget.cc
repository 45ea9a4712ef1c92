// Tested by tests/scenarios/fault_budget_test.cc.
#include "scenarios/fault_budget.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace keelson::scenarios {

FaultBudget::FaultBudget(std::size_t nodes, std::size_t harmed_most, IsWhole is_whole)
    : harmed_most_(harmed_most), is_whole_(std::move(is_whole)), is_harmed_(nodes, false) {
  CHECK(harmed_most <= minority_of(nodes));
}

bool FaultBudget::may_harm(std::size_t node) {
  const std::size_t others = harmed_count() - (is_harmed_[node] ? 1 : 0);
  return others < harmed_most_;
}

std::size_t FaultBudget::harmed_count() {
  std::size_t count = 0;
  for (std::size_t node = 0; node < is_harmed_.size(); ++node) {
    if (is_harmed_[node] && is_whole_ && is_whole_(node)) is_harmed_[node] = false;
    if (is_harmed_[node]) ++count;
  }
  return count;
}

}  // namespace keelson::scenarios
