#include "scenarios/raft_checks.h"

#include <gtest/gtest.h>

namespace keelson::scenarios {
namespace {

using raft::LogIndex;
using raft::Term;
using sim::TrueTime;

constexpr NodeId kN1{1};
constexpr NodeId kN2{2};
constexpr NodeId kN3{3};
constexpr GroupId kGroup{1};

class RaftChecksTest : public testing::Test {
 protected:
  static raft::Entry entry(std::uint64_t index, std::uint64_t term, Bytes data = "x") {
    return {.term = Term(term), .index = LogIndex(index), .data = std::move(data)};
  }
  void append(NodeId from, std::uint64_t term, std::uint64_t prev_index, std::uint64_t prev_term,
              std::vector<raft::Entry> entries = {}) {
    raft::AppendEntries append;
    append.term = Term(term);
    append.prev_log_index = LogIndex(prev_index);
    append.prev_log_term = Term(prev_term);
    append.entries = std::move(entries);
    checks_.on_append_entries(from, kGroup, append, now_);
  }
  void vote(NodeId from, NodeId to, std::uint64_t term, bool pre_vote = false) {
    checks_.on_vote_reply(
        from, to, kGroup, {.term = Term(term), .vote_granted = true, .pre_vote = pre_vote}, now_);
  }
  void acknowledge(NodeId from, NodeId to, std::uint64_t term, std::uint64_t match) {
    raft::AppendEntriesReply reply;
    reply.term = Term(term);
    reply.success = true;
    reply.match_index = LogIndex(match);
    checks_.on_append_reply(from, to, kGroup, reply, now_);
  }
  void durable_state(NodeId node, std::uint64_t term, std::optional<NodeId> vote = {}) {
    checks_.on_durable_state(node, kGroup, {Term(term), vote}, now_);
  }
  void durable(NodeId node, const raft::Entry& entry) {
    checks_.on_durable_entry(node, kGroup, entry, now_);
  }
  void apply(NodeId node, const raft::Entry& entry) {
    checks_.on_applied(node, kGroup, entry, now_);
  }
  std::string fingerprint() const {
    return report_.failure() ? report_.failure()->fingerprint : "held";
  }

