// Membership as one core sees it: §6, one voter at a time (dissertation §4.1).
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
  EXPECT_EQ(raft().next_deadline(), Deadline::never().at);
}

TEST_F(ConfigurationTest, AVoterOfItsNameWithAnotherDataDirectoryIsNotThisNode) {
  start(3, {1});
  Configuration other = configuration_of(voters_up_to(3));
  other.members[kN1].incarnation = Incarnation(99);
  step(kN2, append_configuration(2, 1, 1, other));
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

}  // namespace
}  // namespace keelson::raft
