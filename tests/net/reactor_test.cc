#include "net/reactor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <thread>

#include "core/runtime/sync.h"
#include "core/runtime/task_group.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

class ReactorTest : public testing::Test {
 protected:
  ReactorTest() { reactor_.add(scheduler_); }
  ~ReactorTest() override { reactor_.remove(scheduler_); }

  // Runs the body as a fiber until it returns.
  void run(std::function<void()> body) {
    scheduler_.spawn("test", [this, body = std::move(body)] {
      body();
      reactor_.stop();
    });
    reactor_.run();
  }

  Reactor reactor_;
  StackPool stacks_;
  Scheduler scheduler_{reactor_.clock(), stacks_};
};

TEST_F(ReactorTest, TasksPostedByAThreadRunOnTheLoopInOrderAndOutsideAnyFiber) {
  const auto loop_thread = std::this_thread::get_id();
  Event all_came(scheduler_);
  std::vector<int> order;
  std::thread poster([&] {
    for (int i = 0; i < 1000; ++i) {
      reactor_.post([&, i] {
        EXPECT_EQ(std::this_thread::get_id(), loop_thread);
        EXPECT_EQ(Fiber::current(), nullptr);
        order.push_back(i);
        if (i == 999) all_came.set();
      });
    }
  });
  run([&] { EXPECT_TRUE(all_came.wait(Deadline::in(reactor_.clock(), 20s))); });
  poster.join();
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[i], i);
}

TEST_F(ReactorTest, APostEndsAWaitWithoutEnd) {
  Event came(scheduler_);
  std::thread poster([&] {
    std::this_thread::sleep_for(20ms);
    reactor_.post([&] { came.set(); });
  });
  run([&] { EXPECT_TRUE(came.wait(Deadline::never())); });
  poster.join();
}

TEST_F(ReactorTest, ATaskMayPostAnother) {
  Event came(scheduler_);
  reactor_.post([&] { reactor_.post([&] { came.set(); }); });
  run([&] { EXPECT_TRUE(came.wait(Deadline::in(reactor_.clock(), 20s))); });
}

TEST_F(ReactorTest, AnyThreadMayStopALoopThatCanThenRunAgain) {
  for (int i = 0; i < 3; ++i) {
    std::thread stopper([&] {
      std::this_thread::sleep_for(5ms);
      reactor_.stop();
    });
    reactor_.run();
    stopper.join();
  }
}

TEST_F(ReactorTest, AStopBeforeTheRunIsNotLost) {
  reactor_.stop();
  reactor_.run();
}

TEST_F(ReactorTest, AnIdleLoopDoesNotTurn) {
  run([&] {
    const std::uint64_t turn = reactor_.turn();
    scheduler_.sleep_for(100ms);
    EXPECT_LE(reactor_.turn() - turn, 5u);
  });
}

TEST_F(ReactorTest, EverySchedulerHasItsTimersAndItsTurn) {
  Scheduler other(reactor_.clock(), stacks_);
  reactor_.add(other);
  std::string order;
  other.spawn("early", [&] {
    other.sleep_for(10ms);
    order += "early ";
  });
  run([&] {
    scheduler_.sleep_for(30ms);
    order += "late";
  });
  EXPECT_EQ(order, "early late");
  reactor_.remove(other);
}

TEST_F(ReactorTest, ASchedulerMayBeAddedByAFiber) {
  Scheduler other(reactor_.clock(), stacks_);
  bool has_run = false;
  run([&] {
    other.spawn("fiber", [&] { has_run = true; });
    reactor_.add(other);
    scheduler_.sleep_for(1ms);
  });
  EXPECT_TRUE(has_run);
  reactor_.remove(other);
}

TEST_F(ReactorTest, ASignalCallsBackOnTheLoopEveryTime) {
  int calls = 0;
  reactor_.on_signal(SIGUSR1, [&] {
    EXPECT_EQ(Fiber::current(), nullptr);
    ++calls;
  });
  run([&] {
    for (int i = 1; i <= 3; ++i) {
      ASSERT_EQ(kill(getpid(), SIGUSR1), 0);
      const Deadline deadline = Deadline::in(reactor_.clock(), 20s);
      while (calls < i && reactor_.clock().now() < deadline.at) scheduler_.sleep_for(1ms);
      EXPECT_EQ(calls, i);
    }
  });
}

// Two pipes become readable at once. Whoever is told first forgets the other, and has a quiet pipe
// watched that takes the other's place.
TEST_F(ReactorTest, AnEventThatWasAlreadyFetchedReachesNeitherAForgottenWatcherNorItsSuccessor) {
  struct End final : Reactor::Watcher {
    void on_events(std::uint32_t) override { on_told(); }
    std::function<void()> on_told;
    Reactor::Watch watch;
    int pipe[2];
  };
  End ends[2], successor;
  int told = 0;
  ASSERT_EQ(pipe(successor.pipe), 0);
  successor.on_told = [] { ADD_FAILURE() << "told of another's event"; };
  const auto forget = [&](End& end) {
    reactor_.forget(end.watch);
    close(end.pipe[0]);
  };
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(pipe(ends[i].pipe), 0);
    ends[i].watch = reactor_.watch(ends[i].pipe[0], EPOLLIN, ends[i]);
    ends[i].on_told = [&, i] {
      if (++told > 1) return;
      forget(ends[1 - i]);
      successor.watch = reactor_.watch(successor.pipe[0], EPOLLIN, successor);
      EXPECT_EQ(successor.watch.slot, ends[1 - i].watch.slot);
    };
  }
  End* survivor = nullptr;
  run([&] {
    for (const End& end : ends) ASSERT_EQ(write(end.pipe[1], "x", 1), 1);
    scheduler_.sleep_for(5ms);
    EXPECT_EQ(told, 1);
    survivor = fcntl(ends[0].pipe[0], F_GETFD) >= 0 ? &ends[0] : &ends[1];
  });
  forget(*survivor);
  forget(successor);
  for (const int end : {ends[0].pipe[1], ends[1].pipe[1], successor.pipe[1]}) close(end);
}

TEST_F(ReactorTest, AReportAskedForComesInTheNextTurnUnlessForgotten) {
  struct Counter final : Reactor::Watcher {
    void on_events(std::uint32_t events) override { seen |= events, ++told; }
    std::uint32_t seen = 0;
    int told = 0;
  } kept, forgotten;
  int pipes[2][2];
  for (auto& ends : pipes) ASSERT_EQ(pipe(ends), 0);
  const auto kept_watch = reactor_.watch(pipes[0][0], EPOLLIN, kept);
  const auto forgotten_watch = reactor_.watch(pipes[1][0], EPOLLIN, forgotten);
  run([&] {
    reactor_.report_again(kept_watch, EPOLLIN);
    reactor_.report_again(forgotten_watch, EPOLLIN);
    reactor_.forget(forgotten_watch);
    close(pipes[1][0]);
    scheduler_.sleep_for(5ms);
  });
  EXPECT_EQ(kept.told, 1);
  EXPECT_EQ(kept.seen, static_cast<std::uint32_t>(EPOLLIN));
  EXPECT_EQ(forgotten.told, 0);
  reactor_.forget(kept_watch);
  for (const int descriptor : {pipes[0][0], pipes[0][1], pipes[1][1]}) close(descriptor);
}

}  // namespace
}  // namespace keelson
