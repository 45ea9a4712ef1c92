#include "admin/operator_request.h"

#include <gtest/gtest.h>

namespace keelson::admin {
namespace {

template <typename Change>
Change change_of(std::string_view verb, std::string_view body) {
  const auto operation = parse_operation(verb, body);
  EXPECT_TRUE(operation.has_value()) << operation.error().message;
  const auto& change = std::get<ChangeConfiguration>(*operation);
  EXPECT_EQ(change.expected_index, raft::LogIndex(7));
  return std::get<Change>(change.change);
}

TEST(OperatorRequest, EveryVerbIsUnderstood) {
  const auto learner = change_of<raft::AddLearner>(
      "learners",
      R"({"node":"n4","address":"h:1","incarnation":"00000000000000ff","configuration_index":7})");
  EXPECT_EQ(learner.id, NodeId(4));
  EXPECT_EQ(learner.address, "h:1");
  EXPECT_EQ(learner.incarnation, Incarnation(255));
  const auto bare =
      change_of<raft::AddLearner>("learners", R"({"node":"n4","configuration_index":7})");
  EXPECT_EQ(bare.address, "");
  EXPECT_EQ(bare.incarnation, Incarnation(0));
  EXPECT_TRUE(change_of<raft::Promote>(
                  "promote", R"({"forced":true,"node":"n4","configuration_index":7})")
                  .forced);
  EXPECT_FALSE(
      change_of<raft::Promote>("promote", R"({"node":"n4","configuration_index":7})").forced);
  EXPECT_EQ(change_of<raft::Demote>("demote", R"({"node":"n4","configuration_index":7})").id,
            NodeId(4));
  EXPECT_EQ(change_of<raft::Remove>("remove", R"({"node":"n4","configuration_index":7})").id,
            NodeId(4));
  const auto replace = change_of<raft::Replace>(
      "replace", R"({"voter":"n1","learner":"n4","configuration_index":7})");
  EXPECT_EQ(replace.voter, NodeId(1));
  EXPECT_EQ(replace.learner, NodeId(4));
  EXPECT_EQ(std::get<TransferLeadership>(*parse_operation("transfer", "{}")).target, std::nullopt);
  EXPECT_EQ(std::get<TransferLeadership>(*parse_operation("transfer", R"({"target":"n2"})")).target,
            NodeId(2));
}

TEST(OperatorRequest, KeysOfShardsAreOctets) {
  const auto split = parse_operation("split", R"({"at":"%00a%2Fb","version":5})");
  ASSERT_TRUE(split.has_value()) << split.error().message;
  const auto& at = std::get<ChangeShards>(*split);
  EXPECT_EQ(at.version, 5u);
  EXPECT_EQ(std::get<kv::SplitShard>(at.change).at, Bytes("\0a/b", 4));
  EXPECT_TRUE(is_write(*split));
  const auto moved = parse_operation("move", R"({"from":"","group":"g1","version":0})");
  ASSERT_TRUE(moved.has_value()) << moved.error().message;
  const auto& move = std::get<ChangeShards>(*moved);
  EXPECT_EQ(std::get<kv::MoveShard>(move.change).from, "");
  EXPECT_EQ(std::get<kv::MoveShard>(move.change).to, GroupId(1));
  EXPECT_EQ(move.version, 0u);
}

TEST(OperatorRequest, WhatIsWrongIsNamed) {
  struct Row {
    std::string_view verb, body, said;
  };
  for (const Row& row : {
           Row{"remove", "", "body: "},
           Row{"remove", "[]", "body: must be a JSON object"},
           Row{"remove", R"({"node":"n1","configuration_index":7} x)", "body: "},
           Row{"remove", R"({"configuration_index":7})", "node: is missing"},
           Row{"remove", R"({"node":"n1"})", "configuration_index: is missing"},
           Row{"remove", R"({"node":"n1","config_index":7})", "config_index: unknown field"},
           Row{"remove", R"({"node":"n1","configuration_index":-1})", "must be a number"},
           Row{"remove", R"({"node":"n1","configuration_index":"7"})", "must be a number"},
           Row{"remove", R"({"node":"n1","configuration_index":1.5})", "must be a number"},
           Row{"remove", R"({"node":1,"configuration_index":7})", "node: must be a string"},
           Row{"remove", R"({"node":"n0","configuration_index":7})", "'n0' is not a node id"},
           Row{"remove", R"({"node":"n1x","configuration_index":7})", "'n1x' is not a node id"},
           Row{"remove", R"({"node":"n1","forced":true,"configuration_index":7})",
               "forced: unknown field; there are node, configuration_index"},
           Row{"promote", R"({"node":"n1","forced":1,"configuration_index":7})",
               "forced: must be true or false"},
           Row{"learners", R"({"node":"n1","address":"h","configuration_index":7})",
               "address: 'h' has no port"},
           Row{"learners", R"({"node":"n1","incarnation":"xyz","configuration_index":7})",
               "incarnation: 'xyz' is not 16 hex digits"},
           Row{"replace", R"({"voter":"n1","configuration_index":7})", "learner: is missing"},
           Row{"transfer", R"({"target":"leader"})", "'leader' is not a node id"},
           Row{"transfer", R"({"to":"n1"})", "to: unknown field"},
           Row{"split", R"({"version":5})", "at: is missing"},
           Row{"split", R"({"at":"a"})", "version: is missing: the one that GET"},
           Row{"split", R"({"at":"a/b","version":5})", "at: no percent-encoded key: character 2"},
           Row{"split", R"({"at":1,"version":5})", "at: must be a string"},
           Row{"split", R"({"at":"a","version":-5})", "version: must be a number"},
           Row{"split", R"({"at":"a","versoin":5})", "versoin: unknown field; there are at, v"},
           Row{"move", R"({"group":"g1","version":5})", "from: is missing"},
           Row{"move", R"({"from":"a","version":5})", "group: is missing"},
           Row{"move", R"({"from":"a","group":"1","version":5})", "group: '1' is not a group id"},
           Row{"move", R"({"from":"a","group":"g1","version":5,"to":"b"})", "to: unknown field"},
       }) {
    const auto operation = parse_operation(row.verb, row.body);
    ASSERT_FALSE(operation.has_value()) << row.body;
    EXPECT_EQ(operation.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(operation.error().message.find(row.said), std::string::npos)
        << row.body << ": " << operation.error().message;
  }
}

TEST(OperatorRequest, WhereThereAreNoFieldsNoneIsTaken) {
  EXPECT_TRUE(expect_no_fields("").has_value());
  EXPECT_TRUE(expect_no_fields("{}").has_value());
  EXPECT_FALSE(expect_no_fields(R"({"force":true})").has_value());
  EXPECT_FALSE(expect_no_fields("x").has_value());
}

TEST(OperatorRequest, IdsAreSpelledInOneWay) {
  EXPECT_EQ(parse_node_id("n12"), NodeId(12));
  EXPECT_EQ(parse_group_id("g0"), GroupId(0));
  for (const char* text : {"", "n", "12", "n-1", "n 1", "N1", "n1 ", "n4294967296"}) {
    EXPECT_EQ(parse_node_id(text), std::nullopt) << text;
  }
  for (const char* text : {"", "g", "0", "g-1", "G1", "g1/"}) {
    EXPECT_EQ(parse_group_id(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace keelson::admin
