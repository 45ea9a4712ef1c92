#include "admin/operator_api.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/admin/fake_cluster.h"
#include "tests/core/runtime/manual_clock.h"

namespace keelson::admin {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSplit = R"({"at":"b%2Fc","version":2})";
constexpr const char* kRemove = R"({"node":"n1","configuration_index":17})";

class OperatorApiTest : public testing::Test {
 protected:
  OperatorApiTest() {
    control.on_wait = [this](Deadline deadline) { clock.advance_to(deadline.at); };
  }

  api::HttpResponse ask(const std::string& method, const std::string& endpoint,
                        const std::string& body = "") {
    api::HttpRequest request;
    request.method = method;
    request.set_target("/admin/api/v1/cluster/" + endpoint);
    request.headers.add("Content-Type", content_type);
    request.headers.add("Authorization", "Bearer secret");
    request.body = body;
    request.peer = "10.0.0.9:1234";
    return operators.handle(request, endpoint, Deadline{clock.now() + 1s});
  }
  std::string error_of(const api::HttpResponse& response) {
    return std::string(boost::json::parse(response.body).at("error").as_string());
  }
  void follow(NodeId leader) {
    cluster.now.groups[0].is_leader = false;
    cluster.now.groups[0].leader_id = leader;
  }

  ManualClock clock;
  TwoGroups cluster;
  FakeControl control;
  RememberedLog log;
  OperatorApi operators{clock, log, cluster, control, {.token = "secret"}};
  std::string content_type = "application/json";
};

TEST_F(OperatorApiTest, ALeaderCarriesOutAChange) {
  const auto response = ask("POST", "groups/g0/remove", kRemove);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"group_id":"g0","configuration_index":18})");
  ASSERT_EQ(control.changes.size(), 1u);
  EXPECT_EQ(std::get<raft::Remove>(control.changes[0]).id, NodeId(1));
  EXPECT_EQ(control.expected_index, raft::LogIndex(17));
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_EQ(log.lines[0],
            "admin: audit: operator by token, POST /admin/api/v1/cluster/groups/g0/remove, "
            "status 200, 0 ms, from 10.0.0.9:1234");
}

TEST_F(OperatorApiTest, ATransferNamesTheNewLeader) {
  EXPECT_EQ(ask("POST", "groups/g0/transfer", "{}").body, R"({"group_id":"g0","leader_id":"n3"})");
  EXPECT_EQ(ask("POST", "groups/g0/transfer", R"({"target":"n3"})").status, 200);
  EXPECT_EQ(control.targets, (std::vector<std::optional<NodeId>>{std::nullopt, NodeId(3)}));
}

TEST_F(OperatorApiTest, WhatTheLeaderRefusesIsToldApart) {
  struct Row {
    ErrorCode code;
    int status;
    std::string error;
    bool is_unknown;
  };
  for (const Row& row :
       {Row{ErrorCode::conflict, 409, "configuration_changed", false},
        Row{ErrorCode::invalid_argument, 400, "invalid_request", false},
        Row{ErrorCode::unsupported, 409, "unsupported_version", false},
        Row{ErrorCode::unavailable, 503, "unavailable", false},
        Row{ErrorCode::timed_out, 503, "leader_unavailable", true}}) {
    control.change_result = Error{row.code, "why it is so"};
    const auto response = ask("POST", "groups/g0/remove", kRemove);
    EXPECT_EQ(response.status, row.status);
    EXPECT_EQ(error_of(response), row.error);
    EXPECT_NE(response.body.find("why it is so"), std::string::npos);
    EXPECT_EQ(response.body.find(R"("outcome":"unknown")") != std::string::npos, row.is_unknown);
    EXPECT_EQ(response.headers.get("Retry-After"), row.status == 503 ? "1" : "");
  }
}

