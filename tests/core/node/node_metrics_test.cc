#include "core/node_metrics.h"

#include <gtest/gtest.h>

#include "tests/core/node/world_of_nodes.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

// The value of the series with exactly this name and these labels, or nothing.
std::optional<std::string> value_of(const std::string& rendered, const std::string& series) {
  const std::size_t at = ("\n" + rendered).find("\n" + series + " ");
  if (at == std::string::npos) return std::nullopt;
  const std::size_t begin = at + series.size() + 1;
  return rendered.substr(begin, rendered.find('\n', begin) - begin);
}

class NodeMetricsTest : public testing::Test {
 protected:
  std::string rendered(std::size_t number) {
    return nodes_.cluster().node(number)->metrics().render();
  }
  std::string at(std::size_t number, const std::string& series) {
    return value_of(rendered(number), series).value_or("none");
  }
  bool put(std::size_t number, const Bytes& key, Duration span = 5s) {
    return nodes_.on(number, [&](Node& node) {
      const auto deadline = Deadline::in(nodes_.cluster().machine(number).clock(), span);
      return node.coordinator()
          .execute({.token = {}, .conditions = {}, .mutations = {{key, "value"}}},
                   deadline)
          .has_value();
    });
  }

  explicit NodeMetricsTest(std::size_t groups = 1) : nodes_(3, groups) {}

  WorldOfNodes nodes_;
};

class ShardMetricsTest : public NodeMetricsTest {
 protected:
  ShardMetricsTest() : NodeMetricsTest(2) {}
};

TEST_F(NodeMetricsTest, TheLeaderAndItsFollowersTellTheirRoles) {
  const std::size_t leader = nodes_.elect();
  nodes_.run_for(1s);
  for (std::size_t number = 1; number <= 3; ++number) {
    const bool leads = number == leader;
    EXPECT_EQ(at(number, R"(keelson_raft_is_leader{group="g0"})"), leads ? "1" : "0");
    EXPECT_EQ(at(number, R"(keelson_raft_role{group="g0",role="leader"})"), leads ? "1" : "0");
    EXPECT_EQ(at(number, R"(keelson_raft_role{group="g0",role="follower"})"), leads ? "0" : "1");
    EXPECT_EQ(at(number, R"(keelson_raft_leader{group="g0"})"), std::to_string(leader));
    EXPECT_EQ(at(number, R"(keelson_raft_voters{group="g0"})"), "3");
    EXPECT_EQ(at(number, R"(keelson_raft_learners{group="g0"})"), "0");
  }
  EXPECT_NE(at(leader, R"(keelson_raft_elections_total{group="g0"})"), "0");
}

TEST_F(NodeMetricsTest, ProposalsAndSyncsAreMeasured) {
  const std::size_t leader = nodes_.elect();
  const std::size_t follower = leader == 1 ? 2 : 1;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(put(leader, "key"));
  ASSERT_TRUE(put(follower, "key"));
  // Beside those that the leader makes for its timestamps.
  EXPECT_GE(std::stoi(at(leader, R"(keelson_raft_append_seconds_count{group="g0"})")), 6);
  EXPECT_EQ(at(follower, R"(keelson_raft_append_seconds_count{group="g0"})"), "0");
  EXPECT_GE(std::stoi(at(leader, "keelson_log_sync_seconds_count")), 6);
  EXPECT_EQ(at(follower, "keelson_forwarded_sent_total"), "1");
  EXPECT_EQ(at(leader, "keelson_forwarded_served_total"), "1");
  EXPECT_EQ(at(follower, "keelson_forwarded_failed_total"), "0");
}

TEST_F(NodeMetricsTest, OnlyTheLeaderKnowsHowFarItsPeersAreBehind) {
  const std::size_t leader = nodes_.elect();
  const std::size_t cut_off = leader == 1 ? 2 : 1;
  const std::string behind =
      "keelson_raft_peer_lag_entries{group=\"g0\",peer=\"n" + std::to_string(cut_off) + "\"}";
  nodes_.run_for(1s);
  EXPECT_EQ(at(leader, behind), "0");
  EXPECT_EQ(at(cut_off, behind), "none");
  nodes_.world().network().isolate(nodes_.cluster().machine(cut_off));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(put(leader, "key"));
  EXPECT_EQ(at(leader, behind), "4");
  EXPECT_EQ(rendered(cut_off).find("keelson_raft_peer_lag_entries"), std::string::npos);
}

TEST_F(ShardMetricsTest, ShardsAndTheirMovesAreCounted) {
  nodes_.elect(GroupId(1));
  nodes_.run_for(3s);
  for (char name = 'a'; name < 'k'; ++name) ASSERT_TRUE(put(1, Bytes("\1") + name));
  for (std::size_t number = 1; number <= 3; ++number) {
    EXPECT_EQ(at(number, R"(keelson_shards{group="g0"})"), "1");
    EXPECT_EQ(at(number, R"(keelson_shards{group="g1"})"), "1");
    EXPECT_EQ(at(number, "keelson_shard_map_version"), "1");
    EXPECT_EQ(at(number, "keelson_shard_moving"), "0");
  }
  ASSERT_TRUE(nodes_.on(1, [&](Node& node) {
    const auto deadline = Deadline::in(nodes_.cluster().machine(1).clock(), 5s);
    return node.coordinator().change_shards(kv::MoveShard{"", GroupId(1)}, 1, deadline).has_value();
  }));
  nodes_.run_for(50ms);
  EXPECT_EQ(at(2, "keelson_shard_moving"), "1");
  nodes_.run_for(10s);
  int moved = 0;
  int rows = 0;
  for (std::size_t number = 1; number <= 3; ++number) {
    EXPECT_EQ(at(number, R"(keelson_shards{group="g0"})"), "0");
    EXPECT_EQ(at(number, R"(keelson_shards{group="g1"})"), "2");
    EXPECT_EQ(at(number, "keelson_shard_map_version"), "4");
    EXPECT_EQ(at(number, "keelson_shard_moving"), "0");
    moved += std::stoi(at(number, "keelson_shard_moves_total"));
    rows += std::stoi(at(number, "keelson_shard_rows_sent_total"));
  }
  EXPECT_EQ(moved, 1);
  EXPECT_EQ(rows, 10);
}

TEST_F(NodeMetricsTest, AProposalWithoutAQuorumIsPendingAndThenFailed) {
  const std::size_t leader = nodes_.elect();
  nodes_.world().network().isolate(nodes_.cluster().machine(leader));
  bool ended = false;
  nodes_.begin_on(leader, [&](Node& node) {
    const auto deadline = Deadline::in(nodes_.cluster().machine(leader).clock(), 50ms);
    EXPECT_FALSE(node.raft().propose(GroupId(0), "", deadline).has_value());
    ended = true;
  });
  nodes_.run_for(20ms);
  // Beside those that the leader makes for its timestamps.
  EXPECT_GE(std::stoi(at(leader, R"(keelson_raft_pending_proposals{group="g0"})")), 1);
  EXPECT_EQ(at(leader, R"(keelson_raft_proposals_failed_total{group="g0"})"), "0");
  nodes_.run_for(100ms);
  ASSERT_TRUE(ended);
  EXPECT_GE(std::stoi(at(leader, R"(keelson_raft_proposals_failed_total{group="g0"})")), 1);
}

}  // namespace
}  // namespace keelson
