// Tested by tests/scenarios/checker/smallest_test.cc.
#include "scenarios/checker/smallest.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace keelson::checker {

namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
// A history of no more operations can be looked at from its beginning.
constexpr std::size_t kReadable = 16;

bool is_refusal(const Operation& operation) {
  return operation.outcome == Outcome::ok && operation.is_conditional && !operation.applied;
}

// Sets of values that conditions tie together: to leave out a write on the condition that `a` is
// there is to leave out all that speaks of `a`, too. Union-find; nothing (absent) is a value here.
class Values {
 public:
  std::size_t find(const std::optional<std::string>& value) {
    const auto [at, is_new] = numbers_.try_emplace(value, parent_.size());
    if (is_new) parent_.push_back(at->second);
    return root(at->second);
  }

  void unite(std::size_t left, std::size_t right) { parent_[root(left)] = root(right); }

  std::size_t root(std::size_t value) {
    while (parent_[value] != value) value = parent_[value] = parent_[parent_[value]];
    return value;
  }

 private:
  std::map<std::optional<std::string>, std::size_t> numbers_;
  std::vector<std::size_t> parent_;
};

std::vector<std::vector<std::size_t>> sets_of_objects(const History& history) {
  std::vector<std::vector<std::size_t>> sets;
  bool has_refusals = false;
  for (std::size_t op = 0; op < history.operations.size(); ++op) {
    const Operation& operation = history.operations[op];
    has_refusals = has_refusals || is_refusal(operation);
    if (operation.kind == Kind::read || is_refusal(operation)) sets.push_back({op});
  }
  // A refusal may be owed to any value, so that none may go before the refusals are gone.
  if (has_refusals) return sets;
  Values values;
  for (const Operation& operation : history.operations) {
    if (!operation.is_conditional || operation.outcome == Outcome::fail) continue;
    values.unite(values.find(operation.expected), values.find(operation.value));
  }
  std::map<std::size_t, std::vector<std::size_t>> by_value;
  for (std::size_t op = 0; op < history.operations.size(); ++op) {
    const Operation& operation = history.operations[op];
    if (operation.kind == Kind::read && operation.outcome != Outcome::ok) continue;
    by_value[values.find(operation.value)].push_back(op);
  }
  for (auto& [value, operations] : by_value) sets.push_back(std::move(operations));
  return sets;
}

std::vector<std::vector<std::size_t>> sets_of_queues(const History& history) {
  std::vector<std::vector<std::size_t>> sets;
  std::map<std::string, std::vector<std::size_t>> by_value;
  for (std::size_t op = 0; op < history.operations.size(); ++op) {
    const Operation& operation = history.operations[op];
    if (operation.value) by_value[*operation.value].push_back(op);
    else if (operation.outcome != Outcome::unknown) sets.push_back({op});
  }
  for (auto& [value, operations] : by_value) sets.push_back(std::move(operations));
  return sets;
}

// The history up to the event at `position`: what had not returned by then may or may not have
// happened. Linearizability is prefix-closed: if this is refuted, so is the whole.
History prefix(const History& history, std::size_t position) {
  History cut = history;
  cut.events.resize(position + 1);
  std::vector<bool> has_returned(history.operations.size(), false);
  for (const HistoryEvent& event : cut.events) {
    if (event.is_return) has_returned[event.op] = true;
  }
  for (std::size_t op = 0; op < cut.operations.size(); ++op) {
    Operation& operation = cut.operations[op];
    if (has_returned[op]) continue;
    operation.outcome = Outcome::unknown;
    if (operation.kind == Kind::read || operation.kind == Kind::dequeue) operation.value.reset();
  }
  return cut;
}