TEST_F(OperatorApiTest, PathsMethodsTypesAndBodiesAreJudgedBeforeAnythingHappens) {
  struct Row {
    std::string method, endpoint, body;
    int status;
    std::string error;
  };
  for (const Row& row : {Row{"POST", "groups/g0/explode", kRemove, 404, "unknown_endpoint"},
                         Row{"POST", "groups/g0/remove/x", kRemove, 404, "unknown_endpoint"},
                         Row{"GET", "nothing", "", 404, "unknown_endpoint"},
                         Row{"GET", "groups/g0/remove", "", 405, "method_not_allowed"},
                         Row{"POST", "groups/g0", "", 405, "method_not_allowed"},
                         Row{"GET", "drain", "", 405, "method_not_allowed"},
                         Row{"POST", "backup", "", 405, "method_not_allowed"},
                         Row{"POST", "groups/0/remove", kRemove, 400, "invalid_path"},
                         Row{"POST", "groups/g2/remove", kRemove, 404, "unknown_group"},
                         Row{"POST", "groups/g0/remove", "{}", 400, "invalid_body"},
                         Row{"POST", "shards", kSplit, 405, "method_not_allowed"},
                         Row{"GET", "shards/split", "", 405, "method_not_allowed"},
                         Row{"POST", "shards/", kSplit, 404, "unknown_endpoint"},
                         Row{"POST", "shards/merge", kSplit, 404, "unknown_endpoint"},
                         Row{"POST", "shards/remove", kRemove, 404, "unknown_endpoint"},
                         Row{"POST", "groups/g0/split", kSplit, 404, "unknown_endpoint"},
                         Row{"POST", "shards/split", R"({"at":"/","version":2})", 400,
                             "invalid_body"},
                         Row{"POST", "groups/g0/snapshot", R"({"x":1})", 400, "invalid_body"},
                         Row{"POST", "drain", R"({"x":1})", 400, "invalid_body"}}) {
    const auto response = ask(row.method, row.endpoint, row.body);
    EXPECT_EQ(response.status, row.status) << row.endpoint;
    EXPECT_EQ(error_of(response), row.error) << row.endpoint;
    EXPECT_EQ(response.headers.find("Allow") != nullptr, row.status == 405);
  }
  content_type = "text/plain";  // As a page of another site could send it.
  for (const char* endpoint :
       {"groups/g0/remove", "groups/g0/snapshot", "shards/split", "drain"}) {
    EXPECT_EQ(ask("POST", endpoint, kRemove).status, 415);
  }
  EXPECT_TRUE(control.changes.empty());
  EXPECT_TRUE(control.shard_changes.empty());
  EXPECT_EQ(control.stops + control.cuts, 0);
  EXPECT_TRUE(log.lines.empty());
}

TEST_F(OperatorApiTest, TheGroupIsDescribedOnlyByALeaderThatAQuorumConfirms) {
  const auto response = ask("GET", "groups/g0");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(boost::json::parse(response.body).at("configuration_index"), 17);
  control.confirm_result = Error{ErrorCode::timed_out, "no quorum"};
  EXPECT_EQ(ask("GET", "groups/g0").status, 503);
}

TEST_F(OperatorApiTest, TheShardsAreShownAsTheLeaderOfTheDefaultGroupHasThem) {
  EXPECT_EQ(ask("GET", "shards").body,
            R"({"version":2,"shards":[{"from":"","to":"b%2F","group":"g0","leader_id":"n2"},)"
            R"({"from":"b%2F","to":"%80%80","group":"g0","leader_id":"n2"},)"
            R"({"from":"%80%80","to":"","group":"g1","leader_id":null}],"move":null})");
  ASSERT_TRUE(cluster.map.map.apply(kv::MoveShard{"b/", GroupId(1)}));
  cluster.map.phase = "copying";
  EXPECT_EQ(boost::json::serialize(boost::json::parse(ask("GET", "shards").body).at("move")),
            R"({"number":3,"from":"b%2F","to":"%80%80","source":"g0","target":"g1",)"
            R"("phase":"copying"})");
  EXPECT_TRUE(log.lines.empty());
  control.confirm_result = Error{ErrorCode::timed_out, "no quorum"};
  EXPECT_EQ(ask("GET", "shards").status, 503);
}

TEST_F(OperatorApiTest, AShardIsChangedOnlyFromTheMapThatWasSeen) {
  EXPECT_EQ(ask("POST", "shards/split", kSplit).body, R"({"version":3})");
  EXPECT_EQ(ask("POST", "shards/move", R"({"from":"b%2F","group":"g1","version":2})").status, 200);
  ASSERT_EQ(control.shard_changes.size(), 2u);
  EXPECT_EQ(std::get<kv::SplitShard>(control.shard_changes[0].first).at, "b/c");
  EXPECT_EQ(std::get<kv::MoveShard>(control.shard_changes[1].first).to, GroupId(1));
  EXPECT_EQ(control.shard_changes[1].second, 2u);
  ASSERT_EQ(log.lines.size(), 2u);
  EXPECT_NE(log.lines[0].find("POST /admin/api/v1/cluster/shards/split, status 200"),
            std::string::npos);
}

