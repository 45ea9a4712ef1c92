#include "tools/simulate/gate_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::simulate {
namespace {

using ::testing::HasSubstr;

Outcome outcome(std::uint64_t seed, bool fails) {
  Outcome made{.scenario = "pause", .seed = seed};
  made.digest = seed * 77;
  made.virtual_ns = 1'500'000'000;
  made.faults["net.cut"] = {.injected = 30, .effective = seed};
  made.reached["raft: a path"] = seed;
  if (fails) {
    made.failure = Outcome::Failure{
        .oracle = "lease", .message = "two hold it", .fingerprint = "lease/two", .at_ns = 7};
  }
  return made;
}

GateReport report_of(const std::vector<Outcome>& outcomes) {
  GateReport report;
  report.canary = "was seen";
  report.scenarios.emplace_back();
  report.scenarios.back().scenario = "pause";
  for (const Outcome& each : outcomes) report.scenarios.back().add(each);
  return report;
}

Regression regression(std::uint64_t matched, bool fails) {
  Regression made{.file = "P01.repro", .scenario = "pause", .listed = 10, .matched = matched};
  if (fails) made.failure = outcome(1, true).failure;
  return made;
}

TEST(GateReportTest, ShardsTogetherAreTheWhole) {
  const GateReport whole =
      report_of({outcome(1, false), outcome(2, true), outcome(3, false), outcome(4, false)});
  GateReport merged;
  for (const GateReport& shard : {report_of({outcome(1, false), outcome(3, false)}),
                                  report_of({outcome(4, false), outcome(2, true)})}) {
    const auto read = gate_report_from_json(to_json(shard));
    ASSERT_TRUE(read.has_value());
    merge_into(merged, *read);
  }
  EXPECT_EQ(to_json(merged), to_json(whole));
  EXPECT_EQ(to_text(merged), to_text(whole));
  EXPECT_EQ(exit_code(merged), ExitCode::broken);
}

TEST(GateReportTest, ItEndsWithWhatAPersonLooksFor) {
  GateReport report = report_of({outcome(1, false), outcome(2, true), outcome(3, true)});
  report.scenarios.back().wall_ns = 2'000'000'000;
  report.scenarios.back().reached["raft: another"] = 0;
  const std::string text = to_text(report);
  EXPECT_THAT(text.substr(text.rfind("\n\n")),
              "\n\nfaults: 90 injected, of 1 kinds, with 6 effects; kinds without any: none\n"
              "paths: 1 of 2 taken; not taken:\n  raft: another\n"
              "3 seeds, each run twice, in 2.0 s: 1.5 a second; BROKEN in 2 seeds\n"
              "BROKEN 'lease' in pause: two hold it\n"
              "  repeat: build/bin/keelson-sim run pause --seed 2\n");
  report = report_of({outcome(0, false), outcome(0, false), outcome(0, false)});
  EXPECT_THAT(to_text(report), HasSubstr("held; so few runs bound nothing\n"));
  report.scenarios.back().add(outcome(0, false));
  EXPECT_THAT(to_text(report), HasSubstr("kinds without any: net.cut\n"));
  EXPECT_THAT(to_text(report), HasSubstr("fewer than 0.75 of such runs fail (3/4)\n"));
}

TEST(GateReportTest, AFaultWithoutEffectIsForTheWholeToJudge) {
  GateReport report = report_of({outcome(0, false)});
  report.shards = 2;
  EXPECT_EQ(exit_code(report), ExitCode::held);
  report.shards = 1;
  EXPECT_EQ(exit_code(report), ExitCode::vacuous);
}

GateReport gate_of(std::uint64_t seeds_each, std::uint64_t reached_by_last) {
  GateReport report;
  report.canary = "was seen";
  for (const char* const scenario : {"pause", "swizzle", "swarm"}) {
    Summary& summary = report.scenarios.emplace_back();
    summary.scenario = scenario;
    summary.seeds = seeds_each;
    summary.reached["s3: a delete was done"] = 0;
  }
  report.scenarios.back().reached["s3: a delete was done"] = reached_by_last;
  return report;
}

TEST(GateReportTest, APathIsDemandedOfEachScenarioThatHadSeedsEnough) {
  EXPECT_EQ(exit_code(gate_of(200, 7)), ExitCode::vacuous);
  EXPECT_THAT(to_text(gate_of(200, 7)), HasSubstr("pause: never reached: s3: a delete was done"));
}

TEST(GateReportTest, APathThatNoneOfManyScenariosTookIsMissedAlthoughEachHadFewSeeds) {
  EXPECT_EQ(exit_code(gate_of(70, 7)), ExitCode::held);
  EXPECT_EQ(exit_code(gate_of(60, 0)), ExitCode::held);
  EXPECT_EQ(exit_code(gate_of(70, 0)), ExitCode::vacuous);
  EXPECT_THAT(to_text(gate_of(70, 0)),
              HasSubstr("never reached in any scenario: s3: a delete was done"));
}

TEST(GateReportTest, ABlindGateIsVacuous) {
  GateReport report = report_of({outcome(1, false)});
  EXPECT_EQ(exit_code(report), ExitCode::held);
  report.canary.clear();
  EXPECT_EQ(exit_code(report), ExitCode::vacuous);
}

TEST(GateReportTest, AStoredFailureThatFailsAgainBreaksTheGate) {
  GateReport report = report_of({outcome(1, false)});
  report.regressions = {regression(9, false)};
  EXPECT_EQ(exit_code(report), ExitCode::held);
  EXPECT_THAT(to_text(report), HasSubstr("90 % of its 10 choices were asked for"));
  report.regressions = {regression(9, true)};
  EXPECT_EQ(exit_code(report), ExitCode::broken);
  EXPECT_THAT(to_junit(report), HasSubstr("BROKEN by 'lease'"));
}

TEST(GateReportTest, AStoredFailureWhoseChoicesNoLongerMatchIsNotPassedInSilence) {
  GateReport report = report_of({outcome(1, false)});
  report.regressions = {regression(4, false)};
  EXPECT_EQ(exit_code(report), ExitCode::vacuous);
  EXPECT_THAT(to_text(report), HasSubstr("STALE"));
  EXPECT_THAT(to_text(report), HasSubstr("asked for 4 of its 10 choices"));
  EXPECT_THAT(to_junit(report), HasSubstr("STALE"));
}

TEST(GateReportTest, WhatIsNoReportIsRefused) {
  EXPECT_FALSE(gate_report_from_json("").has_value());
  EXPECT_FALSE(gate_report_from_json("[1]").has_value());
  EXPECT_FALSE(gate_report_from_json("{\"scenario\": \"pause\"}").has_value());
}

}  // namespace
}  // namespace keelson::simulate
