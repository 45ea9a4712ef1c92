// What an operator asks of one group, out of the path and the JSON body of a request; what is
// asked of the shard map is asked of the default group:
//
//   GET  groups/{g}             the group as its leader sees it
//   POST groups/{g}/transfer    {"target":"n2"}                  or {}: whose log is most caught up
//   POST groups/{g}/learners    {"node":"n4","address":"10.0.0.4:7000","configuration_index":7}
//   POST groups/{g}/promote     {"node":"n4","forced":false,"configuration_index":7}
//   POST groups/{g}/demote      {"node":"n4","configuration_index":7}
//   POST groups/{g}/remove      {"node":"n4","configuration_index":7}
//   POST groups/{g}/replace     {"voter":"n1","learner":"n4","configuration_index":7}
//   GET  shards                 the shard map as its leader sees it
//   POST shards/split           {"at":"%A7b","version":5}
//   POST shards/move            {"from":"%A7b","group":"g1","version":5}
//
// `configuration_index` is the one that the operator has seen: a change of another configuration is
// refused (compare-and-set), and so is a change of the shard map if that has another `version`.
// Keys are percent-encoded (admin/key_text.h). "learners" also takes "incarnation", 16 hex digits:
// the data directory that is meant; without it, the one the node first speaks for. "forced" may be
// left out, and so may "address" of a node that every other one was started with.
#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "core/kv/shard_map.h"
#include "core/raft/raft_node.h"

namespace keelson::admin {

struct DescribeGroup {};
// The index that a linearizable read must see applied; for a node that takes a backup.
struct AskReadIndex {};
struct TransferLeadership {
  std::optional<NodeId> target;
};
struct ChangeConfiguration {
  raft::ConfigurationChange change;
  raft::LogIndex expected_index;
};
struct DescribeShards {};
struct ChangeShards {
  kv::ShardChange change;
  std::uint64_t version = 0;
};
using GroupOperation = std::variant<DescribeGroup, AskReadIndex, TransferLeadership,
                                    ChangeConfiguration, DescribeShards, ChangeShards>;

// Whether the operation changes anything.
bool is_write(const GroupOperation& operation);

// Whether there is a POST of that name: of a group, or of the shard map.
bool is_group_verb(std::string_view verb);
bool is_shard_verb(std::string_view verb);

// Errors: invalid_argument, the message naming the field. REQUIRES: the verb is one of the two.
Result<GroupOperation> parse_operation(std::string_view verb, std::string_view body);

// {} or nothing at all. Errors: invalid_argument.
Result<void> expect_no_fields(std::string_view body);

// "n4" and "g0", or nothing.
std::optional<NodeId> parse_node_id(std::string_view text);
std::optional<GroupId> parse_group_id(std::string_view text);

}  // namespace keelson::admin
