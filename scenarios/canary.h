// The canary: a toy protocol with a planted race, to prove that a failure is seen, repeated and
// shrunk.
#pragma once

#include "scenarios/scenario.h"

namespace keelson::scenarios {

Scenario canary();

}  // namespace keelson::scenarios
