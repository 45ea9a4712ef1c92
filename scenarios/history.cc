#include "scenarios/history.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "scenarios/words.h"

namespace keelson::scenarios {

const char* name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::pending: return "pending";
    case Outcome::ok: return "ok";
    case Outcome::fail: return "fail";
    case Outcome::unknown: return "unknown";
  }
  check_failed("known outcome", __FILE__, __LINE__);
}

std::string describe_call(const Operation& operation) {
  const Call& call = operation.call;
  switch (call.kind) {
    case Call::Kind::get: return fmt::format("get {}", operation.key);
    case Call::Kind::put: return fmt::format("put {} = '{}'", operation.key, call.value);
    case Call::Kind::put_if_absent:
      return fmt::format("put {} = '{}' if absent", operation.key, call.value);
    case Call::Kind::put_if_match:
      return fmt::format("put {} = '{}' if it is '{}'", operation.key, call.value, call.expected);
    case Call::Kind::remove: return fmt::format("delete {}", operation.key);
  }
  check_failed("known kind of call", __FILE__, __LINE__);
}

std::string describe_answer(const Operation& operation) {
  if (operation.outcome != Outcome::ok) return name_of(operation.outcome);
  if (!operation.answer.condition_held) return "refused";
  if (operation.call.kind != Call::Kind::get) return "done";
  return operation.answer.value ? fmt::format("'{}'", *operation.answer.value) : "absent";
}

std::string describe(const Operation& operation) {
  const bool returned =
      operation.outcome == Outcome::ok || operation.outcome == Outcome::fail;
  return fmt::format("c{} {} at {} ({} to {}) -> {}", operation.client, describe_call(operation),
                     operation.where, say(operation.called),
                     returned ? say(operation.returned) : "?", describe_answer(operation));
}

History::Id History::call(std::uint32_t client, std::string key, Call call, std::string where,
                          sim::TrueTime now) {
  const Id id = operations_.size();
  operations_.push_back({.client = client,
                         .key = std::move(key),
                         .call = std::move(call),
                         .answer = {},
                         .outcome = Outcome::pending,
                         .where = std::move(where),
                         .called = now,
                         .returned = {}});
  events_.push_back({id, false});
  return id;
}

void History::ok(Id id, Answer answer, sim::TrueTime now) {
  finish(id, Outcome::ok, now);
  operations_[id].answer = std::move(answer);
}

void History::fail(Id id, sim::TrueTime now) { finish(id, Outcome::fail, now); }

void History::unknown(Id id, sim::TrueTime now) { finish(id, Outcome::unknown, now); }

std::uint64_t History::count(Outcome outcome) const {
  return static_cast<std::uint64_t>(
      std::count_if(operations_.begin(), operations_.end(),
                    [&](const Operation& operation) { return operation.outcome == outcome; }));
}

void History::finish(Id id, Outcome outcome, sim::TrueTime now) {
  CHECK(id < operations_.size());
  Operation& operation = operations_[id];
  CHECK(operation.outcome == Outcome::pending);
  CHECK(now >= operation.called);
  operation.outcome = outcome;
  operation.returned = now;
  events_.push_back({id, true});
}

}  // namespace keelson::scenarios
