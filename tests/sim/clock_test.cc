#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/choices.h"
#include "sim/sim_clock.h"

namespace keelson::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kEpoch = 1'000'000;

class SimClockTest : public testing::Test {
 protected:
  void pass(Duration span) { events_.advance_to(events_.now() + span); }
  FaultLedger::Count count(std::string_view kind) {
    const auto found = ledger_.counts().find(kind);
    return found == ledger_.counts().end() ? FaultLedger::Count{} : found->second;
  }
  void expect_count(std::string_view kind, std::uint64_t injected, std::uint64_t effective) {
    EXPECT_EQ(count(kind).injected, injected) << kind;
    EXPECT_EQ(count(kind).effective, effective) << kind;
  }

  EventQueue events_;
  FaultLedger ledger_;
  std::vector<std::string> changes_;
  SimClock clock_{events_, ledger_, kEpoch,
                  [this](std::string_view what) { changes_.emplace_back(what); }};
};

TEST_F(SimClockTest, AnUndisturbedClockShowsTrueTime) {
  pass(1500ms);
  EXPECT_EQ(clock_.now(), Instant{} + 1500ms);
  EXPECT_EQ(clock_.wall_ms(), kEpoch + 1500);
  EXPECT_EQ(clock_.true_time_of(Instant{} + 2s), TrueTime{} + 2s);
  EXPECT_EQ(clock_.true_time_of(Instant{}), events_.now());
  EXPECT_TRUE(ledger_.counts().empty());
}

TEST_F(SimClockTest, ABootMovesTheMonotonicClockButNotTheWallClock) {
  pass(10s);
  clock_.boot(Instant{500});
  EXPECT_EQ(clock_.now(), Instant{500});
  EXPECT_EQ(clock_.wall_ms(), kEpoch + 10'000);
  pass(1s);
  EXPECT_EQ(clock_.now(), Instant{500} + 1s);
  EXPECT_EQ(clock_.true_time_of(Instant{500} + 2s), TrueTime{} + 12s);
  expect_count("clock.origin", 1, 1);
}

TEST_F(SimClockTest, DriftIsAShareOfTimeSinceItBegan) {
  pass(10s);
  clock_.set_drift_ppm(200);
  pass(10s);
  EXPECT_EQ(clock_.now(), Instant{} + 20s + 2ms);
  clock_.set_drift_ppm(-1000);
  pass(10s);
  EXPECT_EQ(clock_.now(), Instant{} + 30s + 2ms - 10ms);
  EXPECT_EQ(clock_.wall_ms(), kEpoch + 30'000 + 2 - 10);
  expect_count("clock.drift", 2, 2);
  EXPECT_EQ(changes_, (std::vector<std::string>{"drifts by 200 ppm", "drifts by -1000 ppm"}));
}

TEST_F(SimClockTest, AFaultThatNoReadNoticedHadNoEffect) {
  clock_.set_drift_ppm(200);
  (void)clock_.now();  // No time has passed.
  clock_.step_wall(50);
  (void)clock_.now();  // Not the clock that stepped.
  clock_.freeze(1s);
  pass(2s);  // Over before anybody looks.
  clock_.set_drift_ppm(0);
  (void)clock_.now();
  expect_count("clock.drift", 1, 0);
  expect_count("clock.step", 1, 0);
  expect_count("clock.freeze", 1, 0);
}

TEST_F(SimClockTest, WallTimeStepsBackAndForthAndTheMonotonicClockDoesNot) {
  pass(10s);
  clock_.set_wall_offset(250);
  EXPECT_EQ(clock_.wall_ms(), kEpoch + 10'250);
  clock_.step_wall(-5'000);
  EXPECT_EQ(clock_.wall_ms(), kEpoch + 5'250);
  clock_.step_wall(7'000);
  EXPECT_EQ(clock_.wall_ms(), kEpoch + 12'250);
  EXPECT_EQ(clock_.now(), Instant{} + 10s);
  expect_count("clock.offset", 1, 1);
  expect_count("clock.step", 2, 2);
}

TEST_F(SimClockTest, AFrozenClockStandsStillAndThenJumps) {
  pass(1s);
  clock_.freeze(3s);
  pass(1s);
  EXPECT_TRUE(clock_.is_frozen());
  EXPECT_EQ(clock_.now(), Instant{} + 1s);
  EXPECT_EQ(clock_.wall_ms(), kEpoch + 1'000);
  EXPECT_EQ(clock_.true_time_of(Instant{} + 1s), events_.now());
  EXPECT_EQ(clock_.true_time_of(Instant{} + 1s + 1ns), TrueTime{} + 4s);
  EXPECT_EQ(clock_.true_time_of(Instant{} + 9s), TrueTime{} + 9s);
  pass(2s);
  EXPECT_EQ(clock_.now(), Instant{} + 4s);
  expect_count("clock.freeze", 1, 1);
}

TEST_F(SimClockTest, NoTimerIsDueWithinTime) {
  clock_.set_drift_ppm(-SimClock::kDriftPpmLimit);
  EXPECT_EQ(clock_.true_time_of(Instant{INT64_MAX}), TrueTime::end());
  EXPECT_EQ(clock_.true_time_of(Instant{INT64_MAX / 2}), TrueTime::end());
  EXPECT_LT(clock_.true_time_of(Instant{} + 24h * 365), TrueTime::end());
}

// Disturbs at random, and compares true_time_of with what the clock then says.
TEST_F(SimClockTest, UnderAllDisturbancesItNeverGoesBackAndATimerIsNeverEarlyNorAStepLate) {
  Choices choices(11);
  ChoiceStream& stream = choices.stream("test");
  clock_.boot(Instant{1'000'000'007});
  Instant last = clock_.now();
  for (int i = 0; i < 20'000; ++i) {
    switch (stream.choose(4)) {
      case 0: {
        const auto magnitude = static_cast<std::int32_t>(stream.choose(1000)) - 500;
        clock_.set_drift_ppm(magnitude * (stream.chance(500'000) ? 1000 : 1));
        break;
      }
      case 1: clock_.freeze(Duration(stream.choose(2'000'000))); break;
      case 2: clock_.step_wall(static_cast<std::int64_t>(stream.choose(2000)) - 1000); break;
      default: break;
    }
    EXPECT_GE(clock_.now(), last);
    const Instant wanted = clock_.now() + Duration(stream.choose(3'000'000));
    const TrueTime due = clock_.true_time_of(wanted);
    if (due > events_.now()) {
      events_.advance_to(TrueTime{due.ns - 1});
      EXPECT_LT(clock_.now(), wanted);
      events_.advance_to(due);
    }
    EXPECT_GE(clock_.now(), wanted);
    last = clock_.now();
    pass(Duration(stream.choose(1'000'000)));
  }
}

}  // namespace
}  // namespace keelson::sim
