#include "scenarios/run.h"

#include <fmt/format.h>

#include "core/base/bytes.h"
#include "sim/machine.h"
#include "sim/sim_network.h"

namespace keelson::scenarios {

void stop_machines(sim::World& world) {
  for (const auto& machine : world.machines()) {
    machine->set_on_ended({});
    machine->kill();
  }
}

RunResult run_scenario(const Scenario& scenario, sim::Choices& choices,
                       const RunOptions& options) {
  RunResult result;
  Report report;
  sim::WorldOptions world_options;
  world_options.stacks = options.stacks;
  sim::World world(choices, world_options);
  if (options.listener) world.trace().set_listener(options.listener, options.detail);
  world.trace().log_digests(options.digest_log);

  world.network().set_watcher(options.watcher);
  if (options.watcher != nullptr) options.watcher->on_world(world);

  RunContext context{.world = world,
                     .choices = choices,
                     .report = report,
                     .watcher = options.watcher,
                     .limits = options.limits};
  scenario.run(context);
  stop_machines(world);

  if (report.failed()) {
    world.trace().note(fmt::format("{}: {}", report.failure()->oracle, report.failure()->message));
  }
  result.failure = report.failure();
  result.digest = world.trace().digest();
  result.events = world.events().taken();
  result.virtual_ns = world.now().ns;
  for (const auto& [kind, count] : world.ledger().counts()) result.faults.emplace(kind, count);
  for (const auto& machine : world.machines()) {
    for (const auto& [path, times] : machine->marks().counts()) {
      result.reached[std::string(path)] += times;
    }
  }
  for (const auto& [path, times] : report.reached_counts()) {
    result.reached[std::string(path)] += times;
  }
  for (const auto& [what, times] : report.counts()) result.counts[std::string(what)] += times;
  return result;
}

}  // namespace keelson::scenarios
