// Tested by tests/tools/ctl/view_test.cc.
#include "tools/ctl/view.h"

#include <algorithm>
#include <boost/json.hpp>

#include "admin/key_text.h"
#include "core/api/json.h"
#include "core/api/s3_records.h"

namespace keelson::ctl {

namespace json = boost::json;

namespace {

std::string text_at(const json::object& object, const char* name) {
  const json::value* const value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return std::string(value->get_string().data(), value->get_string().size());
}

std::uint64_t number_at(const json::object& object, const char* name) {
  const json::value* const value = object.if_contains(name);
  if (value == nullptr) return 0;
  if (value->is_uint64()) return value->get_uint64();
  return value->is_int64() ? static_cast<std::uint64_t>(value->get_int64()) : 0;
}

const json::array& array_at(const json::object& object, const char* name) {
  static const json::array kNone;
  const json::value* const value = object.if_contains(name);
  return value != nullptr && value->is_array() ? value->get_array() : kNone;
}

GroupView to_group(const json::object& object) {
  GroupView group{.id = text_at(object, "group_id"),
                  .leader = text_at(object, "leader_id"),
                  .term = number_at(object, "term"),
                  .commit_index = number_at(object, "commit_index"),
                  .applied_index = number_at(object, "applied_index"),
                  .last_log_index = number_at(object, "last_log_index"),
                  .configuration_index = number_at(object, "configuration_index"),
                  .is_joint = object.contains("is_joint") && object.at("is_joint") == true,
                  .members = {}};
  for (const json::value& each : array_at(object, "members")) {
    if (!each.is_object()) continue;
    const json::object& member = each.get_object();
    group.members.push_back({.id = text_at(member, "id"),
                             .role = text_at(member, "role"),
                             .match_index = number_at(member, "match_index"),
                             .address = text_at(member, "address"),
                             .incarnation = text_at(member, "incarnation")});
  }
  return group;
}

Result<json::object> parse(const std::string& body, const char* demanded) {
  auto value = api::parse_json(body);
  if (!value || !value->is_object() || !value->get_object().contains(demanded)) {
    return Error{ErrorCode::corrupt, "this is not the admin API of a Keelson node"};
  }
  return std::move(value->get_object());
}

}  // namespace

const MemberView* GroupView::find(const std::string& node) const {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const MemberView& member) { return member.id == node; });
  return found == members.end() ? nullptr : &*found;
}

Result<ClusterView> parse_cluster(const std::string& body) {
  TRY(const json::object object, parse(body, "groups"));
  ClusterView cluster{.node_id = text_at(object, "node_id"),
                      .cluster_id = text_at(object, "cluster_id"),
                      .version = text_at(object, "version"),
                      .groups = {}};
  for (const json::value& group : array_at(object, "groups")) {
    if (group.is_object()) cluster.groups.push_back(to_group(group.get_object()));
  }
  return cluster;
}

Result<GroupView> parse_group(const std::string& body) {
  TRY(const json::object object, parse(body, "group_id"));
  return to_group(object);
}

const ShardView* ShardsView::find(const std::string& from) const {
  const auto found = std::find_if(shards.begin(), shards.end(),
                                  [&](const ShardView& shard) { return shard.from == from; });
  return found == shards.end() ? nullptr : &*found;
}

Result<ShardsView> parse_shards(const std::string& body) {
  TRY(const json::object object, parse(body, "shards"));
  ShardsView view{.version = number_at(object, "version"), .shards = {}, .move = std::nullopt};
  for (const json::value& each : array_at(object, "shards")) {
    if (!each.is_object()) continue;
    const json::object& shard = each.get_object();
    view.shards.push_back({.from = text_at(shard, "from"),
                           .to = text_at(shard, "to"),
                           .group = text_at(shard, "group"),
                           .leader = text_at(shard, "leader_id")});
  }
  const json::value* const moving = object.if_contains("move");
  if (moving == nullptr || !moving->is_object()) return view;
  const json::object& move = moving->get_object();
  view.move = MoveView{.number = number_at(move, "number"),
                       .from = text_at(move, "from"),
                       .to = text_at(move, "to"),
                       .source = text_at(move, "source"),
                       .target = text_at(move, "target"),
                       .phase = text_at(move, "phase")};
  return view;
}

Result<std::string> parse_key(const std::string& text) {
  constexpr std::string_view kS3 = "s3://";
  if (!text.starts_with(kS3)) {
    TRY(const Bytes key, admin::parse_key_text(text));
    return admin::key_text(key);
  }
  const std::size_t slash = text.find('/', kS3.size());
  const std::string bucket = text.substr(kS3.size(), slash - kS3.size());
  if (slash == std::string::npos || !api::is_valid_bucket_name(bucket)) {
    return Error{ErrorCode::invalid_argument, "is not of the form s3://BUCKET/OBJECT"};
  }
  return admin::key_text(api::object_record_key(bucket, text.substr(slash + 1)));
}

std::string beginning(const std::string& key) { return key.empty() ? "''" : key; }

std::string ending(const std::string& key) { return key.empty() ? "(end)" : key; }

std::string text_field(const std::string& body, const char* name) {
  const auto value = api::parse_json(body);
  return value && value->is_object() ? text_at(value->get_object(), name) : std::string();
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(widths[i] + 2 - row[i].size(), ' ');
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace keelson::ctl
