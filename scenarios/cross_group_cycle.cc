#include "scenarios/cross_group_cycle.h"

#include <fmt/format.h>

#include "scenarios/cycle_workload.h"
#include "scenarios/storm.h"
#include "scenarios/words.h"

namespace keelson::scenarios {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kSettleBound = seconds(15);

void run(RunContext& context) {
  FaultProfile profile;
  profile.leader_aim_per_thousand = 600;
  Storm storm(context, {.groups = 3,
                        .profile = profile,
                        .probes = false,
                        .s3_clients = 1,
                        .s3_interval = milliseconds(150)});
  CycleWorkload cycle(context.world, storm.cluster(), {}, context.report);
  if (!storm.set_up()) return;
  cycle.start();
  if (!context.run_until([&] { return cycle.is_set_up(); }, context.world.now() + seconds(20))) {
    if (context.report.failed()) return;
    return context.report.fail("liveness", "set-up",
                               "a healthy cluster committed no transaction within 20 s",
                               context.world.now());
  }
  storm.rage();
  if (context.report.failed()) return;
  storm.heal();
  cycle.stop();
  storm.demand_progress();
  if (context.report.failed()) return;
  // Whatever was left behind in the storm: a transaction over all the keys must get through.
  cycle.settle();
  const bool settled = context.run_until([&] { return cycle.is_settled() && cycle.has_stopped(); },
                                         context.world.now() + kSettleBound);
  if (!settled && !context.report.failed()) {
    context.report.fail("liveness", "locks strand",
                        fmt::format("{} after the cluster serves again, no transaction over all "
                                    "keys has been committed",
                                    say(kSettleBound)),
                        context.world.now());
  }
  if (context.report.failed()) return;
  storm.stop_orderly();
  storm.check();
  cycle.check();
}

}  // namespace

Scenario cross_group_cycle() {
  return {.name = "cross_group_cycle",
          .promise = "Transactions over several groups are serializable, happen wholly or not at "
                     "all, and leave no lock behind, whoever dies.",
          .must_reach = {"cycle: the ring was permuted",
                         "cycle: the ring was read beside those who permute it",
                         "cycle: a transaction of unknown outcome",
                         "kv: a lock was resolved by somebody else",
                         "kv: a transaction was rolled forward",
                         "kv: an expired transaction was rolled back"},
          .run = run};
}

}  // namespace keelson::scenarios
