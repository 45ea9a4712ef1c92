// One test per rule of Figures 2 and 13 and property of Figure 3 of the extended Raft paper, named
// after it. The properties of Figure 3 are about clusters over time: cluster_fuzz_test.cc checks
// them in storms. Here each is shown at the one place where a node has to keep it.
#include "tests/core/raft/cluster.h"
#include "tests/core/raft/raft_fixture.h"

namespace keelson::raft {
namespace {

using Terms = std::vector<std::uint64_t>;

// --- Figure 2, State.

class State : public RaftTest {};

TEST_F(State, CurrentTermIsInitializedTo0OnFirstBootAndIncreasesMonotonically) {
  start(3);
  EXPECT_EQ(raft().current_term(), Term(0));
  step(kN2, append_of(3, 0, 0, {}));
  EXPECT_EQ(raft().current_term(), Term(3));
  step(kN3, append_of(2, 0, 0, {}));
  step(kN3, RequestVote{Term(1), LogIndex(0), Term(0), false});
  EXPECT_EQ(raft().current_term(), Term(3));
}

TEST_F(State, PersistentStateIsUpdatedOnStableStorageBeforeRespondingToRpcs) {
  start(3);
  disk_is_slow_ = true;
  step(kN2, RequestVote{Term(1), LogIndex(0), Term(0), false});
  EXPECT_TRUE(sent_.empty());
  step(kN2, append_of(1, 0, 0, {1}));
  EXPECT_TRUE(sent_.empty());
  disk_catches_up();
  EXPECT_TRUE(last_to<RequestVoteReply>(kN2).vote_granted);
  EXPECT_TRUE(last_to<AppendEntriesReply>(kN2).success);
}

TEST_F(State, CommitIndexIsInitializedTo0) {
  start(3, {1, 1});
  EXPECT_EQ(raft().commit_index(), LogIndex(0));
}

TEST_F(State, NextIndexIsInitializedToLeadersLastLogIndexPlus1AndMatchIndexTo0) {
  start(3, {1, 1});
  make_leader();
  EXPECT_EQ(last_to<AppendEntries>(kN2).prev_log_index, LogIndex(2));
  EXPECT_EQ(raft().match_indexes().at(kN2), LogIndex(0));
}

// --- Figure 2, AppendEntries RPC.

class AppendEntriesRpc : public RaftTest {};

TEST_F(AppendEntriesRpc, Rule1RepliesFalseIfTermIsLessThanCurrentTerm) {
  start(3, {1}, HardState{Term(4), {}});
  step(kN2, append_of(3, 1, 1, {3}));
  EXPECT_FALSE(last_to<AppendEntriesReply>(kN2).success);
  EXPECT_EQ(last_to<AppendEntriesReply>(kN2).term, Term(4));
  EXPECT_EQ(log_terms(), Terms{1});
}

TEST_F(AppendEntriesRpc, Rule2RepliesFalseIfLogHasNoEntryAtPrevLogIndexWhoseTermMatches) {
  start(3, {1, 1});
  step(kN2, append_of(3, 3, 1, {3}));
  EXPECT_FALSE(last_to<AppendEntriesReply>(kN2).success);
  step(kN2, append_of(3, 2, 2, {3}));
  EXPECT_FALSE(last_to<AppendEntriesReply>(kN2).success);
  EXPECT_EQ(log_terms(), (Terms{1, 1}));
}

TEST_F(AppendEntriesRpc, Rule3DeletesAConflictingEntryAndAllThatFollowIt) {
  start(3, {1, 2, 2, 2});
  step(kN2, append_of(3, 1, 1, {3}));
  EXPECT_EQ(log_terms(), (Terms{1, 3}));
}

TEST_F(AppendEntriesRpc, Rule4AppendsEntriesNotAlreadyInTheLog) {
  start(3, {1, 2});
  step(kN2, append_of(2, 1, 1, {2, 2}));
  EXPECT_EQ(log_terms(), (Terms{1, 2, 2}));
}

TEST_F(AppendEntriesRpc, Rule5SetsCommitIndexToTheLesserOfLeaderCommitAndLastNewEntry) {
  start(3, {1, 1, 1});
  step(kN2, append_of(2, 1, 1, {2}, 9));
  EXPECT_EQ(raft().commit_index(), LogIndex(2));
}

// --- Figure 2, RequestVote RPC.

class RequestVoteRpc : public RaftTest {};

TEST_F(RequestVoteRpc, Rule1RepliesFalseIfTermIsLessThanCurrentTerm) {
  start(3, {1}, HardState{Term(4), {}});
  step(kN2, RequestVote{Term(3), LogIndex(9), Term(2), false});
  EXPECT_EQ(last_to<RequestVoteReply>(kN2), (RequestVoteReply{Term(4), false, false}));
}

TEST_F(RequestVoteRpc, Rule2GrantsIfVotedForIsNullOrCandidateId) {
  start(3, {1});
  const RequestVote request{Term(2), LogIndex(1), Term(1), false};
  step(kN2, request);
  EXPECT_TRUE(last_to<RequestVoteReply>(kN2).vote_granted);
  step(kN3, request);
  EXPECT_FALSE(last_to<RequestVoteReply>(kN3).vote_granted);
  step(kN2, request);
  EXPECT_TRUE(last_to<RequestVoteReply>(kN2).vote_granted);
}

TEST_F(RequestVoteRpc, Rule2GrantsOnlyIfCandidatesLogIsAtLeastAsUpToDate) {
  struct Case {
    std::uint64_t index, term;
    bool granted;
  };
  for (const Case& log : {Case{3, 2, true}, Case{4, 2, true}, Case{1, 3, true}, Case{2, 2, false},
                          Case{9, 1, false}, Case{0, 0, false}}) {
    start(3, {1, 2, 2});
    step(kN2, RequestVote{Term(4), LogIndex(log.index), Term(log.term), false});
    EXPECT_EQ(last_to<RequestVoteReply>(kN2).vote_granted, log.granted)
        << log.index << "/" << log.term;
  }
}

// --- Figure 2, Rules for Servers.

class AllServers : public RaftTest {};

TEST_F(AllServers, IfCommitIndexIsBeyondLastAppliedApplyTheEntriesInOrder) {
  start(3);
  step(kN2, append_of(1, 0, 0, {1, 1, 1}, 2));
  ASSERT_EQ(node_->applied.size(), 2u);
  EXPECT_EQ(node_->applied[0].index, LogIndex(1));
  EXPECT_EQ(node_->applied[1].index, LogIndex(2));
  step(kN2, append_of(1, 3, 1, {}, 3));
  EXPECT_EQ(node_->applied.size(), 3u);
}

TEST_F(AllServers, IfAnRpcContainsALaterTermAdoptItAndConvertToFollower) {
  start(3);
  make_leader();
  step(kN2, append_of(5, 0, 0, {}));
  EXPECT_EQ(raft().current_term(), Term(5));
  EXPECT_EQ(raft().role(), Role::follower);
  EXPECT_EQ(raft().leader(), kN2);
  start(3);
  make_candidate();
  step(kN2, RequestVoteReply{Term(7), false, false});
  EXPECT_EQ(raft().current_term(), Term(7));
  EXPECT_EQ(raft().role(), Role::follower);
}

class Followers : public RaftTest {};

TEST_F(Followers, ConvertToCandidateIfElectionTimeoutElapsesWithoutAppendEntriesOrGrantedVote) {
  start(3, {1});
  const Duration timeout_span = options_.election_timeout;
  now_ = raft().next_deadline() - 1ns;
  step(kN2, append_of(1, 1, 1, {}));
  tick_after(timeout_span - 1ns);
  EXPECT_EQ(raft().role(), Role::follower);
  tick_after(1ns);
  EXPECT_EQ(raft().role(), Role::pre_candidate);  // Dissertation §9.6 comes first.
  step(kN3, RequestVoteReply{Term(2), true, true});
  EXPECT_EQ(raft().role(), Role::candidate);
}

class Candidates : public RaftTest {};

TEST_F(Candidates, IncrementCurrentTermVoteForSelfAndSendRequestVoteToAllOthers) {
  start(3, {1});
  make_candidate();
  EXPECT_TRUE(node_->disk.hard_state == (HardState{Term(2), kN1}));
  const RequestVote request{Term(2), LogIndex(1), Term(1), false};
  EXPECT_EQ(last_to<RequestVote>(kN2), request);
  EXPECT_EQ(last_to<RequestVote>(kN3), request);
}

TEST_F(Candidates, BecomeLeaderIfVotesAreReceivedFromAMajority) {
  start(5);
  make_candidate();
  step(kN4, RequestVoteReply{Term(1), true, false});
  step(kN5, RequestVoteReply{Term(1), false, false});
  EXPECT_EQ(raft().role(), Role::candidate);
  step(kN2, RequestVoteReply{Term(1), true, false});
  EXPECT_EQ(raft().role(), Role::leader);
}

TEST_F(Candidates, ConvertToFollowerIfAppendEntriesIsReceivedFromTheNewLeader) {
  start(3);
  make_candidate();
  step(kN2, append_of(1, 0, 0, {}));
  EXPECT_EQ(raft().role(), Role::follower);
  EXPECT_EQ(raft().leader(), kN2);
}

TEST_F(Candidates, StartANewElectionIfElectionTimeoutElapses) {
  start(3);
  make_candidate();
  make_candidate();
  EXPECT_EQ(raft().current_term(), Term(2));
  EXPECT_EQ(raft().role(), Role::candidate);
}

class Leaders : public RaftTest {};

TEST_F(Leaders, UponElectionSendAppendEntriesToEachServerAndRepeatDuringIdlePeriods) {
  start(3);
  make_leader();
  EXPECT_EQ(sent_to<AppendEntries>(kN2).size(), 1u);
  EXPECT_EQ(sent_to<AppendEntries>(kN3).size(), 1u);
  for (std::size_t beat = 1; beat <= 3; ++beat) {
    tick_after(options_.heartbeat_interval);
    EXPECT_EQ(sent_to<AppendEntries>(kN3).size(), 1 + beat);
  }
}

TEST_F(Leaders, ACommandIsAppendedToTheLocalLogAndAnsweredAfterItIsApplied) {
  start(3);
  make_established_leader();
  EXPECT_EQ(propose("x"), LogIndex(2));
  EXPECT_EQ(node_->memory_log.back().data, "x");
  EXPECT_EQ(node_->applied.size(), 1u);
  acknowledge(kN2);
  ASSERT_EQ(node_->applied.size(), 2u);
  EXPECT_EQ(node_->applied.back().data, "x");
}

TEST_F(Leaders, IfLastLogIndexIsAtLeastNextIndexSendTheEntriesFromNextIndexOn) {
  start(3);
  make_established_leader();
  propose("x");
  const auto append = last_to<AppendEntries>(kN2);
  EXPECT_EQ(append.prev_log_index, LogIndex(1));
  ASSERT_EQ(append.entries.size(), 1u);
  EXPECT_EQ(append.entries[0].index, LogIndex(2));
}

TEST_F(Leaders, IfAppendEntriesFailsBecauseOfInconsistencyDecrementNextIndexAndRetry) {
  start(3, {1, 1, 2});
  make_leader();
  sent_.clear();
  refuse(kN2, 1, 1);
  EXPECT_EQ(last_to<AppendEntries>(kN2).prev_log_index, LogIndex(1));
}

TEST_F(Leaders, CommitNIfAMajorityMatchesItAndItsTermIsTheCurrentTerm) {
  start(5);
  make_leader();
  acknowledge(kN2);
  EXPECT_EQ(raft().commit_index(), LogIndex(0));
  acknowledge(kN3);
  EXPECT_EQ(raft().commit_index(), LogIndex(1));
}

// §5.4.2 and Figure 8: in (c) an entry of term 2 is on a majority and yet not committed; in (e) it
// is, through an entry of the leader's own term.
TEST_F(Leaders, EntriesOfPreviousTermsAreNotCommittedByCountingReplicas) {
  start(5, {1, 2}, HardState{Term(3), {}});
  make_leader();
  ASSERT_EQ(raft().current_term(), Term(4));
  acknowledge(kN2, LogIndex(2));
  acknowledge(kN3, LogIndex(2));
  EXPECT_EQ(raft().commit_index(), LogIndex(0));
  acknowledge(kN2, LogIndex(3));
  acknowledge(kN3, LogIndex(3));
  EXPECT_EQ(raft().commit_index(), LogIndex(3));
}

// --- Figure 3.

class Figure3 : public RaftTest {};

TEST_F(Figure3, ElectionSafetyAtMostOneLeaderCanBeElectedInAGivenTerm) {
  Cluster cluster(3);
  cluster.timeout(kN1);
  cluster.timeout(kN2);  // Both ask before either is heard; every voter has one vote.
  cluster.settle();
  int leaders = 0;
  for (const NodeId id : voters_up_to(3)) {
    if (cluster.node(id).raft.role() == Role::leader) ++leaders;
  }
  EXPECT_LE(leaders, 1);
  cluster.run(20s);
  EXPECT_TRUE(cluster.leader());
}

TEST_F(Figure3, LeaderAppendOnlyALeaderNeverOverwritesOrDeletesEntriesInItsLog) {
  start(3, {1, 1, 2});
  make_leader();
  refuse(kN2, 0, 0);
  acknowledge(kN3, LogIndex(1));
  propose("x");
  EXPECT_EQ(log_terms(), (Terms{1, 1, 2, 3, 3}));
}

// Figure 7: whatever a follower has, missing entries, extra ones or both, it ends with the
// leader's.
TEST_F(Figure3, LogMatchingTheLogsOfFigure7BecomeTheLeaders) {
  const Terms leader = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
  for (const Terms& follower :
       {Terms{1, 1, 1, 4, 4, 5, 5, 6, 6}, Terms{1, 1, 1, 4},
        Terms{1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6}, Terms{1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},
        Terms{1, 1, 1, 4, 4, 4, 4}, Terms{1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3}}) {
    Cluster cluster({leader, follower, leader}, Term(7));
    cluster.timeout(kN1);
    cluster.settle();
    ASSERT_EQ(cluster.leader(), kN1);
    cluster.run(1s);
    EXPECT_EQ(cluster.node(kN2).disk.log, cluster.node(kN1).disk.log);
  }
}

TEST_F(Figure3, LeaderCompletenessACandidateWithoutACommittedEntryCannotWin) {
  Cluster cluster({{1, 2}, {1, 2}, {1}}, Term(2));  // 2/2 is on a majority.
  cluster.timeout(kN3);
  cluster.settle();
  EXPECT_FALSE(cluster.leader());
  cluster.timeout(kN2);
  cluster.settle();
  EXPECT_EQ(cluster.leader(), kN2);
}

TEST_F(Figure3, StateMachineSafetyAllServersApplyTheSameEntriesInTheSameOrder) {
  Cluster cluster(3);
  cluster.timeout(kN1);
  cluster.settle();
  for (const char* command : {"a", "b", "c"}) cluster.propose(kN1, command);
  cluster.run(1s);
  ASSERT_EQ(cluster.node(kN1).applied.size(), 4u);
  EXPECT_EQ(cluster.node(kN2).applied, cluster.node(kN1).applied);
  EXPECT_EQ(cluster.node(kN3).applied, cluster.node(kN1).applied);
}

// --- Figure 13, InstallSnapshot RPC. Chunks have numbers in the place of offsets, and the state
// machine keeps them: rules 2, 3 and 5 are its own (core/raft/state_machine.h).

class InstallSnapshotRpc : public RaftTest {
 protected:
  InstallSnapshot chunk(std::uint64_t number, bool is_last, std::uint64_t index,
                        std::uint64_t term) const {
    return {Term(4),
            {7, LogIndex(index), Term(term)},
            configuration_of({kN1, kN2}),
            {number, is_last, "part"},
            Round(1)};
  }
  ReceivedChunk take_chunk() {
    CHECK(node_->chunks.size() == 1);
    const ReceivedChunk received = node_->chunks.front();
    node_->chunks.clear();
    return received;
  }
  void install(const InstallSnapshot& message) {
    step(kN2, message);
    const ReceivedChunk received = take_chunk();
    const SnapshotId& id = received.message.id;
    raft().snapshot_installed(received, {id.index, id.term, received.message.configuration});
    pump();
  }
};

TEST_F(InstallSnapshotRpc, Rule1RepliesImmediatelyIfTermIsLessThanCurrentTerm) {
  start(3, {1}, HardState{Term(5), {}});
  step(kN2, chunk(0, true, 9, 3));
  EXPECT_TRUE(node_->chunks.empty());
  EXPECT_EQ(last_to<InstallSnapshotReply>(kN2).term, Term(5));
  EXPECT_FALSE(last_to<InstallSnapshotReply>(kN2).installed);
}

TEST_F(InstallSnapshotRpc, Rule4RepliesAndWaitsForMoreChunksIfDoneIsFalse) {
  start(3, {1});
  step(kN2, chunk(0, false, 9, 3));
  raft().snapshot_staged(take_chunk(), 1);
  pump();
  const auto reply = last_to<InstallSnapshotReply>(kN2);
  EXPECT_EQ(reply.next_chunk, 1u);
  EXPECT_FALSE(reply.installed);
  EXPECT_EQ(raft().commit_index(), LogIndex(0));
}

TEST_F(InstallSnapshotRpc, Rule6RetainsTheEntriesThatFollowAnExistingEntryOfTheSameIndexAndTerm) {
  start(3, {1, 1, 1});
  install(chunk(0, true, 2, 1));
  EXPECT_EQ(raft().last_log_index(), LogIndex(3));
  EXPECT_TRUE(last_to<InstallSnapshotReply>(kN2).installed);
}

TEST_F(InstallSnapshotRpc, Rule7DiscardsTheEntireLogOtherwise) {
  start(3, {1, 2, 2});
  install(chunk(0, true, 2, 3));
  EXPECT_EQ(raft().last_log_index(), LogIndex(2));
  EXPECT_EQ(raft().log_start(), (LogStart{LogIndex(2), Term(3)}));
}

TEST_F(InstallSnapshotRpc, Rule8LoadsTheSnapshotsClusterConfiguration) {
  start(3, {1});
  install(chunk(0, true, 9, 3));
  EXPECT_EQ(raft().configuration(), configuration_of({kN1, kN2}));
  EXPECT_EQ(raft().commit_index(), LogIndex(9));
}

}  // namespace
}  // namespace keelson::raft
