#include "tests/core/raft/raft_fixture.h"

namespace keelson::raft {
namespace {

using ElectionTest = RaftTest;

TEST_F(ElectionTest, ANodeAloneElectsItselfOnItsFirstTimeoutAndCommitsOnceDurable) {
  start(1);
  disk_is_slow_ = true;
  timeout();
  EXPECT_EQ(raft().role(), Role::leader);
  EXPECT_EQ(raft().commit_index(), LogIndex(0));
  EXPECT_TRUE(node_->applied.empty());
  disk_catches_up();
  EXPECT_EQ(raft().commit_index(), LogIndex(1));
  ASSERT_EQ(node_->applied.size(), 1u);
  EXPECT_EQ(node_->applied[0].kind, EntryKind::no_op);
}

TEST_F(ElectionTest, NothingHappensBeforeTheElectionTimeout) {
  random_.set(500'000'000);
  start(3);
  const Instant deadline = raft().next_deadline();
  EXPECT_EQ(deadline, (Instant{1'000'000'000} + options_.election_timeout + 500ms));
  now_ = deadline - 1ns;
  raft().tick(now_);
  EXPECT_FALSE(raft().has_ready());
  EXPECT_EQ(raft().role(), Role::follower);
}

TEST_F(ElectionTest, APreVoteChangesNeitherTermNorVoteAndIsNotWritten) {
  start(3, {1, 2});
  timeout();
  EXPECT_EQ(raft().role(), Role::pre_candidate);
  EXPECT_EQ(raft().current_term(), Term(2));
  EXPECT_TRUE(node_->disk.hard_state == (HardState{Term(2), {}}));
  const RequestVote expected{Term(3), LogIndex(2), Term(2), true};
  EXPECT_EQ(sent_to<RequestVote>(kN2), std::vector{expected});
  EXPECT_EQ(sent_to<RequestVote>(kN3), std::vector{expected});
}

TEST_F(ElectionTest, AMajorityOfPreVotesMakesACandidateWhoseOwnVoteIsDurableBeforeItAsks) {
  start(3, {1, 2});
  timeout();
  sent_.clear();
  disk_is_slow_ = true;
  step(kN2, RequestVoteReply{Term(3), true, true});
  EXPECT_EQ(raft().role(), Role::candidate);
  EXPECT_TRUE(sent_.empty());
  disk_catches_up();
  EXPECT_TRUE(node_->disk.hard_state == (HardState{Term(3), kN1}));
  EXPECT_EQ(sent_to<RequestVote>(kN3),
            (std::vector{RequestVote{Term(3), LogIndex(2), Term(2), false}}));
}

TEST_F(ElectionTest, AMajorityOfVotesMakesALeaderWhichAppendsANoOp) {
  start(3, {1, 2});
  make_leader();
  EXPECT_EQ(raft().leader(), kN1);
  EXPECT_EQ(log_terms(), (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(node_->memory_log.back().kind, EntryKind::no_op);
  const auto append = last_to<AppendEntries>(kN3);
  EXPECT_EQ(append.prev_log_index, LogIndex(2));
  EXPECT_EQ(append.entries.size(), 1u);
}

TEST_F(ElectionTest, VotesOfOneVoterCountOnce) {
  start(5);
  make_candidate();
  step(kN2, RequestVoteReply{Term(1), true, false});
  step(kN2, RequestVoteReply{Term(1), true, false});
  EXPECT_EQ(raft().role(), Role::candidate);
  step(kN3, RequestVoteReply{Term(1), true, false});
  EXPECT_EQ(raft().role(), Role::leader);
}

TEST_F(ElectionTest, VotesOfAnEarlierTermOrOfAPreVoteDoNotCount) {
  start(3, {1}, HardState{Term(4), {}});
  make_candidate();
  ASSERT_EQ(raft().current_term(), Term(5));
  step(kN2, RequestVoteReply{Term(4), true, false});
  step(kN2, RequestVoteReply{Term(5), true, true});
  step(kN2, RequestVoteReply{Term(6), true, true});
  EXPECT_EQ(raft().role(), Role::candidate);
  EXPECT_EQ(raft().current_term(), Term(5));
}

TEST_F(ElectionTest, TheVoteOfOneThatIsNoVoterDoesNotCount) {
  start(3);
  make_candidate();
  step(NodeId(9), RequestVoteReply{Term(1), true, false});
  EXPECT_EQ(raft().role(), Role::candidate);
}

TEST_F(ElectionTest, AVoteIsPromisedOnlyOnceItIsDurable) {
  start(3, {1});
  disk_is_slow_ = true;
  step(kN2, RequestVote{Term(2), LogIndex(1), Term(1), false});
  EXPECT_TRUE(sent_.empty());
  disk_catches_up();
  EXPECT_EQ(last_to<RequestVoteReply>(kN2), (RequestVoteReply{Term(2), true, false}));
  EXPECT_TRUE(node_->disk.hard_state == (HardState{Term(2), kN2}));
}

TEST_F(ElectionTest, ARefusalThatRevealsANewTermWaitsUntilTheTermIsDurable) {
  start(3, {1, 2});
  disk_is_slow_ = true;
  step(kN2, RequestVote{Term(5), LogIndex(1), Term(1), false});
  EXPECT_EQ(raft().current_term(), Term(5));
  EXPECT_TRUE(sent_.empty());
  // Another question meanwhile: the term is not durable yet.
  step(kN3, RequestVote{Term(4), LogIndex(1), Term(1), false});
  EXPECT_TRUE(sent_.empty());
  disk_catches_up();
  EXPECT_EQ(last_to<RequestVoteReply>(kN2), (RequestVoteReply{Term(5), false, false}));
  EXPECT_EQ(last_to<RequestVoteReply>(kN3), (RequestVoteReply{Term(5), false, false}));
}

TEST_F(ElectionTest, AVoteIsRememberedAcrossARestart) {
  start(3, {1});
  step(kN2, RequestVote{Term(2), LogIndex(1), Term(1), false});
  restart(3);
  pass(options_.election_timeout);
  step(kN3, RequestVote{Term(2), LogIndex(1), Term(1), false});
  EXPECT_FALSE(last_to<RequestVoteReply>(kN3).vote_granted);
  step(kN2, RequestVote{Term(2), LogIndex(1), Term(1), false});
  EXPECT_TRUE(last_to<RequestVoteReply>(kN2).vote_granted);
}

TEST_F(ElectionTest, ANodeThatHasJustRestartedRefusesVotesForTheMinimumElectionTimeout) {
  start(3, {1});
  restart(3);
  const RequestVote request{Term(2), LogIndex(1), Term(1), false};
  pass(options_.election_timeout - 1ns);
  step(kN2, request);
  EXPECT_EQ(last_to<RequestVoteReply>(kN2), (RequestVoteReply{Term(1), false, false}));
  pass(1ns);
  step(kN2, request);
  EXPECT_TRUE(last_to<RequestVoteReply>(kN2).vote_granted);
}

TEST_F(ElectionTest, OnlyAGrantedVotePutsOffOnesOwnCandidacy) {
  start(3, {1, 2});
  const Instant deadline = raft().next_deadline();
  step(kN2, RequestVote{Term(3), LogIndex(1), Term(1), false});
  EXPECT_TRUE(marked("raft: vote refused, log behind"));
  EXPECT_EQ(raft().next_deadline(), deadline);
  pass(10ms);
  step(kN3, RequestVote{Term(3), LogIndex(2), Term(2), false});
  EXPECT_GT(raft().next_deadline(), deadline);
}

TEST_F(ElectionTest, WhileALeaderIsHeardVotesAreRefusedAndTheirTermIsNotAdopted) {
  start(3, {1});
  step(kN2, append_of(1, 1, 1, {}));
  pass(options_.election_timeout - 1ns);
  step(kN3, RequestVote{Term(9), LogIndex(5), Term(8), true});
  EXPECT_TRUE(marked("raft: pre-vote refused, leader alive"));
  step(kN3, RequestVote{Term(9), LogIndex(5), Term(8), false});
  for (const auto& reply : sent_to<RequestVoteReply>(kN3)) EXPECT_FALSE(reply.vote_granted);
  EXPECT_EQ(raft().current_term(), Term(1));
  pass(1ns);
  step(kN3, RequestVote{Term(9), LogIndex(5), Term(8), true});
  EXPECT_EQ(last_to<RequestVoteReply>(kN3), (RequestVoteReply{Term(9), true, true}));
  EXPECT_EQ(raft().current_term(), Term(1));
}

TEST_F(ElectionTest, ALeaderIsNotDeposedByACandidate) {
  start(3);
  make_leader();
  step(kN3, RequestVote{Term(5), LogIndex(5), Term(4), false});
  EXPECT_EQ(raft().role(), Role::leader);
  EXPECT_EQ(raft().current_term(), Term(1));
}

TEST_F(ElectionTest, ACandidateOfALaterTermDeposesTheLeaderByAnsweringIt) {
  start(3);
  make_candidate();
  step(kN2, append_of(1, 0, 0, {}));  // n2 won term 1; n1 follows.
  ASSERT_EQ(raft().role(), Role::follower);
  timeout();
  step(kN3, RequestVoteReply{Term(2), true, true});
  ASSERT_EQ(raft().current_term(), Term(2));
  sent_.clear();
  step(kN2, append_of(1, 0, 0, {}, 0, 7));
  EXPECT_EQ(last_to<AppendEntriesReply>(kN2).term, Term(2));
  EXPECT_FALSE(last_to<AppendEntriesReply>(kN2).success);
  EXPECT_TRUE(marked("raft: older term message answered"));
}

TEST_F(ElectionTest, APreVoteIsGrantedToSeveralButAVoteToOne) {
  start(5, {1});
  step(kN2, RequestVote{Term(2), LogIndex(1), Term(1), true});
  step(kN3, RequestVote{Term(2), LogIndex(1), Term(1), true});
  EXPECT_TRUE(last_to<RequestVoteReply>(kN2).vote_granted);
  EXPECT_TRUE(last_to<RequestVoteReply>(kN3).vote_granted);
  step(kN2, RequestVote{Term(2), LogIndex(1), Term(1), false});
  step(kN3, RequestVote{Term(2), LogIndex(1), Term(1), false});
  EXPECT_TRUE(last_to<RequestVoteReply>(kN2).vote_granted);
  EXPECT_FALSE(last_to<RequestVoteReply>(kN3).vote_granted);
  // A pre-vote for the term in which the vote is gone: there is no use in standing.
  step(kN4, RequestVote{Term(2), LogIndex(1), Term(1), true});
  EXPECT_FALSE(last_to<RequestVoteReply>(kN4).vote_granted);
}

TEST_F(ElectionTest, APreVoteRefusedForAnOlderTermTellsTheNewer) {
  start(3, {1}, HardState{Term(6), {}});
  step(kN2, RequestVote{Term(3), LogIndex(1), Term(1), true});
  EXPECT_EQ(last_to<RequestVoteReply>(kN2), (RequestVoteReply{Term(6), false, true}));
  timeout();
  step(kN2, RequestVoteReply{Term(8), false, true});
  EXPECT_EQ(raft().role(), Role::follower);
  EXPECT_EQ(raft().current_term(), Term(8));
}

TEST_F(ElectionTest, ACandidateThatDoesNotWinAsksAgainWithAPreVote) {
  start(3);
  make_candidate();
  sent_.clear();
  timeout();
  EXPECT_EQ(raft().role(), Role::pre_candidate);
  EXPECT_EQ(raft().current_term(), Term(1));
  EXPECT_EQ(last_to<RequestVote>(kN2), (RequestVote{Term(2), LogIndex(0), Term(0), true}));
}

TEST_F(ElectionTest, ALeaderWithoutAMajorityOfRepliesStepsDownWithinAnElectionTimeout) {
  start(3);
  make_established_leader();
  const Instant last_answer = now_;
  for (int beat = 0; beat < 20 && raft().role() == Role::leader; ++beat) timeout();
  EXPECT_EQ(raft().role(), Role::follower);
  EXPECT_LE(now_ - last_answer, options_.election_timeout + options_.heartbeat_interval);
  EXPECT_TRUE(marked("raft: leader stepped down without quorum"));
  EXPECT_EQ(raft().current_term(), Term(1));
  EXPECT_EQ(raft().leader(), std::nullopt);
  EXPECT_EQ(propose("x"), std::nullopt);
}

TEST_F(ElectionTest, ALeaderThatAMajorityAnswersStays) {
  start(5);
  make_established_leader();
  for (int beat = 0; beat < 50; ++beat) {
    timeout();
    acknowledge(kN2);
    acknowledge(kN4);
  }
  EXPECT_EQ(raft().role(), Role::leader);
}

TEST_F(ElectionTest, RepliesOfOneFollowerOfFiveDoNotKeepALeader) {
  start(5);
  make_established_leader();
  for (int beat = 0; beat < 50 && raft().role() == Role::leader; ++beat) {
    timeout();
    if (raft().role() == Role::leader) acknowledge(kN2);
  }
  EXPECT_EQ(raft().role(), Role::follower);
}

TEST_F(ElectionTest, APausedLeaderAsksOnceMoreBeforeItGivesUp) {
  start(3);
  make_established_leader();
  tick_after(1h);
  EXPECT_EQ(raft().role(), Role::leader);
  tick_after(options_.election_timeout);
  EXPECT_EQ(raft().role(), Role::follower);
}

}  // namespace
}  // namespace keelson::raft
