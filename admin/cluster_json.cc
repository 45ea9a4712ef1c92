// Tested by tests/admin/admin_router_test.cc.
#include "admin/cluster_json.h"

#include <fmt/format.h>

#include <boost/json.hpp>

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

api::HttpResponse json_answer(int status, std::string body) {
  api::HttpResponse response{.status = status, .headers = {}, .body = std::move(body)};
  response.headers.add("Content-Type", "application/json; charset=utf-8");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("Cache-Control", "no-store");
  return response;
}

}  // namespace keelson::admin
