#include "tools/simulate/trials.h"

#include <gtest/gtest.h>

namespace keelson::simulate {
namespace {

Outcome failing(const std::string& oracle, const std::string& fingerprint) {
  Outcome outcome{.scenario = "canary"};
  outcome.failure = Outcome::Failure{
      .oracle = oracle, .message = "as it happened", .fingerprint = fingerprint, .at_ns = 1};
  return outcome;
}

TEST(TrialsTest, OnlyTheFailureThatIsShrunkCounts) {
  WorkerPool none(0);
  const WorkerTrials trials(none, failing("vote", "vote/given twice"), {});
  Outcome same = failing("vote", "vote/given twice");
  same.failure->message = "by another node, in another term";
  EXPECT_TRUE(trials.fails_as_demanded(same));
  EXPECT_FALSE(trials.fails_as_demanded(failing("vote", "vote/forgotten")));
  EXPECT_FALSE(trials.fails_as_demanded(failing("liveness", "vote/given twice")));
  EXPECT_FALSE(trials.fails_as_demanded(Outcome{.scenario = "canary"}));
}

}  // namespace
}  // namespace keelson::simulate
