#include "sim/machine.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/runtime/env.h"
#include "core/runtime/task_group.h"
#include "sim/choices.h"
#include "sim/sim_disk.h"
#include "sim/world.h"

namespace keelson::sim {
namespace {

using namespace std::chrono_literals;

constexpr WorldOptions kPlain{.shuffle_fibers = false, .uptime_limit = Duration::zero()};

class MachineTest : public testing::Test {
 protected:
  MachineTest() {
    machine_.set_on_ended([this](EndReason reason, const std::string& why) {
      ends_.push_back(why.empty() ? name_of(reason) : name_of(reason) + (": " + why));
    });
  }

  std::uint64_t effective(std::string_view kind) {
    const auto found = world_.ledger().counts().find(kind);
    return found == world_.ledger().counts().end() ? 0 : found->second.effective;
  }

  Choices choices_{1};
  World world_{choices_, kPlain};
  Machine& machine_ = world_.add_machine("n1");
  std::vector<std::string> ends_;
};

struct Note {
  std::string& order;
  char name;
  ~Note() { order += name; }
};

TEST_F(MachineTest, AProgramThatReturnsHasEndedInOrder) {
  machine_.start([](Env& env) { env.scheduler.sleep_for(5ms); });
  EXPECT_TRUE(machine_.is_running());
  world_.run_for(4ms);
  EXPECT_TRUE(machine_.is_running());
  EXPECT_EQ(machine_.fiber_count(), 1u);
  world_.run_for(1ms);
  EXPECT_FALSE(machine_.is_running());
  EXPECT_EQ(machine_.fiber_count(), 0u);
  EXPECT_EQ(ends_, (std::vector<std::string>{"returned"}));
}

TEST_F(MachineTest, FibersThatAnOrderlyStopLeftBehindAreReported) {
  machine_.start([](Env& env) {
    env.scheduler.spawn("leak", [&env] { env.scheduler.sleep_for(1h); });
    env.scheduler.sleep_for(1ms);
  });
  world_.run_for(1s);
  EXPECT_EQ(ends_, (std::vector<std::string>{"returned: 1 fibers left"}));
}

TEST_F(MachineTest, AStopIsARequestThatTheProgramSees) {
  machine_.start([](Env& env) {
    ASSERT_TRUE(env.stop_requested.wait(Deadline::never()));
    env.scheduler.sleep_for(2s);
  });
  world_.at(TrueTime{} + 1s, [&] { machine_.request_stop(); });
  EXPECT_TRUE(world_.run_until([&] { return !machine_.is_running(); }, TrueTime{} + 1h));
  EXPECT_EQ(world_.now(), TrueTime{} + 3s);
}

TEST_F(MachineTest, ACrashUnwindsYoungestFirstWithTheEnvRevoked) {
  std::string order;
  machine_.start([&](Env& env) {
    const Note main{order, 'm'};
    TaskGroup group(env.scheduler);
    for (const char name : {'a', 'b', 'c'}) {
      group.spawn("fiber", [&, name] {
        const Note note{order, name};
        env.scheduler.sleep_for(1h);
        ADD_FAILURE() << "a fiber outlived the crash";
      });
    }
    env.scheduler.sleep_for(1h);
  });
  world_.run_for(1s);
  EXPECT_EQ(machine_.fiber_count(), 4u);
  machine_.crash();
  EXPECT_EQ(order, "cbam");
  EXPECT_EQ(ends_, (std::vector<std::string>{"crashed"}));
  machine_.crash();  // Nothing is left to crash.
  world_.run_for(2h);
  EXPECT_EQ(effective("machine.crash"), 1u);
  EXPECT_EQ(ends_.size(), 1u);
}

TEST_F(MachineTest, AFiberMayCrashItsOwnMachineAndRunsNoFurtherThanItsNextSuspension) {
  std::string order;
  machine_.start([&](Env& env) {
    const Note note{order, 'd'};
    machine_.crash();
    order += 'c';
    env.scheduler.yield();
    order += 'x';
  });
  world_.run_for(1s);
  EXPECT_EQ(order, "cd");
  EXPECT_EQ(ends_, (std::vector<std::string>{"crashed"}));
}

TEST_F(MachineTest, ARestartRunsTheSameProgramWithNewMemoryAndTheOldMarks) {
  std::vector<std::uint64_t> incarnations;
  machine_.start([&](Env& env) {
    incarnations.push_back(machine_.incarnation());
    SOMETIMES(env.marks, "test: started");
    env.scheduler.sleep_for(1h);
  });
  world_.run_for(1s);
  machine_.kill();
  EXPECT_FALSE(machine_.is_running());
  world_.run_for(1s);
  machine_.restart();
  world_.run_for(1s);
  EXPECT_TRUE(machine_.is_running());
  EXPECT_EQ(incarnations, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(machine_.marks().counts().at("test: started"), 2u);
  EXPECT_EQ(ends_, (std::vector<std::string>{"killed"}));
}

TEST_F(MachineTest, ATimerOfADeadIncarnationDoesNotWakeTheNext) {
  int turns = 0;
  machine_.start([&](Env& env) {
    env.scheduler.sleep_for(10ms);
    ++turns;
    env.scheduler.sleep_for(1h);
  });
  world_.run_for(5ms);
  machine_.kill();
  machine_.restart();
  world_.run_for(9ms);
  EXPECT_EQ(turns, 0);
  world_.run_for(1ms);
  EXPECT_EQ(turns, 1);
}

TEST_F(MachineTest, FailStopEndsTheMachineAtOnceAndOnEndedMayRestartIt) {
  std::string order;
  machine_.set_on_ended([&](EndReason reason, const std::string& why) {
    EXPECT_EQ(reason, EndReason::fail_stopped);
    ends_.push_back(why);
    machine_.restart();
  });
  machine_.start([&](Env& env) {
    const Note note{order, 'n'};
    if (machine_.incarnation() == 2) env.scheduler.sleep_for(1h);
    env.scheduler.spawn("other", [&] { order += 'x'; });
    env.process.fail_stop("a sync failed");
  });
  world_.run_for(1s);
  EXPECT_EQ(ends_, (std::vector<std::string>{"a sync failed"}));
  EXPECT_EQ(order, "n");
  EXPECT_EQ(machine_.incarnation(), 2u);
  EXPECT_TRUE(machine_.is_running());
  machine_.set_on_ended(nullptr);
  machine_.kill();  // Before `order` goes.
  EXPECT_EQ(order, "nn");
}

TEST_F(MachineTest, APausedMachineRunsNothingWhileTimersComeDueAndTimePasses) {
  std::vector<Instant> turns;
  machine_.start([&](Env& env) {
    while (true) {
      env.scheduler.sleep_for(10ms);
      turns.push_back(env.clock.now());
    }
  });
  world_.run_for(15ms);
  machine_.pause();
  EXPECT_TRUE(machine_.is_paused());
  world_.run_for(50ms);
  EXPECT_EQ(turns.size(), 1u);
  machine_.resume();
  world_.run_for(10ms);
  EXPECT_EQ(turns, (std::vector<Instant>{Instant{} + 10ms, Instant{} + 65ms, Instant{} + 75ms}));
  EXPECT_EQ(effective("machine.pause"), 1u);
}

TEST_F(MachineTest, WhatCameBeforeADeadlineCountsAlthoughThePauseOutlastedBoth) {
  std::vector<bool> notified;
  WaitQueue* queue = nullptr;
  machine_.start([&](Env& env) {
    WaitQueue arrived(env.scheduler);
    queue = &arrived;
    notified.push_back(arrived.wait(Deadline::in(env.clock, 20ms)));
    notified.push_back(arrived.wait(Deadline::in(env.clock, 20ms)));
    env.scheduler.sleep_for(1h);
  });
  world_.run_for(1ms);
  machine_.pause();
  world_.run_for(1ms);
  queue->notify_all();
  machine_.touch();
  world_.run_for(100ms);
  EXPECT_TRUE(notified.empty());
  machine_.resume();
  world_.run_for(20ms);
  EXPECT_EQ(notified, (std::vector<bool>{true, false}));
}

TEST_F(MachineTest, APauseEndsWithTheProcess) {
  machine_.start([](Env& env) { env.scheduler.sleep_for(1h); });
  machine_.pause();
  machine_.crash();
  EXPECT_FALSE(machine_.is_paused());
  machine_.resume();
  machine_.restart();
  world_.run_for(1s);
  EXPECT_EQ(machine_.fiber_count(), 1u);
}

TEST_F(MachineTest, ASlowMachineRunsItsFibersSomeTimeAfterEachEvent) {
  std::vector<TrueTime> turns;
  machine_.set_slowness(3ms);
  machine_.start([&](Env& env) {
    while (true) {
      turns.push_back(world_.now());
      env.scheduler.sleep_for(10ms);
    }
  });
  world_.run_for(30ms);
  EXPECT_EQ(turns,
            (std::vector<TrueTime>{TrueTime{} + 3ms, TrueTime{} + 16ms, TrueTime{} + 29ms}));
  EXPECT_EQ(effective("machine.slow"), 3u);
}

TEST_F(MachineTest, TimersFireWhenTheMachinesOwnClockSaysSo) {
  std::vector<TrueTime> turns;
  machine_.clock().set_drift_ppm(100'000);
  machine_.start([&](Env& env) {
    for (int i = 0; i < 2; ++i) {
      const Instant wake_at = env.clock.now() + 110ms;
      env.scheduler.sleep_until(wake_at);
      EXPECT_EQ(env.clock.now(), wake_at);
      turns.push_back(world_.now());
    }
  });
  world_.run_for(1s);
  EXPECT_EQ(turns, (std::vector<TrueTime>{TrueTime{} + 100ms, TrueTime{} + 200ms}));
}

TEST_F(MachineTest, AChangedClockMovesTimersThatWait) {
  TrueTime woken;
  machine_.start([&](Env& env) {
    env.scheduler.sleep_for(1s);
    woken = world_.now();
    env.scheduler.sleep_for(1h);
  });
  world_.run_for(500ms);
  machine_.clock().set_drift_ppm(250'000);  // 400 ms are left instead of 500.
  world_.run_for(100ms);
  machine_.clock().freeze(350ms);  // 300 ms are left, and pass unseen.
  world_.run_for(10s);
  EXPECT_EQ(woken, TrueTime{} + 950ms);
}

TEST_F(MachineTest, AFiberSpawnedFromOutsideHasTheEnvAndDiesWithIt) {
  std::string order;
  machine_.start([](Env& env) { env.scheduler.sleep_for(1h); });
  machine_.spawn("request", [&](Env& env) {
    const Note note{order, 'd'};
    env.scheduler.sleep_for(1ms);
    order += 'r';
    env.scheduler.sleep_for(1h);
  });
  world_.run_for(1s);
  EXPECT_EQ(order, "r");
  machine_.kill();
  EXPECT_EQ(order, "rd");
}

TEST_F(MachineTest, EachIncarnationsMonotonicClockBeginsElsewhere) {
  World world(choices_, {.shuffle_fibers = false});
  Machine& machine = world.add_machine("n1");
  std::vector<Instant> starts;
  machine.start([&](Env& env) { starts.push_back(env.clock.now()); });
  world.run_for(1s);
  machine.restart();
  world.run_for(1s);
  ASSERT_EQ(starts.size(), 2u);
  EXPECT_NE(starts[0], starts[1]);
  EXPECT_NE(starts[0] + 1s, starts[1]);
}

std::string order_of_fibers(std::uint64_t seed) {
  Choices choices(seed);
  World world(choices);
  std::string order;
  world.add_machine("n1").start([&](Env& env) {
    for (char name = 'a'; name <= 'z'; ++name) {
      env.scheduler.spawn("fiber", [&order, name] { order += name; });
    }
    env.scheduler.sleep_for(1ms);
  });
  world.run_for(1s);
  return order;
}

TEST_F(MachineTest, TheOrderOfReadyFibersIsAChoiceAndMostlyFirstInFirstOut) {
  const std::string in_order = "abcdefghijklmnopqrstuvwxyz";
  int others = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const std::string order = order_of_fibers(seed);
    EXPECT_EQ(order.size(), 26u);
    EXPECT_EQ(order, order_of_fibers(seed));
    if (order != in_order) ++others;
  }
  EXPECT_GT(others, 5);
  EXPECT_LT(others, 35);
}

TEST_F(MachineTest, TheWallClockGoesOnWhileTheMachineIsDown) {
  std::vector<std::int64_t> read_ms;
  machine_.start([&](Env& env) {
    read_ms.push_back(env.clock.wall_ms());
    env.scheduler.sleep_for(1h);
  });
  world_.run_for(1s);
  machine_.crash();
  world_.run_for(10s);
  machine_.restart();
  world_.run_for(1s);
  machine_.kill();
  world_.run_for(100s);
  machine_.restart();
  world_.run_for(1s);
  ASSERT_EQ(read_ms.size(), 3u);
  EXPECT_EQ(read_ms[1] - read_ms[0], 11'000);
  EXPECT_EQ(read_ms[2] - read_ms[1], 101'000);
}

TEST_F(MachineTest, TheDiskStaysWhenTheProcessGoes) {
  machine_.start([](Env& env) {
    const Deadline never = Deadline::never();
    auto file = env.disk.open("file", OpenMode::create, never);
    ASSERT_TRUE(file.has_value());
    char first = '?';
    const auto got = (*file)->pread({&first, 1}, 0, never);
    ASSERT_TRUE(got.has_value());
    env.log.event("test", *got == 0 ? "empty" : "kept");
    ASSERT_TRUE((*file)->pwrite("x", 0, never).has_value());
    env.scheduler.sleep_for(1h);
  });
  std::vector<std::string> lines;
  world_.trace().set_listener([&](const TraceEvent& event) {
    if (event.kind == Kind::log) lines.push_back(to_line(event));
  });
  world_.run_for(1s);
  machine_.kill();
  machine_.restart();
  world_.run_for(1s);
  EXPECT_EQ(lines, (std::vector<std::string>{"[  0.000s] n1 test: empty",
                                             "[  1.000s] n1 test: kept"}));
}

}  // namespace
}  // namespace keelson::sim
