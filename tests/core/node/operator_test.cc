// The operator's API of whole nodes, asked over HTTP: changes of membership, transfers, drains.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "scenarios/http_client.h"
#include "tests/core/node/world_of_nodes.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

class OperatorTest : public testing::Test {
 protected:
  explicit OperatorTest(std::size_t groups = 1) : nodes_(3, groups) {}

  struct Answer {
    int status = 0;
    boost::json::object body;
  };

  // Asked of that node, from the node itself.
  Answer ask(std::size_t number, const std::string& method, const std::string& endpoint,
             const std::string& body = "") {
    std::optional<scenarios::CallResult> called;
    nodes_.cluster().machine(number).spawn("operator", [&](Env& env) {
      scenarios::HttpClient client(env.network, env.scheduler,
                                   scenarios::Cluster::address(number, scenarios::kAdminPort));
      scenarios::HttpRequest request;
      request.method = method;
      request.target = "/admin/api/v1/cluster/" + endpoint;
      if (method == "POST") request.headers.push_back({"Content-Type", "application/json"});
      request.body = body;
      called = client.call(request, Deadline::in(env.clock, 15s));
    });
    CHECK(nodes_.world().run_until([&] { return called.has_value(); },
                                   nodes_.world().now() + 20s));
    const scenarios::CallResult& result = *called;
    EXPECT_EQ(result.end, scenarios::CallResult::End::answered) << result.why;
    Answer answer{.status = result.response.status, .body = {}};
    answer.body = boost::json::parse(result.response.body).as_object();
    return answer;
  }
  std::uint64_t configuration_index(std::size_t number) {
    const Answer group = ask(number, "GET", "groups/g0");
    return group.body.at("configuration_index").to_number<std::uint64_t>();
  }
  std::size_t follower() { return nodes_.leader() == 1 ? 2 : 1; }
  static std::string text(const boost::json::value& value) {
    return boost::json::value_to<std::string>(value);
  }
  static std::string name(std::size_t number) { return "n" + std::to_string(number); }

  WorldOfNodes nodes_;
};

class OperatorShardsTest : public OperatorTest {
 protected:
  OperatorShardsTest() : OperatorTest(2) {
    nodes_.elect(GroupId(0));
    nodes_.elect(GroupId(1));
  }
};

TEST_F(OperatorTest, AFollowerForwardsATransferAndTheTargetLeads) {
  const std::size_t leader = nodes_.elect();
  const std::size_t target = follower();
  const Answer answer = ask(6 - leader - target, "POST", "groups/g0/transfer",
                            R"({"target":")" + name(target) + "\"}");
  EXPECT_EQ(answer.status, 200) << boost::json::serialize(answer.body);
  EXPECT_EQ(text(answer.body.at("leader_id")), name(target));
  EXPECT_EQ(nodes_.elect(), target);
}

TEST_F(OperatorTest, AChangeIsMadeOnceAndOnlyFromTheConfigurationThatWasSeen) {
  nodes_.elect();
  nodes_.run_for(1s);
  const std::size_t asked = follower();
  const std::uint64_t seen = configuration_index(asked);
  const std::size_t victim = 6 - nodes_.leader() - asked;
  const auto body = [&](std::uint64_t index) {
    return R"({"node":")" + name(victim) + R"(","configuration_index":)" + std::to_string(index) +
           "}";
  };
  EXPECT_EQ(ask(asked, "POST", "groups/g0/demote", body(seen + 1000)).status, 409);
  const Answer demoted = ask(asked, "POST", "groups/g0/demote", body(seen));
  EXPECT_EQ(demoted.status, 200) << boost::json::serialize(demoted.body);
  EXPECT_GT(demoted.body.at("configuration_index").to_number<std::uint64_t>(), seen);
  EXPECT_EQ(ask(asked, "POST", "groups/g0/demote", body(seen)).status, 409);
  std::string role;
  const Answer group = ask(asked, "GET", "groups/g0");
  for (const auto& member : group.body.at("members").as_array()) {
    if (text(member.at("id")) == name(victim)) role = text(member.at("role"));
  }
  EXPECT_EQ(role, "learner");
}

TEST_F(OperatorTest, WithoutAQuorumTheGroupIsNotDescribed) {
  const std::size_t leader = nodes_.elect();
  nodes_.world().network().isolate(nodes_.cluster().machine(leader));
  EXPECT_EQ(ask(leader, "GET", "groups/g0").status, 503);
}

TEST_F(OperatorShardsTest, AShardIsSplitAndMovedThroughWhateverNode) {
  const auto seen = [&](std::size_t number) { return ask(number, "GET", "shards").body; };
  const auto version = [](const boost::json::object& map) {
    return std::to_string(map.at("version").to_number<std::uint64_t>());
  };
  ASSERT_TRUE(nodes_.world().run_until([&] { return nodes_.cluster().node(3)->coordinator()
                                                 .shards().version() == 1; },
                                       nodes_.world().now() + 10s));
  boost::json::object map = seen(2);
  ASSERT_EQ(map.at("shards").as_array().size(), 2u);
  const std::string split = R"({"at":"%40a%00","version":)" + version(map) + "}";
  EXPECT_EQ(ask(1, "POST", "shards/split", split).status, 200);
  EXPECT_EQ(text(ask(2, "POST", "shards/split", split).body.at("error")), "shard_map_changed");
  map = seen(3);  // Whoever is asked says what is acknowledged.
  ASSERT_EQ(map.at("shards").as_array().size(), 3u);
  EXPECT_EQ(text(map.at("shards").at(1).at("from")), "%40a%00");

  const auto move = [&](const char* from, const char* group) {
    return ask(3, "POST", "shards/move",
               R"({"from":")" + std::string(from) + R"(","group":")" + group +
                   R"(","version":)" + version(map) + "}");
  };
  EXPECT_EQ(text(move("%40b", "g1").body.at("message")), "from: no shard begins there");
  EXPECT_EQ(text(move("%40a%00", "g9").body.at("message")), "group: there is no g9");
  EXPECT_EQ(move("%40a%00", "g1").status, 200);
  map = seen(2);
  EXPECT_EQ(text(map.at("move").at("target")), "g1");
  EXPECT_EQ(text(move("", "g1").body.at("error")), "shard_moving");
  nodes_.run_for(10s);
  map = seen(1);
  EXPECT_TRUE(map.at("move").is_null());
  EXPECT_EQ(text(map.at("shards").at(1).at("group")), "g1");
  EXPECT_EQ(text(map.at("shards").at(1).at("leader_id")), name(nodes_.leader(GroupId(1))));
}

TEST_F(OperatorTest, ADrainedLeaderHasHandedOverBeforeItEnds) {
  const std::size_t leader = nodes_.elect();
  const std::size_t other = follower();
  const auto term = [&] {
    return nodes_.cluster().node(other)->raft().core(GroupId(0)).current_term();
  };
  const raft::Term before = term();
  EXPECT_EQ(ask(leader, "POST", "drain", "{}").status, 202);
  // Somebody else leads while the drained node is still there, in the term after.
  EXPECT_TRUE(nodes_.world().run_until(
      [&] {
        const auto now = nodes_.cluster().node(other)->raft().core(GroupId(0)).leader();
        return now.has_value() && *now != NodeId(leader);
      },
      nodes_.world().now() + 2s));
  EXPECT_TRUE(nodes_.cluster().machine(leader).is_running());
  EXPECT_EQ(term(), before.next());
  EXPECT_TRUE(nodes_.world().run_until(
      [&] { return !nodes_.cluster().machine(leader).is_running(); }, nodes_.world().now() + 5s));
}

}  // namespace
}  // namespace keelson
