#include "core/kv/hlc.h"

#include <gtest/gtest.h>

#include <set>

namespace keelson::kv {
namespace {

using namespace std::chrono_literals;

class HandClock : public Clock {
 public:
  Instant now() const override { return {mono.count()}; }
  std::int64_t wall_ms() const override { return wall; }
  void pass(std::chrono::milliseconds span) {
    mono += span;
    wall += span.count();
  }

  Duration mono = Duration(5);
  std::int64_t wall = 1'700'000'000'000;
};

class HlcTest : public ::testing::Test {
 protected:
  HandClock clock_;
  Hlc hlc_{clock_, 3s};
};

TEST_F(HlcTest, ATimestampIsMillisecondsAndACounter) {
  EXPECT_EQ(ms_of(timestamp_of(1234, 7)), 1234);
  EXPECT_EQ(to_string(timestamp_of(1234, 7)), "1234+7");
  EXPECT_EQ(timestamp_of(-5), Timestamp());
  EXPECT_EQ(timestamp_of(10, 3) + 5ms, timestamp_of(15, 3));
  EXPECT_EQ(timestamp_of(10, 3) - 4ms, timestamp_of(6, 3));
  EXPECT_EQ(timestamp_of(10) - 11ms, Timestamp());
}

TEST_F(HlcTest, NothingIsIssuedBeforeACeilingIsKnown) {
  EXPECT_FALSE(hlc_.next());
  hlc_.raise_ceiling(timestamp_of(clock_.wall + 3000));
  EXPECT_TRUE(hlc_.next());
}

TEST_F(HlcTest, TimestampsFollowTheWallClockAndNeverRepeat) {
  hlc_.raise_ceiling(timestamp_of(clock_.wall + 3000));
  std::set<Timestamp> issued;
  Timestamp last;
  for (int i = 0; i < 1000; ++i) {
    if (i % 10 == 0) clock_.pass(1ms);
    const Timestamp next = hlc_.next().value();
    EXPECT_GT(next, last);
    EXPECT_EQ(ms_of(next), clock_.wall);
    last = next;
  }
}

TEST_F(HlcTest, AnExhaustedCeilingWaitsForAHigherOne) {
  hlc_.raise_ceiling(timestamp_of(clock_.wall, 2));
  hlc_.observe(timestamp_of(clock_.wall));
  EXPECT_TRUE(hlc_.next());
  EXPECT_TRUE(hlc_.next());
  EXPECT_FALSE(hlc_.next());
  EXPECT_FALSE(hlc_.next());
  hlc_.raise_ceiling(timestamp_of(clock_.wall, 1));  // Changes nothing.
  EXPECT_FALSE(hlc_.next());
  hlc_.raise_ceiling(timestamp_of(clock_.wall, 3));
  EXPECT_EQ(hlc_.next(), timestamp_of(clock_.wall, 3));
}

TEST_F(HlcTest, TheCounterRunsOverIntoTheMilliseconds) {
  hlc_.raise_ceiling(timestamp_of(clock_.wall + 3000));
  hlc_.observe(timestamp_of(clock_.wall, 0xffff));
  EXPECT_EQ(hlc_.next(), timestamp_of(clock_.wall + 1));
}

TEST_F(HlcTest, WhatIsIssuedIsAboveWhatWasObserved) {
  hlc_.raise_ceiling(timestamp_of(clock_.wall + 3000));
  hlc_.observe(timestamp_of(clock_.wall + 2000, 9));
  EXPECT_EQ(hlc_.next(), timestamp_of(clock_.wall + 2000, 10));
  // Observed beyond the ceiling: nothing until that is raised above it.
  hlc_.observe(timestamp_of(clock_.wall + 9000));
  EXPECT_FALSE(hlc_.next());
  hlc_.raise_ceiling(timestamp_of(clock_.wall + 9500));
  EXPECT_GT(hlc_.next(), timestamp_of(clock_.wall + 9000));
}

TEST_F(HlcTest, AWallClockThatStepsBackIsWaitedForAtHalfTheRate) {
  hlc_.raise_ceiling(timestamp_of(clock_.wall + 100'000));
  const Timestamp before = hlc_.next().value();
  clock_.wall -= 5000;
  clock_.pass(4000ms);
  const Timestamp while_ahead = hlc_.next().value();
  EXPECT_EQ(ms_of(while_ahead) - ms_of(before), 2000);
  clock_.pass(10'000ms);
  EXPECT_EQ(ms_of(hlc_.next().value()), clock_.wall);
}

TEST_F(HlcTest, AFastWallClockStaysBelowTheCeilingAndLeavesRoom) {
  const std::int64_t true_ms = clock_.wall;
  hlc_.raise_ceiling(timestamp_of(true_ms + 3000));
  clock_.wall += 3'600'000;
  for (int i = 0; i < 1000; ++i) {
    const Timestamp next = hlc_.next().value();
    EXPECT_LE(ms_of(next), true_ms + 2250 + 1);
  }
}

TEST_F(HlcTest, TimeGoesOnWithoutAnyoneAsking) {
  hlc_.raise_ceiling(timestamp_of(clock_.wall + 3000));
  const Timestamp before = hlc_.now();
  clock_.pass(500ms);
  EXPECT_EQ(ms_of(hlc_.now()) - ms_of(before), 500);
  EXPECT_EQ(hlc_.next(), hlc_.now());
}

}  // namespace
}  // namespace keelson::kv
