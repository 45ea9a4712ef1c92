// Tested by tests/scenarios/store_models_test.cc.
#include "scenarios/store_models.h"

#include <fmt/format.h>

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

checker::History history_of(const History& history) {
  checker::History checked;
  for (const Operation& operation : history.operations()) {
    checked.operations.push_back(operation_of(operation));
  }
  for (const History::Event& event : history.events()) {
    // What was given up on may still take effect afterwards.
    const bool is_unknown = checked.operations[event.op].outcome == checker::Outcome::unknown;
    if (!event.is_return || !is_unknown) checked.events.push_back({event.op, event.is_return});
  }
  return checked;
}

}  // namespace

HistoryVerdict check_objects(const History& history, std::uint64_t steps_limit_a_key) {
  const auto describe_operation = [&](std::size_t op) {
    return describe(history.operations()[op]);
  };
  checker::Budget budget;
  budget.steps = steps_limit_a_key;
  const checker::HistoryResult result = checker::check_history(
      history_of(history), checker::ModelKind::objects, budget, describe_operation);
  HistoryVerdict verdict;
  verdict.verdict = result.verdict;
  verdict.key = result.key;
  verdict.steps = result.steps;
  verdict.keys = result.objects;
  verdict.undecided_keys = result.undecided_objects;
  if (result.verdict == Verdict::not_linearizable) {
    verdict.message =
        fmt::format("object {} is not linearizable: {}", result.key, result.found.message);
  } else if (result.verdict == Verdict::undecided) {
    verdict.message =
        fmt::format("object {} was not decided: {}", result.key, result.found.message);
  }
  return verdict;
}

}  // namespace keelson::scenarios
