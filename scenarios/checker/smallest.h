// The smallest part of a refuted history that is still refuted: what a person has to look at.
//
// Leaving out any operation at will would prove nothing: without the write, the read of what it
// wrote is wrong in any history. So only such parts are left out as leave a linearizable history
// linearizable: what came later; what was over before, if nothing is taken for granted then; a
// read; a refused condition; a value with all that speaks of it. If the part is refuted, so is the
// whole.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "scenarios/checker/check_history.h"
#include "scenarios/checker/history.h"
#include "scenarios/checker/linearizability.h"

namespace keelson::checker {

struct SmallestPart {
  // Of the history that was given, ascending.
  std::vector<std::size_t> operations;
  // The part begins in the middle: what came before is left out, and nothing is held against reads
  // before its first write.
  bool starts_anywhere = false;
  // What the search says of the part alone, with operations named as in the history that was given.
  LinearizabilityResult found;
  // These operations alone, up to the last event that matters: what had not returned by then is of
  // unknown outcome here.
  History history;
};

// REQUIRES: `history` is that of one object, and `refuted` is what check_object said of it. Ends
// early, with a larger part, when `is_spent` says so; it may be empty.
SmallestPart smallest_part(const History& history, ModelKind model,
                           const LinearizabilityResult& refuted, const Describe& describe,
                           const std::function<bool()>& is_spent);

// What may be left out of `history`, each set on its own. Some operations are in no set.
std::vector<std::vector<std::size_t>> removable_sets(const History& history, ModelKind model);

// The history of the operations in `kept`.
History restrict(const History& history, const std::vector<std::size_t>& kept);

}  // namespace keelson::checker
