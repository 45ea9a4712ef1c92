// Checks histories: cuts them by object, gathers what is evidence, and lets the search decide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/checker/history.h"
#include "scenarios/checker/linearizability.h"

namespace keelson::checker {

// The part of a history that is about one object.
struct ObjectHistory {
  std::string key;
  History history;
  std::vector<std::size_t> source;  // By operation: its position in the whole history.
};

// In the order of the keys.
std::vector<ObjectHistory> cut_by_key(const History& history);

struct ObjectOptions {
  ModelKind model = ModelKind::objects;
  bool starts_anywhere = false;  // See ObjectModel::Options. Only for ModelKind::objects.
};

// Checks one object. Operations are named by their positions in `history`; `describe` is only asked
// during the call.
LinearizabilityResult check_object(const History& history, const ObjectOptions& options,
                                   const Budget& budget, const Describe& describe);

struct HistoryResult {
  Verdict verdict = Verdict::linearizable;
  std::uint64_t steps = 0;
  std::size_t objects = 0;
  std::size_t undecided_objects = 0;
  // The first object that is refuted, or else the first that was not decided: its key, and what was
  // found, with operations named by their positions in that object's history (cut_by_key).
  std::string key;
  LinearizabilityResult found;
  // If every object is linearizable: an order for each, in the order of the keys, with operations
  // named by their positions in the whole history.
  std::vector<std::vector<std::size_t>> orders;
};

// Checks each object of `history`, until one is refuted. The budget is for each object.
HistoryResult check_history(const History& history, ModelKind model, const Budget& budget,
                            const Describe& describe);

}  // namespace keelson::checker
