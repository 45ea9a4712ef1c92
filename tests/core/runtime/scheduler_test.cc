#include "core/runtime/scheduler.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/runtime/sync.h"
#include "core/runtime/task_group.h"
#include "tests/core/runtime/manual_clock.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

class SchedulerTest : public testing::Test {
 protected:
  ManualClock clock_;
  StackPool stacks_;
  Scheduler scheduler_{clock_, stacks_};
};

TEST_F(SchedulerTest, ReadyFibersRunFirstInFirstOut) {
  std::string order;
  for (const char name : {'a', 'b', 'c'}) {
    scheduler_.spawn("fiber", [&, name] {
      order += name;
      scheduler_.yield();
      order += name;
    });
  }
  scheduler_.run_ready();
  EXPECT_EQ(order, "abcabc");
  EXPECT_EQ(scheduler_.fiber_count(), 0u);
}

TEST_F(SchedulerTest, APolicyChoosesAmongReadyFibersAndKeepsTheOrderOfTheRest) {
  struct Last : SchedulePolicy {
    std::size_t pick(std::size_t ready_count) override { return ready_count - 1; }
  } last;
  Scheduler scheduler(clock_, stacks_, &last);
  std::string order;
  for (const char name : {'a', 'b', 'c'}) scheduler.spawn("fiber", [&, name] { order += name; });
  scheduler.run_ready();
  EXPECT_EQ(order, "cba");
}

TEST_F(SchedulerTest, SleepersWakeInTheOrderOfTheirInstantsAndTiesInTheOrderOfArming) {
  std::string order;
  const auto sleeper = [&](char name, Duration span) {
    scheduler_.spawn("sleeper", [&, name, span] {
      scheduler_.sleep_for(span);
      EXPECT_EQ(clock_.now(), Instant{} + span);
      order += name;
    });
  };
  sleeper('d', 3ms);
  sleeper('b', 2ms);
  sleeper('c', 2ms);
  sleeper('a', 1ms);
  run_until(scheduler_, clock_, Instant{} + 10ms);
  EXPECT_EQ(order, "abcd");
}

TEST_F(SchedulerTest, AWaitEndsByNotificationOrByItsDeadline) {
  WaitQueue queue(scheduler_);
  std::vector<bool> notified;
  scheduler_.spawn("patient", [&] { notified.push_back(queue.wait(Deadline::in(clock_, 5ms))); });
  scheduler_.spawn("hasty", [&] { notified.push_back(queue.wait(Deadline::in(clock_, 1ms))); });
  scheduler_.spawn("notifier", [&] {
    scheduler_.sleep_for(3ms);
    queue.notify_all();
  });
  run_until(scheduler_, clock_, Instant{} + 10ms);
  EXPECT_EQ(notified, (std::vector<bool>{false, true}));
}

TEST_F(SchedulerTest, KillAllTakesAFiberThatNeverRanOutOfItsGroup) {
  TaskGroup group(scheduler_);
  group.spawn("never", [] { ADD_FAILURE() << "it ran"; });
  scheduler_.kill_all();
  EXPECT_EQ(group.size(), 0u);
}

TEST_F(SchedulerTest, KillAllUnwindsYoungestFirstAndRunsDestructors) {
  struct Note {
    std::string& order;
    char name;
    ~Note() { order += name; }
  };
  std::string order;
  WaitQueue queue(scheduler_);
  for (const char name : {'a', 'b', 'c'}) {
    scheduler_.spawn("fiber", [&, name] {
      const Note note{order, name};
      (void)queue.wait(Deadline::in(clock_, 1s));
      ADD_FAILURE() << "a killed fiber went on";
    });
  }
  scheduler_.run_ready();
  scheduler_.kill_all();
  EXPECT_EQ(order, "cba");
  EXPECT_FALSE(queue.has_waiters());
  EXPECT_FALSE(scheduler_.next_timer().has_value());
}

TEST_F(SchedulerTest, AKilledFibersDestructorMayWakeOthersAndKillItsOwnGroup) {
  WaitQueue queue(scheduler_);
  bool woken = false;
  bool child_unwound = false;
  scheduler_.spawn("other", [&] { woken = queue.wait(Deadline::never()); });
  TaskGroup group(scheduler_);
  group.spawn("owner", [&] {
    struct Notify {
      WaitQueue& queue;
      ~Notify() { queue.notify_all(); }
    } notify{queue};
    TaskGroup children(scheduler_);
    children.spawn("child", [&] {
      struct Unwound {
        bool& flag;
        ~Unwound() { flag = true; }
      } unwound{child_unwound};
      scheduler_.sleep_for(1h);
    });
    scheduler_.sleep_for(1h);
  });
  scheduler_.run_ready();
  group.stop();
  EXPECT_TRUE(child_unwound);
  scheduler_.run_ready();
  EXPECT_TRUE(woken);
}

TEST_F(SchedulerTest, AGroupJoinsFibersThatEndByThemselves) {
  std::vector<bool> joined;
  scheduler_.spawn("owner", [&] {
    TaskGroup group(scheduler_);
    group.spawn("short", [&] { scheduler_.sleep_for(1ms); });
    group.spawn("long", [&] { scheduler_.sleep_for(10ms); });
    joined.push_back(group.join(Deadline::in(clock_, 5ms)));
    joined.push_back(group.join(Deadline::in(clock_, 50ms)));
  });
  run_until(scheduler_, clock_, Instant{} + 100ms);
  EXPECT_EQ(joined, (std::vector<bool>{false, true}));
}

TEST_F(SchedulerTest, AFiberKilledBeforeItsFirstTurnNeverRuns) {
  TaskGroup group(scheduler_);
  group.spawn("unlucky", [] { ADD_FAILURE(); });
  group.stop();
  scheduler_.run_ready();
  EXPECT_EQ(scheduler_.fiber_count(), 0u);
}

TEST_F(SchedulerTest, HaltLetsNoFiberRunButUnwinds) {
  int turns = 0;
  for (int i = 0; i < 2; ++i) {
    scheduler_.spawn("fiber", [&] {
      ++turns;
      scheduler_.halt();
      scheduler_.yield();
      ADD_FAILURE();
    });
  }
  scheduler_.run_ready();
  EXPECT_EQ(turns, 1);
  scheduler_.kill_all();
}

TEST_F(SchedulerTest, AQueueIsBoundedAndKeepsItsOrder) {
  Queue<int> queue(scheduler_, 2);
  std::vector<int> got;
  scheduler_.spawn("reader", [&] {
    while (auto item = queue.pop(Deadline::in(clock_, 1ms))) got.push_back(*item);
  });
  EXPECT_TRUE(queue.try_push(1));
  EXPECT_TRUE(queue.try_push(2));
  EXPECT_FALSE(queue.try_push(3));
  run_until(scheduler_, clock_, Instant{} + 10ms);
  EXPECT_EQ(got, (std::vector<int>{1, 2}));
}

TEST_F(SchedulerTest, ManyTimersInAnyOrderFireInOrder) {
  std::vector<int> order;
  for (int i = 0; i < 500; ++i) {
    const int at = (i * 7919) % 500;
    scheduler_.spawn("sleeper", [&, at] {
      scheduler_.sleep_until(Instant{at + 1});
      order.push_back(at);
    });
  }
  run_until(scheduler_, clock_, Instant{1000});
  EXPECT_EQ(order.size(), 500u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

}  // namespace
}  // namespace keelson
