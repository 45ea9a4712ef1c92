// Scenarios in which shards are split and move from group to group.
#pragma once

#include <vector>

#include "scenarios/scenario.h"

namespace keelson::scenarios {

std::vector<Scenario> shard_storms();

}  // namespace keelson::scenarios
