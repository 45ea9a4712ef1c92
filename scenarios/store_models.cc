// Tested by tests/scenarios/store_models_test.cc.
#include "scenarios/store_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "scenarios/checker/check_history.h"
#include "core/base/check.h"

namespace keelson::scenarios {

namespace {

checker::Outcome outcome_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok: return checker::Outcome::ok;
    case Outcome::fail: return checker::Outcome::fail;
    case Outcome::unknown:
    case Outcome::pending: return checker::Outcome::unknown;
  }
  check_failed("known outcome", __FILE__, __LINE__);
}

std::string quoted(const Bytes& value) { return fmt::format("'{}'", value); }

checker::Operation operation_of(const Operation& operation) {
  checker::Operation checked;
  checked.key = operation.key;
  checked.outcome = outcome_of(operation.outcome);
  switch (operation.call.kind) {
    case Call::Kind::get:
      if (operation.answer.value) checked.value = quoted(*operation.answer.value);
      return checked;
    case Call::Kind::remove: checked.kind = checker::Kind::remove; return checked;
    case Call::Kind::put_if_match:
      checked.expected = quoted(operation.call.expected);
      [[fallthrough]];
    case Call::Kind::put_if_absent: checked.is_conditional = true; [[fallthrough]];
    case Call::Kind::put:
      checked.kind = checker::Kind::write;
      checked.value = quoted(operation.call.value);
      checked.applied = operation.answer.condition_held;
      return checked;
  }
  check_failed("known kind of call", __FILE__, __LINE__);
}

// What is about one object: its operations' positions in the whole history, and its events, which
// name operations by those.
struct ObjectPart {
  std::vector<History::Id> operations;
  std::vector<History::Event> events;
};

std::map<std::string_view, ObjectPart> cut_by_key(const History& history) {
  std::map<std::string_view, ObjectPart> parts;
  const auto part_of = [&](History::Id op) -> ObjectPart& {
    return parts[history.operations()[op].key];
  };
  for (History::Id op = 0; op < history.operations().size(); ++op) {
    part_of(op).operations.push_back(op);
  }
  for (const History::Event& event : history.events()) part_of(event.op).events.push_back(event);
  return parts;
}

checker::History history_of(const History& history, const ObjectPart& part) {
  checker::History checked;
  for (const History::Id op : part.operations) {
    checked.operations.push_back(operation_of(history.operations()[op]));
  }
  for (const History::Event& event : part.events) {
    const auto found = std::lower_bound(part.operations.begin(), part.operations.end(), event.op);
    const auto op = static_cast<std::size_t>(found - part.operations.begin());
    // What was given up on may still take effect afterwards.
    const bool is_unknown = checked.operations[op].outcome == checker::Outcome::unknown;
    if (!event.is_return || !is_unknown) checked.events.push_back({op, event.is_return});
  }
  return checked;
}

std::string message_of(std::string_view key, const checker::LinearizabilityResult& result) {
  return fmt::format("object {} {}: {}", key,
                     result.verdict == Verdict::undecided ? "was not decided"
                                                          : "is not linearizable",
                     result.message);
}

}  // namespace

// One object after the other, so that no more than one is there in the checker's words.
HistoryVerdict check_objects(const History& history, std::uint64_t steps_limit_a_key) {
  checker::Budget budget;
  budget.steps = steps_limit_a_key;
  HistoryVerdict verdict;
  for (const auto& object : cut_by_key(history)) {
    const ObjectPart& part = object.second;
    const auto describe_operation = [&](std::size_t op) {
      return describe(history.operations()[part.operations[op]]);
    };
    const checker::LinearizabilityResult result =
        checker::check_object(history_of(history, part), {}, budget, describe_operation);
    ++verdict.keys;
    verdict.steps += result.steps;
    if (result.verdict == Verdict::undecided) ++verdict.undecided_keys;
    if (result.verdict == Verdict::linearizable || result.verdict == verdict.verdict) continue;
    verdict.verdict = result.verdict;
    verdict.key = object.first;
    verdict.message = message_of(object.first, result);
    if (result.verdict == Verdict::not_linearizable) break;
  }
  return verdict;
}

}  // namespace keelson::scenarios
