// What a worker process is asked to run: one line of JSON each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "scenarios/scenario.h"
#include "sim/choices.h"

namespace keelson::simulate {

struct Job {
  std::string scenario;
  std::uint64_t seed = 0;
  std::string repro_path = {};  // Not empty: write the run's .repro there.
  // Not of the seed, but of these choices,
  std::optional<sim::ChoicesByStream> fixed = {};
  // which are drawn anew from some time on.
  std::optional<sim::Choices::Redraw> redraw = {};
  scenarios::RunLimits limits = {};
  bool wants_choices = false;  // The outcome is to have them.
};

// Without an end of line.
std::string to_json_line(const Job& job);
// Errors: corrupt.
Result<Job> job_from_json(const std::string& line);

// The choices that the job says. REQUIRES: a redraw has fixed choices.
sim::Choices choices_of(const Job& job);

}  // namespace keelson::simulate
