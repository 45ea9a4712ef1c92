// Tested by tests/scenarios/checker/linearizability_test.cc.
#include "scenarios/checker/check_history.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "scenarios/checker/object_model.h"
#include "scenarios/checker/queue_model.h"
#include "scenarios/checker/queue_rules.h"
#include "core/base/check.h"

namespace keelson::checker {

namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

bool brings(const Operation& operation) {
  return operation.kind == Kind::write || operation.kind == Kind::enqueue;
}

// What the search need look at: without what surely did not happen and what tells nothing; and with
// the outcome of those that must have happened, because somebody saw what only they can have done.
class Evidence {
 public:
  // With `starts_anywhere` a value that is seen may have been there from the beginning.
  Evidence(const History& history, bool starts_anywhere)
      : history_(history), operations_(history.operations),
        called_at_(history.operations.size(), kNone),
        settled_at_(history.operations.size(), kNone) {
    for (std::size_t position = 0; position < history_.events.size(); ++position) {
      const HistoryEvent& event = history_.events[position];
      if (!event.is_return) called_at_[event.op] = position;
      else if (operations_[event.op].outcome == Outcome::ok) note_answer(event.op, position);
    }
    for (std::size_t op = 0; op < operations_.size(); ++op) note_effect(op);
    bool may_settle = !starts_anywhere;
    while (may_settle) may_settle = settle_some();
  }

  ObjectHistory gather() const {
    ObjectHistory kept;
    std::vector<std::size_t> place(operations_.size(), kNone);
    for (std::size_t op = 0; op < operations_.size(); ++op) {
      if (is_no_evidence(op)) continue;
      place[op] = kept.source.size();
      kept.source.push_back(op);
      kept.history.operations.push_back(operations_[op]);
    }
    std::multimap<std::size_t, std::size_t> settled;
    for (std::size_t op = 0; op < operations_.size(); ++op) {
      if (settled_at_[op] != kNone) settled.emplace(settled_at_[op], op);
    }
    for (std::size_t position = 0; position < history_.events.size(); ++position) {
      const auto [begin, end] = settled.equal_range(position);
      for (auto at = begin; at != end; ++at) {
        kept.history.events.push_back({place[at->second], true});
      }
      const HistoryEvent& event = history_.events[position];
      if (place[event.op] != kNone) {
        kept.history.events.push_back({place[event.op], event.is_return});
      }
    }
    return kept;
  }

 private:
  struct Value {
    std::size_t writers = 0;
    std::size_t writer = kNone;   // The last of them.
    std::size_t seen_at = kNone;  // Position of the first answer that shows it.
    bool is_expected = false;     // By a condition that may have held.
  };

  void note_answer(std::size_t op, std::size_t position) {
    const Operation& operation = operations_[op];
    const bool shows = operation.kind == Kind::read || operation.kind == Kind::dequeue;
    if (shows && operation.value) see(*operation.value, position);
    if (operation.is_conditional && !operation.applied) has_refusals_ = true;
    if (operation.is_conditional && operation.applied && operation.expected) {
      see(*operation.expected, position);
    }
  }

  void note_effect(std::size_t op) {
    const Operation& operation = operations_[op];
    if (operation.outcome == Outcome::fail) return;
    const bool is_refused = operation.outcome == Outcome::ok && !operation.applied;
    if (operation.is_conditional && operation.expected && !is_refused) {
      values_[*operation.expected].is_expected = true;
    }
    if (!brings(operation) || is_refused) return;
    Value& value = values_[*operation.value];
    ++value.writers;
    value.writer = op;
  }

  void see(const std::string& value, std::size_t position) {
    std::size_t& seen_at = values_[value].seen_at;
    seen_at = std::min(seen_at, position);
  }

  // A value that one operation alone can have brought about, and that somebody saw: then it took
  // effect before that answer. An operation on a condition saw what it expected.
  bool settle_some() {
    bool settled = false;
    for (const auto& [name, value] : values_) {
      if (value.writers != 1 || value.seen_at == kNone) continue;
      Operation& writer = operations_[value.writer];
      if (writer.outcome != Outcome::unknown || called_at_[value.writer] > value.seen_at) continue;
      writer.outcome = Outcome::ok;
      writer.applied = true;
      settled_at_[value.writer] = value.seen_at;
      settled = true;
      if (writer.is_conditional && writer.expected) see(*writer.expected, value.seen_at);
    }
    return settled;
  }

  // An order with a write of unknown outcome whose value nothing shows explains the same answers
  // without it, unless a condition could have been refused because the value was there.
  bool is_no_evidence(std::size_t op) const {
    const Operation& operation = operations_[op];
    if (operation.outcome == Outcome::fail) return true;
    if (operation.outcome == Outcome::ok) return false;
    if (operation.kind == Kind::read) return true;
    if (!brings(operation) || has_refusals_) return false;
    const Value& value = values_.at(*operation.value);
    return value.seen_at == kNone && !value.is_expected;
  }

