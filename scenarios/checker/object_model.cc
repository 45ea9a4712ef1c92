// Tested by tests/scenarios/checker/linearizability_test.cc.
#include "scenarios/checker/object_model.h"

#include <algorithm>

#include "core/base/check.h"

namespace keelson::checker {

ObjectModel::ObjectModel(const History& history, const Options& options, Describe describe)
    : options_(options), describe_(std::move(describe)), names_{"absent"}, values_(1) {
  values_[kAbsent].writers = 1;  // The beginning.
  for (const Operation& operation : history.operations) note(operation);
  find_twins();
  note_reads(history.events);
}

void ObjectModel::note(const Operation& operation) {
  Numbered numbered;
  numbered.kind = operation.kind;
  numbered.is_known = operation.outcome == Outcome::ok;
  numbered.is_conditional = operation.is_conditional;
  numbered.applied = !operation.is_conditional || operation.applied;
  if (operation.kind == Kind::write || (operation.kind == Kind::read && numbered.is_known)) {
    numbered.value = number_of(operation.value);
  }
  if (operation.is_conditional) {
    numbered.expected = number_of(operation.expected);
    values_[numbered.expected].shows = true;
  }
  if (operation.kind == Kind::read) {
    if (numbered.is_known) values_[numbered.value].shows = true;
  } else {
    ++values_[numbered.value].writers;
  }
  if (numbered.is_known && !numbered.applied) has_refusals_ = true;
  operations_.push_back(numbered);
}

// Of all values that may have been written and that nothing shows, one is as good as another.
void ObjectModel::find_twins() {
  std::optional<State> unseen;
  std::map<Numbered, std::size_t> twins;
  for (Numbered& operation : operations_) {
    if (operation.is_known) continue;
    if (operation.kind == Kind::write && !values_[operation.value].shows) {
      if (!unseen) unseen = operation.value;
      operation.value = *unseen;
    }
    operation.twins = twins.try_emplace(operation, twins.size()).first->second;
  }
}

void ObjectModel::note_reads(const std::vector<HistoryEvent>& events) {
  for (std::size_t position = 0; position < events.size(); ++position) {
    const Numbered& operation = operations_[events[position].op];
    if (events[position].is_return || operation.kind != Kind::read || !operation.is_known) continue;
    values_[operation.value].last_read_call = position;
  }
}

Model::State ObjectModel::number_of(const std::optional<std::string>& value) {
  if (!value) return kAbsent;
  const auto [at, is_new] = numbers_.try_emplace(*value, names_.size());
  if (is_new) {
    names_.push_back(*value);
    values_.emplace_back();
  }
  return at->second;
}

std::optional<Model::State> ObjectModel::step(State state, std::size_t op) {
  const Numbered& operation = operations_[op];
  if (operation.kind == Kind::read) {
    const bool explained = operation.is_known && (state == kAnything || operation.value == state);
    return explained ? std::optional(state) : std::nullopt;
  }
  if (!operation.is_known) {
    // One that would change nothing need not have happened.
    const bool may_hold = !operation.is_conditional || state == kAnything ||
                          state == operation.expected;
    return may_hold && operation.value != state ? std::optional(operation.value) : std::nullopt;
  }
  if (!operation.is_conditional) return operation.value;
  if (state == kAnything) return operation.applied ? operation.value : state;
  const bool holds = state == operation.expected;
  if (operation.applied != holds) return std::nullopt;
  return holds ? operation.value : state;
}

Model::Traits ObjectModel::traits(std::size_t op) const {
  const Numbered& operation = operations_[op];
  const bool is_write = operation.kind == Kind::write && !operation.is_conditional;
  Traits traits;
  traits.is_eager = operation.kind == Kind::read || !operation.applied;
  traits.overwrites = operation.kind != Kind::read && !operation.is_conditional;
  // A refusal may be owed to the very value that nothing else shows.
  traits.goes_unnoticed = is_write && !values_[operation.value].shows && !has_refusals_;
  traits.twins = operation.twins;
  return traits;
}

bool ObjectModel::may_leave(State state, std::size_t events) const {
  if (state == kAnything || !options_.looks_ahead) return true;
  return values_[state].last_read_call < events || values_[state].writers > 1;
}

std::string ObjectModel::describe_state(State state) const {
  return state == kAnything ? "anything" : state == kAbsent ? "absent" : names_[state];
}

}  // namespace keelson::checker
