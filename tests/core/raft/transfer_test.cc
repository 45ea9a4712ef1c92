// Leadership transfer (dissertation §3.10) as the leader, the target and a voter see it.
#include "tests/core/raft/raft_fixture.h"

namespace keelson::raft {
namespace {

class TransferTest : public RaftTest {
 protected:
  std::optional<NodeId> transfer(std::optional<NodeId> target = {}) {
    const auto chosen = raft().transfer_leadership(target, now_);
    pump();
    return chosen;
  }
  // Heartbeats, answered by n2 and n3, until the transfer has ended one way or the other.
  void wait_for_its_end() {
    for (int i = 0; i < 100 && raft().is_transferring(); ++i) {
      timeout();
      for (const NodeId peer : {kN2, kN3}) acknowledge_round(peer, last_round_);
    }
  }
};

TEST_F(TransferTest, ATargetThatHasTheWholeLogIsToldAtOnce) {
  start(3);
  make_established_leader();
  EXPECT_EQ(transfer(kN2), kN2);
  EXPECT_EQ(sent_to<TimeoutNow>(kN2), std::vector<TimeoutNow>{{Term(1)}});
}

TEST_F(TransferTest, ATargetThatLacksEntriesIsToldWhenItHasThem) {
  start(3);
  make_established_leader();
  propose("x");
  transfer(kN2);
  EXPECT_TRUE(sent_to<TimeoutNow>(kN2).empty());
  acknowledge(kN2);
  EXPECT_EQ(sent_to<TimeoutNow>(kN2).size(), 1u);
}

TEST_F(TransferTest, WithoutATargetTheMostCaughtUpVoterIsChosen) {
  start(5);
  make_established_leader();
  propose("x");
  acknowledge(kN4);
  EXPECT_EQ(transfer(), kN4);
}

TEST_F(TransferTest, OnlyAnotherVoterCanBeATarget) {
  start(3);
  EXPECT_EQ(transfer(kN2), std::nullopt);  // Does not lead.
  make_established_leader();
  EXPECT_EQ(transfer(kN1), std::nullopt);
  EXPECT_EQ(transfer(kN5), std::nullopt);
  auto members = configuration_of(voters_up_to(3)).members;
  members.at(kN3).is_voter = false;
  ASSERT_TRUE(raft().propose_configuration(members, now_));
  EXPECT_EQ(transfer(kN3), std::nullopt);
  EXPECT_EQ(transfer(kN2), kN2);
  EXPECT_EQ(transfer(kN2), std::nullopt);  // One at a time.
}

TEST_F(TransferTest, ProposalsReadsAndConfigurationsAreRefusedMeanwhile) {
  start(3);
  make_established_leader();
  transfer(kN3);
  EXPECT_FALSE(propose("x"));
  EXPECT_FALSE(read());
  EXPECT_FALSE(raft().propose_configuration(configuration_of({kN1, kN2}).members, now_));
}

TEST_F(TransferTest, ReadsThatWaitForARoundFailAtItsBeginning) {
  start(3);
  make_established_leader();
  const auto token = read();
  transfer(kN2);
  EXPECT_EQ(node_->reads, (std::vector<ReadResult>{{*token, std::nullopt}}));
}

TEST_F(TransferTest, EndsWithTheTermAndTheOldLeaderVotesForTheTarget) {
  start(3);
  make_established_leader();
  transfer(kN2);
  sent_.clear();
  step(kN2, RequestVote{.term = Term(2), .last_log_index = LogIndex(1), .last_log_term = Term(1),
                        .pre_vote = false, .leadership_transfer = true});
  EXPECT_EQ(raft().role(), Role::follower);
  EXPECT_TRUE(last_to<RequestVoteReply>(kN2).vote_granted);
  EXPECT_FALSE(raft().is_transferring());
}

TEST_F(TransferTest, IsGivenUpAfterAnElectionTimeoutAndWritesResume) {
  start(3);
  make_established_leader();
  const Instant begun = now_;
  transfer(kN3);
  wait_for_its_end();
  EXPECT_EQ(now_, begun + options_.election_timeout);
  EXPECT_EQ(raft().role(), Role::leader);
  EXPECT_TRUE(propose("x"));
  EXPECT_TRUE(read());
  EXPECT_TRUE(transfer(kN2));
}

TEST_F(TransferTest, TheTargetIsAskedAgainWithEachHeartbeat) {
  start(3);
  make_established_leader();
  transfer(kN2);
  timeout();
  EXPECT_EQ(sent_to<TimeoutNow>(kN2).size(), 2u);
}

TEST_F(TransferTest, TheLeaseEndsWithTheFirstStepAndComesBackOnlyIfNobodyWasTold) {
  options_.lease = 1700ms;
  start(3);
  make_established_leader();
  ASSERT_TRUE(raft().lease_read_index(now_));
  transfer(kN3);  // It never has the whole log.
  EXPECT_FALSE(raft().lease_read_index(now_));
  wait_for_its_end();
  ASSERT_TRUE(sent_to<TimeoutNow>(kN3).empty());
  EXPECT_TRUE(raft().lease_read_index(now_));
  transfer(kN2);
  ASSERT_FALSE(sent_to<TimeoutNow>(kN2).empty());
  wait_for_its_end();
  EXPECT_EQ(raft().role(), Role::leader);
  EXPECT_FALSE(raft().lease_read_index(now_));  // What it was told may yet arrive.
}

// --- The target.

TEST_F(TransferTest, TheTargetStandsAtOnceWithoutAPreVote) {
  start(3, {1});
  step(kN2, append_of(2, 1, 1, {2}));
  sent_.clear();
  step(kN2, TimeoutNow{Term(2)});
  EXPECT_EQ(raft().role(), Role::candidate);
  EXPECT_EQ(raft().current_term(), Term(3));
  const auto request = last_to<RequestVote>(kN3);
  EXPECT_FALSE(request.pre_vote);
  EXPECT_TRUE(request.leadership_transfer);
  EXPECT_EQ(sent_to<RequestVote>(kN2).size(), 1u);  // The old leader is a voter like any other.
}

TEST_F(TransferTest, AnElectionThatFollowsIsAnOrdinaryOne) {
  start(3, {1});
  step(kN2, append_of(2, 1, 1, {2}));
  step(kN2, TimeoutNow{Term(2)});
  sent_.clear();
  timeout();
  EXPECT_EQ(raft().role(), Role::pre_candidate);
  EXPECT_FALSE(last_to<RequestVote>(kN3).leadership_transfer);
}

TEST_F(TransferTest, AStaleTimeoutNowChangesNothing) {
  start(3, {1});
  step(kN2, append_of(3, 1, 1, {3}));
  for (const auto& [from, term] : {std::pair(kN2, Term(2)),    // Of a term that is over,
                                   std::pair(kN2, Term(4)),    // or of one that is not here,
                                   std::pair(kN3, Term(3))}) {  // or not from the leader.
    step(from, TimeoutNow{term});
    EXPECT_EQ(raft().role(), Role::follower);
    EXPECT_EQ(raft().current_term(), Term(3));
  }
}

TEST_F(TransferTest, ALearnerDoesNotStandForIt) {
  start(3, {1});
  AppendEntries append = append_of(2, 1, 1, {2});
  append.entries[0].kind = EntryKind::configuration;
  auto configuration = configuration_of(voters_up_to(3));
  configuration.members.at(kN1).is_voter = false;
  append.entries[0].data = encode(configuration);
  step(kN2, append);
  step(kN2, TimeoutNow{Term(2)});
  EXPECT_EQ(raft().role(), Role::follower);
}

// --- A voter that hears the leader well.

TEST_F(TransferTest, AVoterDoesNotWaitForALeaderThatAskedForTheElection) {
  start(3, {1});
  step(kN2, append_of(2, 1, 1, {2}));
  RequestVote request{.term = Term(3), .last_log_index = LogIndex(2), .last_log_term = Term(2),
                      .pre_vote = false, .leadership_transfer = false};
  step(kN3, request);
  EXPECT_FALSE(last_to<RequestVoteReply>(kN3).vote_granted);
  EXPECT_EQ(raft().current_term(), Term(2));
  request.leadership_transfer = true;
  step(kN3, request);
  EXPECT_TRUE(last_to<RequestVoteReply>(kN3).vote_granted);
}

}  // namespace
}  // namespace keelson::raft