  const History& history_;
  std::vector<Operation> operations_;
  std::vector<std::size_t> called_at_;   // Positions of their calls.
  std::vector<std::size_t> settled_at_;  // The event before which one of unknown outcome happened.
  std::map<std::string, Value> values_;
  bool has_refusals_ = false;
};

void rename(std::vector<std::size_t>& operations, const std::vector<std::size_t>& source) {
  for (std::size_t& op : operations) op = source[op];
}

void rename(LinearizabilityResult& result, const std::vector<std::size_t>& source) {
  rename(result.order, source);
  rename(result.pending, source);
  if (result.verdict == Verdict::not_linearizable) result.op = source[result.op];
}

std::unique_ptr<Model> model_of(const History& history, const ObjectOptions& options,
                                bool looks_ahead, const Describe& describe) {
  if (options.model == ModelKind::queues) {
    return std::make_unique<QueueModel>(history, looks_ahead, describe);
  }
  const ObjectModel::Options object_options{.starts_anywhere = options.starts_anywhere,
                                            .looks_ahead = looks_ahead};
  return std::make_unique<ObjectModel>(history, object_options, describe);
}

}  // namespace

std::vector<ObjectHistory> cut_by_key(const History& history) {
  std::map<std::string, std::size_t> numbers;
  for (const Operation& operation : history.operations) numbers.try_emplace(operation.key, 0);
  std::vector<ObjectHistory> objects;
  for (auto& [key, number] : numbers) {
    number = objects.size();
    objects.push_back({.key = key, .history = {}, .source = {}});
  }
  std::vector<std::pair<std::size_t, std::size_t>> place;  // Object, and position in it.
  for (std::size_t op = 0; op < history.operations.size(); ++op) {
    const std::size_t number = numbers.at(history.operations[op].key);
    ObjectHistory& object = objects[number];
    place.emplace_back(number, object.source.size());
    object.source.push_back(op);
    object.history.operations.push_back(history.operations[op]);
  }
  for (const HistoryEvent& event : history.events) {
    objects[place[event.op].first].history.events.push_back(
        {place[event.op].second, event.is_return});
  }
  return objects;
}

LinearizabilityResult check_object(const History& history, const ObjectOptions& options,
                                   const Budget& budget, const Describe& describe) {
  CHECK(options.model == ModelKind::objects || !options.starts_anywhere);
  const ObjectHistory evidence = Evidence(history, options.starts_anywhere).gather();
  const Describe describe_source = [&](std::size_t op) { return describe(evidence.source[op]); };
  const auto search = [&](bool looks_ahead, const Budget& its_budget) {
    const std::unique_ptr<Model> model =
        model_of(evidence.history, options, looks_ahead, describe_source);
    return check_linearizability(*model, evidence.history.events, its_budget);
  };
  // What breaks a rule of queues is refuted however large the search would be.
  std::optional<LinearizabilityResult> by_rule;
  if (options.model == ModelKind::queues) {
    by_rule = refute_queue(evidence.history, describe_source);
  }
  LinearizabilityResult result = by_rule ? *std::move(by_rule) : search(true, budget);
  if (result.verdict == Verdict::not_linearizable && !by_rule) {
    // Once more for the sake of the sentence about it, if that does not take much longer.
    Budget more = budget;
    more.steps = 2 * result.steps + 10'000;
    LinearizabilityResult plainer = search(false, more);
    if (plainer.verdict == Verdict::not_linearizable) {
      plainer.steps += result.steps;
      result = std::move(plainer);
    }
  }
  rename(result, evidence.source);
  return result;
}

HistoryResult check_history(const History& history, ModelKind model, const Budget& budget,
                            const Describe& describe) {
  HistoryResult all;
  for (const ObjectHistory& object : cut_by_key(history)) {
    const Describe describe_source = [&](std::size_t op) { return describe(object.source[op]); };
    LinearizabilityResult result =
        check_object(object.history, {.model = model}, budget, describe_source);
    ++all.objects;
    all.steps += result.steps;
    if (result.verdict == Verdict::linearizable) {
      rename(result.order, object.source);
      all.orders.push_back(std::move(result.order));
      continue;
    }
    if (result.verdict == Verdict::undecided) ++all.undecided_objects;
    if (result.verdict == Verdict::undecided && all.verdict == Verdict::undecided) continue;
    all.verdict = result.verdict;
    all.key = object.key;
    all.found = std::move(result);
    if (all.verdict == Verdict::not_linearizable) break;
  }
  if (all.verdict != Verdict::linearizable) all.orders.clear();
  return all;
}

}  // namespace keelson::checker
