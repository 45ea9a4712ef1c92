// Tested by tests/scenarios/store_models_test.cc and linearizability_test.cc.
#include "scenarios/store_models.h"

#include <fmt/format.h>

#include <set>

#include "core/base/check.h"

namespace keelson::scenarios {

ObjectModel::ObjectModel(std::vector<const Operation*> operations)
    : operations_(std::move(operations)) {
  numbered_.reserve(operations_.size());
  for (const Operation* operation : operations_) {
    const Call& call = operation->call;
    Numbered numbered;
    numbered.kind = call.kind;
    numbered.is_known = operation->outcome == Outcome::ok;
    numbered.condition_held = operation->answer.condition_held;
    if (call.kind == Call::Kind::get) {
      if (operation->answer.value) numbered.value = number_of(*operation->answer.value);
    } else if (call.kind != Call::Kind::remove) {
      numbered.value = number_of(call.value);
    }
    if (call.kind == Call::Kind::put_if_match) numbered.expected = number_of(call.expected);
    numbered_.push_back(numbered);
  }
}

Model::State ObjectModel::number_of(const Bytes& value) {
  const auto [at, is_new] = numbers_.try_emplace(value, values_.size() + 1);
  if (is_new) values_.push_back(value);
  return at->second;
}

std::optional<Model::State> ObjectModel::step(State state, std::size_t op) {
  const Numbered& operation = numbered_[op];
  switch (operation.kind) {
    case Call::Kind::get:
      if (operation.is_known && operation.value != state) return std::nullopt;
      return state;
    case Call::Kind::put: return operation.value;
    case Call::Kind::remove: return kAbsent;
    case Call::Kind::put_if_absent:
    case Call::Kind::put_if_match: {
      const bool holds = operation.kind == Call::Kind::put_if_absent
                             ? state == kAbsent
                             : state == operation.expected;
      if (operation.is_known && operation.condition_held != holds) return std::nullopt;
      return holds ? operation.value : state;
    }
  }
  check_failed("known kind of call", __FILE__, __LINE__);
}

bool ObjectModel::never_changes(std::size_t op) const {
  const Numbered& operation = numbered_[op];
  if (operation.kind == Call::Kind::get) return true;
  const bool is_conditional = operation.kind == Call::Kind::put_if_absent ||
                              operation.kind == Call::Kind::put_if_match;
  return is_conditional && operation.is_known && !operation.condition_held;
}

std::string ObjectModel::describe_operation(std::size_t op) const {
  return describe(*operations_[op]);
}

std::string ObjectModel::describe_state(State state) const {
  return state == kAbsent ? "absent" : fmt::format("'{}'", values_[state - 1]);
}

namespace {

bool is_conditional(const Call& call) {
  return call.kind == Call::Kind::put_if_absent || call.kind == Call::Kind::put_if_match;
}

// The part of a history that is about one key, as evidence.
struct Partition {
  std::vector<const Operation*> operations;
  std::vector<HistoryEvent> events;
  bool has_conditions = false;
  std::set<Bytes> seen;  // Values that some answer, or some condition that held, shows.
};

// True for what the search need not look at: what surely did not happen, reads that tell nothing,
// and puts of unknown outcome whose value nothing ever showed: an order with such a put explains
// the same answers without it (unless a condition could have noticed that the key was there).
bool is_no_evidence(const Operation& operation, const Partition& partition) {
  if (operation.outcome == Outcome::fail) return true;
  if (operation.outcome == Outcome::ok) return false;
  if (operation.call.kind == Call::Kind::get) return true;
  if (operation.call.kind == Call::Kind::remove || partition.has_conditions) return false;
  return !partition.seen.contains(operation.call.value);
}

std::map<std::string, Partition> cut_by_key(const History& history) {
  std::map<std::string, Partition> partitions;
  for (const Operation& operation : history.operations()) {
    Partition& partition = partitions[operation.key];
    if (is_conditional(operation.call)) partition.has_conditions = true;
    if (operation.outcome == Outcome::ok && operation.answer.value) {
      partition.seen.insert(*operation.answer.value);
    }
  }
  constexpr std::size_t kLeftOut = SIZE_MAX;
  std::vector<std::size_t> position(history.operations().size(), kLeftOut);
  for (const History::Event& event : history.events()) {
    const Operation& operation = history.operations()[event.op];
    Partition& partition = partitions.at(operation.key);
    if (is_no_evidence(operation, partition)) continue;
    if (!event.is_return) {
      position[event.op] = partition.operations.size();
      partition.operations.push_back(&operation);
    } else if (operation.outcome == Outcome::unknown) {
      continue;  // It may still take effect after the client gave up.
    }
    CHECK(position[event.op] != kLeftOut);
    partition.events.push_back({position[event.op], event.is_return});
  }
  return partitions;
}

}  // namespace

HistoryVerdict check_objects(const History& history, std::uint64_t steps_limit_a_key) {
  HistoryVerdict verdict;
  for (auto& [key, partition] : cut_by_key(history)) {
    ObjectModel model(partition.operations);
    const LinearizabilityResult result =
        check_linearizability(model, partition.events, steps_limit_a_key);
    ++verdict.keys;
    verdict.steps += result.steps;
    if (result.verdict == Verdict::linearizable) continue;
    if (result.verdict == Verdict::undecided) ++verdict.undecided_keys;
    if (result.verdict == Verdict::undecided && verdict.verdict == Verdict::undecided) continue;
    verdict.verdict = result.verdict;
    verdict.key = key;
    verdict.message = fmt::format("object {} is not linearizable: {}", key, result.message);
    if (result.verdict == Verdict::not_linearizable) return verdict;
    verdict.message = fmt::format("object {} was not decided: {}", key, result.message);
  }
  return verdict;
}

}  // namespace keelson::scenarios
