// What a probe may cost and how long it may take: see probe_bounds.cc.
#pragma once

#include "scenarios/scenario.h"

namespace keelson::scenarios {

Scenario probe_bounds();

}  // namespace keelson::scenarios