  Report report_;
  RaftChecks checks_{report_};
  TrueTime now_{1'000'000};
};

TEST_F(RaftChecksTest, AnOrdinaryRunHolds) {
  checks_.expect_durable_evidence();
  for (const NodeId node : {kN1, kN2, kN3}) durable_state(node, 2, kN1);
  vote(kN2, kN1, 2);
  vote(kN3, kN1, 2);
  const raft::Entry first = entry(1, 2);
  append(kN1, 2, 0, 0, {first});
  for (const NodeId node : {kN1, kN2, kN3}) durable(node, first);
  acknowledge(kN2, kN1, 2, 1);
  for (const NodeId node : {kN1, kN2, kN3}) apply(node, first);
  durable_state(kN2, 3, kN2);
  durable_state(kN3, 3, kN2);
  vote(kN3, kN2, 3);
  append(kN2, 3, 1, 2, {entry(2, 3)});
  append(kN1, 2, 1, 2, {entry(2, 2)});  // What a deposed leader still sends.
  EXPECT_EQ(fingerprint(), "held");
  EXPECT_EQ(checks_.seen().appends, 3u);
  EXPECT_EQ(checks_.highest_applied(kGroup), LogIndex(1));
}

TEST_F(RaftChecksTest, TwoLeadersInATermAreSeen) {
  append(kN1, 4, 0, 0);
  append(kN2, 4, 0, 0);
  EXPECT_EQ(fingerprint(), "election safety/two leaders in a term");
  EXPECT_EQ(report_.failure()->message, "n1 and n2 both led term 4 of g1");
}

TEST_F(RaftChecksTest, TwoVotesInATermAreSeenAcrossARestart) {
  vote(kN3, kN1, 4);
  checks_.on_restart(kN3);
  vote(kN3, kN1, 4);
  EXPECT_EQ(fingerprint(), "held");
  vote(kN3, kN2, 4);
  EXPECT_EQ(fingerprint(), "vote/two votes in a term");
}

TEST_F(RaftChecksTest, PreVotesAreNoPromise) {
  vote(kN3, kN1, 4, true);
  vote(kN3, kN2, 4, true);
  EXPECT_EQ(fingerprint(), "held");
}

TEST_F(RaftChecksTest, ALeaderThatVotesForAnotherInItsTermIsSeen) {
  append(kN1, 4, 0, 0);
  vote(kN1, kN2, 4);
  EXPECT_EQ(fingerprint(), "vote/two votes in a term");
}

TEST_F(RaftChecksTest, APromiseInAnOlderTermThanBeforeIsSeen) {
  acknowledge(kN2, kN1, 5, 0);
  acknowledge(kN2, kN1, 3, 0);
  EXPECT_EQ(fingerprint(), "held") << "what waits to be sent may be overtaken";
  checks_.on_restart(kN2);
  vote(kN2, kN3, 4);
  EXPECT_EQ(fingerprint(), "held") << "and the peers do not hear the same";
  vote(kN2, kN1, 4);
  EXPECT_EQ(fingerprint(), "vote/promise in an older term");
}

TEST_F(RaftChecksTest, AVoteSentBeforeItWasDurableIsSeen) {
  checks_.expect_durable_evidence();
  durable_state(kN2, 4);
  vote(kN2, kN1, 4);
  EXPECT_EQ(fingerprint(), "durable promise/vote");
}

TEST_F(RaftChecksTest, ALeaderWhoseOwnVoteWasNotDurableIsSeen) {
  checks_.expect_durable_evidence();
  durable_state(kN1, 3);
  append(kN1, 4, 0, 0);
  EXPECT_EQ(fingerprint(), "durable promise/vote");
}

TEST_F(RaftChecksTest, AnAcknowledgementBeforeTheEntryWasDurableIsSeen) {
  checks_.expect_durable_evidence();
  durable_state(kN2, 4);
  durable(kN2, entry(1, 4));
  acknowledge(kN2, kN1, 4, 1);
  EXPECT_EQ(fingerprint(), "held");
  acknowledge(kN2, kN1, 4, 2);
  EXPECT_EQ(fingerprint(), "durable promise/acknowledgement");
}

TEST_F(RaftChecksTest, AnAcknowledgementOfAnEntryThatIsDurableInItsPredecessorsTermIsSeen) {
  checks_.expect_durable_evidence();
  durable_state(kN1, 2, kN1);
  durable_state(kN2, 1);
  durable(kN2, entry(1, 1));
  durable_state(kN2, 2, kN1);
  append(kN1, 2, 0, 0, {entry(1, 2)});
  acknowledge(kN2, kN1, 2, 1);
  EXPECT_EQ(fingerprint(), "durable promise/acknowledgement of another entry");
}

TEST_F(RaftChecksTest, TheReplacementOfAnEntryIsAcknowledgedOnceItIsDurable) {
  checks_.expect_durable_evidence();
  durable_state(kN1, 2, kN1);
  durable_state(kN2, 1);
  durable(kN2, entry(1, 1));
  durable_state(kN2, 2, kN1);
  append(kN1, 2, 0, 0, {entry(1, 2)});
  durable(kN2, entry(1, 2));
  acknowledge(kN2, kN1, 2, 1);
  EXPECT_EQ(fingerprint(), "held");
}

TEST_F(RaftChecksTest, ALateReplyAboutALogThatANewerTermHasCutIsNoViolation) {
  checks_.expect_durable_evidence();
  durable_state(kN2, 4);
  for (std::uint64_t index = 1; index <= 5; ++index) durable(kN2, entry(index, 4));
  durable_state(kN2, 5);
  durable(kN2, entry(2, 5));
  acknowledge(kN2, kN1, 4, 5);
  EXPECT_EQ(fingerprint(), "held");
  acknowledge(kN2, kN3, 5, 3);
  EXPECT_EQ(fingerprint(), "durable promise/acknowledgement");
}

TEST_F(RaftChecksTest, AnAcknowledgedEntryThatIsCutInTheSameTermIsSeen) {
  checks_.expect_durable_evidence();
  durable_state(kN2, 4);
  for (std::uint64_t index = 1; index <= 3; ++index) durable(kN2, entry(index, 4));
  acknowledge(kN2, kN1, 4, 3);
  // Written again, all of them: nothing is lost.
  for (std::uint64_t index = 2; index <= 3; ++index) durable(kN2, entry(index, 4));
  checks_.on_durable_append_end(kN2, kGroup, now_);
  EXPECT_EQ(fingerprint(), "held");
  durable(kN2, entry(2, 4));
  checks_.on_durable_append_end(kN2, kGroup, now_);
  EXPECT_EQ(fingerprint(), "durable promise/acknowledged entries cut");
}

TEST_F(RaftChecksTest, WhatWasAcknowledgedInATermMayBeCutInTheNext) {
  checks_.expect_durable_evidence();
  durable_state(kN2, 4);
  for (std::uint64_t index = 1; index <= 3; ++index) durable(kN2, entry(index, 4));
  acknowledge(kN2, kN1, 4, 3);
  durable_state(kN2, 5);
  durable(kN2, entry(2, 5));
  checks_.on_durable_append_end(kN2, kGroup, now_);
  EXPECT_EQ(fingerprint(), "held");
}

TEST_F(RaftChecksTest, AnAcknowledgementInATermThatIsNotDurableIsSeen) {
  checks_.expect_durable_evidence();
  acknowledge(kN2, kN1, 4, 0);
  EXPECT_EQ(fingerprint(), "durable promise/term");
}

TEST_F(RaftChecksTest, ADurableTermThatGoesBackIsSeen) {
  durable_state(kN2, 4, kN1);
  durable_state(kN2, 3);
  EXPECT_EQ(fingerprint(), "monotonic term/durable term went back");
}

TEST_F(RaftChecksTest, ADurableVoteThatIsErasedIsSeen) {
  durable_state(kN2, 4, kN1);
  durable_state(kN2, 4);
  EXPECT_EQ(fingerprint(), "vote/durable vote erased");
}

TEST_F(RaftChecksTest, OneIndexAndTermWithTwoContentsIsSeen) {
  append(kN1, 4, 0, 0, {entry(1, 4, "a")});
  durable(kN2, entry(1, 4, "b"));
  EXPECT_EQ(fingerprint(), "log matching/one index and term, two entries");
}

TEST_F(RaftChecksTest, OneEntryWithTwoPredecessorsIsSeen) {
  append(kN1, 4, 1, 2, {entry(2, 4)});
  append(kN1, 4, 1, 3, {entry(2, 4)});
  EXPECT_EQ(fingerprint(), "log matching/one entry, two predecessors");
}

TEST_F(RaftChecksTest, AGapInAnAppendOrInADurableLogIsSeen) {
  append(kN1, 4, 1, 2, {entry(3, 4)});
  EXPECT_EQ(fingerprint(), "log matching/malformed append");
  Report other;
  RaftChecks checks(other);
  checks.on_durable_entry(kN1, kGroup, {.term = Term(1), .index = LogIndex(2), .data = {}}, now_);
  EXPECT_EQ(other.failure()->fingerprint, "log matching/gap in a durable log");
}

TEST_F(RaftChecksTest, ALaterLeaderWithoutAnAppliedEntryIsSeen) {
  append(kN1, 2, 0, 0, {entry(1, 2)});
  apply(kN1, entry(1, 2));
  append(kN2, 3, 0, 0, {entry(1, 3)});
  EXPECT_EQ(fingerprint(), "leader completeness/leader lacks an applied entry");
}

TEST_F(RaftChecksTest, ADeposedLeaderMayStillSendWhatWasNeverCommitted) {
  append(kN1, 2, 0, 0, {entry(1, 2)});
  append(kN2, 3, 0, 0, {entry(1, 3)});
  apply(kN2, entry(1, 3));
  append(kN1, 2, 0, 0, {entry(1, 2)});
  EXPECT_EQ(fingerprint(), "held");
}

TEST_F(RaftChecksTest, DifferentEntriesAppliedAtAnIndexAreSeen) {
  apply(kN1, entry(1, 2));
  apply(kN2, entry(1, 3));
  EXPECT_EQ(fingerprint(), "state machine safety/different entries applied");
  EXPECT_EQ(report_.failure()->message,
            "n2 applied entry 1 of term 3 of g1, but n1 had applied entry 1 of term 2");
}

TEST_F(RaftChecksTest, AnEntryAppliedTwiceOrSkippedIsSeenButARestartMayReplay) {
  apply(kN1, entry(1, 2));
  apply(kN1, entry(2, 2));
  checks_.on_restart(kN1);
  apply(kN1, entry(1, 2));
  EXPECT_EQ(fingerprint(), "held");
  apply(kN1, entry(1, 2));
  EXPECT_EQ(fingerprint(), "state machine safety/applied out of order");
}

TEST_F(RaftChecksTest, GroupsAreJudgedApart) {
  raft::AppendEntries append;
  append.term = Term(4);
  checks_.on_append_entries(kN1, GroupId(1), append, now_);
  checks_.on_append_entries(kN2, GroupId(2), append, now_);
  EXPECT_EQ(fingerprint(), "held");
}

TEST_F(RaftChecksTest, AQuorumHasHeldATermWhenAQuorumOfTheFoundersEverDid) {
  raft::Configuration founders;
  for (const NodeId node : {kN1, kN2, kN3}) founders.members[node] = {};
  checks_.set_founders(founders);
  EXPECT_FALSE(checks_.quorum_has_held(kGroup, Term(1)));
  durable(kN1, entry(1, 1));
  durable(kN1, entry(2, 1));
  EXPECT_FALSE(checks_.quorum_has_held(kGroup, Term(1)));
  durable(kN2, entry(1, 1));
  durable(kN2, entry(1, 2));
  EXPECT_TRUE(checks_.quorum_has_held(kGroup, Term(1)));
  EXPECT_FALSE(checks_.quorum_has_held(kGroup, Term(2)));
}

}  // namespace
}  // namespace keelson::scenarios
