// The simulated world, calm or rough. Rough is what an honest network and disk may do on a bad day:
// bytes arrive late, in pieces and after a loss, reads are short, syncs take long, and ready fibers
// run in any order. It breaks nothing, so every property must hold.
#include "sim/choices.h"
#include "sim/machine.h"
#include "sim/sim_disk.h"
#include "sim/sim_network.h"
#include "sim/world.h"
#include "tests/conformance/conformance.h"

namespace keelson::conformance {

namespace {

using namespace std::chrono_literals;

sim::LinkConditions rough_links() {
  sim::LinkConditions links;
  links.tail_per_million = 100'000;
  links.tail_most = 5ms;
  links.loss_per_million = 5'000;
  links.retransmit_after = 3ms;
  links.segment_per_million = 500'000;
  links.short_read_per_million = 300'000;
  links.window_bytes = 64 * 1024;
  return links;
}

sim::DiskConditions rough_disk() {
  sim::DiskConditions disk;
  disk.read_latency = 20us;
  disk.write_latency = 30us;
  disk.tail_per_million = 50'000;
  disk.tail_most = 20ms;
  return disk;
}

class SimWorld final : public ConformanceWorld {
 public:
  SimWorld(std::uint64_t seed, bool is_rough)
      : choices_(seed), world_(choices_, {.shuffle_fibers = is_rough}), is_rough_(is_rough) {
    if (is_rough_) world_.network().set_conditions(rough_links());
  }

  void run(std::vector<Program> programs) override {
    std::size_t running_count = programs.size();
    for (std::size_t i = 0; i < programs.size(); ++i) {
      sim::Machine& machine = world_.add_machine("n" + std::to_string(i + 1));
      if (is_rough_) machine.disk().set_conditions(rough_disk());
      machine.set_on_ended([&](sim::EndReason reason, const std::string& why) {
        EXPECT_EQ(reason, sim::EndReason::returned) << why;
        EXPECT_EQ(why, "") << "an orderly stop leaves nothing behind";
        --running_count;
      });
      machine.start([&machine, program = std::move(programs[i])](Env& env) {
        Host host{env, machine.name()};
        program(host);
      });
    }
    EXPECT_TRUE(world_.run_until([&] { return running_count == 0; }, world_.now() + 1h))
        << running_count << " programs still run";
    for (const auto& machine : world_.machines()) machine->set_on_ended({});
  }

 private:
  sim::Choices choices_;
  sim::World world_;
  const bool is_rough_;
};

}  // namespace

std::unique_ptr<ConformanceWorld> make_calm_sim_world(std::uint64_t seed) {
  return std::make_unique<SimWorld>(seed, false);
}

std::unique_ptr<ConformanceWorld> make_rough_sim_world(std::uint64_t seed) {
  return std::make_unique<SimWorld>(seed, true);
}

}  // namespace keelson::conformance
