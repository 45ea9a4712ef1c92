// The small costs that everything else is made of: a fiber switch, an event, a step of Raft.
#include <benchmark/benchmark.h>

#include "core/raft/raft.h"
#include "core/runtime/scheduler.h"
#include "core/runtime/task_group.h"
#include "sim/event_queue.h"

namespace keelson {
namespace {

class StandingClock : public Clock {
 public:
  Instant now() const override { return {}; }
  std::int64_t wall_ms() const override { return 0; }
};

class FirstChoice : public Random {
 public:
  std::uint64_t below(std::uint64_t) override { return 0; }
};

// One fiber that yields: each yield is a switch to the scheduler and one back.
void fiber_switch(benchmark::State& state) {
  StandingClock clock;
  StackPool stacks;
  Scheduler scheduler(clock, stacks);
  scheduler.spawn("yields", [&] {
    for (auto unused : state) {
      (void)unused;
      scheduler.yield();
    }
  });
  scheduler.run_ready();
  state.counters["switches"] =
      benchmark::Counter(static_cast<double>(2 * state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(fiber_switch);

void fiber_spawn_and_end(benchmark::State& state) {
  StandingClock clock;
  StackPool stacks;
  Scheduler scheduler(clock, stacks);
  for (auto unused : state) {
    (void)unused;
    scheduler.spawn("short", [] {});
    scheduler.run_ready();
  }
}
BENCHMARK(fiber_spawn_and_end);

// Pop one event and push another, with so many pending.
void event_queue(benchmark::State& state) {
  struct Nothing : sim::EventTarget {
    void on_event(std::uint64_t) override {}
  } target;
  sim::EventQueue queue;
  std::uint64_t mixed = 1;
  const auto later = [&] {
    mixed = mixed * 6364136223846793005u + 1442695040888963407u;
    return queue.now() + sim::Duration(1 + (mixed >> 40));
  };
  for (std::int64_t i = 0; i < state.range(0); ++i) queue.schedule(later(), target);
  for (auto unused : state) {
    (void)unused;
    benchmark::DoNotOptimize(queue.take_next());
    queue.schedule(later(), target);
  }
}
BENCHMARK(event_queue)->Arg(100)->Arg(10'000);

// One heartbeat from the leader's core to a follower's and the reply back, encoding left out.
void raft_heartbeat_round_trip(benchmark::State& state) {
  FirstChoice random;
  Marks marks;
  raft::Recovered founded;
  founded.state.configuration.members = {{NodeId(1), {}}, {NodeId(2), {}}};
  const raft::Options leader_options{.id = NodeId(1), .incarnation = {}};
  const raft::Options follower_options{.id = NodeId(2), .incarnation = {}};
  Instant now;
  raft::Raft leader(leader_options, founded, random, marks, now);
  raft::Raft follower(follower_options, founded, random, marks, now);
  const auto exchange = [&] {
    for (bool active = true; active;) {
      active = false;
      for (raft::Raft* const core : {&leader, &follower}) {
        raft::Raft& other = core == &leader ? follower : leader;
        const NodeId from = core == &leader ? NodeId(1) : NodeId(2);
        if (!core->has_ready()) continue;
        active = true;
        raft::Ready ready = core->take_ready();
        for (const auto& outgoing : ready.messages) other.step(from, outgoing.message, now);
        for (const auto& outgoing : ready.after_sync) other.step(from, outgoing.message, now);
        if (ready.write) core->persisted(*ready.write, now);
      }
    }
  };
  while (leader.role() != raft::Role::leader) {
    now = leader.next_deadline();
    leader.tick(now);
    exchange();
  }
  for (auto unused : state) {
    (void)unused;
    now = leader.next_deadline();
    leader.tick(now);
    exchange();
  }
}
BENCHMARK(raft_heartbeat_round_trip);

}  // namespace
}  // namespace keelson

BENCHMARK_MAIN();
