// Is there an order in which the operations of one object could have taken effect, each at one
// moment between its call and its return, such that every answer is explained?
//
// The search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with the two
// improvements of Lowe ("Testing for linearizability", 2017): configurations are remembered, so
// that none is explored twice, and an operation takes effect just in time, only when some return
// forces it. A configuration is how far the history was followed, a state, and which of the pending
// operations have taken effect; so its size follows the concurrency and not the length, and a
// failure names the first answer that nothing explains.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "scenarios/checker/model.h"

namespace keelson::checker {

// One line of a history: operation `op` was called, or has returned. An operation without a return
// is of unknown outcome: it may take effect at any time after its call, or never.
struct HistoryEvent {
  std::size_t op = 0;
  bool is_return = false;
  bool operator==(const HistoryEvent&) const = default;
};

enum class Verdict {
  linearizable,
  not_linearizable,
  undecided,  // The budget was spent, or more than 4096 operations overlap. Never taken for a yes.
};

struct Budget {
  std::uint64_t steps = 1'000'000;            // Model steps that may be tried.
  std::uint64_t configurations = 10'000'000;  // That may be remembered: 2 GB or so.
  // Asked every few thousand steps: true ends the search, undecided. May be empty.
  std::function<bool()> is_spent = {};
};

struct LinearizabilityResult {
  Verdict verdict = Verdict::linearizable;
  std::uint64_t steps = 0;  // Model steps that were tried.
  // For linearizable: operations in an order that explains every answer.
  std::vector<std::size_t> order;
  // For not_linearizable: the operation whose answer nothing explains, a sentence about it, and
  // what else was pending when it returned.
  std::size_t op = 0;
  std::string message;
  std::vector<std::size_t> pending;
};

// `events` in the order in which they happened, each operation called before it returns. Pure, but
// for what `budget` says.
LinearizabilityResult check_linearizability(Model& model, const std::vector<HistoryEvent>& events,
                                            const Budget& budget = {});

}  // namespace keelson::checker