class Shrinking {
 public:
  Shrinking(const History& history, ModelKind model, const LinearizabilityResult& refuted,
            const Describe& describe, const std::function<bool()>& is_spent)
      : history_(history), model_(model), describe_(describe), is_spent_(is_spent),
        // Parts are searched as thoroughly as the whole was; more would only make it slow.
        steps_limit_(2 * refuted.steps + 10'000),
        part_{std::vector<std::size_t>(history.operations.size()), false, refuted, {}} {
    std::iota(part_.operations.begin(), part_.operations.end(), std::size_t{0});
  }

  SmallestPart run() {
    end_early();
    if (model_ == ModelKind::objects && part_.operations.size() > kReadable) begin_late();
    // Once refusals are gone, values may go.
    std::size_t before = kNone;
    while (part_.operations.size() < before) {
      before = part_.operations.size();
      leave_out_sets();
    }
    part_.history = restrict(history_, part_.operations);
    return part_;
  }

 private:
  // Makes `operations` the part if it is refuted.
  bool try_part(const std::vector<std::size_t>& operations) {
    if (is_spent_ && is_spent_()) return false;
    const Describe describe_source = [&](std::size_t op) { return describe_(operations[op]); };
    Budget budget;
    budget.steps = steps_limit_;
    budget.is_spent = is_spent_;
    LinearizabilityResult result =
        check_object(restrict(history_, operations),
                     {.model = model_, .starts_anywhere = starts_anywhere_}, budget,
                     describe_source);
    if (result.verdict != Verdict::not_linearizable) return false;
    result.op = operations[result.op];
    for (std::size_t& op : result.pending) op = operations[op];
    part_ = {operations, starts_anywhere_, std::move(result), {}};
    return true;
  }

  // Finds the shortest beginning of the history that is refuted.
  void end_early() {
    std::vector<std::size_t> returns;  // Positions.
    for (std::size_t position = 0; position < history_.events.size(); ++position) {
      if (history_.events[position].is_return) returns.push_back(position);
    }
    const History whole = std::exchange(history_, {});
    std::size_t begin = 0;
    std::size_t refuted = returns.size();  // The beginning that ends there, or before.
    while (begin < refuted) {
      const std::size_t middle = begin + (refuted - begin) / 2;
      history_ = prefix(whole, returns[middle]);
      if (try_part(called_in(history_))) refuted = middle;
      else begin = middle + 1;
    }
    history_ = refuted < returns.size() ? prefix(whole, returns[refuted]) : whole;
  }

  static std::vector<std::size_t> called_in(const History& history) {
    std::set<std::size_t> called;
    for (const HistoryEvent& event : history.events) called.insert(event.op);
    return {called.begin(), called.end()};
  }

  // Leaves out all that had returned before some moment at which nothing was under way: the later
  // that moment, the smaller what is left, until it is not refuted any more.
  void begin_late() {
    const std::vector<std::size_t> calls = calls_of_part();
    const std::vector<std::size_t> quiet = quiet_moments();
    starts_anywhere_ = true;
    std::size_t refuted = 0;  // Quiet moments up to here leave a part that is refuted.
    std::size_t end = quiet.size();
    while (refuted < end) {
      const std::size_t middle = refuted + (end - refuted) / 2;
      if (try_part(part_since(calls, quiet[middle]))) refuted = middle + 1;
      else end = middle;
    }
    starts_anywhere_ = part_.starts_anywhere;
  }

  bool is_known(std::size_t op) const {
    return history_.operations[op].outcome != Outcome::unknown;
  }

  std::vector<std::size_t> calls_of_part() const {
    std::vector<std::size_t> calls;
    for (const HistoryEvent& event : restrict(history_, part_.operations).events) {
      if (!event.is_return) calls.push_back(part_.operations[event.op]);
    }
    return calls;
  }

  // How many operations had been called at each moment when no answer was outstanding.
  std::vector<std::size_t> quiet_moments() const {
    std::vector<std::size_t> quiet;
    std::size_t called = 0;
    std::size_t under_way = 0;
    for (const HistoryEvent& event : restrict(history_, part_.operations).events) {
      if (event.is_return) {
        if (--under_way == 0) quiet.push_back(called);
      } else {
        ++called;
        if (is_known(part_.operations[event.op])) ++under_way;
      }
    }
    return quiet;
  }

  // The later calls, and earlier ones that may still take effect.
  std::vector<std::size_t> part_since(const std::vector<std::size_t>& calls,
                                      std::size_t called) const {
    std::vector<std::size_t> part;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      if (i >= called || !is_known(calls[i])) part.push_back(calls[i]);
    }
    std::sort(part.begin(), part.end());
    return part;
  }

  // Halves, quarters, ... and at last single sets, as long as what is left is refuted (Zeller's
  // delta debugging).
  void leave_out_sets() {
    auto sets = named_as_given(removable_sets(restrict(history_, part_.operations), model_));
    for (std::size_t size = std::max<std::size_t>(1, sets.size() / 2); size > 0; size /= 2) {
      for (std::size_t begin = 0; begin < sets.size();) {
        const auto first = sets.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto last = sets.begin() +
                          static_cast<std::ptrdiff_t>(std::min(begin + size, sets.size()));
        std::set<std::size_t> left_out;
        for (auto set = first; set != last; ++set) left_out.insert(set->begin(), set->end());
        std::vector<std::size_t> rest;
        std::set_difference(part_.operations.begin(), part_.operations.end(), left_out.begin(),
                            left_out.end(), std::back_inserter(rest));
        if (try_part(rest)) sets.erase(first, last);
        else begin += size;
      }
    }
  }

  std::vector<std::vector<std::size_t>> named_as_given(
      std::vector<std::vector<std::size_t>> sets) const {
    for (auto& set : sets) {
      for (std::size_t& op : set) op = part_.operations[op];
    }
    return sets;
  }

  History history_;  // Of which the part is one; it was cut short.
  const ModelKind model_;
  const Describe& describe_;
  const std::function<bool()>& is_spent_;
  const std::uint64_t steps_limit_;
  bool starts_anywhere_ = false;
  SmallestPart part_;
};

}  // namespace

std::vector<std::vector<std::size_t>> removable_sets(const History& history, ModelKind model) {
  return model == ModelKind::objects ? sets_of_objects(history) : sets_of_queues(history);
}

History restrict(const History& history, const std::vector<std::size_t>& kept) {
  History part;
  std::vector<std::size_t> place(history.operations.size(), kNone);
  for (const std::size_t op : kept) {
    place[op] = part.operations.size();
    part.operations.push_back(history.operations[op]);
  }
  for (const HistoryEvent& event : history.events) {
    if (place[event.op] != kNone) part.events.push_back({place[event.op], event.is_return});
  }
  return part;
}

SmallestPart smallest_part(const History& history, ModelKind model,
                           const LinearizabilityResult& refuted, const Describe& describe,
                           const std::function<bool()>& is_spent) {
  return Shrinking(history, model, refuted, describe, is_spent).run();
}

}  // namespace keelson::checker
