// Tested by tests/scenarios/checker/history_reader_test.cc.
#include "scenarios/checker/history.h"

#include <fmt/format.h>

#include "core/base/check.h"

namespace keelson::checker {

namespace {

std::string words_of(const Operation& operation) {
  const std::string value = operation.value.value_or("nothing");
  switch (operation.kind) {
    case Kind::read: return operation.outcome == Outcome::ok ? "read " + value : "read";
    case Kind::write: return "write " + value;
    case Kind::remove: return "delete";
    case Kind::enqueue: return "enqueue " + value;
    case Kind::dequeue: return operation.outcome == Outcome::ok ? "dequeue " + value : "dequeue";
  }
  check_failed("known kind of operation", __FILE__, __LINE__);
}

}  // namespace

std::string describe(const Operation& operation) {
  std::string text = fmt::format("process {} {}", operation.process, words_of(operation));
  if (operation.is_conditional) {
    text += operation.expected ? " if it is " + *operation.expected : " if there is nothing";
  }
  const std::string outcome = describe_outcome(operation);
  if (!outcome.empty()) text += ", " + outcome;
  if (operation.called_line == 0) return text;
  if (operation.returned_line == 0) return text + fmt::format(" (line {})", operation.called_line);
  return text + fmt::format(" (lines {} and {})", operation.called_line, operation.returned_line);
}

std::string describe_outcome(const Operation& operation) {
  switch (operation.outcome) {
    case Outcome::ok: return operation.is_conditional && !operation.applied ? "refused" : "";
    case Outcome::fail: return "failed";
    case Outcome::unknown: return "outcome unknown";
  }
  check_failed("known outcome", __FILE__, __LINE__);
}

}  // namespace keelson::checker
