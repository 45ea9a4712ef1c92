#include "core/raft/progress.h"
#include "tests/core/raft/raft_fixture.h"

namespace keelson::raft {
namespace {

using Terms = std::vector<std::uint64_t>;
using ReplicationTest = RaftTest;

// --- The follower's side.

TEST_F(ReplicationTest, AFollowerAcknowledgesEntriesOnlyOnceTheyAreDurable) {
  start(3);
  step(kN2, append_of(1, 0, 0, {}));  // The term is durable.
  sent_.clear();
  disk_is_slow_ = true;
  step(kN2, append_of(1, 0, 0, {1, 1}));
  EXPECT_TRUE(sent_.empty());
  disk_catches_up();
  EXPECT_EQ(last_to<AppendEntriesReply>(kN2),
            (AppendEntriesReply{Term(1), true, LogIndex(2), Term(0), Round(1)}));
  EXPECT_EQ(node_->disk.log.size(), 2u);
}

TEST_F(ReplicationTest, AHeartbeatIsAnsweredAtOnceForWhatIsDurableSoFar) {
  start(3);
  step(kN2, append_of(1, 0, 0, {1}));
  disk_is_slow_ = true;
  step(kN2, append_of(1, 1, 1, {1, 1}, 0, 2));
  sent_.clear();
  step(kN2, append_of(1, 3, 1, {}, 0, 3));
  EXPECT_EQ(last_to<AppendEntriesReply>(kN2),
            (AppendEntriesReply{Term(1), true, LogIndex(1), Term(0), Round(3)}));
}

TEST_F(ReplicationTest, AHeartbeatAnswerDoesNotOvertakeTheTermItShows) {
  start(3);
  disk_is_slow_ = true;
  step(kN2, append_of(4, 0, 0, {}));
  EXPECT_TRUE(sent_.empty());
  disk_catches_up();
  EXPECT_EQ(last_to<AppendEntriesReply>(kN2).term, Term(4));
}

TEST_F(ReplicationTest, TheEchoOfARoundDoesNotOutliveItsTerm) {
  start(3);
  step(kN2, append_of(1, 0, 0, {}, 0, 9));
  step(kN3, append_of(2, 0, 0, {}, 0, 1));
  EXPECT_EQ(last_to<AppendEntriesReply>(kN3).round, Round(1));
}

TEST_F(ReplicationTest, AConflictingSuffixIsReplaced) {
  start(3, {1, 1, 2, 2, 2});
  step(kN2, append_of(4, 2, 1, {3, 4}));
  EXPECT_TRUE(marked("raft: conflicting suffix truncated"));
  EXPECT_EQ(log_terms(), (Terms{1, 1, 3, 4}));
  EXPECT_EQ(node_->disk.log, node_->memory_log);
  EXPECT_EQ(last_to<AppendEntriesReply>(kN2).match_index, LogIndex(4));
}

TEST_F(ReplicationTest, AnOldShorterAppendTruncatesNothing) {
  start(3);
  step(kN2, append_of(1, 0, 0, {1, 1, 1, 1}));
  step(kN2, append_of(1, 0, 0, {1, 1}));
  step(kN2, append_of(1, 1, 1, {}));
  EXPECT_EQ(log_terms(), (Terms{1, 1, 1, 1}));
  EXPECT_FALSE(marked("raft: conflicting suffix truncated"));
}

TEST_F(ReplicationTest, ARepeatedAppendIsAcknowledgedAgainWithoutAWrite) {
  start(3);
  step(kN2, append_of(1, 0, 0, {1, 1}));
  sent_.clear();
  disk_is_slow_ = true;
  step(kN2, append_of(1, 0, 0, {1, 1}));
  EXPECT_EQ(last_to<AppendEntriesReply>(kN2).match_index, LogIndex(2));
  EXPECT_TRUE(node_->writes.empty());
}

TEST_F(ReplicationTest, AWriteUnderWayDoesNotAcknowledgeTheEntriesThatReplaceIt) {
  start(3);
  disk_is_slow_ = true;
  step(kN2, append_of(1, 0, 0, {1, 1}));
  step(kN3, append_of(2, 0, 0, {2, 2}, 2));
  ASSERT_EQ(node_->writes.size(), 2u);
  // The first write holds the entries of term 1 only.
  for (Outgoing& outgoing : node_->complete_write(now_)) sent_.push_back(std::move(outgoing));
  pump();
  EXPECT_TRUE(node_->applied.empty());
  EXPECT_TRUE(sent_to<AppendEntriesReply>(kN3).empty());
  disk_catches_up();
  EXPECT_EQ(last_to<AppendEntriesReply>(kN3).match_index, LogIndex(2));
  ASSERT_EQ(node_->applied.size(), 2u);
  EXPECT_EQ(node_->applied[1].term, Term(2));
}

TEST_F(ReplicationTest, CommittedEntriesAreAppliedOnlyOnceTheyAreDurableHere) {
  start(3);
  disk_is_slow_ = true;
  step(kN2, append_of(1, 0, 0, {1, 1}, 2));
  EXPECT_EQ(raft().commit_index(), LogIndex(2));
  EXPECT_TRUE(node_->applied.empty());
  disk_catches_up();
  EXPECT_EQ(node_->applied.size(), 2u);
}

TEST_F(ReplicationTest, TheCommitIndexDoesNotPassTheLastEntryTheLeaderVouchedFor) {
  start(3, {1, 1, 1});
  step(kN2, append_of(2, 1, 1, {}, 3));
  EXPECT_EQ(raft().commit_index(), LogIndex(1));  // 2 and 3 may not be the leader's.
  step(kN2, append_of(2, 2, 1, {2}, 3));
  EXPECT_EQ(raft().commit_index(), LogIndex(3));
  step(kN2, append_of(2, 1, 1, {}, 1));
  EXPECT_EQ(raft().commit_index(), LogIndex(3));
}

TEST_F(ReplicationTest, ARefusalNamesTheLastPlaceWhereTheLogsMayAgree) {
  start(3, {1, 1, 2, 2, 5, 5}, HardState{Term(6), {}});
  step(kN2, append_of(6, 9, 6, {}));
  EXPECT_EQ(last_to<AppendEntriesReply>(kN2),
            (AppendEntriesReply{Term(6), false, LogIndex(6), Term(5), Round(1)}));
  step(kN2, append_of(6, 6, 4, {}));
  EXPECT_EQ(last_to<AppendEntriesReply>(kN2),
            (AppendEntriesReply{Term(6), false, LogIndex(4), Term(2), Round(1)}));
  step(kN2, append_of(6, 2, 3, {}));
  EXPECT_EQ(last_to<AppendEntriesReply>(kN2),
            (AppendEntriesReply{Term(6), false, LogIndex(1), Term(1), Round(1)}));
}

// --- The leader's side.

TEST_F(ReplicationTest, ManyProposalsMakeOneAppendAFollower) {
  start(3);
  make_established_leader();
  acknowledge(kN3);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(raft().propose("x", now_));
  pump();
  ASSERT_EQ(sent_to<AppendEntries>(kN2).size(), 1u);
  ASSERT_EQ(sent_to<AppendEntries>(kN3).size(), 1u);
  EXPECT_EQ(last_to<AppendEntries>(kN2).entries.size(), 10u);
}

TEST_F(ReplicationTest, AppendsAreSentBeforeTheLeadersOwnDiskHasThem) {
  start(3);
  make_established_leader();
  disk_is_slow_ = true;
  propose("x");
  EXPECT_EQ(last_to<AppendEntries>(kN2).entries.size(), 1u);
  EXPECT_EQ(node_->writes.size(), 1u);
}

TEST_F(ReplicationTest, TheLeadersOwnLogCountsOnlyAsFarAsItIsDurable) {
  start(3);
  make_established_leader();
  disk_is_slow_ = true;
  const LogIndex index = *propose("x");
  acknowledge(kN2);
  EXPECT_EQ(raft().commit_index(), index.previous());
  disk_catches_up();
  EXPECT_EQ(raft().commit_index(), index);
}

TEST_F(ReplicationTest, TwoFollowersCommitWhatTheLeaderHasNotWrittenYetButItIsNotAppliedThere) {
  start(3);
  make_established_leader();
  acknowledge(kN3);
  disk_is_slow_ = true;
  const LogIndex index = *propose("x");
  acknowledge(kN2);
  acknowledge(kN3);
  EXPECT_EQ(raft().commit_index(), index);
  EXPECT_EQ(node_->applied.back().index, index.previous());
  disk_catches_up();
  EXPECT_EQ(node_->applied.back().index, index);
}

TEST_F(ReplicationTest, StreamingDoesNotWaitForAcknowledgements) {
  start(3);
  make_established_leader();
  propose("x");
  propose("y");
  const auto appends = sent_to<AppendEntries>(kN2);
  ASSERT_EQ(appends.size(), 2u);
  EXPECT_EQ(appends[1].prev_log_index, appends[0].entries.back().index);
  EXPECT_EQ(appends[1].entries.size(), 1u);
}

TEST_F(ReplicationTest, AFullWindowWaitsAndAHeartbeatThenCarriesNoEntries) {
  options_.inflight_appends_max = 2;
  start(3);
  make_established_leader();
  for (int i = 0; i < 5; ++i) propose("x");
  ASSERT_EQ(sent_to<AppendEntries>(kN2).size(), 2u);
  timeout();
  EXPECT_TRUE(last_to<AppendEntries>(kN2).entries.empty());
  acknowledge(kN2, LogIndex(2));  // The no_op is 1; the first append is 2.
  EXPECT_EQ(last_to<AppendEntries>(kN2).entries.size(), 3u);
}

TEST_F(ReplicationTest, AppendsAreCutAtTheirLimitInBytes) {
  options_.append_bytes_max = 10;
  start(3);
  make_established_leader();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(raft().propose("12345", now_));
  EXPECT_TRUE(raft().propose("a long command", now_));
  pump();
  const auto appends = sent_to<AppendEntries>(kN2);
  ASSERT_EQ(appends.size(), 3u);
  EXPECT_EQ(appends[0].entries.size(), 2u);
  EXPECT_EQ(appends[1].entries.size(), 2u);
  EXPECT_EQ(appends[2].entries.size(), 1u);
}

TEST_F(ReplicationTest, ARefusalBacksUpByWholeTerms) {
  start(3, {1, 5, 5, 5, 5, 5, 5});
  make_leader();
  sent_.clear();
  refuse(kN2, 6, 1);  // Its log is 1, 1, 1, 1, 1, 1.
  EXPECT_TRUE(marked("raft: append rejected, backed up"));
  const auto append = last_to<AppendEntries>(kN2);
  EXPECT_EQ(append.prev_log_index, LogIndex(1));
  EXPECT_EQ(append.entries.size(), 7u);
}

TEST_F(ReplicationTest, AFollowerThatDoesNotAnswerIsProbedOnceAHeartbeatWithoutEntries) {
  start(3);
  make_established_leader();
  for (int i = 0; i < 3; ++i) propose("x");
  for (int beat = 0; beat < 8; ++beat) {
    timeout();
    acknowledge(kN2);
  }
  sent_.clear();
  timeout();
  propose("y");
  ASSERT_EQ(sent_to<AppendEntries>(kN3).size(), 1u);
  EXPECT_TRUE(last_to<AppendEntries>(kN3).entries.empty());
  EXPECT_EQ(last_to<AppendEntries>(kN3).prev_log_index, LogIndex(0));
  // It is back.
  acknowledge(kN3, LogIndex(0));
  EXPECT_EQ(last_to<AppendEntries>(kN3).entries.size(), 5u);
}

TEST_F(ReplicationTest, LostAppendsAreSentAgainAfterTwoSilentHeartbeats) {
  start(3);
  make_established_leader();
  acknowledge(kN3);
  propose("x");  // n3 never gets it.
  for (int beat = 0; beat < 3; ++beat) {
    timeout();
    acknowledge(kN2);
  }
  sent_.clear();
  acknowledge(kN3, LogIndex(1));  // It answers the probe at what it had acknowledged.
  EXPECT_EQ(last_to<AppendEntries>(kN3).prev_log_index, LogIndex(1));
  EXPECT_EQ(last_to<AppendEntries>(kN3).entries.size(), 1u);
}

TEST_F(ReplicationTest, RepeatedAndReorderedAnswersDoNotMoveTheMatchIndexBack) {
  start(3);
  make_established_leader();
  propose("x");
  propose("y");
  acknowledge(kN2, LogIndex(3));
  acknowledge(kN2, LogIndex(2));
  refuse(kN2, 1, 1);  // From before.
  refuse(kN2, 0, 0);
  EXPECT_EQ(raft().match_indexes().at(kN2), LogIndex(3));
  propose("z");
  EXPECT_EQ(last_to<AppendEntries>(kN2).prev_log_index, LogIndex(3));
}

TEST_F(ReplicationTest, AnAnswerToWhatWasNeverSentIsIgnored) {
  start(3);
  make_leader();
  step(kN2, AppendEntriesReply{Term(1), true, LogIndex(99), Term(0), Round(1)});
  step(kN2, AppendEntriesReply{Term(1), true, LogIndex(1), Term(0), Round(99)});
  EXPECT_EQ(raft().commit_index(), LogIndex(0));
}

TEST_F(ReplicationTest, AnAnswerOfALaterTermDeposesTheLeader) {
  start(3);
  make_established_leader();
  step(kN2, AppendEntriesReply{Term(8), false, LogIndex(0), Term(0), Round(0)});
  EXPECT_EQ(raft().role(), Role::follower);
  EXPECT_EQ(raft().current_term(), Term(8));
  EXPECT_EQ(node_->disk.hard_state.current_term, Term(8));
  EXPECT_TRUE(raft().match_indexes().empty());
}

TEST_F(ReplicationTest, AnIdleClusterSendsOneHeartbeatAnIntervalAndWritesNothing) {
  start(3);
  make_established_leader();
  acknowledge(kN3);
  disk_is_slow_ = true;
  for (int beat = 0; beat < 3; ++beat) {
    sent_.clear();
    timeout();
    EXPECT_EQ(sent_.size(), 2u);
    acknowledge(kN2);
    acknowledge(kN3);
    EXPECT_EQ(sent_.size(), 2u);
  }
  EXPECT_TRUE(node_->writes.empty());
}

// --- Entries of a later version.

TEST_F(ReplicationTest, AnEntryOfAnUnknownKindIsRefusedAndNotSkipped) {
  start(3, {1});
  AppendEntries append = append_of(2, 1, 1, {2}, 9);
  append.cut_at_unknown_kind = true;  // There was a third one.
  step(kN2, append);
  const auto reply = last_to<AppendEntriesReply>(kN2);
  EXPECT_TRUE(reply.success);
  EXPECT_TRUE(reply.unknown_kind);
  EXPECT_EQ(reply.match_index, LogIndex(2));
  EXPECT_EQ(raft().commit_index(), LogIndex(2));  // And not what the leader says of the third.
}

TEST_F(ReplicationTest, AFollowerThatCannotReadOnIsAskedOnceAHeartbeat) {
  start(3);
  make_established_leader();
  acknowledge(kN3);
  propose("x");
  sent_.clear();
  const auto cannot_read_on = [&] {
    step(kN3, AppendEntriesReply{.term = raft().current_term(), .success = true,
                                 .match_index = LogIndex(1), .match_term = Term(0),
                                 .round = last_round_, .needs_snapshot = false,
                                 .unknown_kind = true});
  };
  cannot_read_on();
  EXPECT_TRUE(sent_to<AppendEntries>(kN3).empty());
  timeout();
  EXPECT_TRUE(last_to<AppendEntries>(kN3).entries.empty());
  acknowledge(kN3, LogIndex(1));
  EXPECT_EQ(last_to<AppendEntries>(kN3).entries.size(), 1u);
  sent_.clear();
  cannot_read_on();
  EXPECT_TRUE(sent_to<AppendEntries>(kN3).empty());
}

// --- Progress by itself.

TEST(ProgressTest, ProbingSendsOneAppendWithEntriesUntilItIsAnswered) {
  Progress progress(LogIndex(5), {.appends_max = 4, .bytes_max = 100});
  progress.entries_sent(LogIndex(9), 1);
  EXPECT_EQ(progress.next_index(), LogIndex(5));
  EXPECT_FALSE(progress.may_send_entries());
  EXPECT_TRUE(progress.refused(LogIndex(2)));
  EXPECT_EQ(progress.next_index(), LogIndex(3));
  EXPECT_TRUE(progress.may_send_entries());
}

TEST(ProgressTest, StreamingBeginsWhenTheProbeItselfIsAcknowledged) {
  Progress progress(LogIndex(5), {.appends_max = 4, .bytes_max = 100});
  EXPECT_TRUE(progress.accepted(LogIndex(2)));
  EXPECT_EQ(progress.state(), Progress::State::probing);
  EXPECT_TRUE(progress.accepted(LogIndex(4)));
  EXPECT_EQ(progress.state(), Progress::State::replicating);
  EXPECT_EQ(progress.next_index(), LogIndex(5));
}

TEST(ProgressTest, AnAcknowledgementOpensTheWindowForAllThatItCovers) {
  Progress progress(LogIndex(1), {.appends_max = 3, .bytes_max = 100});
  progress.accepted(LogIndex(0));
  for (std::uint64_t last = 1; last <= 3; ++last) progress.entries_sent(LogIndex(last), 1);
  EXPECT_FALSE(progress.may_send_entries());
  progress.accepted(LogIndex(2));
  EXPECT_EQ(progress.inflight_count(), 1u);
  EXPECT_EQ(progress.next_index(), LogIndex(4));
}

TEST(ProgressTest, ARefusalThatNamesNoEarlierPlaceChangesNothing) {
  Progress progress(LogIndex(5), {.appends_max = 3, .bytes_max = 100});
  progress.accepted(LogIndex(4));
  progress.entries_sent(LogIndex(6), 1);
  EXPECT_FALSE(progress.refused(LogIndex(6)));  // Not before next_index.
  EXPECT_FALSE(progress.refused(LogIndex(3)));  // Acknowledged long since.
  EXPECT_EQ(progress.next_index(), LogIndex(7));
  EXPECT_TRUE(progress.refused(LogIndex(4)));
  EXPECT_EQ(progress.next_index(), LogIndex(5));
}

TEST(ProgressTest, TheWindowIsBoundedByBytesTooAndOneAppendAlwaysFits) {
  Progress progress(LogIndex(1), {.appends_max = 3, .bytes_max = 100});
  progress.accepted(LogIndex(0));
  progress.entries_sent(LogIndex(1), 99);
  EXPECT_TRUE(progress.may_send_entries());
  progress.entries_sent(LogIndex(2), 500);
  EXPECT_FALSE(progress.may_send_entries());
  progress.accepted(LogIndex(1));
  EXPECT_FALSE(progress.may_send_entries());
  progress.accepted(LogIndex(2));
  EXPECT_TRUE(progress.may_send_entries());
}

TEST(ProgressTest, AFollowerThatCannotReadOnIsAskedAgainAfterAHeartbeat) {
  Progress progress(LogIndex(1), {.appends_max = 3, .bytes_max = 100});
  progress.accepted(LogIndex(0));
  progress.entries_sent(LogIndex(2), 1);
  progress.accepted(LogIndex(1));
  progress.cannot_read_on();
  EXPECT_EQ(progress.next_index(), LogIndex(2));
  EXPECT_FALSE(progress.may_send_entries());
  progress.accepted(LogIndex(1));  // The heartbeat's answer.
  EXPECT_TRUE(progress.may_send_entries());
}

}  // namespace
}  // namespace keelson::raft
