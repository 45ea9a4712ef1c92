// The scenarios about the disk: storms that differ in what they do to it. disk_storms.cc has them
// all.
#pragma once

#include <vector>

#include "scenarios/scenario.h"

namespace keelson::scenarios {

// In the order in which they are listed to people.
std::vector<Scenario> disk_storms();

}  // namespace keelson::scenarios
