// Membership as one core sees it: §6, and one voter at a time (dissertation §4.1).
#include "tests/core/raft/raft_fixture.h"

namespace keelson::raft {
namespace {

class ConfigurationTest : public RaftTest {
 protected:
  static Configuration three_with_learner() {
    Configuration configuration = configuration_of(voters_up_to(3));
    configuration.members[kN3] = {.incarnation = Incarnation(33), .is_voter = false};
    return configuration;
  }
  std::optional<LogIndex> propose_configuration(const Configuration& configuration) {
    const auto index = raft().propose_configuration(configuration.members, now_);
    pump();
    return index;
  }
  static AppendEntries append_configuration(std::uint64_t term, std::uint64_t prev_index,
                                            std::uint64_t prev_term,
                                            const Configuration& configuration) {
    AppendEntries message = append_of(term, prev_index, prev_term, {term});
    message.entries[0].kind = EntryKind::configuration;
    message.entries[0].data = encode(configuration);
    return message;
  }
};

TEST_F(ConfigurationTest, IsInForceAsSoonAsItIsInTheLog) {
  start(3);
  make_established_leader();
  ASSERT_TRUE(propose_configuration(three_with_learner()));
  EXPECT_EQ(raft().configuration().members, three_with_learner().members);
  EXPECT_EQ(raft().commit_index(), LogIndex(1));
  acknowledge(kN3);  // A learner's word does not count,
  EXPECT_EQ(raft().commit_index(), LogIndex(1));
  acknowledge(kN2);  // and of two voters both are needed.
  EXPECT_EQ(raft().commit_index(), LogIndex(2));
}

TEST_F(ConfigurationTest, ALearnersEchoConfirmsNoLeadership) {
  start(3);
  make_established_leader();
  propose_configuration(three_with_learner());
  acknowledge(kN2);
  read();
  acknowledge_round(kN3, last_round_);
  EXPECT_TRUE(node_->reads.empty());
  acknowledge_round(kN2, last_round_);
  EXPECT_EQ(node_->reads.size(), 1u);
}

TEST_F(ConfigurationTest, NoneIsBegunBeforeAnEntryOfTheTermIsCommitted) {
  start(3);
  make_leader();
  EXPECT_FALSE(propose_configuration(three_with_learner()));
  acknowledge(kN2);
  EXPECT_TRUE(propose_configuration(three_with_learner()));
}

TEST_F(ConfigurationTest, NoneIsBegunBeforeTheOneBeforeIsCommitted) {
  start(3);
  make_established_leader();
  ASSERT_TRUE(propose_configuration(three_with_learner()));
  Configuration promoted = three_with_learner();
  promoted.members[kN3].is_voter = true;
  EXPECT_FALSE(propose_configuration(promoted));
  acknowledge(kN2);
  EXPECT_TRUE(propose_configuration(promoted));
}

TEST_F(ConfigurationTest, GoesWithItsEntryWhenThatIsReplaced) {
  start(3, {1});
  step(kN2, append_configuration(2, 1, 1, three_with_learner()));
  EXPECT_EQ(raft().configuration().members, three_with_learner().members);
  step(kN3, append_of(3, 1, 1, {3}));
  EXPECT_EQ(raft().configuration(), configuration_of(options_.voters));
}

TEST_F(ConfigurationTest, ANodeThatIsNoVoterDoesNotStand) {
  start(3, {1});
  Configuration without = configuration_of(voters_up_to(3));
  without.members[kN1].is_voter = false;
  step(kN2, append_configuration(2, 1, 1, without));
  step(kN2, append_of(2, 2, 2, {}, 2));
  EXPECT_EQ(raft().next_deadline(), Deadline::never().at);
}

TEST_F(ConfigurationTest, AVoterOfItsNameWithAnotherDataDirectoryIsNotThisNode) {
  start(3, {1});
  Configuration other = configuration_of(voters_up_to(3));
  other.members[kN1].incarnation = Incarnation(99);
  step(kN2, append_configuration(2, 1, 1, other));
  step(kN2, append_of(2, 2, 2, {}, 2));
  EXPECT_EQ(raft().next_deadline(), Deadline::never().at);
}

TEST_F(ConfigurationTest, OneWithAnotherDataDirectoryHasAcknowledgedNothing) {
  start(3);
  make_established_leader();
  acknowledge(kN3);
  ASSERT_EQ(raft().match_indexes().at(kN3), LogIndex(1));
  ASSERT_TRUE(propose_configuration(three_with_learner()));
  EXPECT_EQ(raft().match_indexes().at(kN3), LogIndex(0));
}

TEST_F(ConfigurationTest, SurvivesCompactionAndRestart) {
  start(3);
  make_established_leader();
  propose_configuration(three_with_learner());
  acknowledge(kN2);
  propose("x");
  acknowledge(kN2);
  raft().compact(LogIndex(3));
  EXPECT_EQ(raft().configuration().members, three_with_learner().members);
  node_->disk.start = raft().log_start();
  node_->disk.log.clear();
  node_->disk.state = {LogIndex(3), Term(1), three_with_learner()};
  restart(3);
  EXPECT_EQ(raft().configuration().members, three_with_learner().members);
}

TEST_F(ConfigurationTest, ALatestUncommittedOneIsFoundInTheLogAfterARestart) {
  start(3, {1});
  step(kN2, append_configuration(2, 1, 1, three_with_learner()));
  restart(3);
  EXPECT_EQ(raft().configuration().members, three_with_learner().members);
}

TEST_F(ConfigurationTest, OneThatIsInTheLogBehindASnapshotStaysInForceWhenThatIsInstalled) {
  start(3, {1, 1});
  step(kN2, append_configuration(2, 2, 1, three_with_learner()));
  const SnapshotId id{7, LogIndex(2), Term(1)};
  const Configuration founders = configuration_of(voters_up_to(3));
  step(kN2, InstallSnapshot{Term(2), id, founders, {0, true, "all"}, Round(1)});
  ASSERT_EQ(node_->chunks.size(), 1u);
  raft().snapshot_installed(node_->chunks.front(), {id.index, id.term, founders});
  EXPECT_EQ(raft().configuration().members, three_with_learner().members);
  EXPECT_EQ(raft().committed_configuration(), founders);
}

// --- Joint consensus. n3 leaves for n4 in one change.

class JointTest : public ConfigurationTest {
 protected:
  static std::map<NodeId, Member> with_n4(bool is_voter) {
    auto members = configuration_of(voters_up_to(4)).members;
    members.at(kN4).is_voter = is_voter;
    return members;
  }
  static std::map<NodeId, Member> without_n3() {
    auto members = with_n4(true);
    members.erase(kN3);
    return members;
  }
  void acknowledge_all() {
    for (const NodeId peer : {kN2, kN3, kN4}) acknowledge(peer);
  }
  // n1 leads n1 n2 n3 and the learner n4, which has the whole log; C_old,new is in it.
  void begin_replacement() {
    start(3);
    make_established_leader();
    ASSERT_TRUE(raft().propose_configuration(with_n4(false), now_));
    pump();
    acknowledge_all();
    ASSERT_EQ(raft().commit_index(), LogIndex(2));
    ASSERT_TRUE(raft().propose_configuration(without_n3(), now_));
    pump();
    ASSERT_TRUE(raft().configuration().is_joint());
    ASSERT_EQ(describe(raft().configuration()), "n1 n2 n3 -> n1 n2 n4");
  }
};

TEST_F(JointTest, TwoVotersAtOnceGoThroughCOldNew) {
  begin_replacement();
  EXPECT_EQ(node_->memory_log.back().kind, EntryKind::joint_configuration);
  EXPECT_EQ(raft().configuration().index, LogIndex(3));
}

TEST_F(JointTest, AnEntryIsCommittedByMajoritiesOfBothAndNoOther) {
  begin_replacement();
  propose("x");
  acknowledge(kN3);  // n1 and n3 are a majority of C_old,
  EXPECT_EQ(raft().commit_index(), LogIndex(2));
  acknowledge(kN4);  // and n1 and n4 of C_new.
  EXPECT_EQ(raft().commit_index(), LogIndex(4));
}

TEST_F(JointTest, AMajorityOfCNewAloneCommitsNothing) {
  begin_replacement();
  acknowledge(kN4);
  EXPECT_EQ(raft().commit_index(), LogIndex(2));
  acknowledge(kN2);
  EXPECT_EQ(raft().commit_index(), LogIndex(3));
}

TEST_F(JointTest, ARoundIsConfirmedByMajoritiesOfBoth) {
  begin_replacement();
  read();
  acknowledge_round(kN3, last_round_);
  EXPECT_TRUE(node_->reads.empty());
  acknowledge_round(kN4, last_round_);
  EXPECT_EQ(node_->reads.size(), 1u);
}

TEST_F(JointTest, CNewFollowsWhenCOldNewIsCommitted) {
  begin_replacement();
  acknowledge(kN2);
  EXPECT_FALSE(raft().configuration().is_joint());
  EXPECT_EQ(raft().configuration().index, LogIndex(4));
  EXPECT_EQ(describe(raft().configuration()), "n1 n2 n4");
  EXPECT_EQ(describe(raft().committed_configuration()), "n1 n2 n3 -> n1 n2 n4");
  EXPECT_FALSE(raft().match_indexes().contains(kN3));
  acknowledge(kN4);
  EXPECT_EQ(describe(raft().committed_configuration()), "n1 n2 n4");
}

TEST_F(JointTest, NoOtherChangeIsBegunMeanwhile) {
  begin_replacement();
  EXPECT_FALSE(raft().propose_configuration(with_n4(false), now_));
  acknowledge(kN2);  // C_new is in force, and not committed.
  EXPECT_FALSE(raft().propose_configuration(with_n4(false), now_));
  acknowledge(kN2);
  EXPECT_TRUE(raft().propose_configuration(with_n4(true), now_));
}

TEST_F(JointTest, ACandidateNeedsMajoritiesOfBoth) {
  start(3, {1});
  Configuration joint{.index = LogIndex(2), .members = without_n3(),
                      .outgoing = configuration_of(voters_up_to(3)).members};
  AppendEntries append = append_configuration(2, 1, 1, joint);
  append.entries[0].kind = EntryKind::joint_configuration;
  step(kN2, append);
  ASSERT_EQ(raft().configuration(), joint);
  timeout();
  const auto granted = [&](bool pre_vote) {
    const Term term = pre_vote ? raft().current_term().next() : raft().current_term();
    return RequestVoteReply{.term = term, .vote_granted = true, .pre_vote = pre_vote};
  };
  step(kN4, granted(true));  // Of C_new, n1 and n4 agree: of C_old, n1 alone.
  EXPECT_EQ(raft().role(), Role::pre_candidate);
  step(kN3, granted(true));
  EXPECT_EQ(raft().role(), Role::candidate);
  step(kN3, granted(false));
  EXPECT_EQ(raft().role(), Role::candidate);
  step(kN4, granted(false));
  EXPECT_EQ(raft().role(), Role::leader);
}

TEST_F(JointTest, ANewLeaderThatFindsCOldNewInItsLogAppendsCNew) {
  start(3, {1});
  Configuration joint{.index = LogIndex(2), .members = without_n3(),
                      .outgoing = configuration_of(voters_up_to(3)).members};
  AppendEntries append = append_configuration(2, 1, 1, joint);
  append.entries[0].kind = EntryKind::joint_configuration;
  step(kN2, append);
  timeout();
  for (const bool pre_vote : {true, false}) {
    const Term term = pre_vote ? raft().current_term().next() : raft().current_term();
    step(kN2, RequestVoteReply{.term = term, .vote_granted = true, .pre_vote = pre_vote});
  }
  ASSERT_EQ(raft().role(), Role::leader);
  EXPECT_TRUE(raft().configuration().is_joint());
  acknowledge(kN2);  // The no-op commits C_old,new before it.
  EXPECT_EQ(describe(raft().configuration()), "n1 n2 n4");
  EXPECT_EQ(raft().last_log_index(), LogIndex(4));
}

TEST_F(JointTest, ARestartInTheJointPhaseIsInIt) {
  begin_replacement();
  restart(3);
  EXPECT_EQ(describe(raft().configuration()), "n1 n2 n3 -> n1 n2 n4");
}

// --- A leader that leaves.

TEST_F(ConfigurationTest, ALeaderThatLeavesDoesNotCountItself) {
  start(3);
  make_established_leader();
  Configuration without = configuration_of({kN2, kN3});
  ASSERT_TRUE(propose_configuration(without));
  acknowledge(kN2);
  EXPECT_EQ(raft().commit_index(), LogIndex(1));
  EXPECT_EQ(raft().role(), Role::leader);
  acknowledge(kN3);
  EXPECT_EQ(raft().commit_index(), LogIndex(2));
}

TEST_F(ConfigurationTest, ALeaderThatLeftHandsOverWhenThatIsCommittedAndStepsDownIfItCannot) {
  start(3);
  make_established_leader();
  ASSERT_TRUE(propose_configuration(configuration_of({kN2, kN3})));
  acknowledge(kN2);
  EXPECT_TRUE(sent_to<TimeoutNow>(kN2).empty());
  acknowledge(kN3);
  EXPECT_TRUE(raft().is_transferring());
  EXPECT_EQ(sent_to<TimeoutNow>(kN2).size() + sent_to<TimeoutNow>(kN3).size(), 1u);
  const Instant end = now_ + options_.election_timeout;
  while (now_ < end) {
    EXPECT_EQ(raft().role(), Role::leader);
    timeout();
    if (raft().role() != Role::leader) break;
    acknowledge(kN2);
  }
  EXPECT_EQ(raft().role(), Role::follower);
  EXPECT_EQ(raft().next_deadline(), Deadline::never().at);
}

// --- A node that was removed.

TEST_F(ConfigurationTest, ACandidateThatACommittedConfigurationLeavesOutIsToldWhich) {
  start(3, {1});
  step(kN2, append_configuration(2, 1, 1, configuration_of({kN1, kN2})));
  const auto asks = [&](NodeId candidate) {
    pass(options_.election_timeout);
    step(candidate, RequestVote{.term = Term(9), .last_log_index = LogIndex(1),
                                .last_log_term = Term(1), .pre_vote = true});
    return last_to<RequestVoteReply>(candidate).removed_by;
  };
  EXPECT_EQ(asks(kN3), LogIndex(0));  // Not as long as that may be undone.
  step(kN2, append_of(2, 2, 2, {}, 2));
  EXPECT_EQ(asks(kN3), LogIndex(2));
  EXPECT_EQ(asks(kN2), LogIndex(0));
}

TEST_F(ConfigurationTest, ANodeThatWasToldSoStandsNoMoreUntilALeaderSendsItTheLog) {
  start(3, {1});
  timeout();
  const auto refused = [](std::uint64_t removed_by) {
    return RequestVoteReply{.term = Term(1), .vote_granted = false, .pre_vote = true,
                            .removed_by = LogIndex(removed_by)};
  };
  step(kN2, refused(0));
  EXPECT_EQ(raft().role(), Role::pre_candidate);
  step(kN2, refused(5));
  EXPECT_EQ(raft().role(), Role::follower);
  EXPECT_TRUE(raft().is_removed());
  EXPECT_EQ(raft().next_deadline(), Deadline::never().at);
  step(kN2, append_of(2, 1, 1, {}));
  EXPECT_FALSE(raft().is_removed());
  EXPECT_NE(raft().next_deadline(), Deadline::never().at);
}

TEST_F(ConfigurationTest, ANodeWhoseLogHasALaterConfigurationThanTheVoterMayHaveBeenTakenInAgain) {
  start(3, {1});
  step(kN2, append_configuration(2, 1, 1, configuration_of(voters_up_to(3))));
  timeout();
  step(kN2, RequestVoteReply{.term = Term(2), .vote_granted = false, .pre_vote = true,
                             .removed_by = LogIndex(1)});
  EXPECT_EQ(raft().role(), Role::pre_candidate);
}

// Dissertation §4.2.2, Figure 4.6. n1 took itself out and lost its lead before n2 heard of it: n2
// cannot win against n1's longer log, so n1 stands, with n2's vote alone.
TEST_F(ConfigurationTest, WhoIsLeftOutByAnUncommittedConfigurationStandsAndCountsOnlyOthers) {
  start(3, {1});
  step(kN2, append_configuration(2, 1, 1, configuration_of({kN2, kN3})));
  timeout();
  EXPECT_EQ(raft().role(), Role::pre_candidate);
  step(kN2, RequestVoteReply{.term = Term(3), .vote_granted = true, .pre_vote = true});
  EXPECT_EQ(raft().role(), Role::pre_candidate);
  step(kN3, RequestVoteReply{.term = Term(3), .vote_granted = true, .pre_vote = true});
  EXPECT_EQ(raft().role(), Role::candidate);
}

}  // namespace
}  // namespace keelson::raft
