// Tested by tests/scenarios/bucket_model_test.cc.
#include "scenarios/bucket_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/base/check.h"

namespace keelson::scenarios {

namespace {

using Kind = BucketCall::Kind;

bool is_put(Kind kind) {
  return kind == Kind::put || kind == Kind::put_if_absent || kind == Kind::put_if_match;
}

bool is_read(Kind kind) {
  return kind == Kind::get || kind == Kind::expect || kind == Kind::list;
}

std::string describe(const BucketCall& call) {
  switch (call.kind) {
    case Kind::get: return fmt::format("get {}", call.keys[0]);
    case Kind::expect: return fmt::format("expect {} to have {}", call.keys[0], call.expected);
    case Kind::put: return fmt::format("put {} to {}", call.etag, call.keys[0]);
    case Kind::put_if_absent:
      return fmt::format("put {} to {} if nothing is there", call.etag, call.keys[0]);
    case Kind::put_if_match:
      return fmt::format("put {} to {} if it has {}", call.etag, call.keys[0], call.expected);
    case Kind::remove: return fmt::format("remove {}", fmt::join(call.keys, ", "));
    case Kind::list:
      return fmt::format("list {} of '{}' after '{}'{}", call.limit, call.prefix, call.after,
                         call.delimiter.empty() ? "" : " folded at " + call.delimiter);
  }
  check_failed("known kind of call", __FILE__, __LINE__);
}

std::string describe(const BucketCall& call, const BucketAnswer& answer) {
  if (call.kind == Kind::get) return answer.etag.value_or("nothing");
  if (call.kind == Kind::list) {
    return fmt::format("[{}]{}", fmt::join(answer.entries, ", "),
                       answer.is_truncated ? " and more" : "");
  }
  return answer.condition_held ? "done" : "refused";
}

}  // namespace

std::string describe(const BucketOperation& operation) {
  const std::string answer = operation.outcome == Outcome::ok
                                 ? describe(operation.call, operation.answer)
                                 : name_of(operation.outcome);
  return fmt::format("{} {}: {}", operation.who, describe(operation.call), answer);
}

BucketAnswer page_of(const std::map<std::string, std::string>& objects, const BucketCall& call) {
  BucketAnswer page;
  std::string last_prefix;
  for (const auto& [key, etag] : objects) {
    if (!key.starts_with(call.prefix)) continue;
    const std::size_t at =
        call.delimiter.empty() ? std::string::npos : key.find(call.delimiter, call.prefix.size());
    const bool is_folded = at != std::string::npos;
    const std::string shown = is_folded ? key.substr(0, at + call.delimiter.size()) : key;
    if (shown <= call.after || (is_folded && shown == last_prefix)) continue;
    if (page.entries.size() == call.limit) {
      page.is_truncated = true;
      break;
    }
    if (is_folded) last_prefix = shown;
    page.entries.push_back(is_folded ? shown : key + " " + etag);
  }
  return page;
}

BucketModel::BucketModel(const std::vector<BucketOperation>& operations)
    : operations_(operations) {
  (void)number_of({});
}

BucketModel::State BucketModel::number_of(Objects objects) {
  const auto [at, is_new] = numbers_.emplace(std::move(objects), states_.size());
  if (is_new) states_.push_back(at->first);
  return at->second;
}

bool BucketModel::holds(const Objects& objects, const BucketCall& call) {
  const auto found = objects.find(call.keys[0]);
  if (call.kind == Kind::put) return true;
  if (call.kind == Kind::put_if_absent) return found == objects.end();
  return found != objects.end() && found->second == call.expected;
}

std::optional<BucketModel::State> BucketModel::step(State state, std::size_t op) {
  const auto& [call, answer, outcome, who] = operations_[op];
  const bool is_known = outcome == Outcome::ok;
  Objects objects = states_[state];
  if (call.kind == Kind::list) {
    const BucketAnswer page = page_of(objects, call);
    const bool fits = is_known && page.entries == answer.entries &&
                      page.is_truncated == answer.is_truncated;
    return fits ? std::optional(state) : std::nullopt;
  }
  if (call.kind == Kind::get) {
    const auto found = objects.find(call.keys[0]);
    const bool fits = is_known && (found == objects.end() ? !answer.etag.has_value()
                                                          : answer.etag == found->second);
    return fits ? std::optional(state) : std::nullopt;
  }
  if (call.kind == Kind::remove) {
    for (const std::string& key : call.keys) objects.erase(key);
  } else {
    const bool held = holds(objects, call);
    if (is_known && held != answer.condition_held) return std::nullopt;
    if (held && is_put(call.kind)) objects[call.keys[0]] = call.etag;
  }
  const State next = number_of(std::move(objects));
  if (!is_known && next == state) return std::nullopt;
  return next;
}

checker::Model::Traits BucketModel::traits(std::size_t op) const {
  const BucketOperation& operation = operations_[op];
  const bool is_refused = is_put(operation.call.kind) && !operation.answer.condition_held;
  return {.is_eager = operation.outcome == Outcome::ok &&
                      (is_read(operation.call.kind) || is_refused),
          .twins = op};  // No two do the same.
}

std::string BucketModel::describe_state(State state) const {
  std::vector<std::string> objects;
  for (const auto& [key, etag] : states_[state]) objects.push_back(key + " " + etag);
  return fmt::format("[{}]", fmt::join(objects, ", "));
}

std::vector<bool> unnoticed(const std::vector<BucketOperation>& operations) {
  std::set<std::string> shown;  // ETags.
  // Where something that is there makes a difference, whatever its ETag: keys that begin with the
  // first and come after the second.
  std::set<std::pair<std::string, std::string>> sensed;
  for (const auto& [call, answer, outcome, who] : operations) {
    if (outcome != Outcome::ok) continue;
    if (answer.etag) shown.insert(*answer.etag);
    for (const std::string& entry : answer.entries) {
      const std::size_t space = entry.find(' ');
      if (space == std::string::npos) sensed.emplace(entry, "");
      else shown.insert(entry.substr(space + 1));
    }
    if (answer.is_truncated) {
      const std::string& last = answer.entries.empty() ? call.after : answer.entries.back();
      sensed.emplace(call.prefix, last.substr(0, last.find(' ')));
    }
    if (!answer.condition_held) sensed.emplace(call.keys[0], "");
    if (!call.expected.empty()) shown.insert(call.expected);
  }
  std::vector<bool> result;
  for (const auto& [call, answer, outcome, who] : operations) {
    const bool may_be = outcome != Outcome::ok && is_put(call.kind) && !shown.contains(call.etag);
    // Clang 14 captures no structured binding.
    const std::vector<std::string>& keys = call.keys;
    result.push_back(may_be && std::none_of(sensed.begin(), sensed.end(), [&](const auto& where) {
      return keys[0].starts_with(where.first) && keys[0] > where.second;
    }));
  }
  return result;
}

}  // namespace keelson::scenarios
