// The storms in which transactions over several groups go on, and how any storm has them.
#pragma once

#include <vector>

#include "scenarios/scenario.h"
#include "scenarios/storm.h"

namespace keelson::scenarios {

std::vector<Scenario> transaction_storms();

// A storm with these options, from its set-up to its checks, with the workload of
// cycle_workload.h or append_workload.h in it. Shards that move are those of its keys, too.
void run_storm_with_cycle(RunContext& context, StormOptions options);
void run_storm_with_appends(RunContext& context, StormOptions options);

}  // namespace keelson::scenarios
