// Scenario: a story that Keelson must survive, told as set-up, workload under faults, and checks.
//
// A scenario is a function of its choices, like everything in a simulated world. It ends by itself,
// leaves no process running that refers to its own objects (Cluster's destructor and
// stop_machines() see to that), and says what it found in the report.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "scenarios/report.h"
#include "scenarios/watcher.h"
#include "sim/choices.h"
#include "sim/world.h"

namespace keelson::scenarios {

// Where a run is cut off, whatever becomes of it: choices that were changed may make it go on for
// ever. It fails then, by oracle "limits".
struct RunLimits {
  std::uint64_t events = UINT64_MAX;
  sim::TrueTime time = sim::TrueTime::end();
};

struct RunContext {
  sim::World& world;
  sim::Choices& choices;
  Report& report;
  Watcher* watcher = nullptr;  // Null: nobody looks on.
  RunLimits limits = {};

  // Lets the world go on until `time`, or until an oracle has fired (then false).
  bool run_until(sim::TrueTime time) {
    return !world.run_until([this] { return has_ended(); }, time);
  }
  bool run_for(sim::Duration span) { return run_until(world.now() + span); }
  // The same, but true as soon as the condition holds; false at `limit` or when an oracle fired.
  template <typename Condition>
  bool run_until(Condition condition, sim::TrueTime limit) {
    return world.run_until([&] { return has_ended() || condition(); }, limit) &&
           !report.failed();
  }

 private:
  bool has_ended() {
    if (world.events().taken() > limits.events || world.now() > limits.time) {
      report.fail("limits", "cut off", "the run was cut off", world.now());
    }
    return report.failed();
  }
};

struct Scenario {
  std::string_view name;
  // One sentence that is true of every run.
  std::string_view promise;
  // Paths that some seed of a gate must have reached: SOMETIMES marks of nodes, and the report's.
  std::vector<std::string_view> must_reach;
  void (*run)(RunContext& context);
  // The canary: a share of its seeds breaks the promise, and a gate that does not see it is blind.
  bool fails_by_design = false;
};

// Ends every process of the world, so that no fiber outlives the objects it refers to.
void stop_machines(sim::World& world);

}  // namespace keelson::scenarios
