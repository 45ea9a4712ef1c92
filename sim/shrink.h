// Shrink: the same failure with as few choices as can be found, so that a person can read it.
//
// Delta debugging over the choices of a run (Zeller, Hildebrandt 2002): whole streams and whole
// stretches of time are set to 0 first, then ever smaller parts, then single choices; then choices
// are deleted (what follows in the stream moves up), merged with their neighbours, and lowered.
// Choices are named by stream and position, so what is left keeps its meaning. A candidate
// replaces what there is if the run that it makes still fails as demanded; of its choices those
// are kept that this run asked for, which drops all that comes after the failure.
//
// What is found does not depend on how long candidates take or how many run at once: of several
// candidates the first in order is taken. It is 1-minimal, as no single choice can be zeroed or
// deleted any more, unless the trials are over before.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "sim/choices.h"

namespace keelson::sim {

// Who runs candidates and judges them.
class Trials {
 public:
  virtual ~Trials() = default;

  struct Found {
    std::size_t number = 0;
    // What the run drew that differs from 0. It is no more than the candidate had.
    std::vector<DrawnChoice> choices = {};
  };
  // Runs candidate 0, 1, ... until one fails as demanded, which is returned, or `candidate` returns
  // nothing. Nothing, too, when is_over(). Candidates may be asked for ahead and in vain, in order.
  using Candidates = std::function<std::optional<ChoicesByStream>(std::size_t number)>;
  virtual std::optional<Found> first_failing(const Candidates& candidate) = 0;

  // The budget is spent: no more candidates, please.
  virtual bool is_over() const = 0;
};

// What is left of the choices of a failing run. REQUIRES: they are in the order of
// Choices::history.
std::vector<DrawnChoice> shrink(std::vector<DrawnChoice> choices, Trials& trials);

ChoicesByStream by_stream(const std::vector<DrawnChoice>& choices);

}  // namespace keelson::sim
