#include "scenarios/transaction_storms.h"

#include <fmt/format.h>

#include <utility>

#include "scenarios/append_workload.h"
#include "scenarios/cycle_workload.h"
#include "scenarios/words.h"

namespace keelson::scenarios {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kSetUpBound = seconds(20);
constexpr Duration kSettleBound = seconds(15);

bool set_up(RunContext& context, TransactionWorkload& workload) {
  workload.start();
  const auto limit = context.world.now() + kSetUpBound;
  if (context.run_until([&] { return workload.is_set_up(); }, limit)) return true;
  context.report.fail("liveness", "set-up",
                      fmt::format("a healthy cluster committed no transaction within {}",
                                  say(kSetUpBound)),
                      context.world.now());
  return false;
}

// Whatever was left behind in the storm: a transaction over all the keys must get through.
bool settle(RunContext& context, TransactionWorkload& workload) {
  workload.settle();
  const auto limit = context.world.now() + kSettleBound;
  if (context.run_until([&] { return workload.is_settled() && workload.has_stopped(); }, limit)) {
    return true;
  }
  context.report.fail("liveness", "locks strand",
                      fmt::format("{} after the cluster serves again, no transaction over all "
                                  "keys has been committed",
                                  say(kSettleBound)),
                      context.world.now());
  return false;
}

void run_with(RunContext& context, Storm& storm, TransactionWorkload& workload) {
  // Clients refer to the workload, which goes before the storm does.
  struct StopsAll {
    ~StopsAll() { stop_machines(world); }
    sim::World& world;
  } const stops_all{context.world};
  if (!storm.set_up() || !set_up(context, workload)) return;
  storm.rage();
  if (context.report.failed()) return;
  storm.heal();
  workload.stop();
  storm.demand_progress();
  if (context.report.failed() || !settle(context, workload)) return;
  storm.stop_orderly();
  storm.check();
  if (!context.report.failed()) workload.check();
}

StormOptions beside_transactions() {
  FaultProfile profile;
  profile.leader_aim_per_thousand = 600;
  return {.groups = 3,
          .profile = profile,
          .probes = false,
          .s3_clients = 1,
          .s3_interval = milliseconds(150)};
}

void cross_group_cycle(RunContext& context) {
  run_storm_with_cycle(context, beside_transactions());
}

void list_append(RunContext& context) { run_storm_with_appends(context, beside_transactions()); }

}  // namespace

void run_storm_with_cycle(RunContext& context, StormOptions options) {
  const CycleOptions cycle_options;
  if (options.shards) options.shards->keys = CycleWorkload::keys(cycle_options);
  Storm storm(context, std::move(options));
  CycleWorkload cycle(context.world, storm.cluster(), cycle_options, context.report);
  run_with(context, storm, cycle);
}

void run_storm_with_appends(RunContext& context, StormOptions options) {
  const AppendOptions append_options;
  if (options.shards) options.shards->keys = AppendWorkload::keys(append_options);
  Storm storm(context, std::move(options));
  AppendWorkload appends(context.world, storm.cluster(), append_options, context.report);
  run_with(context, storm, appends);
}

std::vector<Scenario> transaction_storms() {
  return {
      {.name = "cross_group_cycle",
       .promise = "Transactions over several groups are serializable, happen wholly or not at "
                  "all, and leave no lock behind, whoever dies.",
       .must_reach = {"cycle: the ring was permuted",
                      "cycle: the ring was read beside those who permute it",
                      "cycle: a transaction of unknown outcome",
                      "kv: a lock was resolved by somebody else",
                      "kv: a transaction was rolled forward",
                      "kv: an expired transaction was rolled back"},
       .run = cross_group_cycle},
      {.name = "list_append",
       .promise = "Of transactions that read and append to lists of several groups, what each has "
                  "read has an explanation by some serial order, and writers keep to real time.",
       .must_reach = {"list append: over several groups", "list append: an unknown outcome",
                      "list append: what was unknown was seen",
                      "kv: a lock was resolved by somebody else"},
       .run = list_append},
  };
}

}  // namespace keelson::scenarios
