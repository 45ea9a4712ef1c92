#include "tests/scenarios/checker/naive_checker.h"

#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace keelson::checker {

namespace {

// What is there: at most one value in an object, any number in a queue.
using Contents = std::vector<std::string>;

// What is there afterwards, or nothing if the answer is wrong.
std::optional<Contents> after(Contents contents, const Operation& operation) {
  const bool is_known = operation.outcome == Outcome::ok;
  const std::optional<std::string> first =
      contents.empty() ? std::nullopt : std::optional(contents.front());
  if (operation.kind == Kind::enqueue) {
    contents.push_back(*operation.value);
    return contents;
  }
  if (operation.kind == Kind::read || operation.kind == Kind::dequeue) {
    if (is_known && operation.value != first) return std::nullopt;
    if (operation.kind == Kind::dequeue && first) contents.erase(contents.begin());
    return contents;
  }
  if (operation.is_conditional) {
    const bool holds = first == operation.expected;
    if (is_known && operation.applied != holds) return std::nullopt;
    if (!holds) return contents;
  }
  contents.clear();
  if (operation.kind == Kind::write) contents.push_back(*operation.value);
  return contents;
}

class EveryOrder {
 public:
  explicit EveryOrder(const History& history)
      : history_(history), called_(history.operations.size()),
        returned_(history.operations.size(), std::numeric_limits<std::size_t>::max()),
        done_(history.operations.size(), false) {
    for (std::size_t position = 0; position < history.events.size(); ++position) {
      const HistoryEvent& event = history.events[position];
      (event.is_return ? returned_ : called_)[event.op] = position;
    }
  }

  bool explains(const Contents& contents) {
    bool all_done = true;
    for (std::size_t op = 0; op < done_.size(); ++op) {
      const Operation& operation = history_.operations[op];
      if (operation.outcome == Outcome::ok && !done_[op]) all_done = false;
    }
    if (all_done) return true;
    for (std::size_t op = 0; op < done_.size(); ++op) {
      if (done_[op] || history_.operations[op].outcome == Outcome::fail || comes_later(op))
        continue;
      const auto next = after(contents, history_.operations[op]);
      if (!next) continue;
      done_[op] = true;
      if (explains(*next)) return true;
      done_[op] = false;
    }
    return false;
  }

 private:
  // Another one had returned before this was called, and has not taken effect yet.
  bool comes_later(std::size_t op) const {
    for (std::size_t other = 0; other < done_.size(); ++other) {
      const bool must_be_done = history_.operations[other].outcome == Outcome::ok;
      if (must_be_done && !done_[other] && returned_[other] < called_[op]) return true;
    }
    return false;
  }

  const History& history_;
  std::vector<std::size_t> called_, returned_;  // Positions of the events.
  std::vector<bool> done_;
};

}  // namespace

bool some_order_explains(const History& history, ModelKind) {
  return EveryOrder(history).explains({});
}

}  // namespace keelson::checker
