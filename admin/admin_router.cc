// Tested by tests/admin/admin_router_test.cc.
#include "admin/admin_router.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "admin/cluster_json.h"
#include "core/api/date.h"

namespace keelson::admin {

namespace {

constexpr std::string_view kRoot = "/admin";
constexpr std::string_view kApi = "/admin/api";
constexpr std::string_view kApiV1 = "/admin/api/v1/";
constexpr std::string_view kCluster = "cluster/";
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

}  // namespace

AdminRouter::AdminRouter(api::Probes& probes, const ClusterView& cluster, OperatorApi& operators,
                         const Clock& clock, const StaticBundle* console)
    : probes_(probes), cluster_(cluster), operators_(operators), clock_(clock), console_(console) {}

api::HttpResponse AdminRouter::handle(const api::HttpRequest& request, Deadline deadline) {
  // The probes go by the path as it was sent, keep their own deadline, and come before all else.
  if (auto answer = probes_.try_answer(request)) return *std::move(answer);
  const std::optional<std::string> path = request.path();
  if (!path || !has_proper_segments(*path)) return not_found();
  if (path->starts_with(kApiV1)) {
    return handle_api(request, std::string_view(*path).substr(kApiV1.size()), deadline);
  }
  if (is_at_or_below(*path, kApi)) return not_found();
  if (is_at_or_below(*path, kRoot)) return handle_console(request, *path);
  return not_found();
}

api::HttpResponse AdminRouter::handle_api(const api::HttpRequest& request,
                                          std::string_view endpoint, Deadline deadline) {
  if (auto refused = operators_.refuse_stranger(request)) return *std::move(refused);
  if (endpoint == "cluster") {
    if (!is_read(request)) return only_reads();
    return json_answer(200, cluster_json(cluster_.status(), api::iso_date(clock_.wall_ms())));
  }
  if (endpoint.starts_with(kCluster)) {
    return operators_.handle(request, endpoint.substr(kCluster.size()), deadline);
  }
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

std::size_t AdminRouter::body_limit(const api::HttpRequest& head) const {
  return probes_.owns(head) ? api::Probes::kBodyLimit : kJsonBodyMax;
}

api::HttpResponse AdminRouter::refusal(const api::HttpRequest& head, int status,
                                       std::string_view message) const {
  if (probes_.owns(head)) return api::Probes::refusal(status, message);
  return api::json_error(status, status == 413 ? "payload_too_large" : "bad_request", message);
}

}  // namespace keelson::admin
