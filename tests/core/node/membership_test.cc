// What an operator asks of a group, between whole nodes in a healthy world: members come and go,
// the lead is handed over.
#include <gtest/gtest.h>

#include "tests/core/node/world_of_nodes.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;
using raft::LogIndex;

constexpr GroupId kGroup{0};

class MembershipTest : public testing::Test {
 protected:
  const raft::Raft& core(std::size_t number) {
    return nodes_.cluster().node(number)->raft().core(kGroup);
  }
  Deadline soon(std::size_t number, sim::Duration span = 5s) {
    return Deadline::in(nodes_.cluster().machine(number).clock(), span);
  }
  // Asked of the leader, with the configuration that it has.
  Result<LogIndex> change(const raft::ConfigurationChange& change) {
    const std::size_t leader = nodes_.elect();
    // A new leader has yet to commit an entry of its term.
    nodes_.world().run_until([&] { return core(leader).may_change_configuration(); },
                             nodes_.world().now() + 1s);
    return nodes_.on(leader, [&](Node& node) {
      return node.raft().change_configuration(kGroup, change, core(leader).configuration().index,
                                              soon(leader));
    });
  }
  Result<NodeId> transfer(std::optional<NodeId> target) {
    const std::size_t leader = nodes_.elect();
    return nodes_.on(leader, [&](Node& node) {
      return node.raft().transfer_leadership(kGroup, target, soon(leader));
    });
  }
  std::string members() { return describe(core(nodes_.elect()).configuration()); }

  Result<kv::BatchOutcome> write(std::size_t number, const Bytes& key) {
    return nodes_.on(number, [&](Node& node) {
      kv::Batch batch;
      batch.mutations = {{.key = key, .value = "x"}};
      return node.coordinator().execute(std::move(batch), soon(number));
    });
  }
  // The one that does not lead, of these.
  std::size_t follower(std::size_t from = 1) {
    const std::size_t leader = nodes_.elect();
    return from == leader ? from + 1 : from;
  }
  bool eventually(const std::function<bool()>& holds) {
    return nodes_.world().run_until(holds, nodes_.world().now() + 20s);
  }

  WorldOfNodes nodes_{4};
};

TEST_F(MembershipTest, AVoterIsRemovedAndComesBackAsALearnerAndAVoter) {
  if (nodes_.elect() == 4) {
    ASSERT_TRUE(transfer(NodeId(1)));
  }
  ASSERT_TRUE(change(raft::Remove{NodeId(4)}));
  EXPECT_EQ(members(), "n1 n2 n3");
  ASSERT_TRUE(write(nodes_.elect(), "while it is away"));
  ASSERT_TRUE(change(raft::AddLearner{.id = NodeId(4), .address = {}, .incarnation = {}}));
  EXPECT_EQ(members(), "n1 n2 n3 [n4]");
  // Its data directory is learned from its first word; until then it has acknowledged nothing.
  ASSERT_TRUE(eventually([&] {
    const std::size_t leader = nodes_.leader();
    return leader != 0 && core(leader).may_change_configuration() &&
           core(leader).match_indexes().at(NodeId(4)) == core(leader).last_log_index();
  }));
  nodes_.run_for(5s);
  EXPECT_EQ(members(), "n1 n2 n3 [n4]");  // Nobody promotes it but the operator.
  ASSERT_TRUE(change(raft::Promote{NodeId(4)}));
  EXPECT_EQ(members(), "n1 n2 n3 n4");
}

TEST_F(MembershipTest, ALearnerTakesAVotersPlaceAtOnce) {
  if (nodes_.elect() == 4) {
    ASSERT_TRUE(transfer(NodeId(1)));
  }
  ASSERT_TRUE(change(raft::Demote{NodeId(4)}));
  EXPECT_EQ(members(), "n1 n2 n3 [n4]");
  const NodeId leaves(follower());
  const auto done = change(raft::Replace{.voter = leaves, .learner = NodeId(4)});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(core(nodes_.elect()).configuration().voters_count(), 3u);
  EXPECT_FALSE(core(nodes_.elect()).configuration().find(leaves));
  EXPECT_TRUE(core(nodes_.elect()).configuration().is_voter(NodeId(4)));
}

TEST_F(MembershipTest, ALeaderThatIsRemovedHandsOver) {
  const std::size_t leader = nodes_.elect();
  const auto before = nodes_.world().now();
  ASSERT_TRUE(change(raft::Remove{NodeId(leader)}));
  ASSERT_TRUE(eventually([&] { return nodes_.leader() != 0 && nodes_.leader() != leader; }));
  const sim::Duration without_leader = nodes_.world().now() - before;
  EXPECT_LT(without_leader, nodes_.cluster().node(leader)->config().election_timeout);
  EXPECT_TRUE(write(nodes_.leader(), "after"));
}

TEST_F(MembershipTest, AChangeIsComparedWithTheConfigurationThatTheOperatorSaw) {
  const std::size_t leader = nodes_.elect();
  const NodeId other(follower());
  ASSERT_TRUE(change(raft::Demote{other}));
  const auto late = nodes_.on(leader, [&](Node& node) {
    return node.raft().change_configuration(kGroup, raft::Remove{other}, LogIndex(0),
                                            soon(leader));
  });
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::conflict);
}

