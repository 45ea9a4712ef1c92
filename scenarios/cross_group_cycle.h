// Transactions over several groups under the whole fault model.
#pragma once

#include "scenarios/scenario.h"

namespace keelson::scenarios {

Scenario cross_group_cycle();

}  // namespace keelson::scenarios
