#include "scenarios/canary.h"

#include <gtest/gtest.h>

#include "core/runtime/fiber.h"
#include "scenarios/catalogue.h"
#include "scenarios/run.h"

namespace keelson::scenarios {
namespace {

TEST(CanaryTest, FailsInAKnownShareOfSeeds) {
  StackPool stacks;
  int failures = 0;
  constexpr int kSeeds = 400;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    sim::Choices choices(seed);
    RunOptions options;
    options.stacks = &stacks;
    const RunResult result = run_scenario(canary(), choices, options);
    EXPECT_GT(result.reached.at("canary: the token was taken"), 0u);
    if (!result.failure) continue;
    ++failures;
    EXPECT_EQ(result.failure->fingerprint, "token/two holders");
  }
  RecordProperty("failures", failures);
  EXPECT_GT(failures, kSeeds / 10);
  EXPECT_LT(failures, kSeeds / 2);
}

TEST(CanaryTest, ASeedHasOneResultAndOneDigest) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    sim::Choices first(seed);
    sim::Choices second(seed);
    const RunResult a = run_scenario(canary(), first);
    const RunResult b = run_scenario(canary(), second);
    EXPECT_EQ(a.digest, b.digest);
    EXPECT_EQ(a.events, b.events);
    EXPECT_EQ(a.failure.has_value(), b.failure.has_value());
  }
}

TEST(CanaryTest, WithoutFaultsItHolds) {
  sim::Choices choices(std::map<std::string, std::vector<sim::Choice>>{});
  EXPECT_FALSE(run_scenario(canary(), choices).failure);
}

TEST(CatalogueTest, NamesAreUniqueAndFound) {
  for (const Scenario& scenario : all_scenarios()) {
    EXPECT_EQ(find_scenario(scenario.name), &scenario);
    EXPECT_FALSE(scenario.promise.empty());
    EXPECT_NE(scenario.run, nullptr);
  }
  EXPECT_EQ(find_scenario("no such thing"), nullptr);
}

}  // namespace
}  // namespace keelson::scenarios