TEST_F(MembershipTest, WhatMakesNoSenseIsRefusedWithItsReason) {
  const NodeId other(follower());
  const auto refused = [&](const raft::ConfigurationChange& what) {
    const auto done = change(what);
    return !done && done.error().code == ErrorCode::invalid_argument;
  };
  EXPECT_TRUE(refused(raft::AddLearner{.id = other, .address = {}, .incarnation = {}}));
  EXPECT_TRUE(refused(raft::AddLearner{.id = NodeId(0), .address = {}, .incarnation = {}}));
  EXPECT_TRUE(refused(raft::Promote{other}));
  EXPECT_TRUE(refused(raft::Promote{NodeId(9)}));
  EXPECT_TRUE(refused(raft::Demote{NodeId(9)}));
  EXPECT_TRUE(refused(raft::Remove{NodeId(9)}));
  EXPECT_TRUE(refused(raft::Replace{.voter = other, .learner = NodeId(4)}));
  const auto elsewhere = nodes_.on(other.value, [&](Node& node) {
    return node.raft().change_configuration(kGroup, raft::Remove{NodeId(1)}, LogIndex(0),
                                            soon(other.value));
  });
  EXPECT_EQ(elsewhere.error().code, ErrorCode::not_leader);
}

TEST_F(MembershipTest, ALearnerThatHasNotCaughtUpIsPromotedOnlyByForce) {
  const std::size_t away = follower();
  ASSERT_TRUE(change(raft::Demote{NodeId(away)}));
  nodes_.cluster().machine(away).kill();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(write(nodes_.leader(), "key"));
  const auto promoted = nodes_.on(nodes_.leader(), [&](Node& node) {
    const LogIndex seen = node.raft().core(kGroup).configuration().index;
    return node.raft().change_configuration(kGroup, raft::Promote{NodeId(away)}, seen,
                                            soon(nodes_.leader()));
  });
  ASSERT_FALSE(promoted);
  EXPECT_EQ(promoted.error().code, ErrorCode::unavailable);
  const auto forced = nodes_.on(nodes_.leader(), [&](Node& node) {
    const LogIndex seen = node.raft().core(kGroup).configuration().index;
    return node.raft().change_configuration(
        kGroup, raft::Promote{.id = NodeId(away), .forced = true}, seen, soon(nodes_.leader()));
  });
  EXPECT_TRUE(forced);
}

// --- transfer

TEST_F(MembershipTest, TheLeadIsHandedToWhomTheOperatorNames) {
  const std::size_t leader = nodes_.elect();
  const std::size_t target = follower(2);
  const auto done = transfer(NodeId(target));
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*done, NodeId(target));
  EXPECT_EQ(nodes_.elect(), target);
  EXPECT_TRUE(write(leader, "by way of the old leader"));
}

TEST_F(MembershipTest, WithoutATargetSomebodyElseLeads) {
  const std::size_t leader = nodes_.elect();
  const auto done = transfer(std::nullopt);
  ASSERT_TRUE(done);
  EXPECT_NE(*done, NodeId(leader));
}

TEST_F(MembershipTest, ATransferToADeadNodeIsGivenUpAndWritesResume) {
  const std::size_t leader = nodes_.elect();
  const std::size_t target = follower(2);
  nodes_.cluster().machine(target).kill();
  ASSERT_TRUE(write(leader, "which the target lacks"));
  nodes_.begin_on(leader, [&](Node& node) {
    (void)node.raft().transfer_leadership(kGroup, NodeId(target), soon(leader));
  });
  nodes_.run_for(1ms);
  ASSERT_TRUE(nodes_.cluster().node(leader)->raft().is_transferring(kGroup));
  EXPECT_FALSE(nodes_.cluster().node(leader)->coordinator().is_leader());
  const auto verified = nodes_.on(leader, [&](Node& node) {
    return node.coordinator().verify_leader(soon(leader, 100ms));
  });
  EXPECT_EQ(verified.error().code, ErrorCode::not_leader);
  EXPECT_TRUE(write(leader, "afterwards"));  // The coordinator waits for it.
  EXPECT_EQ(nodes_.leader(), leader);
  EXPECT_TRUE(nodes_.cluster().node(leader)->coordinator().is_leader());
}

TEST_F(MembershipTest, VerificationsThatWaitFailWhenATransferBegins) {
  const std::size_t leader = nodes_.elect();
  std::optional<Result<void>> verified;
  nodes_.begin_on(leader, [&](Node& node) {
    verified = node.coordinator().verify_leader(soon(leader));
  });
  nodes_.begin_on(leader, [&](Node& node) {
    (void)node.raft().transfer_leadership(kGroup, std::nullopt, soon(leader));
  });
  ASSERT_TRUE(eventually([&] { return verified.has_value(); }));
  ASSERT_FALSE(verified->has_value());
  EXPECT_EQ(verified->error().code, ErrorCode::not_leader);
}

TEST_F(MembershipTest, WhoCannotBeATargetIsRefused) {
  const std::size_t leader = nodes_.elect();
  EXPECT_EQ(transfer(NodeId(leader)).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(transfer(NodeId(9)).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace keelson
