#include "scenarios/fault_budget.h"

#include <gtest/gtest.h>

#include <set>

namespace keelson::scenarios {
namespace {

TEST(FaultBudgetTest, AllowsAMinorityAndNoMore) {
  FaultBudget budget(5, FaultBudget::minority_of(5), [](std::size_t) { return false; });
  EXPECT_TRUE(budget.may_harm(0));
  budget.harmed(0);
  EXPECT_TRUE(budget.may_harm(3));
  budget.harmed(3);
  EXPECT_FALSE(budget.may_harm(1));
  EXPECT_TRUE(budget.may_harm(0));  // It is harmed already.
}

TEST(FaultBudgetTest, WhereMembersChangeItMayBeSmallerThanAMinority) {
  FaultBudget budget(5, 1, [](std::size_t) { return false; });
  EXPECT_TRUE(budget.may_harm(0));
  budget.harmed(0);
  EXPECT_FALSE(budget.may_harm(3));
  EXPECT_TRUE(budget.may_harm(0));
}

TEST(FaultBudgetTest, OfTwoNodesNoneMayBeHarmed) {
  FaultBudget budget(2, FaultBudget::minority_of(2), [](std::size_t) { return false; });
  EXPECT_FALSE(budget.may_harm(0));
}

TEST(FaultBudgetTest, ANodeThatIsWholeAgainLeavesRoomForAnother) {
  std::set<std::size_t> whole;
  FaultBudget budget(3, FaultBudget::minority_of(3),
                     [&](std::size_t node) { return whole.contains(node); });
  budget.harmed(1);
  EXPECT_FALSE(budget.may_harm(2));
  whole.insert(1);
  EXPECT_TRUE(budget.may_harm(2));
  EXPECT_EQ(budget.harmed_count(), 0u);
}

}  // namespace
}  // namespace keelson::scenarios
