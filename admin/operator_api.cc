// Tested by tests/admin/operator_api_test.cc and tests/core/node/operator_test.cc.
//
// Between nodes an order is {"hops":1,"remaining_us":N,"group":"g0","verb":V,"body":B,
// "authorization":A}, with the verbs of admin/operator_request.h and "describe", "read_index",
// "shards"; the answer is {"status":N,"body":B}.
#include "admin/operator_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "admin/cluster_json.h"
#include "core/api/digest.h"
#include "core/api/json.h"

namespace keelson::admin {

namespace json = boost::json;

namespace {

constexpr std::string_view kGroups = "groups/";
constexpr std::string_view kShards = "shards";
constexpr std::string_view kBelowShards = "shards/";
constexpr std::string_view kBearer = "Bearer ";
constexpr std::int64_t kHopsMax = 1;
// Between attempts while the group has no leader; a change of leader ends it early.
constexpr Duration kRetryInterval = std::chrono::milliseconds(50);

constexpr const char* kDescribe = "describe";
constexpr const char* kReadIndex = "read_index";
constexpr const char* kDescribeShards = "shards";

std::string error_body(std::string_view code, std::string_view message, bool is_unknown = false) {
  json::object body{{"error", code}};
  if (!message.empty()) body["message"] = message;
  if (is_unknown) body["outcome"] = "unknown";
  return json::serialize(body);
}

api::HttpResponse respond(int status, std::string body) {
  api::HttpResponse response = json_answer(status, std::move(body));
  if (status == 503) response.headers.add("Retry-After", "1");
  return response;
}

api::HttpResponse method_not_allowed(std::string_view allowed) {
  api::HttpResponse response = api::json_error(405, "method_not_allowed");
  response.headers.add("Allow", std::string(allowed));
  return response;
}

api::HttpResponse unsupported_media_type() {
  return api::json_error(415, "unsupported_media_type", "Content-Type must be application/json");
}

bool is_json(const api::HttpRequest& request) {
  const std::string_view type = request.headers.get("Content-Type");
  return api::equal_without_case(api::trim(type.substr(0, type.find(';'))), "application/json");
}

// "127.0.0.1:8080", "localhost", "[::1]:8080": the machine that a browser's page cannot pretend to
// come from.
bool names_this_machine(std::string_view host) {
  if (host.starts_with('[')) return host == "[::1]" || host.starts_with("[::1]:");
  host = host.substr(0, host.find(':'));
  const bool is_number = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return api::equal_without_case(host, "localhost") || (is_number && host.starts_with("127."));
}

// What an error of the leader's RaftNode means to an operator; nothing when it was not the leader.
std::optional<std::pair<int, std::string>> explain(const Error& error) {
  using Explained = std::pair<int, std::string>;
  switch (error.code) {
    case ErrorCode::not_leader: return std::nullopt;
    case ErrorCode::invalid_argument:
      return Explained(400, error_body("invalid_request", error.message));
    case ErrorCode::conflict:
      return Explained(409, error_body("configuration_changed", error.message));
    case ErrorCode::unsupported:
      return Explained(409, error_body("unsupported_version", error.message));
    case ErrorCode::unavailable:
      return Explained(503, error_body("unavailable", error.message));
    default: return Explained(503, error_body("leader_unavailable", error.message, true));
  }
}

// The field of a change of the shard map that makes no sense.
const char* wrong_field(const kv::ShardChange& change, const kv::ShardMap& map) {
  const auto* const move = std::get_if<kv::MoveShard>(&change);
  if (move == nullptr) return "at";
  return map.range_of(move->from).from == move->from ? "group" : "from";
}

// Who was removed from a group is not told any more who leads it.
std::string no_leader(NodeId asked, const GroupStatus& group) {
  const bool is_member =
      std::any_of(group.members.begin(), group.members.end(),
                  [asked](const MemberStatus& member) { return member.id == asked; });
  return is_member ? to_string(group.group_id) + " has no leader"
                   : fmt::format("{} does not belong to {}: ask another node", to_string(asked),
                                 to_string(group.group_id));
}

std::string text_at(const json::object& object, const char* name) {
  const json::value* const value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return std::string(value->get_string().data(), value->get_string().size());
}

std::int64_t number_at(const json::object& object, const char* name) {
  const json::value* const value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

Result<GroupOperation> operation_of(std::string_view verb, std::string_view body) {
  if (verb == kDescribe) return GroupOperation(DescribeGroup{});
  if (verb == kReadIndex) return GroupOperation(AskReadIndex{});
  if (verb == kDescribeShards) return GroupOperation(DescribeShards{});
  if (!is_group_verb(verb) && !is_shard_verb(verb)) {
    return Error{ErrorCode::invalid_argument, "unknown verb"};
  }
  return parse_operation(verb, body);
}

}  // namespace

OperatorApi::OperatorApi(const Clock& clock, EventLog& log, const ClusterView& view,
                         ClusterControl& control, OperatorAccess access)
    : clock_(clock), log_(log), view_(view), control_(control), access_(std::move(access)) {}

bool OperatorApi::is_authorised(std::string_view authorization) const {
  if (access_.token.empty()) return true;
  const bool is_bearer =
      authorization.size() > kBearer.size() &&
      api::equal_without_case(authorization.substr(0, kBearer.size()), kBearer);
  if (!is_bearer) return false;
  // Digests, so that not even the length of the token is told.
  return api::equal_in_constant_time(api::sha256(authorization.substr(kBearer.size())),
                                     api::sha256(access_.token));
}

std::optional<api::HttpResponse> OperatorApi::refuse_stranger(
    const api::HttpRequest& request) const {
  if (!is_authorised(request.headers.get("Authorization"))) {
    api::HttpResponse response =
        api::json_error(401, "unauthenticated", "send the admin token: Authorization: Bearer ...");
    response.headers.add("WWW-Authenticate", "Bearer");
    return response;
  }
  if (access_.token.empty() && access_.is_loopback &&
      !names_this_machine(request.headers.get("Host"))) {
    return api::json_error(403, "forbidden", "without a token, Host must be this machine itself");
  }
  return std::nullopt;
}

api::HttpResponse OperatorApi::handle(const api::HttpRequest& request, std::string_view endpoint,
                                      Deadline deadline) {
  if (endpoint.starts_with(kGroups)) {
    return handle_group(request, endpoint.substr(kGroups.size()), deadline);
  }
  if (endpoint == kShards) return handle_shards(request, std::nullopt, deadline);
  if (endpoint.starts_with(kBelowShards)) {
    return handle_shards(request, endpoint.substr(kBelowShards.size()), deadline);
  }
  if (endpoint == "drain") return drain(request);
  if (endpoint == "backup") return backup(request, deadline);
  return api::json_error(404, "unknown_endpoint");
}

api::HttpResponse OperatorApi::handle_group(const api::HttpRequest& request, std::string_view rest,
                                            Deadline deadline) {
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const auto group = parse_group_id(rest.substr(0, slash));
  const std::string verb(rest.substr(std::min(slash + 1, rest.size())));
  const bool is_whole = slash == rest.size();
  const bool is_snapshot = verb == "snapshot";
  if (!is_whole && !is_snapshot && !is_group_verb(verb)) {
    return api::json_error(404, "unknown_endpoint");
  }
  const bool is_read = request.method == "GET" || request.method == "HEAD";
  if (is_whole && !is_read) return method_not_allowed("GET, HEAD");
  if (!is_whole && request.method != "POST") return method_not_allowed("POST");
  if (!group) return api::json_error(400, "invalid_path", "a group is g0, g1, ...");
  if (find(view_.status(), *group) == nullptr) return api::json_error(404, "unknown_group");
  // A page of another site can have a browser send a POST, but not one of this type.
  if (!is_whole && !is_json(request)) return unsupported_media_type();

  const auto operation = is_snapshot ? [&]() -> Result<GroupOperation> {
    TRY(expect_no_fields(request.body));
    return GroupOperation(DescribeGroup{});
  }() : operation_of(is_whole ? kDescribe : std::string_view(verb), request.body);
  if (!operation) return respond(400, error_body("invalid_body", operation.error().message));
  const Instant begun = clock_.now();
  const Order order{.group = *group,
                    .verb = is_whole ? kDescribe : verb,
                    .body = request.body,
                    .authorization = std::string(request.headers.get("Authorization"))};
  Answer answer = is_snapshot ? snapshot(*group) : carry_out(order, *operation, deadline);
  if (!is_whole) {
    audit(request.method, request.raw_path, answer.status, request.peer, begun, "");
  }
  return respond(answer.status, std::move(answer.body));
}

// Of the default group, which has the map.
api::HttpResponse OperatorApi::handle_shards(const api::HttpRequest& request,
                                             std::optional<std::string_view> verb,
                                             Deadline deadline) {
  if (verb && !is_shard_verb(*verb)) return api::json_error(404, "unknown_endpoint");
  const bool is_read = request.method == "GET" || request.method == "HEAD";
  if (!verb && !is_read) return method_not_allowed("GET, HEAD");
  if (verb && request.method != "POST") return method_not_allowed("POST");
  if (verb && !is_json(request)) return unsupported_media_type();
  const auto operation = operation_of(verb.value_or(kDescribeShards), request.body);
  if (!operation) return respond(400, error_body("invalid_body", operation.error().message));
  const Instant begun = clock_.now();
  const Order order{.group = default_group(),
                    .verb = std::string(verb.value_or(kDescribeShards)),
                    .body = request.body,
                    .authorization = std::string(request.headers.get("Authorization"))};
  Answer answer = carry_out(order, *operation, deadline);
  if (verb) audit(request.method, request.raw_path, answer.status, request.peer, begun, "");
  return respond(answer.status, std::move(answer.body));
}

OperatorApi::Answer OperatorApi::snapshot(GroupId group) {
  if (const auto cut = control_.cut_logs(); !cut) {
    return {503, error_body("unavailable", cut.error().message)};
  }
  const ClusterStatus status = view_.status();
  return {200, json::serialize(json::object{
                   {"group_id", to_string(group)},
                   {"node_id", to_string(status.node_id)},
                   {"snapshot_index", find(status, group)->snapshot_index.value}})};
}

api::HttpResponse OperatorApi::drain(const api::HttpRequest& request) {
  if (request.method != "POST") return method_not_allowed("POST");
  if (!is_json(request)) return unsupported_media_type();
  if (const auto empty = expect_no_fields(request.body); !empty) {
    return respond(400, error_body("invalid_body", empty.error().message));
  }
  audit(request.method, request.raw_path, 202, request.peer, clock_.now(), "");
  control_.request_stop();
  return respond(202, json::serialize(json::object{
                          {"node_id", to_string(view_.status().node_id)}, {"draining", true}}));
}

api::HttpResponse OperatorApi::backup(const api::HttpRequest& request, Deadline deadline) {
  if (request.method != "GET") return method_not_allowed("GET");
  const Instant begun = clock_.now();
  auto source = open_backup(deadline);
  audit(request.method, request.raw_path, source ? 200 : 503, request.peer, begun, "");
  if (!source) return respond(503, error_body("unavailable", source.error().message));
  api::HttpResponse response;
  response.headers.add("Content-Type", "application/octet-stream");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("Cache-Control", "no-store");
  response.headers.add("Content-Disposition", "attachment; filename=\"keelson.backup\"");
  response.source = *std::move(source);
  return response;
}

// What was acknowledged before the call is in the backup: this node may be a follower that lags.
// No transaction is there in part: all groups are cut at one time (core/kv/snapshot_cut.h). And no
// key is in two groups, or in none: between two equal versions of the shard map nothing moved.
Result<std::unique_ptr<api::BodySource>> OperatorApi::open_backup(Deadline deadline) {
  while (true) {
    TRY(const std::uint64_t version, shards_at_rest(deadline));
    TRY(const kv::Timestamp at, control_.choose_backup_time(deadline));
    for (const GroupStatus& group : view_.status().groups) {
      TRY(const raft::LogIndex index, read_index(group.group_id, deadline));
      TRY(control_.wait_until_applied(group.group_id, index, deadline));
    }
    auto source = control_.open_backup(at);
    // The next time is a later one.
    if (!source && source.error().code == ErrorCode::conflict && clock_.now() < deadline.at) {
      continue;
    }
    TRY(const MapLabel after, read_map(deadline));
    if (!source || after.version == version) return source;
  }
}

// Waits until nothing moves; the version of the map then.
Result<std::uint64_t> OperatorApi::shards_at_rest(Deadline deadline) {
  while (true) {
    TRY(const MapLabel map, read_map(deadline));
    if (!map.is_moving) return map.version;
    if (clock_.now() + kRetryInterval >= deadline.at) {
      return Error{ErrorCode::unavailable,
                   "a shard is moving: no backup is taken before it has arrived"};
    }
    control_.wait_for_leader_change(default_group(), Deadline::in(clock_, kRetryInterval));
  }
}

// Tries until somebody has answered as the leader, the outcome is not known, or there is no time.
OperatorApi::Answer OperatorApi::carry_out(const Order& order, const GroupOperation& operation,
                                           Deadline deadline) {
  while (true) {
    const ClusterStatus status = view_.status();
    const GroupStatus* const group = find(status, order.group);
    CHECK(group != nullptr);
    std::optional<Answer> answer;
    if (group->is_leader) {
      answer = try_here(order.group, operation, deadline);
    } else if (group->leader_id && *group->leader_id != status.node_id) {
      answer = forward(*group->leader_id, order, is_write(operation), deadline);
    }
    if (answer) return *std::move(answer);
    if (clock_.now() + kRetryInterval >= deadline.at) {
      return {503, error_body("leader_unavailable", no_leader(status.node_id, *group))};
    }
    control_.wait_for_leader_change(order.group, Deadline::in(clock_, kRetryInterval));
  }
}

// Nothing when this node does not lead: then nothing has happened.
std::optional<OperatorApi::Answer> OperatorApi::try_here(GroupId group,
                                                         const GroupOperation& operation,
                                                         Deadline deadline) {
  const auto failed = [](const Error& error) -> std::optional<Answer> {
    auto explained = explain(error);
    if (!explained) return std::nullopt;
    return Answer{explained->first, std::move(explained->second)};
  };
  if (std::holds_alternative<DescribeShards>(operation)) return describe_shards(group, deadline);
  if (const auto* change = std::get_if<ChangeShards>(&operation)) {
    return change_shards(group, *change, deadline);
  }
  json::object body{{"group_id", to_string(group)}};
  if (const auto* change = std::get_if<ChangeConfiguration>(&operation)) {
    const auto index = control_.change_configuration(group, change->change,
                                                     change->expected_index, deadline);
    if (!index) return failed(index.error());
    body["configuration_index"] = index->value;
  } else if (const auto* transfer = std::get_if<TransferLeadership>(&operation)) {
    const auto leader = control_.transfer_leadership(group, transfer->target, deadline);
    if (!leader) return failed(leader.error());
    body["leader_id"] = to_string(*leader);
  } else {
    const auto index = control_.confirm_leadership(group, deadline);
    // Whether it leads is not known, and nothing can have happened: as good as no leader.
    if (!index) return std::nullopt;
    if (std::holds_alternative<DescribeGroup>(operation)) {
      return Answer{200, group_json(*find(view_.status(), group))};
    }
    body["read_index"] = index->value;
  }
  return Answer{200, json::serialize(body)};
}

// A leader may be so new that it has not applied yet what others have committed.
Result<void> OperatorApi::catch_up(GroupId group, Deadline deadline) {
  TRY(const raft::LogIndex index, control_.confirm_leadership(group, deadline));
  return control_.wait_until_applied(group, index, deadline);
}

std::optional<OperatorApi::Answer> OperatorApi::describe_shards(GroupId group, Deadline deadline) {
  if (!catch_up(group, deadline)) return std::nullopt;
  return Answer{200, shards_json(view_.shards(), view_.status())};
}

std::optional<OperatorApi::Answer> OperatorApi::change_shards(GroupId group,
                                                              const ChangeShards& change,
                                                              Deadline deadline) {
  if (!catch_up(group, deadline)) return std::nullopt;
  const auto done = control_.change_shards(change.change, change.version, deadline);
  if (done) return Answer{200, json::serialize(json::object{{"version", change.version + 1}})};
  const kv::ShardMap map = view_.shards().map;
  Error error = done.error();
  if (error.code == ErrorCode::conflict) {
    const bool is_the_same = map.version() == change.version;
    return Answer{409, error_body(is_the_same ? "shard_moving" : "shard_map_changed",
                                  error.message)};
  }
  if (error.code == ErrorCode::invalid_argument) {
    error.message = fmt::format("{}: {}", wrong_field(change.change, map), error.message);
  }
  auto explained = explain(error);
  if (!explained) return std::nullopt;
  return Answer{explained->first, std::move(explained->second)};
}

// Nothing when nothing was sent, or the other one does not lead.
std::optional<OperatorApi::Answer> OperatorApi::forward(NodeId leader, const Order& order,
                                                        bool is_write, Deadline deadline) {
  const auto remaining = std::chrono::duration_cast<std::chrono::microseconds>(deadline.at -
                                                                               clock_.now());
  const json::object request{{"hops", 1},
                             {"remaining_us", remaining.count()},
                             {"group", to_string(order.group)},
                             {"verb", order.verb},
                             {"body", order.body},
                             {"authorization", order.authorization}};
  const auto reply = control_.call(leader, json::serialize(request), deadline);
  if (!reply && (reply.error().code == ErrorCode::unavailable || !is_write)) return std::nullopt;
  auto value = reply ? api::parse_json(*reply) : Result<json::value>(reply.error());
  if (!value || !value->is_object() || number_at(value->get_object(), "status") == 0) {
    if (!is_write) return std::nullopt;
    return Answer{503, error_body("leader_unavailable",
                                  to_string(leader) + " was asked, and has not answered", true)};
  }
  const json::object& answer = value->get_object();
  const std::int64_t status = number_at(answer, "status");
  if (status == 421) return std::nullopt;  // It does not lead.
  return Answer{static_cast<int>(status), text_at(answer, "body")};
}

Bytes OperatorApi::serve_forwarded(NodeId from, BytesView bytes) {
  const auto reply = [](int status, std::string body) -> Bytes {
    return json::serialize(json::object{{"status", status}, {"body", std::move(body)}});
  };
  const auto value = api::parse_json(bytes);
  if (!value || !value->is_object()) return reply(400, error_body("invalid_body", "no order"));
  const json::object& request = value->get_object();
  const auto group = parse_group_id(text_at(request, "group"));
  const std::string verb = text_at(request, "verb");
  if (number_at(request, "hops") > kHopsMax || !group ||
      find(view_.status(), *group) == nullptr) {
    return reply(400, error_body("invalid_body", "not forwarded as this node forwards"));
  }
  if (!is_authorised(text_at(request, "authorization"))) {
    return reply(401, error_body("unauthenticated", "the leader has another admin token"));
  }
  const auto operation = operation_of(verb, text_at(request, "body"));
  if (!operation) return reply(400, error_body("invalid_body", operation.error().message));
  const Instant begun = clock_.now();
  const Deadline deadline =
      Deadline::in(clock_, std::chrono::microseconds(number_at(request, "remaining_us")));
  const auto answer = try_here(*group, *operation, deadline);
  if (is_write(*operation)) {
    const std::string of =
        is_shard_verb(verb) ? std::string(kShards) : "groups/" + to_string(*group);
    audit("POST", fmt::format("{}/{}", of, verb),
          answer ? answer->status : 421, "", begun, to_string(from));
  }
  return answer ? reply(answer->status, answer->body) : reply(421, "");
}

Result<std::string> OperatorApi::ask_leader(GroupId group, const char* verb,
                                            const GroupOperation& question, Deadline deadline) {
  const Order order{.group = group,
                    .verb = verb,
                    .body = {},
                    .authorization = std::string(kBearer) + access_.token};
  Answer answer = carry_out(order, question, deadline);
  const auto value = api::parse_json(answer.body);
  if (answer.status != 200 || !value || !value->is_object()) {
    return Error{ErrorCode::unavailable, to_string(group) + " has no leader"};
  }
  return std::move(answer.body);
}

Result<raft::LogIndex> OperatorApi::read_index(GroupId group, Deadline deadline) {
  TRY(const std::string answer, ask_leader(group, kReadIndex, AskReadIndex{}, deadline));
  const json::object said = json::parse(answer).as_object();
  return raft::LogIndex(static_cast<std::uint64_t>(number_at(said, "read_index")));
}

Result<OperatorApi::MapLabel> OperatorApi::read_map(Deadline deadline) {
  TRY(const std::string answer,
      ask_leader(default_group(), kDescribeShards, DescribeShards{}, deadline));
  const json::object said = json::parse(answer).as_object();
  const json::value* const move = said.if_contains("move");
  return MapLabel{.version = static_cast<std::uint64_t>(number_at(said, "version")),
                  .is_moving = move != nullptr && move->is_object()};
}

const GroupStatus* OperatorApi::find(const ClusterStatus& status, GroupId group) const {
  const auto found = std::find_if(status.groups.begin(), status.groups.end(),
                                  [&](const auto& each) { return each.group_id == group; });
  return found == status.groups.end() ? nullptr : &*found;
}

// One line for everything that may have changed something.
void OperatorApi::audit(std::string_view method, std::string_view path, int status,
                        std::string_view from, Instant begun,
                        std::string_view forwarded_from) const {
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - begun);
  std::string line = fmt::format("audit: operator by {}, {} {}, status {}, {} ms",
                                 access_.token.empty() ? "loopback" : "token", method, path, status,
                                 took.count());
  if (!from.empty()) line += fmt::format(", from {}", from);
  if (!forwarded_from.empty()) line += fmt::format(", forwarded_from {}", forwarded_from);
  log_.event("admin", line);
}

}  // namespace keelson::admin