TEST_F(OperatorApiTest, WhyAShardIsNotChangedIsToldApart) {
  struct Row {
    std::string verb, body;
    Error error;
    int status;
    std::string code, said;
  };
  const std::string late = R"({"at":"b%2Fc","version":1})";
  for (const Row& row :
       {Row{"split", late, {ErrorCode::conflict, "it has 2"}, 409, "shard_map_changed", "it has 2"},
        Row{"split", kSplit, {ErrorCode::conflict, "moving"}, 409, "shard_moving", "moving"},
        Row{"split", kSplit, {ErrorCode::invalid_argument, "no"}, 400, "invalid_request", "at: no"},
        Row{"move", R"({"from":"b","group":"g1","version":2})",
            {ErrorCode::invalid_argument, "no"}, 400, "invalid_request", "from: no"},
        Row{"move", R"({"from":"b%2F","group":"g0","version":2})",
            {ErrorCode::invalid_argument, "no"}, 400, "invalid_request", "group: no"},
        Row{"split", kSplit, {ErrorCode::unavailable, "not yet"}, 503, "unavailable", "not yet"},
        Row{"split", kSplit, {ErrorCode::timed_out, "?"}, 503, "leader_unavailable",
            R"("outcome":"unknown")"}}) {
    control.shards_result = row.error;
    const auto response = ask("POST", "shards/" + row.verb, row.body);
    EXPECT_EQ(response.status, row.status) << row.body;
    EXPECT_EQ(error_of(response), row.code) << row.body;
    EXPECT_NE(response.body.find(row.said), std::string::npos) << response.body;
  }
}

TEST_F(OperatorApiTest, AFollowerForwardsAChangeOfShardsToTheLeaderOfTheDefaultGroup) {
  follow(NodeId(3));
  TwoGroups there;
  FakeControl its_control;
  RememberedLog its_log;
  OperatorApi leader{clock, its_log, there, its_control, {.token = "secret"}};
  control.call_result = [&](BytesView request) -> Result<Bytes> {
    return leader.serve_forwarded(NodeId(2), Bytes(request));
  };
  EXPECT_EQ(ask("POST", "shards/split", kSplit).body, R"({"version":3})");
  EXPECT_TRUE(control.shard_changes.empty());
  EXPECT_EQ(its_control.shard_changes.size(), 1u);
  ASSERT_EQ(its_log.lines.size(), 1u);
  EXPECT_NE(its_log.lines[0].find("POST shards/split, status 200"), std::string::npos);
  EXPECT_EQ(ask("GET", "shards").status, 200);
  control.call_result = [](BytesView) { return Error{ErrorCode::connection_lost, "broke"}; };
  EXPECT_EQ(boost::json::parse(ask("POST", "shards/split", kSplit).body).at("outcome"), "unknown");
}

TEST_F(OperatorApiTest, AFollowerForwardsOneHopWithTheOperatorsToken) {
  follow(NodeId(3));
  // The other one leads, and asks its own control.
  TwoGroups there;
  FakeControl its_control;
  RememberedLog its_log;
  OperatorApi leader{clock, its_log, there, its_control, {.token = "secret"}};
  control.call_result = [&](BytesView request) -> Result<Bytes> {
    return leader.serve_forwarded(NodeId(2), Bytes(request));
  };
  EXPECT_EQ(ask("POST", "groups/g0/remove", kRemove).body,
            R"({"group_id":"g0","configuration_index":18})");
  EXPECT_EQ(control.calls[0].first, NodeId(3));
  EXPECT_TRUE(control.changes.empty());
  EXPECT_EQ(its_control.changes.size(), 1u);
  ASSERT_EQ(its_log.lines.size(), 1u);
  EXPECT_NE(its_log.lines[0].find("forwarded_from n2"), std::string::npos);
  EXPECT_EQ(ask("GET", "groups/g0").status, 200);

  OperatorApi strict{clock, its_log, there, its_control, {.token = "another"}};
  control.call_result = [&](BytesView request) -> Result<Bytes> {
    return strict.serve_forwarded(NodeId(2), Bytes(request));
  };
  EXPECT_EQ(ask("POST", "groups/g0/remove", kRemove).status, 401);
  EXPECT_EQ(its_control.changes.size(), 1u);
}

