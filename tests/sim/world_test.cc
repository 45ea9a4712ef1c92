#include "sim/world.h"

#include <gtest/gtest.h>
#include <time.h>

#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "core/runtime/env.h"
#include "core/runtime/fiber.h"
#include "sim/choices.h"
#include "sim/machine.h"
#include "sim/repro.h"
#include "sim/tripwire/tripwire.h"

namespace keelson::sim {
namespace {

using namespace std::chrono_literals;

constexpr WorldOptions kPlain{.shuffle_fibers = false, .uptime_limit = Duration::zero()};

// Notes the order of its events, and may schedule more.
struct Recorder : EventTarget {
  void on_event(std::uint64_t argument) override { seen.push_back(argument); }
  std::vector<std::uint64_t> seen;
};

TEST(EventQueueTest, EventsComeByTimeAndThoseOfOneTimeInTheOrderOfScheduling) {
  EventQueue events;
  Recorder recorder;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    events.schedule(TrueTime{static_cast<std::int64_t>(i * 7919 % 100)}, recorder, i);
  }
  Event last;
  for (int i = 0; i < 1000; ++i) {
    const Event event = events.take_next();
    EXPECT_EQ(events.now(), event.at);
    if (i > 0) {
      EXPECT_TRUE(last.at < event.at || (last.at == event.at && last.argument < event.argument));
    }
    last = event;
  }
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(events.taken(), 1000u);
}

TEST(WorldTest, RunsUntilATimeInclusiveOrUntilACondition) {
  Choices choices(1);
  World world(choices, kPlain);
  Recorder recorder;
  for (std::uint64_t second = 1; second <= 5; ++second) {
    world.events().schedule(TrueTime{} + second * 1s, recorder, second);
  }
  world.run_until(TrueTime{} + 2s);
  EXPECT_EQ(recorder.seen, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_TRUE(world.run_until([&] { return recorder.seen.size() == 3; }, TrueTime::end()));
  EXPECT_EQ(world.now(), TrueTime{} + 3s);
  EXPECT_FALSE(world.run_until([&] { return recorder.seen.size() == 5; }, TrueTime{} + 4500ms));
  EXPECT_EQ(world.now(), TrueTime{} + 4500ms);
  EXPECT_FALSE(world.run_until([] { return false; }, TrueTime::end()));
  EXPECT_EQ(world.now(), TrueTime{} + 5s);
}

TEST(WorldTest, ActionsOfTheHarnessComeAtTheirTimeInOrderAndMayAddMore) {
  Choices choices(1);
  World world(choices, kPlain);
  std::string order;
  world.at(TrueTime{} + 2s, [&] { order += 'c'; });
  world.at(TrueTime{} + 1s, [&] {
    order += 'a';
    world.at(world.now(), [&] { order += 'b'; });
  });
  world.run_until(TrueTime{} + 3s);
  EXPECT_EQ(order, "abc");
}

TEST(WorldTest, DestroyingAWorldUnwindsEveryMachineAndCallsNobody) {
  std::string order;
  struct Note {
    std::string& order;
    char name;
    ~Note() { order += name; }
  };
  {
    Choices choices(1);
    World world(choices, kPlain);
    for (const char name : {'a', 'b'}) {
      Machine& machine = world.add_machine(std::string(1, name));
      machine.set_on_ended([](EndReason, const std::string&) { ADD_FAILURE(); });
      machine.start([&order, name](Env& env) {
        const Note note{order, name};
        env.scheduler.sleep_for(1h);
      });
    }
    world.run_for(1s);
  }
  EXPECT_EQ(order, "ba");
}

// A little life: machines that sleep by chance, crash and come back, with clocks that drift.
struct Life {
  explicit Life(Choices& choices, StackPool* stacks = nullptr, Trace::Listener listener = nullptr)
      : world(choices, {.stacks = stacks}) {
    world.trace().log_digests(&digests);
    world.trace().set_listener(std::move(listener), Trace::Detail::all);
    for (int i = 1; i <= 3; ++i) {
      Machine& machine = world.add_machine("n" + std::to_string(i));
      machine.start([](Env& env) {
        const auto random = env.random.stream("naps");
        for (int turn = 0; turn < 3; ++turn) {
          env.scheduler.spawn("other", [&env, &random] {
            while (true) env.scheduler.sleep_for(1ms + Duration(random->below(100'000'000)));
          });
        }
        while (true) {
          env.scheduler.sleep_for(1ms + Duration(random->below(1'000'000'000)));
          env.log.event("test", "woke at " + std::to_string(env.clock.now().ns));
        }
      });
    }
    plan(choices.stream("faults"));
    world.run_for(20s);
  }

  void plan(ChoiceStream& faults) {
    for (int second = 1; second < 20; ++second) {
      world.at(TrueTime{} + second * 1s, [this, &faults] {
        Machine& machine = *world.machines()[faults.choose(3)];
        const auto drift = static_cast<std::int32_t>(faults.choose(1000));
        switch (faults.choose(4)) {
          case 1:
            machine.crash();
            machine.restart();
            break;
          case 2: machine.clock().set_drift_ppm(drift); break;
          case 3: machine.is_paused() ? machine.resume() : machine.pause(); break;
          default: break;
        }
      });
    }
  }

  std::vector<std::uint64_t> digests;
  World world;
};

TEST(WorldTest, TheSameSeedTwiceInOneProcessHasTheSameDigestAfterEveryEvent) {
  StackPool stacks;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Choices first_choices(seed);
    const Life first(first_choices, &stacks);
    Choices second_choices(seed);
    const Life second(second_choices, &stacks);
    EXPECT_EQ(first.digests, second.digests);
    EXPECT_GT(first.digests.size(), 500u);
  }
}

TEST(WorldTest, AnotherSeedHasAnotherDigest) {
  Choices one(1);
  Choices two(2);
  const Life first(one);
  const Life second(two);
  EXPECT_NE(first.digests.back(), second.digests.back());
  const auto parted = first_difference(first.digests, second.digests);
  ASSERT_TRUE(parted.has_value());
  EXPECT_LT(*parted, 10u);  // With the first draws.
}

TEST(WorldTest, AReplayFromAReproFileHasTheSameDigest) {
  Choices recorded(3, Choices::Recording::on);
  const Life first(recorded);
  const auto repro = parse_repro(
      to_text({.scenario = "life", .seed = 3, .choices = recorded.recorded()}));
  ASSERT_TRUE(repro.has_value());
  Choices replayed(repro->choices);
  const Life second(replayed);
  EXPECT_EQ(first.digests, second.digests);
  EXPECT_EQ(replayed.matched(), replayed.fixed_count());
}

TEST(WorldTest, AReplayWithoutOneOfItsChoicesPartsFromTheRunAndSaysWhatItMatched) {
  Choices recorded(3, Choices::Recording::on);
  const Life first(recorded);
  auto fixed = recorded.recorded();
  auto& naps = fixed.at("random/n1/naps");
  naps.push_back({1'000'000'000, naps.front().value});  // Nobody naps as often.
  naps.erase(naps.begin());
  Choices replayed(fixed);
  const Life second(replayed);
  EXPECT_NE(first.digests.back(), second.digests.back());
  EXPECT_LT(replayed.matched(), replayed.fixed_count());
  EXPECT_LT(*first_difference(first.digests, second.digests), first.digests.size() / 10);
}

TEST(WorldTest, TheFirstEventAtWhichTwoRunsPartIsFound) {
  const std::vector<std::uint64_t> run = {1, 2, 3};
  EXPECT_EQ(first_difference(run, {1, 2, 3}), std::nullopt);
  EXPECT_EQ(first_difference(run, {1, 5, 3}), 1u);
  EXPECT_EQ(first_difference(run, {1, 2}), 2u);
  EXPECT_EQ(first_difference({}, run), 0u);
}

TEST(WorldTest, ListeningToTheTraceDoesNotChangeTheRun) {
  Choices quiet_choices(5);
  const Life quiet(quiet_choices);
  Choices told_choices(5);
  std::uint64_t told = 0;
  const Life listened(told_choices, nullptr, [&](const TraceEvent& event) {
    EXPECT_GT(event.number, told);
    told = event.number;
  });
  EXPECT_GT(told, 100u);
  EXPECT_EQ(quiet.digests, listened.digests);
}

TEST(WorldTest, ATraceReadsAsLines) {
  Choices choices(1);
  World world(choices, kPlain);
  std::ostringstream out;
  world.trace().set_listener(print_to(out));
  Machine& machine = world.add_machine("n1");
  machine.start([](Env& env) {
    env.log.event("raft", "term 2 -> 3");
    env.scheduler.sleep_for(1200ms);
    env.process.fail_stop("a sync failed");
  });
  world.trace().note("hello");
  world.run_for(500ms);
  machine.clock().step_wall(-20);
  machine.pause();
  world.run_for(1s);
  machine.resume();
  world.run_for(1s);
  EXPECT_EQ(out.str(),
            "[  0.000s] n1 machine: starts, incarnation 1\n"
            "[  0.000s] world world: hello\n"
            "[  0.000s] n1 raft: term 2 -> 3\n"
            "[  0.500s] n1 clock: wall time steps by -20 ms\n"
            "[  0.500s] n1 machine: pauses\n"
            "[  1.500s] n1 machine: resumes\n"
            "[  1.500s] n1 process: fail-stop: a sync failed\n"
            "[  1.500s] n1 machine: fail-stopped: a sync failed\n");
}

TEST(WorldTest, EveryPartOfAnEventIsInTheDigest) {
  EventQueue events;
  const auto digest = [&](std::uint32_t machine, Kind kind, std::uint64_t payload) {
    Trace trace(events);
    trace.record(machine, kind, payload);
    return trace.digest();
  };
  const std::uint64_t one = digest(1, Kind::log, 7);
  EXPECT_EQ(digest(1, Kind::log, 7), one);
  EXPECT_NE(digest(2, Kind::log, 7), one);
  EXPECT_NE(digest(1, Kind::note, 7), one);
  EXPECT_NE(digest(1, Kind::log, 8), one);
  events.advance_to(TrueTime{1});
  EXPECT_NE(digest(1, Kind::log, 7), one);
}

using WorldDeathTest = testing::Test;

void run_armed(const Machine::Program& program) {
  Choices choices(1);
  World world(choices, kPlain);
  world.add_machine("n1").start(program);
  const TripwireArmed armed;
  world.run_for(1s);
}

TEST(WorldDeathTest, AProgramThatAsksTheOperatingSystemForTimeEndsTheRunByName) {
  EXPECT_DEATH(run_armed([](Env&) {
                 timespec now;
                 clock_gettime(CLOCK_MONOTONIC, &now);
               }),
               "tripwire: clock_gettime was called while a simulated world was running");
  EXPECT_DEATH(run_armed([](Env&) { (void)std::chrono::system_clock::now(); }),
               "tripwire: clock_gettime");
}

TEST(WorldDeathTest, SoDoOneThatAsksForChanceOrFiles) {
  EXPECT_DEATH(run_armed([](Env&) { (void)std::random_device()(); }),
               "tripwire: std::random_device");
  EXPECT_DEATH(run_armed([](Env&) { (void)fopen("/dev/urandom", "r"); }), "tripwire: fopen");
}

TEST(WorldTest, TheTripwireLetsCallsThroughOutsideAWorldAndWhenLifted) {
  timespec now{};
  EXPECT_EQ(clock_gettime(CLOCK_MONOTONIC, &now), 0);
  EXPECT_GT(now.tv_sec + now.tv_nsec, 0);
  run_armed([](Env& env) {
    env.scheduler.sleep_for(1ms);
    const TripwireLifted lifted;
    timespec then{};
    EXPECT_EQ(clock_gettime(CLOCK_MONOTONIC, &then), 0);
  });
  EXPECT_NE(time(nullptr), 0);
}

TEST(WorldDeathTest, ALoopThatWaitsForNothingIsFound) {
  struct Loop : EventTarget {
    explicit Loop(World& w) : world(w) {}
    void on_event(std::uint64_t) override { world.events().schedule(world.now(), *this); }
    World& world;
  };
  EXPECT_DEATH(
      {
        Choices choices(1);
        World world(choices, kPlain);
        Loop loop(world);
        world.events().schedule(world.now(), loop);
        world.run_for(1s);
      },
      "CHECK failed: events_at_this_time_ < kEventsAtOneTimeLimit");
}

}  // namespace
}  // namespace keelson::sim
