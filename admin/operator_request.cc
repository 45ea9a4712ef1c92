// Tested by tests/admin/operator_request_test.cc.
#include "admin/operator_request.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <vector>

#include "admin/key_text.h"
#include "core/api/json.h"

namespace keelson::admin {

namespace json = boost::json;

namespace {

constexpr std::size_t kDepthMax = 4;
constexpr std::array<std::string_view, 6> kGroupVerbs = {"transfer", "learners", "promote",
                                                         "demote",   "remove",   "replace"};
constexpr const char* kSplit = "split";
constexpr const char* kMove = "move";

Error wrong(std::string_view field, std::string_view what) {
  return {ErrorCode::invalid_argument, fmt::format("{}: {}", field, what)};
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, base);
  if (error != std::errc() || rest != end || text.empty()) return std::nullopt;
  return number;
}

// The fields of one body; whoever asks for one takes it for known.
class Fields {
 public:
  static Result<Fields> parse(std::string_view body) {
    auto value = api::parse_json(body, kDepthMax);
    if (!value) return wrong("body", value.error().message);
    if (!value->is_object()) return wrong("body", "must be a JSON object");
    return Fields(std::move(value->get_object()));
  }

  Result<std::optional<std::string>> optional_text(const char* name) {
    known_.emplace_back(name);
    const json::value* const value = object_.if_contains(name);
    if (value == nullptr) return std::optional<std::string>();
    if (!value->is_string()) return wrong(name, "must be a string");
    const json::string& text = value->get_string();
    return std::optional(std::string(text.data(), text.size()));
  }

  Result<std::optional<NodeId>> optional_node(const char* name) {
    TRY(const auto text, optional_text(name));
    if (!text) return std::optional<NodeId>();
    const auto node = parse_node_id(*text);
    if (!node) return wrong(name, fmt::format("'{}' is not a node id: n1, n2, ...", *text));
    return node;
  }

  Result<NodeId> node(const char* name) {
    TRY(const auto found, optional_node(name));
    if (!found) return wrong(name, "is missing: which node?");
    return *found;
  }

  Result<bool> optional_flag(const char* name) {
    known_.emplace_back(name);
    const json::value* const value = object_.if_contains(name);
    if (value == nullptr) return false;
    if (!value->is_bool()) return wrong(name, "must be true or false");
    return value->get_bool();
  }

  Result<Incarnation> optional_incarnation(const char* name) {
    TRY(const auto text, optional_text(name));
    if (!text) return Incarnation(0);
    const auto number = parse_number<std::uint64_t>(*text, 16);
    if (text->size() != 16 || !number || *number == 0) {
      return wrong(name, fmt::format("'{}' is not 16 hex digits", *text));
    }
    return Incarnation(*number);
  }

  Result<Bytes> key(const char* name) {
    TRY(const auto text, optional_text(name));
    if (!text) return wrong(name, "is missing: a percent-encoded key");
    auto key = parse_key_text(*text);
    if (!key) return wrong(name, key.error().message);
    return key;
  }

  Result<GroupId> group(const char* name) {
    TRY(const auto text, optional_text(name));
    if (!text) return wrong(name, "is missing: which group?");
    const auto group = parse_group_id(*text);
    if (!group) return wrong(name, fmt::format("'{}' is not a group id: g0, g1, ...", *text));
    return *group;
  }

  // `where` says where to find the number.
  Result<std::uint64_t> number(const char* name, std::string_view where) {
    known_.emplace_back(name);
    const json::value* const value = object_.if_contains(name);
    if (value == nullptr) return wrong(name, fmt::format("is missing: {}", where));
    if (value->is_uint64()) return value->get_uint64();
    if (!value->is_int64() || value->get_int64() < 0) return wrong(name, "must be a number");
    return static_cast<std::uint64_t>(value->get_int64());
  }

  // REQUIRES: all that may be there was asked for.
  Result<void> expect_no_others() const {
    for (const auto& field : object_) {
      const std::string_view name(field.key().data(), field.key().size());
      if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
      return wrong(name, known_.empty() ? "unknown field; there are none here"
                                        : fmt::format("unknown field; there are {}",
                                                      fmt::join(known_, ", ")));
    }
    return {};
  }

 private:
  explicit Fields(json::object object) : object_(std::move(object)) {}

