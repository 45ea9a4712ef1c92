#include "scenarios/quorum_checks.h"

#include <gtest/gtest.h>

#include "core/raft/messages.h"

namespace keelson::scenarios {
namespace {

using raft::Configuration;
using raft::Entry;
using raft::LogIndex;
using raft::Term;

constexpr GroupId kGroup{0};
constexpr NodeId kN1{1}, kN2{2}, kN3{3}, kN4{4};

Configuration voters(const std::set<NodeId>& nodes, const std::set<NodeId>& learners = {}) {
  Configuration configuration;
  for (const NodeId node : nodes) configuration.members[node] = {};
  for (const NodeId node : learners) {
    configuration.members[node] = {};
    configuration.members[node].is_voter = false;
  }
  return configuration;
}

class QuorumChecksTest : public testing::Test {
 protected:
  QuorumChecksTest() { checks_.set_founders(voters({kN1, kN2, kN3})); }

  static Entry entry(std::uint64_t index, std::uint64_t term) {
    return {.term = Term(term), .index = LogIndex(index), .data = {}};
  }
  static Entry entry(std::uint64_t index, std::uint64_t term, const Configuration& configuration) {
    return {.term = Term(term),
            .index = LogIndex(index),
            .kind = raft::EntryKind::configuration,
            .data = raft::encode(configuration)};
  }
  void votes(NodeId candidate, std::uint64_t term, const std::set<NodeId>& voters) {
    for (const NodeId voter : voters) {
      checks_.on_durable_vote(voter, kGroup, Term(term), candidate);
    }
  }
  void durable(const std::set<NodeId>& nodes, const Entry& entry) {
    for (const NodeId node : nodes) checks_.on_durable_entry(node, kGroup, entry, now_);
  }
  void leads(NodeId node, std::uint64_t term) {
    checks_.on_leader(node, kGroup, Term(term), now_);
  }
  void applied(const Entry& entry) { checks_.on_first_applied(kGroup, entry, now_); }
  std::string fingerprint() {
    checks_.finish();
    return report_.failure() ? report_.failure()->fingerprint : "held";
  }

  Report report_;
  QuorumChecks checks_{report_};
  sim::TrueTime now_{1'000'000};
};

TEST_F(QuorumChecksTest, AnElectionAndACommitmentByMajoritiesHold) {
  votes(kN1, 1, {kN1, kN3});
  leads(kN1, 1);
  durable({kN1, kN2}, entry(1, 1));
  applied(entry(1, 1));
  EXPECT_EQ(fingerprint(), "held");
  EXPECT_EQ(checks_.seen().elections, 1u);
  EXPECT_EQ(checks_.seen().commits, 1u);
}

TEST_F(QuorumChecksTest, ALeaderWithoutTheVotesOfAMajorityIsSeen) {
  votes(kN1, 1, {kN1});
  leads(kN1, 1);
  durable({kN1, kN2}, entry(1, 1));
  EXPECT_EQ(fingerprint(), "quorum/election");
}

TEST_F(QuorumChecksTest, VotesForAnotherDoNotCount) {
  votes(kN1, 1, {kN1});
  votes(kN2, 1, {kN2, kN3});
  durable({kN1}, entry(1, 1));
  leads(kN1, 1);
  EXPECT_EQ(fingerprint(), "quorum/election");
}

TEST_F(QuorumChecksTest, AnEntryThatIsAppliedWithTooFewCopiesIsSeen) {
  durable({kN1}, entry(1, 1));
  durable({kN2}, entry(1, 2));
  applied(entry(1, 1));
  EXPECT_EQ(fingerprint(), "quorum/commitment");
}

TEST_F(QuorumChecksTest, ALearnerIsNotCounted) {
  const Entry change = entry(1, 1, voters({kN1, kN2, kN3}, {kN4}));
  durable({kN1, kN2}, change);
  applied(change);
  durable({kN1, kN4}, entry(2, 1));
  applied(entry(2, 1));
  EXPECT_EQ(fingerprint(), "quorum/commitment");
}

TEST_F(QuorumChecksTest, AnElectionGoesByTheConfigurationInTheLeadersLog) {
  // Three of four are needed as soon as the fourth is in the log, committed or not.
  durable({kN1}, entry(1, 1, voters({kN1, kN2, kN3, kN4})));
  votes(kN1, 2, {kN1, kN2});
  leads(kN1, 2);
  durable({kN1}, entry(2, 2));
  EXPECT_EQ(fingerprint(), "quorum/election");
}

TEST_F(QuorumChecksTest, AConfigurationThatWasCutOffIsNotInForce) {
  durable({kN1}, entry(1, 1, voters({kN1, kN2, kN3, kN4})));
  durable({kN1}, entry(1, 2));
  votes(kN1, 3, {kN1, kN2});
  leads(kN1, 3);
  durable({kN1}, entry(2, 3));
  EXPECT_EQ(fingerprint(), "held");
}

TEST_F(QuorumChecksTest, ALaterConfigurationOfTheLeadersMayBeTheOneThatCounts) {
  durable({kN1, kN2}, entry(1, 1, voters({kN1, kN2, kN3, kN4})));
  applied(entry(1, 1, voters({kN1, kN2, kN3, kN4})));
  EXPECT_EQ(fingerprint(), "quorum/commitment");
}

TEST_F(QuorumChecksTest, WhatIsSentALittleLaterCountsAsWell) {
  const Entry first = entry(1, 1, voters({kN1, kN2, kN3, kN4}));
  durable({kN1, kN2, kN3}, first);
  applied(first);
  durable({kN1, kN2}, entry(2, 1));
  applied(entry(2, 1));
  checks_.on_sent_entry(kGroup, entry(3, 1, voters({kN1, kN2, kN3})), now_);
  EXPECT_EQ(fingerprint(), "held");
}

TEST_F(QuorumChecksTest, ALogThatStandsOnASnapshotGoesByWhatWasAppliedThere) {
  const Entry first = entry(1, 1, voters({kN1, kN2, kN3, kN4}));
  durable({kN1, kN2, kN3}, first);
  applied(first);
  checks_.on_durable_start(kN4, kGroup, {LogIndex(1), Term(1)}, true);
  votes(kN4, 2, {kN4, kN1});
  leads(kN4, 2);
  durable({kN4}, entry(2, 2));
  EXPECT_EQ(fingerprint(), "quorum/election");
}

}  // namespace
}  // namespace keelson::scenarios
