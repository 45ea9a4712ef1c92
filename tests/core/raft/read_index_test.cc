#include "tests/core/raft/raft_fixture.h"

namespace keelson::raft {
namespace {

using ReadIndexTest = RaftTest;

TEST_F(ReadIndexTest, AReadIsAnsweredOnceAMajorityEchoesARoundBegunAfterIt) {
  start(3);
  make_established_leader();
  const auto token = read();
  ASSERT_TRUE(token);
  EXPECT_EQ(sent_to<AppendEntries>(kN2).size(), 1u);
  EXPECT_EQ(sent_to<AppendEntries>(kN3).size(), 1u);
  EXPECT_TRUE(node_->reads.empty());
  acknowledge(kN3);
  EXPECT_EQ(node_->reads, (std::vector{ReadResult{*token, LogIndex(1)}}));
}

TEST_F(ReadIndexTest, AnEchoOfAnEarlierRoundDoesNotAnswer) {
  start(3);
  make_established_leader();
  timeout();
  const Round before = last_round_;
  read();
  EXPECT_EQ(last_round_, before.next());
  acknowledge_round(kN2, before);
  acknowledge_round(kN3, before);
  EXPECT_TRUE(node_->reads.empty());
  acknowledge_round(kN2, last_round_);
  EXPECT_EQ(node_->reads.size(), 1u);
}

TEST_F(ReadIndexTest, OneEchoOfFiveIsNoMajority) {
  start(5);
  make_established_leader();
  read();
  acknowledge(kN2);
  acknowledge(kN2);
  EXPECT_TRUE(node_->reads.empty());
  acknowledge(kN5);
  EXPECT_EQ(node_->reads.size(), 1u);
}

TEST_F(ReadIndexTest, AnEchoWithARefusalCounts) {
  start(3, {1, 1, 1});
  make_leader();
  acknowledge(kN2);
  read();
  refuse(kN3, 0, 0);
  EXPECT_EQ(node_->reads.size(), 1u);
}

TEST_F(ReadIndexTest, AFollowerTakesNoReads) {
  start(3);
  EXPECT_FALSE(read());
}

TEST_F(ReadIndexTest, ANodeAloneAnswersAtOnce) {
  start(1);
  timeout();
  const auto token = read();
  EXPECT_EQ(node_->reads, (std::vector{ReadResult{*token, LogIndex(1)}}));
}

TEST_F(ReadIndexTest, ReadsThatComeWhileARoundIsInFlightShareTheNext) {
  start(3);
  make_established_leader();
  const auto first = read();
  const auto second = read();
  const auto third = read();
  EXPECT_NE(first, second);
  EXPECT_EQ(second, third);
  EXPECT_TRUE(marked("raft: read round shared"));
  const Round first_round = last_round_;
  acknowledge_round(kN2, first_round);
  ASSERT_EQ(node_->reads.size(), 1u);
  // The next round has begun at once, and the old echo says nothing about it.
  EXPECT_EQ(last_round_, first_round.next());
  acknowledge_round(kN3, first_round);
  ASSERT_EQ(node_->reads.size(), 1u);
  acknowledge_round(kN3, last_round_);
  ASSERT_EQ(node_->reads.size(), 2u);
  EXPECT_EQ(node_->reads[1].token, *second);
}

TEST_F(ReadIndexTest, ReadsBeforeARoundsMessagesAreHandedOutShareIt) {
  start(3);
  make_established_leader();
  const auto first = raft().read_index(now_);
  const auto second = raft().read_index(now_);
  EXPECT_EQ(first, second);
  pump();
  EXPECT_EQ(sent_to<AppendEntries>(kN2).size(), 1u);
}

TEST_F(ReadIndexTest, AReadWaitsUntilAnEntryOfThisTermIsCommitted) {
  start(3, {1, 1});
  make_leader();
  sent_.clear();
  const auto token = read();
  EXPECT_TRUE(marked("raft: read waited for an entry of this term"));
  EXPECT_TRUE(sent_.empty());
  const Round before = last_round_;
  acknowledge_round(kN2, before);
  acknowledge_round(kN3, before);
  EXPECT_TRUE(node_->reads.empty());
  acknowledge(kN2);  // Commits the no_op; a round begins now.
  EXPECT_EQ(last_round_, before.next());
  EXPECT_TRUE(node_->reads.empty());
  acknowledge(kN2);
  EXPECT_EQ(node_->reads, (std::vector{ReadResult{*token, LogIndex(3)}}));
}

TEST_F(ReadIndexTest, ARoundBegunBeforeThatIsNotForTheReadHoweverLateItIsEchoed) {
  start(3, {1, 1});
  make_leader();
  read();
  timeout();  // A heartbeat begins a round; the no_op is not committed yet.
  acknowledge_round(kN2, last_round_);
  acknowledge_round(kN3, last_round_);
  EXPECT_TRUE(node_->reads.empty());
}

TEST_F(ReadIndexTest, ALostRoundIsMadeGoodByTheNextHeartbeat) {
  start(3);
  make_established_leader();
  read();
  read();
  timeout();
  acknowledge(kN2);
  EXPECT_EQ(node_->reads.size(), 2u);
}

TEST_F(ReadIndexTest, TheIndexIsTheCommitIndexOfTheMomentTheRoundBegan) {
  start(3);
  make_established_leader();
  read();
  propose("x");
  acknowledge(kN2);  // Acknowledges x and echoes the round at once.
  ASSERT_EQ(node_->reads.size(), 1u);
  EXPECT_EQ(node_->reads[0].read_index, LogIndex(1));
  EXPECT_EQ(raft().commit_index(), LogIndex(2));
}

TEST_F(ReadIndexTest, ReadsInFlightAndWaitingAreLostWithLeadership) {
  start(3);
  make_established_leader();
  const auto first = read();
  const auto second = read();
  step(kN2, AppendEntriesReply{Term(8), false, LogIndex(0), Term(0), Round(0)});
  EXPECT_EQ(node_->reads, (std::vector{ReadResult{*first, std::nullopt},
                                       ReadResult{*second, std::nullopt}}));
  EXPECT_TRUE(marked("raft: read lost with leadership"));
}

TEST_F(ReadIndexTest, ReadsAreLostWhenTheLeaderStepsDownForWantOfAQuorum) {
  start(3);
  make_established_leader();
  read();
  for (int beat = 0; beat < 20 && raft().role() == Role::leader; ++beat) timeout();
  ASSERT_EQ(node_->reads.size(), 1u);
  EXPECT_EQ(node_->reads[0].read_index, std::nullopt);
}

TEST_F(ReadIndexTest, TokensGrowAcrossTerms) {
  start(3);
  make_established_leader();
  const auto first = read();
  step(kN2, AppendEntriesReply{Term(8), false, LogIndex(0), Term(0), Round(0)});
  make_established_leader();
  const auto second = read();
  EXPECT_GT(second, first);
  // An echo from the earlier term comes late.
  step(kN2, AppendEntriesReply{Term(1), true, LogIndex(1), Term(0), last_round_});
  EXPECT_EQ(node_->reads.size(), 1u);
}

// --- Leases.

class LeaseTest : public RaftTest {
 protected:
  LeaseTest() { options_.lease = 1700ms; }
};

TEST_F(ReadIndexTest, WithoutTheOptionThereIsNoLease) {
  start(3);
  make_established_leader();
  EXPECT_EQ(raft().lease_read_index(now_), std::nullopt);
}

TEST_F(LeaseTest, ALeaseRunsFromTheSendingOfTheRoundNotFromItsEcho) {
  start(3);
  make_established_leader();
  timeout();
  const Instant sent_at = now_;
  pass(150ms);
  acknowledge(kN2);
  EXPECT_EQ(raft().lease_read_index(sent_at + 1700ms - 1ns), LogIndex(1));
  EXPECT_EQ(raft().lease_read_index(sent_at + 1700ms), std::nullopt);
}

TEST_F(LeaseTest, ANewLeaderHasNoLeaseBeforeItHasCommittedInItsTerm) {
  start(3, {1});
  make_leader();
  acknowledge_round(kN2, last_round_);
  EXPECT_EQ(raft().lease_read_index(now_), std::nullopt);
  acknowledge(kN2);
  EXPECT_EQ(raft().lease_read_index(now_), LogIndex(2));
}

TEST_F(LeaseTest, ALeaseEndsWithLeadership) {
  start(3);
  make_established_leader();
  ASSERT_TRUE(raft().lease_read_index(now_));
  step(kN2, AppendEntriesReply{Term(8), false, LogIndex(0), Term(0), Round(0)});
  EXPECT_EQ(raft().lease_read_index(now_), std::nullopt);
}

}  // namespace
}  // namespace keelson::raft
