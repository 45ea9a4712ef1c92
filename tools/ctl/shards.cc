// The commands of keelsonctl about the shard map. Tested by tests/real/operator_test.py.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <functional>

#include "tools/ctl/operator.h"

namespace keelson::ctl {

namespace json = boost::json;

namespace {

bool is_moving_to(const ShardsView& view, const std::string& key, const std::string& group) {
  return view.move && view.move->from == key && view.move->target == group;
}

bool is_in(const ShardsView& view, const std::string& key, const std::string& group) {
  const ShardView* const shard = view.find(key);
  return shard != nullptr && shard->group == group;
}

}  // namespace

struct Operator::ShardStep {
  std::string verb;
  json::object body;  // Without the version.
  std::optional<std::uint64_t> expected_version;
  std::function<bool(const ShardsView&)> is_so;
  std::string result;  // Said when it is so.
};

int Operator::shards() {
  const auto answer = client_.get("cluster/shards");
  if (!answer) return explain("shards", answer.error());
  if (answer->status != 200) return explain("shards", *answer);
  if (options_.json) {
    fmt::print("{}\n", answer->body);
    return kDone;
  }
  const auto view = parse_shards(answer->body);
  if (!view) return explain("shards", view.error());
  fmt::print("shard map, version {}{}\n", view->version,
             view->version == 0 ? ": not written down yet" : "");
  std::vector<std::vector<std::string>> rows{{"FROM", "TO", "GROUP", "LEADER"}};
  for (const ShardView& shard : view->shards) {
    rows.push_back({beginning(shard.from), ending(shard.to), shard.group,
                    shard.leader.empty() ? "-" : shard.leader});
  }
  fmt::print("{}", table(rows));
  if (view->move) {
    fmt::print("moving: {} to {}, from {} to {}: {}\n", beginning(view->move->from),
               ending(view->move->to), view->move->source, view->move->target, view->move->phase);
  }
  return kDone;
}

int Operator::split(const ShardOptions& options) {
  return change_shards({.verb = "split",
                        .body = {{"at", options.key}},
                        .expected_version = options.expected_version,
                        .is_so = [&](const ShardsView& view) { return view.find(options.key); },
                        .result = "a shard begins at " + options.key});
}

int Operator::move(const ShardOptions& options) {
  const std::string& group = options.group;
  const int code = change_shards(
      {.verb = "move",
       .body = {{"from", options.key}, {"group", group}},
       .expected_version = options.expected_version,
       .is_so =
           [&](const ShardsView& view) {
             return is_in(view, options.key, group) || is_moving_to(view, options.key, group);
           },
       .result = options.waits ? ""
                               : fmt::format("{} is in {} or on its way", beginning(options.key),
                                             group)});
  return code == kDone && options.waits ? wait_until_moved(options.key, group) : code;
}

Result<ShardsView> Operator::shards_of_leader() {
  TRY(const AdminAnswer answer, ask_leader("cluster/shards"));
  return parse_shards(answer.body);
}

// Asks until it is done, refused, or there is no time. Asking again does no harm: the map is
// changed only from the one that was seen.
int Operator::change_shards(const ShardStep& step) {
  begin_to_wait();
  bool may_have_happened = false;
  while (true) {
    const auto view = shards_of_leader();
    if (view && step.is_so(*view)) {
      if (options_.json && !step.result.empty()) {
        fmt::print("{}\n", json::serialize(json::object{{"version", view->version}}));
      } else if (!step.result.empty()) {
        fmt::print("{}: {}; version {}\n", step.verb, step.result, view->version);
      }
      return kDone;
    }
    std::string why = view ? "" : view.error().message;
    if (!view && view.error().code == ErrorCode::invalid_argument) {
      return explain(step.verb, view.error());
    }
    if (view) {
      json::object body = step.body;
      body["version"] = step.expected_version.value_or(view->version);
      const auto answer = client_.post("cluster/shards/" + step.verb, json::serialize(body));
      if (answer && answer->status == 200) continue;  // And look at it.
      const std::string code = answer ? text_field(answer->body, "error") : "";
      const bool lost_race = code == "shard_map_changed" && !step.expected_version;
      if (answer && answer->status != 503 && !lost_race && code != "shard_moving") {
        return explain(step.verb, *answer);
      }
      may_have_happened =
          may_have_happened ||
          (answer ? is_unknown(*answer) : answer.error().code != ErrorCode::unavailable);
      why = answer ? text_field(answer->body, "message") : answer.error().message;
    }
    if (!has_time()) {
      fmt::print(stderr, "keelsonctl: {}: not within {} s: {}; look at `keelsonctl shards`\n",
                 step.verb, options_.timeout_seconds, why);
      return may_have_happened ? kUnknown : kUnreachable;
    }
    progress(fmt::format("{}: waits: {}", step.verb, why));
    pause();
  }
}

int Operator::wait_until_moved(const std::string& key, const std::string& group) {
  while (true) {
    const auto view = shards_of_leader();
    if (view && !is_moving_to(*view, key, group)) {
      if (!is_in(*view, key, group)) {
        fmt::print(stderr, "keelsonctl: move: {} is not in {} any more; look at `keelsonctl "
                   "shards`\n", beginning(key), group);
        return kFailed;
      }
      if (options_.json) {
        fmt::print("{}\n", json::serialize(json::object{{"version", view->version}}));
      } else {
        fmt::print("move: {} is in {}; version {}\n", beginning(key), group, view->version);
      }
      return kDone;
    }
    if (!has_time()) {
      fmt::print(stderr, "keelsonctl: move: {} has begun to move, and is not in {} within {} s; it "
                 "goes on by itself\n", beginning(key), group, options_.timeout_seconds);
      return kUnknown;
    }
    if (view) progress(fmt::format("move: {}: {}", beginning(key), view->move->phase));
    pause();
  }
}

}  // namespace keelson::ctl
