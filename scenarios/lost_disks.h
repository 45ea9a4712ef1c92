// The fault budget from both sides: a minority of lost disks costs nothing, a majority ends all
// answers.
#pragma once

#include "scenarios/scenario.h"

namespace keelson::scenarios {

Scenario lost_disks();

}  // namespace keelson::scenarios
