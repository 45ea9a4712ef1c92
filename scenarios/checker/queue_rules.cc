// Tested by tests/scenarios/checker/queue_rules_test.cc.
#include "scenarios/checker/queue_rules.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace keelson::checker {

namespace {

using Position = std::size_t;  // Among the events of the history.

constexpr Position kNever = std::numeric_limits<Position>::max();
constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

class Rules {
 public:
  Rules(const History& history, const Describe& describe)
      : history_(history), describe_(describe), called_(history.operations.size(), kNever),
        returned_(history.operations.size(), kNever) {
    for (Position position = 0; position < history.events.size(); ++position) {
      const HistoryEvent& event = history.events[position];
      (event.is_return ? returned_ : called_)[event.op] = position;
    }
    gather();
  }

  std::optional<LinearizabilityResult> refute() {
    for (const auto& [name, value] : by_value_) {
      if (const auto refuted = check_source(name, value)) return refuted;
    }
    if (const auto refuted = check_order()) return refuted;
    return check_empty();
  }

 private:
  struct Value {
    std::vector<std::size_t> enqueues, dequeues;  // The latter as far as they are known.
  };
  // A value that was enqueued once, and is known to have left at most once.
  struct Passage {
    Position enqueue_called = 0;
    Position enqueue_returned = kNever;
    Position dequeue_called = kNever;
    Position dequeue_returned = kNever;
    std::size_t enqueue = kNone;
    std::size_t dequeue = kNone;  // None if it is not known to have left.
  };

  void gather() {
    for (std::size_t op = 0; op < history_.operations.size(); ++op) {
      const Operation& operation = history_.operations[op];
      if (operation.outcome == Outcome::fail || called_[op] == kNever) continue;
      const bool is_known = operation.outcome == Outcome::ok;
      if (operation.kind == Kind::enqueue) {
        by_value_[*operation.value].enqueues.push_back(op);
      } else if (!is_known) {
        unknown_dequeues_.push_back(called_[op]);
      } else if (operation.value) {
        by_value_[*operation.value].dequeues.push_back(op);
      } else {
        empty_dequeues_.push_back(op);
      }
    }
    std::sort(unknown_dequeues_.begin(), unknown_dequeues_.end());
    for (const auto& [name, value] : by_value_) {
      if (value.enqueues.size() != 1 || value.dequeues.size() > 1) continue;
      Passage passage;
      passage.enqueue = value.enqueues.front();
      passage.enqueue_called = called_[passage.enqueue];
      passage.enqueue_returned = returned_[passage.enqueue];
      if (!value.dequeues.empty()) {
        passage.dequeue = value.dequeues.front();
        passage.dequeue_called = called_[passage.dequeue];
        passage.dequeue_returned = returned_[passage.dequeue];
      }
      passages_.push_back(passage);
    }
  }

  // As many enqueues must have been called when each dequeue returns.
  std::optional<LinearizabilityResult> check_source(const std::string& name,
                                                    const Value& value) const {
    std::vector<Position> calls;
    for (const std::size_t op : value.enqueues) calls.push_back(called_[op]);
    std::sort(calls.begin(), calls.end());
    std::vector<std::pair<Position, std::size_t>> returns;
    for (const std::size_t op : value.dequeues) returns.emplace_back(returned_[op], op);
    std::sort(returns.begin(), returns.end());
    for (std::size_t i = 0; i < returns.size(); ++i) {
      const auto [returned, op] = returns[i];
      if (i < calls.size() && calls[i] < returned) continue;
      return refuted(op, name + (value.enqueues.empty() ? " was never enqueued"
                                                        : " had not been enqueued so often"));
    }
    return std::nullopt;
  }