  json::object object_;
  std::vector<std::string> known_;
};

Result<raft::ConfigurationChange> parse_change(std::string_view verb, Fields& fields) {
  if (verb == "replace") {
    TRY(const NodeId voter, fields.node("voter"));
    TRY(const NodeId learner, fields.node("learner"));
    return raft::ConfigurationChange(raft::Replace{voter, learner});
  }
  TRY(const NodeId node, fields.node("node"));
  if (verb == "learners") {
    TRY(const auto address, fields.optional_text("address"));
    if (address && address->find(':') == std::string::npos) {
      return wrong("address", fmt::format("'{}' has no port: HOST:PORT of the node's raft listener",
                                          *address));
    }
    TRY(const Incarnation incarnation, fields.optional_incarnation("incarnation"));
    return raft::ConfigurationChange(raft::AddLearner{
        .id = node, .address = address.value_or(""), .incarnation = incarnation});
  }
  if (verb == "promote") {
    TRY(const bool forced, fields.optional_flag("forced"));
    return raft::ConfigurationChange(raft::Promote{node, forced});
  }
  if (verb == "demote") return raft::ConfigurationChange(raft::Demote{node});
  CHECK(verb == "remove");
  return raft::ConfigurationChange(raft::Remove{node});
}

Result<kv::ShardChange> parse_shard_change(std::string_view verb, Fields& fields) {
  if (verb == kSplit) {
    TRY(Bytes at, fields.key("at"));
    return kv::ShardChange(kv::SplitShard{std::move(at)});
  }
  CHECK(verb == kMove);
  TRY(Bytes from, fields.key("from"));
  TRY(const GroupId group, fields.group("group"));
  return kv::ShardChange(kv::MoveShard{std::move(from), group});
}

}  // namespace

bool is_write(const GroupOperation& operation) {
  return std::holds_alternative<TransferLeadership>(operation) ||
         std::holds_alternative<ChangeConfiguration>(operation) ||
         std::holds_alternative<ChangeShards>(operation);
}

bool is_group_verb(std::string_view verb) {
  return std::find(kGroupVerbs.begin(), kGroupVerbs.end(), verb) != kGroupVerbs.end();
}

bool is_shard_verb(std::string_view verb) { return verb == kSplit || verb == kMove; }

// What is unknown is said before what is missing: it may be the same, misspelt.
Result<GroupOperation> parse_operation(std::string_view verb, std::string_view body) {
  CHECK(is_group_verb(verb) || is_shard_verb(verb));
  TRY(Fields fields, Fields::parse(body));
  GroupOperation operation;
  if (verb == "transfer") {
    TRY(const auto target, fields.optional_node("target"));
    operation = TransferLeadership{target};
  } else if (is_shard_verb(verb)) {
    TRY(kv::ShardChange change, parse_shard_change(verb, fields));
    const auto number = fields.number(
        "version", "the one that GET /admin/api/v1/cluster/shards shows");
    TRY(fields.expect_no_others());
    TRY(const std::uint64_t version, number);
    operation = ChangeShards{std::move(change), version};
  } else {
    TRY(raft::ConfigurationChange change, parse_change(verb, fields));
    const auto number = fields.number(
        "configuration_index", "the one that GET /admin/api/v1/cluster shows of the group");
    TRY(fields.expect_no_others());
    TRY(const std::uint64_t index, number);
    operation = ChangeConfiguration{std::move(change), raft::LogIndex(index)};
  }
  TRY(fields.expect_no_others());
  return operation;
}

Result<void> expect_no_fields(std::string_view body) {
  if (body.empty()) return {};
  TRY(const Fields fields, Fields::parse(body));
  return fields.expect_no_others();
}

std::optional<NodeId> parse_node_id(std::string_view text) {
  if (!text.starts_with('n')) return std::nullopt;
  const auto number = parse_number<std::uint32_t>(text.substr(1));
  if (!number || *number == 0) return std::nullopt;
  return NodeId(*number);
}

std::optional<GroupId> parse_group_id(std::string_view text) {
  if (!text.starts_with('g')) return std::nullopt;
  const auto number = parse_number<std::uint32_t>(text.substr(1));
  if (!number) return std::nullopt;
  return GroupId(*number);
}

}  // namespace keelson::admin
