// Tested by tests/admin/admin_router_test.cc.
#include "admin/admin_router.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <utility>

#include "core/api/date.h"

namespace keelson::admin {

namespace json = boost::json;

namespace {

constexpr std::string_view kRoot = "/admin";
constexpr std::string_view kApi = "/admin/api";
constexpr std::string_view kApiV1 = "/admin/api/v1/";
constexpr std::string_view kAssets = "/admin/assets";
constexpr std::size_t kJsonBodyMax = 64 * 1024;

// Whether `path` is `prefix` or below it.
bool is_at_or_below(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

// Begins with "/", and no segment but the last is empty, "." or ".."; the last may be empty.
bool has_proper_segments(std::string_view path) {
  if (!path.starts_with('/')) return false;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    if (segment == "." || segment == ".." || (segment.empty() && end < path.size())) return false;
    path.remove_prefix(end);
  }
  return true;
}

api::HttpResponse not_found() { return api::json_error(404, "not_found"); }

bool is_read(const api::HttpRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

api::HttpResponse only_reads() {
  api::HttpResponse response =
      api::json_error(405, "method_not_allowed", "only GET or HEAD supported");
  response.headers.add("Allow", "GET, HEAD");
  return response;
}

json::object to_json(const MemberStatus& member) {
  return {{"id", to_string(member.id)},
          {"role", member.role},
          {"match_index", member.match_index.value}};
}

json::object to_json(const GroupStatus& group) {
  json::array members;
  for (const MemberStatus& member : group.members) members.push_back(to_json(member));
  return {{"group_id", to_string(group.group_id)},
          {"leader_id", group.leader_id ? json::value(to_string(*group.leader_id)) : json::value()},
          {"term", group.term.value},
          {"commit_index", group.commit_index.value},
          {"applied_index", group.applied_index.value},
          {"snapshot_index", group.snapshot_index.value},
          // As text: a number beyond 2^53 would be rounded by many who read it.
          {"state_digest", fmt::format("{:016x}", group.state_digest)},
          {"members", std::move(members)},
          {"is_leader", group.is_leader}};
}

}  // namespace

AdminRouter::AdminRouter(api::Probes& probes, const ClusterView& cluster, const Clock& clock,
                         const StaticBundle* console)
    : probes_(probes), cluster_(cluster), clock_(clock), console_(console) {}

api::HttpResponse AdminRouter::handle(const api::HttpRequest& request, Deadline) {
  // The probes go by the path as it was sent, keep their own deadline, and come before all else.
  if (auto answer = probes_.try_answer(request)) return *std::move(answer);
  const std::optional<std::string> path = request.path();
  if (!path || !has_proper_segments(*path)) return not_found();
  if (path->starts_with(kApiV1)) return handle_api(request, path->substr(kApiV1.size()));
  if (is_at_or_below(*path, kApi)) return not_found();
  if (is_at_or_below(*path, kRoot)) return handle_console(request, *path);
  return not_found();
}

api::HttpResponse AdminRouter::handle_api(const api::HttpRequest& request,
                                          std::string_view endpoint) const {
  if (endpoint == "cluster") return is_read(request) ? cluster_status() : only_reads();
  return api::json_error(404, "unknown_endpoint");
}

api::HttpResponse AdminRouter::handle_console(const api::HttpRequest& request,
                                              std::string_view path) const {
  if (!is_read(request)) return only_reads();
  if (console_ == nullptr) return not_found();
  if (!is_at_or_below(path, kAssets)) return serve_index(console_->index());
  const StaticFile* file = console_->find(path.substr(kRoot.size() + 1));
  return file != nullptr ? serve_file(*file, request) : not_found();
}

api::HttpResponse AdminRouter::cluster_status() const {
  const ClusterStatus status = cluster_.status();
  json::array groups;
  for (const GroupStatus& group : status.groups) groups.push_back(to_json(group));
  const json::object body = {{"node_id", to_string(status.node_id)},
                             {"version", status.version},
                             {"timestamp", api::iso_date(clock_.wall_ms())},
                             {"groups", std::move(groups)}};
  api::HttpResponse response{.status = 200, .headers = {}, .body = json::serialize(body)};
  response.headers.add("Content-Type", "application/json; charset=utf-8");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("Cache-Control", "no-store");
  return response;
}

std::size_t AdminRouter::body_limit(const api::HttpRequest& head) const {
  return probes_.owns(head) ? api::Probes::kBodyLimit : kJsonBodyMax;
}

api::HttpResponse AdminRouter::refusal(const api::HttpRequest& head, int status,
                                       std::string_view message) const {
  if (probes_.owns(head)) return api::Probes::refusal(status, message);
  return api::json_error(status, status == 413 ? "payload_too_large" : "bad_request", message);
}

}  // namespace keelson::admin
