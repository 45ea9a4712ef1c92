// What core/runtime/clock.h, scheduler.h and sync.h promise about time, in every world.
#include <gtest/gtest.h>

#include "core/runtime/task_group.h"
#include "tests/conformance/conformance.h"

namespace keelson::conformance {
namespace {

using namespace std::chrono_literals;

TEST_P(TimeConformance, TimeStandsStillUntilTheFiberSuspends) {
  run([](Host& host) {
    const Instant start = host.env.clock.now();
    const std::int64_t wall_ms = host.env.clock.wall_ms();
    std::uint64_t hash = 0;
    for (int i = 0; i < 300'000; ++i) hash = hash64("some work that takes a while", hash);
    EXPECT_NE(hash, 0u);
    EXPECT_EQ(host.env.clock.now(), start);
    EXPECT_EQ(host.env.clock.wall_ms(), wall_ms);
  });
}

TEST_P(TimeConformance, TimeNeverGoesBack) {
  run([](Host& host) {
    Instant last = host.env.clock.now();
    for (int i = 0; i < 200; ++i) {
      if (i % 2 == 0) host.env.scheduler.yield();
      if (i % 2 == 1) host.env.scheduler.sleep_for(i * 1us);
      EXPECT_GE(host.env.clock.now(), last);
      last = host.env.clock.now();
    }
  });
}

TEST_P(TimeConformance, NobodyWakesEarlyNorMuchTooLate) {
  run([](Host& host) {
    for (const Duration span : {Duration(1), Duration(1us), Duration(100us), Duration(1ms),
                                Duration(2'345'678), Duration(30ms)}) {
      const Instant wake_at = host.env.clock.now() + span;
      host.env.scheduler.sleep_until(wake_at);
      EXPECT_GE(host.env.clock.now(), wake_at);
      EXPECT_LT(host.env.clock.now(), wake_at + 5s);
    }
  });
}

TEST_P(TimeConformance, SleepingUntilThePastIsNoSleep) {
  run([](Host& host) {
    const Instant now = host.env.clock.now();
    host.env.scheduler.sleep_until(now);
    host.env.scheduler.sleep_until(now - 1h);
    EXPECT_EQ(host.env.clock.now(), now);
  });
}

TEST_P(TimeConformance, SleepersWakeInTheOrderOfTheirInstants) {
  run([](Host& host) {
    std::string order;
    const Instant start = host.env.clock.now();
    TaskGroup group(host.env.scheduler);
    for (const int position : {7, 2, 9, 0, 4, 1, 8, 3, 6, 5}) {
      group.spawn("sleeper", [&, position] {
        host.env.scheduler.sleep_until(start + 10ms + position * 20ms);
        order += static_cast<char>('0' + position);
      });
    }
    EXPECT_TRUE(group.join(patience(host)));
    EXPECT_EQ(order, "0123456789");
  });
}

TEST_P(FirstInFirstOutConformance, SleepersOfOneInstantWakeInTheOrderOfFallingAsleep) {
  run([](Host& host) {
    std::string order;
    const Instant wake_at = host.env.clock.now() + 10ms;
    TaskGroup group(host.env.scheduler);
    for (const char name : {'a', 'b', 'c', 'd', 'e'}) {
      group.spawn("sleeper", [&, name] {
        host.env.scheduler.sleep_until(wake_at);
        order += name;
      });
    }
    EXPECT_TRUE(group.join(patience(host)));
    EXPECT_EQ(order, "abcde");
  });
}

TEST_P(TimeConformance, AWaitEndsByItsNotificationOrElseAtItsDeadline) {
  run([](Host& host) {
    WaitQueue queue(host.env.scheduler);
    TaskGroup group(host.env.scheduler);
    const Instant start = host.env.clock.now();
    group.spawn("patient", [&] {
      EXPECT_TRUE(queue.wait(patience(host)));
      EXPECT_LT(host.env.clock.now(), start + 10s);
    });
    group.spawn("hasty", [&] {
      EXPECT_FALSE(queue.wait(Deadline{start + 5ms}));
      EXPECT_GE(host.env.clock.now(), start + 5ms);
    });
    group.spawn("notifier", [&] {
      host.env.scheduler.sleep_for(200ms);
      queue.notify_all();
    });
    EXPECT_TRUE(group.join(patience(host)));
  });
}

TEST_P(TimeConformance, AWaitWhoseDeadlineHasPassedReturnsAtOnce) {
  run([](Host& host) {
    WaitQueue queue(host.env.scheduler);
    const Instant now = host.env.clock.now();
    EXPECT_FALSE(queue.wait(Deadline{now}));
    EXPECT_FALSE(queue.wait(Deadline{now - 1s}));
    EXPECT_EQ(host.env.clock.now(), now);
  });
}

TEST_P(TimeConformance, YieldLetsEveryReadyFiberRun) {
  run([](Host& host) {
    int others = 0;
    TaskGroup group(host.env.scheduler);
    for (int i = 0; i < 5; ++i) group.spawn("other", [&] { ++others; });
    for (int i = 0; i < 10'000 && others < 5; ++i) host.env.scheduler.yield();
    EXPECT_EQ(others, 5);
  });
}

TEST_P(TimeConformance, WallTimeIsAPlausibleDateAndPasses) {
  run([](Host& host) {
    const std::int64_t before = host.env.clock.wall_ms();
    EXPECT_GT(before, 1'577'836'800'000) << "2020-01-01";
    EXPECT_LT(before, 4'102'444'800'000) << "2100-01-01";
    host.env.scheduler.sleep_for(50ms);
    EXPECT_NE(host.env.clock.wall_ms(), before);
  });
}

TEST_P(TimeConformance, OneMachinesWorkDoesNotKeepAnotherFromItsTimers) {
  Handover<bool> is_over;
  run({[&](Host& host) {
         while (!is_over.is_given()) host.env.scheduler.sleep_for(10us);
       },
       [&](Host& host) {
         for (int i = 0; i < 20; ++i) host.env.scheduler.sleep_for(1ms);
         is_over.give(true);
       }});
}

TEST_P(TimeConformance, AFiberKilledInItsSleepIsNotWoken) {
  run([](Host& host) {
    TaskGroup group(host.env.scheduler);
    group.spawn("sleeper", [&] {
      host.env.scheduler.sleep_for(5ms);
      ADD_FAILURE() << "woken";
    });
    host.env.scheduler.sleep_for(1us);
    group.stop();
    host.env.scheduler.sleep_for(20ms);
  });
}

}  // namespace
}  // namespace keelson::conformance
