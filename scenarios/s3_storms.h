// Storms over everything that S3 offers.
#pragma once

#include <vector>

#include "scenarios/scenario.h"

namespace keelson::scenarios {

std::vector<Scenario> s3_storms();

}  // namespace keelson::scenarios