TEST_F(OperatorApiTest, WhoDoesNotLeadDoesNotForwardWhatWasForwarded) {
  follow(NodeId(3));
  control.change_result = Error{ErrorCode::not_leader, "not leader"};
  const std::string order = R"({"hops":1,"remaining_us":1000,"group":"g0","verb":"remove",)"
                            R"("body":"{\"node\":\"n1\",\"configuration_index\":17}",)"
                            R"("authorization":"Bearer secret"})";
  const auto reply = boost::json::parse(operators.serve_forwarded(NodeId(1), order));
  EXPECT_EQ(reply.at("status"), 421);
  EXPECT_TRUE(control.calls.empty());
  std::string looped = order;
  looped.replace(looped.find("\"hops\":1"), 8, "\"hops\":2");
  EXPECT_EQ(boost::json::parse(operators.serve_forwarded(NodeId(1), looped)).at("status"), 400);
  for (const char* nonsense : {"", "x", "[]", "{}", R"({"group":"g9"})"}) {
    EXPECT_EQ(boost::json::parse(operators.serve_forwarded(NodeId(1), nonsense)).at("status"), 400);
  }
}

TEST_F(OperatorApiTest, ALostReplyToAWriteIsUnknownAndOneToAReadIsNot) {
  follow(NodeId(3));
  control.call_result = [](BytesView) { return Error{ErrorCode::connection_lost, "broke"}; };
  const auto written = ask("POST", "groups/g0/remove", kRemove);
  EXPECT_EQ(written.status, 503);
  EXPECT_EQ(boost::json::parse(written.body).at("outcome"), "unknown");
  EXPECT_EQ(control.calls.size(), 1u);  // It may have happened: not asked again.
  const auto read = ask("GET", "groups/g0");
  EXPECT_EQ(read.status, 503);
  EXPECT_EQ(read.body.find("outcome"), std::string::npos);
  EXPECT_GT(control.calls.size(), 2u);
}

TEST_F(OperatorApiTest, WithoutALeaderItWaitsAndSaysThatNothingHappened) {
  const auto response = ask("POST", "groups/g1/transfer", "{}");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(error_of(response), "leader_unavailable");
  EXPECT_EQ(response.body.find("outcome"), std::string::npos);
  EXPECT_NE(response.body.find("n2 does not belong to g1: ask another node"), std::string::npos);
  EXPECT_GT(control.waits, 5);
  EXPECT_TRUE(control.targets.empty());
}

TEST_F(OperatorApiTest, ALeaderThatAppearsMeanwhileIsAsked) {
  follow(NodeId(2));
  control.on_wait = [this](Deadline deadline) {
    clock.advance_to(deadline.at);
    cluster.now.groups[0].is_leader = control.waits == 3;
  };
  EXPECT_EQ(ask("POST", "groups/g0/remove", kRemove).status, 200);
  EXPECT_EQ(control.waits, 3);
}

TEST_F(OperatorApiTest, SnapshotAndDrainAreMattersOfTheNodeThatIsAsked) {
  follow(NodeId(3));
  EXPECT_EQ(ask("POST", "groups/g0/snapshot", "{}").body,
            R"({"group_id":"g0","node_id":"n2","snapshot_index":30})");
  EXPECT_EQ(control.cuts, 1);
  const auto drained = ask("POST", "drain", "{}");
  EXPECT_EQ(drained.status, 202);
  EXPECT_EQ(drained.body, R"({"node_id":"n2","draining":true})");
  EXPECT_EQ(control.stops, 1);
  EXPECT_TRUE(control.calls.empty());
  EXPECT_EQ(log.lines.size(), 2u);
}

TEST_F(OperatorApiTest, ABackupThatCannotBeTakenIs503) {
  cluster.now.groups.resize(1);
  EXPECT_EQ(ask("GET", "backup").status, 503);
  EXPECT_EQ(error_of(ask("GET", "backup")), "unavailable");
}

