// What an operator asks of one group, out of the path and the JSON body of a request:
//
//   GET  groups/{g}             the group as its leader sees it
//   POST groups/{g}/transfer    {"target":"n2"}                  or {}: whose log is most caught up
//   POST groups/{g}/learners    {"node":"n4","address":"10.0.0.4:7000","configuration_index":7}
//   POST groups/{g}/promote     {"node":"n4","forced":false,"configuration_index":7}
//   POST groups/{g}/demote      {"node":"n4","configuration_index":7}
//   POST groups/{g}/remove      {"node":"n4","configuration_index":7}
//   POST groups/{g}/replace     {"voter":"n1","learner":"n4","configuration_index":7}
//
// `configuration_index` is the one that the operator has seen: a change of another configuration is
// refused (compare-and-set). "learners" also takes "incarnation", 16 hex digits: the data directory
// that is meant; without it, the one the node first speaks for. "forced" may be left out, and so
// may "address" of a node that every other one was started with.
#pragma once

#include <optional>
#include <string_view>
#include <variant>

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
using GroupOperation =
    std::variant<DescribeGroup, AskReadIndex, TransferLeadership, ChangeConfiguration>;

// Whether the operation changes anything.
bool is_write(const GroupOperation& operation);

// Whether there is a POST of that name.
bool is_operator_verb(std::string_view verb);

// Errors: invalid_argument, the message naming the field. REQUIRES: is_operator_verb(verb).
Result<GroupOperation> parse_operation(std::string_view verb, std::string_view body);

// {} or nothing at all. Errors: invalid_argument.
Result<void> expect_no_fields(std::string_view body);

// "n4" and "g0", or nothing.
std::optional<NodeId> parse_node_id(std::string_view text);
std::optional<GroupId> parse_group_id(std::string_view text);

}  // namespace keelson::admin
