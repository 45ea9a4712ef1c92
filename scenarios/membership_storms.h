// Storms during which the membership changes and leadership is handed over.
#pragma once

#include <vector>

#include "scenarios/scenario.h"

namespace keelson::scenarios {

std::vector<Scenario> membership_storms();

}  // namespace keelson::scenarios
