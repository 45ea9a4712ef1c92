// What no queue can have answered, found without a search.
//
// Each rule follows from how a queue works, whatever order the overlapping operations took effect
// in (Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs", 2013, whose rules
// are for complete histories; here what is of unknown outcome is given the benefit of the doubt):
//
//   source   a value leaves no more often than it was enqueued until then
//   order    of two values, each enqueued once, the one that came strictly earlier does not leave
//            strictly later; nor does it stay, unless a dequeue of unknown outcome took it
//   empty    a dequeue does not find nothing if at every moment of it something was surely there
//
// The time is that of sorting. A history that breaks no rule need not be linearizable: the search
// has the last word.
#pragma once

#include <optional>

#include "scenarios/checker/history.h"
#include "scenarios/checker/linearizability.h"

namespace keelson::checker {

// `history` is that of one queue. Nothing, or that it is not linearizable, with an answer that
// breaks a rule.
std::optional<LinearizabilityResult> refute_queue(const History& history,
                                                  const Describe& describe);

}  // namespace keelson::checker