  // From the earliest call of an enqueue to the latest: of all that had come before, who is taken
  // last, and how many are not known to have been taken?
  std::optional<LinearizabilityResult> check_order() const {
    std::vector<const Passage*> by_coming, by_call;
    for (const Passage& passage : passages_) {
      if (passage.enqueue_returned != kNever) by_coming.push_back(&passage);
      if (passage.dequeue != kNone) by_call.push_back(&passage);
    }
    std::sort(by_coming.begin(), by_coming.end(), [](const Passage* a, const Passage* b) {
      return a->enqueue_returned < b->enqueue_returned;
    });
    std::sort(by_call.begin(), by_call.end(), [](const Passage* a, const Passage* b) {
      return a->enqueue_called < b->enqueue_called;
    });
    const Passage* last_taken = nullptr;
    const Passage* stays = nullptr;
    std::size_t staying = 0;
    auto came = by_coming.begin();
    for (const Passage* const passage : by_call) {
      for (; came != by_coming.end() && (*came)->enqueue_returned < passage->enqueue_called;
           ++came) {
        if ((*came)->dequeue == kNone) {
          stays = *came;
          ++staying;
        } else if (last_taken == nullptr || last_taken->dequeue_called < (*came)->dequeue_called) {
          last_taken = *came;
        }
      }
      if (last_taken != nullptr && passage->dequeue_returned < last_taken->dequeue_called) {
        return refuted(last_taken->dequeue,
                       describe_(passage->dequeue) + " had taken what came later");
      }
      if (staying > unknown_dequeues_before(passage->dequeue_returned)) {
        return refuted(passage->dequeue, "what came by " + describe_(stays->enqueue) +
                                             " was there before, and nobody took it");
      }
    }
    return std::nullopt;
  }

  // The moments lie between events: moment i is just after event i.
  std::optional<LinearizabilityResult> check_empty() const {
    if (empty_dequeues_.empty()) return std::nullopt;
    const std::size_t moments = history_.events.size();
    std::vector<std::int64_t> changes(moments + 1), staying_changes(moments + 1);
    for (const Passage& passage : passages_) {
      const Position from = passage.enqueue_returned;
      if (from == kNever) continue;
      if (passage.dequeue == kNone) {
        ++staying_changes[from];
      } else if (from < passage.dequeue_called) {
        ++changes[from];
        --changes[passage.dequeue_called];
      }
    }
    // Each of these may have taken one of those that seem to stay.
    for (const Position called : unknown_dequeues_) --staying_changes[called];
    // How many moments there were until then at which nothing need have been there.
    std::vector<std::size_t> free_before(moments + 1, 0);
    std::int64_t present = 0;
    std::int64_t staying = 0;
    for (std::size_t moment = 0; moment < moments; ++moment) {
      present += changes[moment];
      staying += staying_changes[moment];
      free_before[moment + 1] = free_before[moment] + (present > 0 || staying > 0 ? 0 : 1);
    }
    for (const std::size_t op : empty_dequeues_) {
      if (free_before[returned_[op]] > free_before[called_[op]]) continue;
      return refuted(op, "something was there all the time");
    }
    return std::nullopt;
  }

  std::size_t unknown_dequeues_before(Position position) const {
    return static_cast<std::size_t>(
        std::lower_bound(unknown_dequeues_.begin(), unknown_dequeues_.end(), position) -
        unknown_dequeues_.begin());
  }

  LinearizabilityResult refuted(std::size_t op, const std::string& why) const {
    LinearizabilityResult result;
    result.verdict = Verdict::not_linearizable;
    result.op = op;
    result.message = describe_(op) + " cannot be: " + why;
    for (std::size_t other = 0; other < called_.size(); ++other) {
      if (other == op || history_.operations[other].outcome == Outcome::fail) continue;
      if (called_[other] < returned_[op] && returned_[other] > returned_[op]) {
        result.pending.push_back(other);
      }
    }
    return result;
  }

  const History& history_;
  const Describe& describe_;
  std::vector<Position> called_, returned_;  // By operation.
  std::map<std::string, Value> by_value_;
  std::vector<Passage> passages_;
  std::vector<Position> unknown_dequeues_;  // Their calls, ascending.
  std::vector<std::size_t> empty_dequeues_;
};

}  // namespace

std::optional<LinearizabilityResult> refute_queue(const History& history,
                                                  const Describe& describe) {
  return Rules(history, describe).refute();
}

}  // namespace keelson::checker
