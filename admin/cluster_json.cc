// Tested by tests/admin/admin_router_test.cc.
#include "admin/cluster_json.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "admin/key_text.h"

namespace keelson::admin {

namespace json = boost::json;

namespace {

// As text: a number beyond 2^53 would be rounded by many who read it.
std::string hex(std::uint64_t number) { return fmt::format("{:016x}", number); }

json::object to_json(const MemberStatus& member) {
  return {{"id", to_string(member.id)},
          {"role", member.role},
          {"match_index", member.match_index.value},
          {"address", member.address},
          {"incarnation", hex(member.incarnation.value)}};
}

json::value leader_of(GroupId group, const ClusterStatus& cluster) {
  for (const GroupStatus& each : cluster.groups) {
    if (each.group_id == group && each.leader_id) return json::value(to_string(*each.leader_id));
  }
  return json::value();
}

json::value to_json(const ShardsStatus& shards) {
  const std::optional<kv::ShardMove>& move = shards.map.move();
  if (!move) return json::value();
  return json::object{{"number", move->number},
                      {"from", key_text(move->range.from)},
                      {"to", key_text(move->range.to)},
                      {"source", to_string(move->source)},
                      {"target", to_string(move->target)},
                      {"phase", shards.phase}};
}

}  // namespace

json::object to_json(const GroupStatus& group) {
  json::array members;
  for (const MemberStatus& member : group.members) members.push_back(to_json(member));
  return {{"group_id", to_string(group.group_id)},
          {"leader_id", group.leader_id ? json::value(to_string(*group.leader_id)) : json::value()},
          {"term", group.term.value},
          {"commit_index", group.commit_index.value},
          {"applied_index", group.applied_index.value},
          {"last_log_index", group.last_log_index.value},
          {"snapshot_index", group.snapshot_index.value},
          {"state_digest", hex(group.state_digest)},
          {"configuration_index", group.configuration_index.value},
          {"is_joint", group.is_joint},
          {"members", std::move(members)},
          {"is_leader", group.is_leader},
          {"is_transferring", group.is_transferring}};
}

std::string cluster_json(const ClusterStatus& status, const std::string& timestamp) {
  json::array groups;
  for (const GroupStatus& group : status.groups) groups.push_back(to_json(group));
  return json::serialize(json::object{{"node_id", to_string(status.node_id)},
                                      {"cluster_id", status.cluster_id},
                                      {"version", status.version},
                                      {"timestamp", timestamp},
                                      {"groups", std::move(groups)}});
}

std::string group_json(const GroupStatus& group) { return json::serialize(to_json(group)); }

std::string shards_json(const ShardsStatus& shards, const ClusterStatus& cluster) {
  json::array all;
  for (const kv::Shard& shard : shards.map.shards()) {
    all.push_back(json::object{{"from", key_text(shard.from)},
                               {"to", key_text(shards.map.range_of(shard.from).to)},
                               {"group", to_string(shard.group)},
                               {"leader_id", leader_of(shard.group, cluster)}});
  }
  return json::serialize(json::object{{"version", shards.map.version()},
                                      {"shards", std::move(all)},
                                      {"move", to_json(shards)}});
}

api::HttpResponse json_answer(int status, std::string body) {
  api::HttpResponse response{.status = status, .headers = {}, .body = std::move(body)};
  response.headers.add("Content-Type", "application/json; charset=utf-8");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("Cache-Control", "no-store");
  return response;
}

}  // namespace keelson::admin
