// Tested by tests/real/operator_test.py.
#include "tools/ctl/operator.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>

namespace keelson::ctl {

namespace json = boost::json;

namespace {

constexpr Duration kPause = std::chrono::milliseconds(200);
// A learner that lacks no more entries than this has caught up: what is missing is on its way.
constexpr std::uint64_t kLagMax = 16;

std::string none_as_dash(const std::string& text) { return text.empty() ? "-" : text; }

bool has_role(const GroupView& group, const std::string& node, const std::string& role) {
  const MemberView* const member = group.find(node);
  return member != nullptr && member->role == role;
}

// What the change is for is so already, and nothing is under way.
bool is_so(const GroupView& group, const ChangeOptions& change) {
  if (group.is_joint) return false;
  if (change.verb == "learners") {
    const MemberView* const member = group.find(change.node);
    return member != nullptr && (change.address.empty() || member->address == change.address);
  }
  if (change.verb == "promote") return has_role(group, change.node, "voter");
  if (change.verb == "demote") return has_role(group, change.node, "learner");
  if (change.verb == "remove") return group.find(change.node) == nullptr;
  return group.find(change.voter) == nullptr && has_role(group, change.node, "voter");
}

std::string body_of(const ChangeOptions& change, std::uint64_t index) {
  json::object body{{"configuration_index", index}};
  if (change.verb == "replace") {
    body["voter"] = change.voter;
    body["learner"] = change.node;
  } else {
    body["node"] = change.node;
  }
  if (!change.address.empty()) body["address"] = change.address;
  if (change.forced) body["forced"] = true;
  return json::serialize(body);
}

}  // namespace

int Operator::status() {
  const auto answer = client_.get("cluster");
  if (!answer) return explain("status", answer.error());
  if (answer->status != 200) return explain("status", *answer);
  if (options_.json) {
    fmt::print("{}\n", answer->body);
    return kDone;
  }
  const auto cluster = parse_cluster(answer->body);
  if (!cluster) return explain("status", cluster.error());
  fmt::print("cluster {}, as {} (version {}) sees it\n", cluster->cluster_id, cluster->node_id,
             cluster->version);
  std::vector<std::vector<std::string>> rows{
      {"GROUP", "LEADER", "TERM", "COMMIT", "APPLIED", "CONFIGURATION", "MEMBERS"}};
  for (const GroupView& group : cluster->groups) {
    std::string members;
    for (const MemberView& member : group.members) {
      members += members.empty() ? "" : " ";
      members += member.role == "voter" ? member.id : fmt::format("{}({})", member.id, member.role);
    }
    rows.push_back({group.id, none_as_dash(group.leader), std::to_string(group.term),
                    std::to_string(group.commit_index), std::to_string(group.applied_index),
                    fmt::format("{}{}", group.configuration_index, group.is_joint ? " joint" : ""),
                    members});
  }
  fmt::print("{}", table(rows));
  return kDone;
}

int Operator::members() {
  json::array all;
  const int code = for_each_group([&](const std::string& id) -> int {
    const auto answer = client_.get("cluster/groups/" + id);
    if (!answer) return explain(id, answer.error());
    if (answer->status != 200) return explain(id, *answer);
    const auto group = parse_group(answer->body);
    if (!group) return explain(id, group.error());
    if (options_.json) {
      all.push_back(json::parse(answer->body));
      return kDone;
    }
    fmt::print("{}: leader {}, term {}, configuration {}{}\n", group->id,
               none_as_dash(group->leader), group->term, group->configuration_index,
               group->is_joint ? ", a change is under way" : "");
    std::vector<std::vector<std::string>> rows{
        {"", "NODE", "ROLE", "BEHIND", "ADDRESS", "DIRECTORY"}};
    for (const MemberView& member : group->members) {
      const std::uint64_t match =
          member.id == group->leader ? group->last_log_index : member.match_index;
      rows.push_back({"", member.id, member.role,
                      match == 0 ? "?" : std::to_string(group->last_log_index - match),
                      none_as_dash(member.address), member.incarnation});
    }
    fmt::print("{}", table(rows));
    return kDone;
  });
  if (options_.json && code == kDone) fmt::print("{}\n", json::serialize(all));
  return code;
}

int Operator::change(const ChangeOptions& change) {
  return for_each_group([&](const std::string& group) {
    const int code = change_group(group, change);
    return code == kDone && change.waits ? wait_until_caught_up(group, change.node) : code;
  });
}

// Asks until it is done, refused, or there is no time. Asking again does no harm: a configuration
// is changed only from the one that was seen, so what has happened already is seen the next time.
int Operator::change_group(const std::string& group, const ChangeOptions& change) {
  const std::string what = fmt::format("{} {}", group, change.verb);
  bool may_have_happened = false;
  while (true) {
    const auto view = group_of_leader(group);
    if (view && is_so(*view, change)) {
      if (options_.json) {
        fmt::print("{}\n", json::serialize(json::object{
                               {"group_id", group},
                               {"configuration_index", view->configuration_index}}));
      } else {
        fmt::print("{}: done, configuration {}\n", group, view->configuration_index);
      }
      return kDone;
    }
    std::string why = view ? "" : view.error().message;
    if (!view && view.error().code == ErrorCode::invalid_argument) {
      return explain(what, view.error());
    }
    if (view) {
      const std::uint64_t index = change.expected_index.value_or(view->configuration_index);
      const auto answer = client_.post(fmt::format("cluster/groups/{}/{}", group, change.verb),
                                       body_of(change, index));
      if (answer && answer->status == 200) continue;  // And look at it.
      const bool lost_race = answer && text_field(answer->body, "error") == "configuration_changed";
      if (lost_race && change.expected_index) return explain(what, *answer);
      if (answer && answer->status != 503 && !lost_race) return explain(what, *answer);
      may_have_happened =
          may_have_happened ||
          (answer ? is_unknown(*answer) : answer.error().code != ErrorCode::unavailable);
      why = answer ? text_field(answer->body, "message") : answer.error().message;
    }
    if (!has_time()) {
      fmt::print(stderr, "keelsonctl: {}: not within {} s: {}; look at `keelsonctl members`\n",
                 what, options_.timeout_seconds, why);
      return may_have_happened ? kUnknown : kUnreachable;
    }
    progress(fmt::format("{}: waits: {}", what, why));
    pause();
  }
}

int Operator::wait_until_caught_up(const std::string& group, const std::string& node) {
  while (true) {
    const auto view = group_of_leader(group);
    const MemberView* const member = view ? view->find(node) : nullptr;
    if (view && member == nullptr) {
      fmt::print(stderr, "keelsonctl: {}: {} is no member any more\n", group, node);
      return kFailed;
    }
    if (member != nullptr && member->match_index > 0 &&
        member->match_index + kLagMax >= view->last_log_index) {
      if (!options_.json) fmt::print("{}: {} has caught up\n", group, node);
      return kDone;
    }
    if (!has_time()) {
      fmt::print(stderr, "keelsonctl: {}: {} has not caught up within {} s; is it running, with "
                 "--peers that name the others?\n", group, node, options_.timeout_seconds);
      return kUnreachable;
    }
    if (member != nullptr) {
      progress(member->match_index == 0
                   ? fmt::format("{}: {} has not been heard of yet", group, node)
                   : fmt::format("{}: {} is {} entries behind", group, node,
                                 view->last_log_index - member->match_index));
    }
    pause();
  }
}

int Operator::transfer(const std::string& target) {
  return for_each_group([&](const std::string& group) { return transfer_group(group, target); });
}

int Operator::transfer_group(const std::string& group, const std::string& target) {
  const auto view = group_of_leader(group);
  if (!view) return explain(group, view.error());
  if (!target.empty() && view->leader == target) {
    fmt::print("{}: {} leads already\n", group, target);
    return kDone;
  }
  json::object body;
  if (!target.empty()) body["target"] = target;
  const auto answer =
      client_.post(fmt::format("cluster/groups/{}/transfer", group), json::serialize(body));
  if (!answer) return explain(group + " transfer", answer.error());
  if (answer->status != 200) return explain(group + " transfer", *answer);
  if (options_.json) {
    fmt::print("{}\n", answer->body);
  } else {
    fmt::print("{}: {} leads\n", group, text_field(answer->body, "leader_id"));
  }
  return kDone;
}

int Operator::snapshot() {
  return for_each_group([&](const std::string& group) -> int {
    const auto answer = client_.post(fmt::format("cluster/groups/{}/snapshot", group), "{}");
    if (!answer) return explain(group + " snapshot", answer.error());
    if (answer->status != 200) return explain(group + " snapshot", *answer);
    if (options_.json) {
      fmt::print("{}\n", answer->body);
    } else {
      const json::object cut = json::parse(answer->body).as_object();
      fmt::print("{}: the log of {} begins after {}\n", group, text_field(answer->body, "node_id"),
                 cut.at("snapshot_index").to_number<std::uint64_t>());
    }
    return kDone;
  });
}

int Operator::drain(bool waits) {
  const auto answer = client_.post("cluster/drain", "{}");
  if (!answer) return explain("drain", answer.error());
  if (answer->status != 202) return explain("drain", *answer);
  const std::string node = text_field(answer->body, "node_id");
  begin_to_wait();
  while (waits && client_.is_listening()) {
    if (!has_time()) {
      fmt::print(stderr, "keelsonctl: {} still answers after {} s\n", node,
                 options_.timeout_seconds);
      return kUnknown;
    }
    progress(node + " drains");
    pause();
  }
  if (options_.json) {
    fmt::print("{}\n", answer->body);
  } else {
    fmt::print("{}: {}\n", node, waits ? "has ended" : "drains");
  }
  return kDone;
}

Result<std::vector<std::string>> Operator::groups_meant() {
  if (!options_.groups.empty()) return options_.groups;
  TRY(const AdminAnswer answer, client_.get("cluster"));
  if (answer.status != 200) {
    return Error{ErrorCode::invalid_argument, text_field(answer.body, "message")};
  }
  TRY(const ClusterView cluster, parse_cluster(answer.body));
  std::vector<std::string> groups;
  for (const GroupView& group : cluster.groups) groups.push_back(group.id);
  return groups;
}

Result<GroupView> Operator::group_of_leader(const std::string& group) {
  TRY(const AdminAnswer answer, ask_leader("cluster/groups/" + group));
  return parse_group(answer.body);
}

Result<AdminAnswer> Operator::ask_leader(const std::string& endpoint) {
  TRY(AdminAnswer answer, client_.get(endpoint));
  if (answer.status == 200) return answer;
  const std::string message = text_field(answer.body, "message");
  const std::string code = text_field(answer.body, "error");
  return Error{answer.status == 503 ? ErrorCode::unavailable : ErrorCode::invalid_argument,
               message.empty() ? code : message};
}

template <typename Act>
int Operator::for_each_group(const Act& act) {
  const auto groups = groups_meant();
  if (!groups) return explain("cluster", groups.error());
  for (const std::string& group : *groups) {
    begin_to_wait();
    if (const int code = act(group); code != kDone) return code;
  }
  return kDone;
}

bool Operator::is_unknown(const AdminAnswer& answer) {
  return text_field(answer.body, "outcome") == "unknown";
}

int Operator::explain(const std::string& what, const AdminAnswer& answer) {
  const std::string message = text_field(answer.body, "message");
  const std::string code = text_field(answer.body, "error");
  std::string hint;
  if (answer.status == 401) hint = "; give --token-file";
  if (code == "unknown_group") hint = "; `keelsonctl status` lists the groups";
  if (code == "shard_map_changed") hint = "; look at `keelsonctl shards` and decide again";
  if (code == "configuration_changed") hint = "; look at `keelsonctl members` and decide again";
  fmt::print(stderr, "keelsonctl: {}: {}{}\n", what, message.empty() ? code : message, hint);
  if (answer.status != 503) return kFailed;
  return is_unknown(answer) ? kUnknown : kUnreachable;
}

int Operator::explain(const std::string& what, const Error& error) {
  fmt::print(stderr, "keelsonctl: {}: {}\n", what, error.message);
  switch (error.code) {
    case ErrorCode::unavailable: return kUnreachable;
    case ErrorCode::timed_out:
    case ErrorCode::connection_lost: return kUnknown;
    default: return kFailed;
  }
}

void Operator::begin_to_wait() {
  give_up_at_ = scheduler_.clock().now() + std::chrono::seconds(options_.timeout_seconds);
}

bool Operator::has_time() const { return scheduler_.clock().now() < give_up_at_; }

void Operator::pause() { scheduler_.sleep_for(kPause); }

// Each once.
void Operator::progress(const std::string& text) {
  if (text == last_progress_) return;
  last_progress_ = text;
  fmt::print(stderr, "{}\n", text);
}

}  // namespace keelson::ctl
