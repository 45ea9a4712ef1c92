// The list of all scenarios, by hand.
#pragma once

#include <string_view>
#include <vector>

#include "scenarios/scenario.h"

namespace keelson::scenarios {

// In the order in which they are listed to people.
const std::vector<Scenario>& all_scenarios();

// Null when there is none of this name.
const Scenario* find_scenario(std::string_view name);

}  // namespace keelson::scenarios
