// What core/runtime/scheduler.h, sync.h and task_group.h promise to fibers, and what every process
// begins with, in every world.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/runtime/task_group.h"
#include "tests/conformance/conformance.h"

namespace keelson::conformance {
namespace {

using namespace std::chrono_literals;

TEST_P(TimeConformance, AProcessBeginsUnstoppedWithOneFiber) {
  run([](Host& host) {
    EXPECT_FALSE(host.env.stop_requested.is_set());
    EXPECT_EQ(code_of(host.env.disk.open("anything", OpenMode::existing, patience(host))),
              ErrorCode::not_found);
    EXPECT_GE(host.env.scheduler.fiber_count(), 1u);
    const std::size_t before = host.env.scheduler.fiber_count();
    TaskGroup group(host.env.scheduler);
    group.spawn("other", [] {});
    EXPECT_EQ(host.env.scheduler.fiber_count(), before + 1);
    EXPECT_TRUE(group.join(patience(host)));
    EXPECT_EQ(host.env.scheduler.fiber_count(), before);
  });
}

TEST_P(TimeConformance, ASpawnedFiberDoesNotRunBeforeItsSpawnerSuspends) {
  run([](Host& host) {
    bool has_run = false;
    TaskGroup group(host.env.scheduler);
    group.spawn("other", [&] { has_run = true; });
    EXPECT_FALSE(has_run);
    EXPECT_TRUE(group.join(patience(host)));
    EXPECT_TRUE(has_run);
  });
}

TEST_P(TimeConformance, BetweenTwoSuspensionsAFiberIsAlone) {
  run([](Host& host) {
    int inside = 0;
    TaskGroup group(host.env.scheduler);
    for (int i = 0; i < 20; ++i) {
      group.spawn("worker", [&] {
        for (int round = 0; round < 50; ++round) {
          EXPECT_EQ(inside++, 0);
          std::uint64_t hash = 0;
          for (int work = 0; work < 100; ++work) hash = hash64("work", hash);
          EXPECT_NE(hash, 0u);
          --inside;
          host.env.scheduler.yield();
        }
      });
    }
    EXPECT_TRUE(group.join(patience(host)));
  });
}

TEST_P(TimeConformance, AnEventWakesAllThatWaitAndHoldsUpNobodyLater) {
  run([](Host& host) {
    Event event(host.env.scheduler);
    int woken = 0;
    TaskGroup group(host.env.scheduler);
    for (int i = 0; i < 10; ++i) {
      group.spawn("waiter", [&] {
        EXPECT_TRUE(event.wait(patience(host)));
        ++woken;
      });
    }
    host.env.scheduler.sleep_for(1ms);
    EXPECT_EQ(woken, 0);
    event.set();
    EXPECT_TRUE(group.join(patience(host)));
    EXPECT_EQ(woken, 10);
    const Instant now = host.env.clock.now();
    EXPECT_TRUE(event.wait(Deadline{now}));
    EXPECT_EQ(host.env.clock.now(), now);
  });
}

TEST_P(TimeConformance, AQueueHandsOverInOrderAndRefusesWhatItCannotHold) {
  run([](Host& host) {
    Queue<int> queue(host.env.scheduler, 4);
    std::vector<int> got;
    TaskGroup group(host.env.scheduler);
    group.spawn("consumer", [&] {
      while (const auto item = queue.pop(patience(host))) {
        if (*item < 0) return;
        got.push_back(*item);
        if (*item % 3 == 0) host.env.scheduler.sleep_for(100us);
      }
    });
    int refused = 0;
    for (int i = 0; i < 100;) {
      if (queue.try_push(i)) {
        ++i;
        continue;
      }
      EXPECT_EQ(queue.size(), 4u);
      ++refused;
      host.env.scheduler.sleep_for(50us);
    }
    while (!queue.try_push(-1)) host.env.scheduler.sleep_for(50us);
    EXPECT_TRUE(group.join(patience(host)));
    std::vector<int> expected(100);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(got, expected);
    EXPECT_GT(refused, 0);
    EXPECT_EQ(queue.pop(Deadline{host.env.clock.now()}), std::nullopt);
  });
}

TEST_P(TimeConformance, OneNotificationWakesTheOneThatHasWaitedLongest) {
  run([](Host& host) {
    WaitQueue queue(host.env.scheduler);
    std::string woken;
    TaskGroup group(host.env.scheduler);
    for (const char name : {'a', 'b', 'c'}) {
      group.spawn("waiter", [&, name] {
        EXPECT_TRUE(queue.wait(patience(host)));
        woken += name;
      });
      host.env.scheduler.sleep_for(1ms);
    }
    for (const char* const expected : {"a", "ab", "abc"}) {
      queue.notify_one();
      host.env.scheduler.sleep_for(1ms);
      EXPECT_EQ(woken, expected);
    }
    EXPECT_FALSE(queue.has_waiters());
    EXPECT_TRUE(group.join(patience(host)));
  });
}

TEST_P(TimeConformance, AGroupThatIsStoppedUnwindsItsFibersWhereverTheyWait) {
  run([](Host& host) {
    struct Guard {
      explicit Guard(int& the_count) : count(the_count) { ++count; }
      ~Guard() { --count; }
      int& count;
    };
    int alive = 0;
    WaitQueue queue(host.env.scheduler);
    const auto listener = *host.env.network.listen(host.any_port());
    {
      TaskGroup group(host.env.scheduler);
      group.spawn("sleeps", [&] {
        const Guard guard(alive);
        host.env.scheduler.sleep_for(1h);
      });
      group.spawn("waits", [&] {
        const Guard guard(alive);
        (void)queue.wait(Deadline::never());
      });
      group.spawn("accepts", [&] {
        const Guard guard(alive);
        (void)listener->accept(Deadline::never());
      });
      group.spawn("never ran", [&] { (void)queue.wait(Deadline::never()); });
      host.env.scheduler.sleep_for(5ms);
      EXPECT_EQ(alive, 3);
    }
    EXPECT_EQ(alive, 0);
    EXPECT_FALSE(queue.has_waiters());
  });
}

TEST_P(TimeConformance, AJoinGivesUpAtItsDeadlineAndALaterOneSucceeds) {
  run([](Host& host) {
    Event may_end(host.env.scheduler);
    TaskGroup group(host.env.scheduler);
    group.spawn("waiter", [&] { EXPECT_TRUE(may_end.wait(patience(host))); });
    const Deadline deadline = Deadline::in(host.env.clock, 5ms);
    EXPECT_FALSE(group.join(deadline));
    EXPECT_GE(host.env.clock.now(), deadline.at);
    EXPECT_EQ(group.size(), 1u);
    may_end.set();
    EXPECT_TRUE(group.join(patience(host)));
    EXPECT_EQ(group.size(), 0u);
  });
}

TEST_P(TimeConformance, ThousandsOfSleepersAllWakeInTime) {
  run([](Host& host) {
    const auto random = host.env.random.stream("test");
    int woken = 0;
    TaskGroup group(host.env.scheduler);
    for (int i = 0; i < 2000; ++i) {
      const Instant wake_at = host.env.clock.now() + Duration(random->below(30'000'000));
      group.spawn("sleeper", [&, wake_at] {
        host.env.scheduler.sleep_until(wake_at);
        EXPECT_GE(host.env.clock.now(), wake_at);
        ++woken;
      });
    }
    EXPECT_TRUE(group.join(patience(host)));
    EXPECT_EQ(woken, 2000);
  });
}

TEST_P(TimeConformance, ADeadlineThatNeverComesHoldsUpNobodyElse) {
  run([](Host& host) {
    WaitQueue queue(host.env.scheduler);
    TaskGroup group(host.env.scheduler);
    group.spawn("waits for ever", [&] { (void)queue.wait(Deadline::never()); });
    group.spawn("sleeps for years", [&] { host.env.scheduler.sleep_for(24h * 365 * 100); });
    const Instant before = host.env.clock.now();
    host.env.scheduler.sleep_for(2ms);
    EXPECT_GE(host.env.clock.now(), before + 2ms);
    EXPECT_LT(host.env.clock.now(), before + 10s);
    EXPECT_EQ(group.size(), 2u);
  });
}

TEST_P(TimeConformance, WallTimeAndMonotonicTimePassTogether) {
  run([](Host& host) {
    const Instant start = host.env.clock.now();
    const std::int64_t wall_ms = host.env.clock.wall_ms();
    host.env.scheduler.sleep_for(60ms);
    const std::int64_t passed_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(host.env.clock.now() - start).count();
    EXPECT_NEAR(host.env.clock.wall_ms() - wall_ms, passed_ms, 20);
  });
}

TEST_P(RandomConformance, BelowOneThereIsOnlyZero) {
  run([](Host& host) {
    const auto random = host.env.random.stream("test");
    for (int i = 0; i < 100; ++i) EXPECT_EQ(random->below(1), 0u);
  });
}

TEST_P(RandomConformance, NeighbouringDrawsAreIndependent) {
  run([](Host& host) {
    const auto random = host.env.random.stream("test");
    int pairs[2][2] = {{0, 0}, {0, 0}};
    std::uint64_t last = random->below(2);
    for (int i = 0; i < 4000; ++i) {
      const std::uint64_t next = random->below(2);
      ++pairs[last][next];
      last = next;
    }
    for (const auto& row : pairs) {
      for (const int count : row) {
        EXPECT_GT(count, 800);
        EXPECT_LT(count, 1200);
      }
    }
  });
}

TEST_P(RandomConformance, AnIdentifierHas16BytesOfEveryValue) {
  run([](Host& host) {
    std::vector<bool> seen(256);
    for (int i = 0; i < 400; ++i) {
      const Bytes identifier = host.env.random.identifier();
      ASSERT_EQ(identifier.size(), 16u);
      for (const char each : identifier) seen[static_cast<unsigned char>(each)] = true;
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 256);
  });
}

}  // namespace
}  // namespace keelson::conformance
