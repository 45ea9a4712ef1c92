// The cluster scenarios: storms that differ in what they stress. storms.cc has them all, since each
// is a name, a promise and a few options.
#pragma once

#include <vector>

#include "scenarios/scenario.h"

namespace keelson::scenarios {

// In the order in which they are listed to people.
std::vector<Scenario> storms();

}  // namespace keelson::scenarios
