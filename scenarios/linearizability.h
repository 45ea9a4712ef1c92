// Is there an order in which the operations of one object could have taken effect, each at one
// moment between its call and its return, such that every answer is explained?
//
// The search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with the two
// improvements of Lowe ("Testing for linearizability", 2017): configurations are remembered, and an
// operation takes effect just in time, only when some return forces it. It runs forward over the
// history and keeps every configuration that explains what was seen so far (a state, and which of
// the pending operations have taken effect), so its cost follows the concurrency and not the
// length, and a failure names the first answer that nothing explains.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/model.h"

namespace keelson::scenarios {

// One line of a history: operation `op` was called, or has returned. An operation without a return
// is of unknown outcome: it may take effect at any time after its call, or never.
struct HistoryEvent {
  std::size_t op = 0;
  bool is_return = false;
};

enum class Verdict {
  linearizable,
  not_linearizable,
  undecided,  // The budget was spent, or more than 64 operations overlapped. Never taken for a yes.
};

struct LinearizabilityResult {
  Verdict verdict = Verdict::linearizable;
  std::uint64_t steps = 0;  // Model steps that were tried.
  // For not_linearizable: the operation whose answer nothing explains, and a sentence about it.
  std::size_t op = 0;
  std::string message;
};

// `events` in the order in which they happened, each operation called before it returns. Pure.
LinearizabilityResult check_linearizability(Model& model, const std::vector<HistoryEvent>& events,
                                            std::uint64_t steps_limit = 1'000'000);

}  // namespace keelson::scenarios
