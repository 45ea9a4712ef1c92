// Log compaction and InstallSnapshot (§7) as one core sees them.
#include "tests/core/raft/raft_fixture.h"

namespace keelson::raft {
namespace {

class SnapshotTest : public RaftTest {
 protected:
  // As after a restart: the log begins after `start`, the state includes `applied`.
  void start_after(const LogStart& log_start, const std::vector<std::uint64_t>& terms,
                   const LogStart& applied, std::uint64_t term) {
    std::vector<Entry> log;
    for (const std::uint64_t entry_term : terms) {
      log.push_back({Term(entry_term), LogIndex(log_start.index.value + log.size() + 1),
                     EntryKind::command, "c"});
    }
    options_.id = kN1;
    options_.voters = voters_up_to(3);
    const TestDisk disk{{Term(term), {}}, log, log_start, {applied.index, applied.term, {}}};
    node_.emplace(options_, disk, random_, marks_, now_);
    now_ = now_ + options_.election_timeout;
    pump();
  }
  InstallSnapshot chunk_of(std::uint64_t index, std::uint64_t term, std::uint64_t leader_term) {
    return {Term(leader_term),
            {7, LogIndex(index), Term(term)},
            configuration_of(options_.voters),
            {0, true, "all of it"},
            Round(1)};
  }
  // The state machine has taken the chunk that waits, which was the whole snapshot.
  void install() {
    ASSERT_EQ(node_->chunks.size(), 1u);
    const ReceivedChunk received = node_->chunks.front();
    node_->chunks.clear();
    const SnapshotId& id = received.message.id;
    ASSERT_TRUE(raft().may_install(id));
    raft().snapshot_installed(received, {id.index, id.term, received.message.configuration});
    pump();
  }
  std::vector<std::uint64_t> applied_indexes() const {
    std::vector<std::uint64_t> indexes;
    for (const Entry& entry : node_->applied) indexes.push_back(entry.index.value);
    return indexes;
  }
};

TEST_F(SnapshotTest, ACompactedLogGoesOnAsBefore) {
  start(3);
  make_established_leader();
  for (int i = 0; i < 5; ++i) propose("x");
  acknowledge(kN2);
  acknowledge(kN3);
  ASSERT_EQ(raft().commit_index(), LogIndex(6));
  raft().compact(LogIndex(4));
  EXPECT_EQ(raft().log_start(), (LogStart{LogIndex(4), Term(1)}));
  sent_.clear();
  propose("y");
  EXPECT_EQ(last_to<AppendEntries>(kN2).prev_log_index, LogIndex(6));
  acknowledge(kN2);
  EXPECT_EQ(raft().commit_index(), LogIndex(7));
}

TEST_F(SnapshotTest, AFollowerThatNeedsWhatIsForgottenIsSentASnapshotAndThenTheRest) {
  start(3);
  make_established_leader();
  for (int i = 0; i < 5; ++i) propose("x");
  acknowledge(kN2);
  raft().compact(LogIndex(5));
  sent_.clear();
  timeout();  // Nothing of n3 was heard. Heartbeats go on, from where the log begins.
  EXPECT_TRUE(node_->snapshots_wanted.contains(kN3));
  EXPECT_EQ(last_to<AppendEntries>(kN3).prev_log_index, LogIndex(5));
  EXPECT_TRUE(last_to<AppendEntries>(kN3).entries.empty());
  sent_.clear();
  step(kN3, InstallSnapshotReply{Term(1), {7, LogIndex(5), Term(1)}, 1, true, last_round_});
  EXPECT_EQ(last_to<AppendEntries>(kN3).prev_log_index, LogIndex(5));
  EXPECT_EQ(last_to<AppendEntries>(kN3).entries.size(), 1u);
}

TEST_F(SnapshotTest, WhatIsForgottenMeanwhileAsksForAnotherSnapshot) {
  start(3);
  make_established_leader();
  for (int i = 0; i < 5; ++i) propose("x");
  acknowledge(kN2);
  raft().compact(LogIndex(3));
  refuse(kN3, 0, 0);
  raft().compact(LogIndex(5));
  node_->snapshots_wanted.clear();
  step(kN3, InstallSnapshotReply{Term(1), {7, LogIndex(3), Term(1)}, 1, true, last_round_});
  EXPECT_TRUE(node_->snapshots_wanted.contains(kN3));
}

TEST_F(SnapshotTest, AnUnknownSnapshotIsInstalledAndTheLogBeginsAfterIt) {
  start(3, {1, 1});
  step(kN2, chunk_of(9, 3, 4));
  install();
  EXPECT_EQ(raft().log_start(), (LogStart{LogIndex(9), Term(3)}));
  EXPECT_EQ(raft().commit_index(), LogIndex(9));
  EXPECT_EQ(node_->disk.start, (LogStart{LogIndex(9), Term(3)}));
  EXPECT_TRUE(node_->disk.log.empty());
  const auto reply = last_to<InstallSnapshotReply>(kN2);
  EXPECT_TRUE(reply.installed);
  // And the entries after it follow.
  step(kN2, append_of(4, 9, 3, {4}, 10));
  EXPECT_EQ(applied_indexes(), (std::vector<std::uint64_t>{10}));
}

TEST_F(SnapshotTest, Figure13_6_AnExistingEntryOfTheSameIndexAndTermRetainsTheLogBehindIt) {
  start(3, {1, 1, 1, 1});
  step(kN2, chunk_of(2, 1, 4));
  install();
  EXPECT_EQ(raft().last_log_index(), LogIndex(4));
  EXPECT_EQ(raft().commit_index(), LogIndex(2));
  step(kN2, append_of(4, 4, 1, {}, 4));
  EXPECT_EQ(applied_indexes(), (std::vector<std::uint64_t>{3, 4}));
}

TEST_F(SnapshotTest, Figure13_7_AConflictingLogIsDiscarded) {
  start(3, {1, 2, 2, 2});
  step(kN2, chunk_of(3, 3, 4));
  install();
  EXPECT_EQ(raft().last_log_index(), LogIndex(3));
  EXPECT_EQ(raft().log_start().term, Term(3));
}

TEST_F(SnapshotTest, ASnapshotOfAnEarlierTermsLeaderIsRefused) {
  start(3, {1}, HardState{Term(6), {}});
  step(kN2, chunk_of(9, 3, 5));
  EXPECT_TRUE(node_->chunks.empty());
  EXPECT_FALSE(last_to<InstallSnapshotReply>(kN2).installed);
  EXPECT_EQ(last_to<InstallSnapshotReply>(kN2).term, Term(6));
}

TEST_F(SnapshotTest, WhatIsAppliedAlreadyIsNotInstalledAgain) {
  start(3, {1, 1, 1});
  step(kN2, append_of(1, 3, 1, {}, 3));
  ASSERT_EQ(raft().commit_index(), LogIndex(3));
  step(kN2, chunk_of(2, 1, 1));
  EXPECT_TRUE(node_->chunks.empty());
  EXPECT_TRUE(last_to<InstallSnapshotReply>(kN2).installed);
}

TEST_F(SnapshotTest, AChunkIsHandedOutOnlyWhenTheTermItCameInIsDurable) {
  start(3, {1});
  disk_is_slow_ = true;
  step(kN2, chunk_of(9, 3, 4));
  EXPECT_TRUE(node_->chunks.empty());
  disk_catches_up();
  EXPECT_EQ(node_->chunks.size(), 1u);
  EXPECT_EQ(node_->disk.hard_state.current_term, Term(4));
}

TEST_F(SnapshotTest, AStateAheadOfTheLogBeginsTheLogAnew) {
  // Power was lost after the state was installed, before the log was told.
  start_after({}, {1, 1}, {LogIndex(9), Term(3)}, 4);
  EXPECT_EQ(raft().log_start(), (LogStart{LogIndex(9), Term(3)}));
  EXPECT_EQ(node_->disk.start, (LogStart{LogIndex(9), Term(3)}));
}

TEST_F(SnapshotTest, AStateThatIsLostIsAskedForAndNobodyLeadsWithoutOne) {
  start_after({LogIndex(5), Term(2)}, {2, 2}, {}, 2);
  EXPECT_TRUE(raft().needs_snapshot());
  EXPECT_EQ(raft().next_deadline(), Deadline::never().at);  // It does not stand for election.
  step(kN2, append_of(3, 7, 2, {}, 7));
  EXPECT_TRUE(last_to<AppendEntriesReply>(kN2).success);
  EXPECT_TRUE(last_to<AppendEntriesReply>(kN2).needs_snapshot);
  EXPECT_TRUE(node_->applied.empty());
  step(kN2, chunk_of(6, 2, 3));
  install();
  EXPECT_FALSE(raft().needs_snapshot());
  EXPECT_EQ(applied_indexes(), (std::vector<std::uint64_t>{7}));
  EXPECT_EQ(raft().last_log_index(), LogIndex(7));
}

TEST_F(SnapshotTest, ANodeWithoutItsStateStillKeepsItsPromises) {
  start_after({LogIndex(5), Term(2)}, {2, 2}, {}, 2);
  step(kN2, RequestVote{Term(3), LogIndex(6), Term(2), false});
  EXPECT_FALSE(last_to<RequestVoteReply>(kN2).vote_granted);  // Its own log is longer.
  step(kN2, RequestVote{Term(3), LogIndex(7), Term(2), false});
  EXPECT_TRUE(last_to<RequestVoteReply>(kN2).vote_granted);
}

TEST_F(SnapshotTest, ALeaderIsToldThatAFollowerLostItsState) {
  start(3);
  make_established_leader();
  AppendEntriesReply answer{Term(1), true, LogIndex(1), Term(0), last_round_};
  answer.needs_snapshot = true;
  step(kN3, answer);
  EXPECT_TRUE(node_->snapshots_wanted.contains(kN3));
}

TEST_F(SnapshotTest, EntriesFromBeforeTheLogsStartAreTakenForKnown) {
  start_after({LogIndex(5), Term(2)}, {2}, {LogIndex(5), Term(2)}, 2);
  step(kN2, append_of(2, 3, 1, {2, 2, 2, 2}, 6));
  EXPECT_TRUE(last_to<AppendEntriesReply>(kN2).success);
  EXPECT_EQ(last_to<AppendEntriesReply>(kN2).match_index, LogIndex(7));
  EXPECT_EQ(applied_indexes(), (std::vector<std::uint64_t>{6}));
}

TEST_F(SnapshotTest, AReluctantLeaderStepsDownAndStandsLater) {
  start(3);
  make_established_leader();
  raft().set_reluctant(true, now_);
  EXPECT_EQ(raft().role(), Role::follower);
  EXPECT_GE(raft().next_deadline() - now_, 4 * options_.election_timeout);
}

}  // namespace
}  // namespace keelson::raft
