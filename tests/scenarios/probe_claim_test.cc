#include "scenarios/probe_claim.h"

#include <gtest/gtest.h>

namespace keelson::scenarios {
namespace {

using sim::TrueTime;

constexpr NodeId kN1{1};
constexpr NodeId kN2{2};
constexpr NodeId kN3{3};

constexpr TrueTime ms(std::int64_t count) { return TrueTime{count * 1'000'000}; }

class ProbeClaimTest : public testing::Test {
 protected:
  std::optional<std::string> probe(NodeId node, TrueTime start, TrueTime end, int status = 200) {
    return claim_.judge({node, "s3", "/healthz/leader", start, end, status});
  }
  ProbeClaim claim_;
};

TEST_F(ProbeClaimTest, TheLeaderMayAnswer200) {
  claim_.leads(kN1, raft::Term(5), ms(100));
  EXPECT_FALSE(probe(kN1, ms(150), ms(160)));
}

TEST_F(ProbeClaimTest, AStaleLeaderThatAnswers200IsNamedWithTermsAndTimes) {
  claim_.leads(kN1, raft::Term(5), ms(1000));
  claim_.leads(kN3, raft::Term(7), ms(3950));
  const auto violation = probe(kN1, ms(4210), ms(4213));
  ASSERT_TRUE(violation);
  EXPECT_EQ(*violation,
            "n1 answered 200 on its s3 leader probe /healthz/leader from 4.210s to 4.213s, but n3 "
            "had led term 7 since 3.950s; n1's last term was 5");
}

TEST_F(ProbeClaimTest, OnlyA200IsAClaim) {
  claim_.leads(kN3, raft::Term(7), ms(1));
  EXPECT_FALSE(probe(kN1, ms(10), ms(20), 503));
  EXPECT_FALSE(probe(kN1, ms(10), ms(20), 0));
  EXPECT_EQ(claim_.judged(), 2u);
  EXPECT_EQ(claim_.answered_200(), 0u);
}

TEST_F(ProbeClaimTest, A200FromANodeThatNeverLedIsAViolation) {
  claim_.leads(kN3, raft::Term(7), ms(1));
  ASSERT_TRUE(probe(kN2, ms(10), ms(20)));
}

TEST_F(ProbeClaimTest, A200FromANodeThatLedOnlyLaterIsAViolation) {
  claim_.leads(kN3, raft::Term(7), ms(1));
  claim_.leads(kN2, raft::Term(8), ms(30));
  EXPECT_TRUE(probe(kN2, ms(10), ms(20)));
  EXPECT_FALSE(probe(kN2, ms(10), ms(40)));
}

TEST_F(ProbeClaimTest, ANewLeaderThatAppearsDuringTheCallContestsButDoesNotRefuteIt) {
  claim_.leads(kN1, raft::Term(5), ms(1));
  claim_.leads(kN3, raft::Term(7), ms(15));
  EXPECT_FALSE(probe(kN1, ms(10), ms(20)));
  EXPECT_EQ(claim_.contested_200(), 1u);
  EXPECT_TRUE(probe(kN1, ms(16), ms(20)));
}

TEST_F(ProbeClaimTest, ALeaderOfAnOlderTermThanOursDoesNotContest) {
  claim_.leads(kN1, raft::Term(5), ms(1));
  claim_.leads(kN3, raft::Term(7), ms(2));
  claim_.leads(kN1, raft::Term(9), ms(3));
  claim_.leads(kN3, raft::Term(7), ms(4));  // A stale heartbeat of term 7.
  EXPECT_FALSE(probe(kN1, ms(10), ms(20)));
  EXPECT_TRUE(probe(kN3, ms(10), ms(20)));
  ASSERT_TRUE(claim_.latest());
  EXPECT_EQ(claim_.latest()->node, kN1);
  EXPECT_EQ(claim_.reigns().size(), 3u);
}

TEST_F(ProbeClaimTest, ANodeThatWasToldToStopIsRedUntilItHasStartedAgain) {
  claim_.leads(kN1, raft::Term(5), ms(1));
  claim_.told_to_stop(kN1, ms(15));
  EXPECT_FALSE(probe(kN1, ms(10), ms(20)));  // It began before.
  const auto violation = probe(kN1, ms(16), ms(20));
  ASSERT_TRUE(violation);
  EXPECT_TRUE(violation->ends_with("but it had been told to stop at 0.015s")) << *violation;
  claim_.started_again(kN1);
  EXPECT_FALSE(probe(kN1, ms(30), ms(40)));
}

TEST_F(ProbeClaimTest, ALeaderWithoutAnEntryOfItsTermOnAMajorityIsRed) {
  raft::Term established(5);
  claim_.demand_own_entry([&](raft::Term term) { return term == established; });
  claim_.leads(kN1, raft::Term(5), ms(1));
  claim_.leads(kN1, raft::Term(7), ms(50));
  EXPECT_FALSE(probe(kN1, ms(10), ms(20)));
  EXPECT_FALSE(probe(kN1, ms(10), ms(60)));  // It may have answered as leader of term 5.
  EXPECT_TRUE(probe(kN1, ms(55), ms(60)));
  established = raft::Term(7);
  EXPECT_FALSE(probe(kN1, ms(55), ms(60)));
}

}  // namespace
}  // namespace keelson::scenarios