TEST_F(OperatorApiTest, ABackupIsOpenedWhenEveryGroupHasWhatWasAcknowledgedBefore) {
  cluster.now.groups[1].is_leader = true;
  control.on_backup = [&] {
    EXPECT_EQ(control.applied, (std::map<GroupId, raft::LogIndex>{
                                   {GroupId(0), raft::LogIndex(41)},
                                   {GroupId(1), raft::LogIndex(41)}}));
  };
  EXPECT_EQ(ask("GET", "backup").status, 200);
  EXPECT_EQ(control.backups, 1);
}

TEST_F(OperatorApiTest, ABackupWaitsUntilNoShardMoves) {
  cluster.now.groups.resize(1);
  control.on_backup = [&] { EXPECT_FALSE(cluster.map.map.move()); };
  ASSERT_TRUE(cluster.map.map.apply(kv::MoveShard{"b/", GroupId(1)}));
  EXPECT_EQ(ask("GET", "backup").status, 503);
  const auto refused = ask("GET", "backup");
  EXPECT_NE(refused.body.find("a shard is moving"), std::string::npos) << refused.body;
  EXPECT_EQ(control.backups, 0);
  control.waits = 0;
  control.on_wait = [&](Deadline deadline) {
    clock.advance_to(deadline.at);
    if (control.waits == 2) CHECK(cluster.map.map.apply(kv::SwitchShard{3}));
    if (control.waits == 4) CHECK(cluster.map.map.apply(kv::EndMove{3}));
  };
  EXPECT_EQ(ask("GET", "backup").status, 200);
  EXPECT_EQ(control.waits, 4);
  EXPECT_EQ(control.backups, 1);
}

TEST_F(OperatorApiTest, ABackupDuringWhichAMoveBeginsIsTakenAgain) {
  cluster.now.groups.resize(1);
  control.on_backup = [&] {
    if (control.backups == 1) CHECK(cluster.map.map.apply(kv::MoveShard{"b/", GroupId(1)}));
  };
  control.on_wait = [&](Deadline deadline) {
    clock.advance_to(deadline.at);
    ASSERT_TRUE(cluster.map.map.apply(kv::SwitchShard{3}));
    ASSERT_TRUE(cluster.map.map.apply(kv::EndMove{3}));
  };
  EXPECT_EQ(ask("GET", "backup").status, 200);
  EXPECT_EQ(control.backups, 2);
}

TEST_F(OperatorApiTest, WithATokenEveryRequestShowsIt) {
  const auto refused = [&](const std::string& authorization) {
    api::HttpRequest request;
    request.headers.add("Authorization", authorization);
    return operators.refuse_stranger(request);
  };
  for (const char* wrong : {"", "secret", "Bearer", "Bearer ", "Bearer secre", "Bearer secret ",
                            "Bearer Secret", "Basic secret"}) {
    const auto response = refused(wrong);
    ASSERT_TRUE(response.has_value()) << wrong;
    EXPECT_EQ(response->status, 401);
    EXPECT_EQ(error_of(*response), "unauthenticated");
    EXPECT_EQ(response->headers.get("WWW-Authenticate"), "Bearer");
  }
  EXPECT_FALSE(refused("Bearer secret").has_value());
  EXPECT_FALSE(refused("bearer secret").has_value());
}

TEST_F(OperatorApiTest, WithoutATokenOnLoopbackTheHostIsThisMachine) {
  OperatorApi open{clock, log, cluster, control, {.token = "", .is_loopback = true}};
  const auto refused = [&](const std::string& host) {
    api::HttpRequest request;
    request.headers.add("Host", host);
    return open.refuse_stranger(request).has_value();
  };
  for (const char* host : {"127.0.0.1:8080", "127.1.2.3", "localhost", "LOCALHOST:1", "[::1]:80"}) {
    EXPECT_FALSE(refused(host)) << host;
  }
  for (const char* host : {"", "evil.example", "127.0.0.1.evil.example:8080", "10.0.0.1:8080",
                           "localhost.evil.example", "[::2]"}) {
    EXPECT_TRUE(refused(host)) << host;
  }
}

}  // namespace
}  // namespace keelson::admin
