// One simulated machine, for tests of what a node keeps on its disk: programs run on it one after
// the other, and between them it loses power or its process.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "core/runtime/env.h"
#include "sim/choices.h"
#include "sim/machine.h"
#include "sim/sim_disk.h"
#include "sim/world.h"

namespace keelson {

class OneMachine {
 public:
  using Program = std::function<void(Env&)>;
  static constexpr std::uint32_t kAlways = 1'000'000;

  explicit OneMachine(std::uint64_t seed = 1)
      : choices(seed),
        world(choices, {.shuffle_fibers = false, .uptime_limit = Duration::zero()}),
        machine(world.add_machine("n1")) {}

  sim::SimDisk& disk() { return machine.disk(); }

  // Runs `program` to its end, which comes by itself.
  void run(const Program& program) {
    begin(program);
    world.run_for(std::chrono::hours(1));
    ASSERT_FALSE(machine.is_running());
  }
  // Begins it; it may be in the midst of anything after the time.
  void begin(const Program& program, Duration span = Duration::zero()) {
    ASSERT_FALSE(machine.is_running());
    machine.start(program);
    world.run_for(span);
  }
  // Loses power if it is running: what was not synced is lost as the shares say.
  void lose_power() {
    if (machine.is_running()) machine.crash();
    world.run_for(Duration::zero());
    ASSERT_FALSE(machine.is_running());
  }

  // A loss of power takes all that was not synced.
  void lose_all_unsynced() {
    set_losses({.lose_all_per_million = kAlways, .lose_entry_per_million = kAlways});
  }
  void set_losses(const sim::LossShares& shares) {
    sim::DiskConditions conditions = disk().conditions();
    conditions.at_power_loss = shares;
    disk().set_conditions(conditions);
  }

  sim::Choices choices;
  sim::World world;
  sim::Machine& machine;
};

}  // namespace keelson
