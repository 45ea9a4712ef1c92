#include "scenarios/fault_plan.h"

#include <gtest/gtest.h>

#include <map>

namespace keelson::scenarios {
namespace {

using namespace std::chrono_literals;

FaultPlan plan_of(std::uint64_t seed, std::size_t nodes = 3, const FaultProfile& profile = {}) {
  sim::Choices choices(seed);
  return draw_fault_plan(choices, nodes, 10s, profile);
}

TEST(FaultPlanTest, ASeedGivesOnePlan) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    EXPECT_EQ(describe(plan_of(seed)), describe(plan_of(seed)));
  }
}

TEST(FaultPlanTest, EveryDrawnActionIsValidInOrderAndEndsInTime) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    for (const std::size_t nodes : {1, 2, 3, 5}) {
      const FaultPlan plan = plan_of(seed, nodes);
      Duration previous = 0ms;
      for (const FaultAction& action : plan.actions) {
        EXPECT_TRUE(is_valid(action, nodes)) << describe(action);
        EXPECT_GE(action.at, previous);
        EXPECT_LE(action.at + action.duration, Duration(10s));
        previous = action.at;
      }
    }
  }
}

TEST(FaultPlanTest, EveryKindIsDrawnAndAboutOneSeedInEightIsCalm) {
  std::map<FaultKind, int> drawn;
  int calm = 0;
  for (std::uint64_t seed = 0; seed < 800; ++seed) {
    const FaultPlan plan = plan_of(seed, 5);
    if (plan.actions.empty()) ++calm;
    for (const FaultAction& action : plan.actions) ++drawn[action.kind];
  }
  EXPECT_EQ(drawn.size(), kFaultKinds);
  EXPECT_GT(calm, 60);
  EXPECT_LT(calm, 160);
}

TEST(FaultPlanTest, NothingButZerosIsACalmRun) {
  sim::Choices choices(std::map<std::string, std::vector<sim::Choice>>{});
  const FaultPlan plan = draw_fault_plan(choices, 3, 10s);
  EXPECT_TRUE(plan.actions.empty());
  EXPECT_EQ(plan.conditions.links.tail_per_million, 0u);
}

TEST(FaultPlanTest, AProfileLeavesOnlyWhatItNames) {
  FaultProfile profile;
  profile.none().set(FaultKind::pause, 1000);
  profile.may_be_calm = false;
  std::size_t actions = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    for (const FaultAction& action : plan_of(seed, 3, profile).actions) {
      EXPECT_EQ(action.kind, FaultKind::pause);
      ++actions;
    }
  }
  EXPECT_GT(actions, 20u);
}

TEST(FaultPlanTest, AnActionIsToldInWords) {
  FaultAction action;
  action.kind = FaultKind::isolate;
  action.at = 1200ms;
  action.duration = 800ms;
  action.targets = {1};
  action.aims_at_leader = true;
  EXPECT_EQ(describe(action), "1.200s: isolate n2 (or whoever leads) for 800ms");
  EXPECT_TRUE(is_valid(action, 3));
  EXPECT_FALSE(is_valid(action, 1));
  action.targets = {1, 1};
  EXPECT_FALSE(is_valid(action, 3));
}

}  // namespace
}  // namespace keelson::scenarios
