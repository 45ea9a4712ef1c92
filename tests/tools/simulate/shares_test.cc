#include "tools/simulate/shares.h"

#include <gtest/gtest.h>

namespace keelson::simulate {
namespace {

Summary ran(const std::string& scenario, std::uint64_t seeds, std::uint64_t failures,
            std::map<std::string, std::uint64_t> reached) {
  Summary summary;
  summary.scenario = scenario;
  summary.seeds = seeds;
  summary.failure_count = failures;
  summary.reached = std::move(reached);
  return summary;
}

TEST(SharesTest, WithoutAPastAllGetTheSame) {
  const Shares shares;
  EXPECT_EQ(shares.weight("pause"), Shares::kLeast);
  EXPECT_EQ(shares.weight("rot"), Shares::kLeast);
}

TEST(SharesTest, WhoFoundFailuresOrRarePathsGetsMoreAndNeverMoreThanFiveTimes) {
  Shares shares;
  shares.learn({ran("quiet", 100, 0, {{"common", 500}}), ran("curious", 100, 0, {{"rare", 3}}),
                ran("finder", 100, 40, {{"rare", 1}, {"common", 10}})});
  EXPECT_EQ(shares.weight("quiet"), Shares::kLeast);
  EXPECT_GT(shares.weight("curious"), shares.weight("quiet"));
  EXPECT_GT(shares.weight("finder"), shares.weight("curious"));
  EXPECT_LE(shares.weight("finder"), 5 * Shares::kLeast);
}

TEST(SharesTest, WhatWasLongAgoIsForgotten) {
  Shares shares;
  shares.learn({ran("finder", 100, 1, {})});
  const std::uint64_t at_first = shares.weight("finder");
  for (int gate = 0; gate < 12; ++gate) shares.learn({ran("finder", 100, 0, {})});
  EXPECT_GT(at_first, 3 * Shares::kLeast);
  EXPECT_EQ(shares.weight("finder"), Shares::kLeast);
}

TEST(SharesTest, AFileRemembersThem) {
  Shares shares;
  shares.learn({ran("finder", 100, 2, {{"rare", 1}})});
  const auto read = Shares::from_json(shares.to_json());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->weight("finder"), shares.weight("finder"));
  EXPECT_FALSE(Shares::from_json("[]").has_value());
  EXPECT_FALSE(Shares::from_json("{\"a\": 1}").has_value());
}

}  // namespace
}  // namespace keelson::simulate
