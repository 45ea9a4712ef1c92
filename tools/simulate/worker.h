// One run, and the worker side of WorkerPool, which does one after another.
#pragma once

#include <functional>
#include <string>

#include "scenarios/run.h"
#include "scenarios/scenario.h"
#include "sim/choices.h"
#include "tools/simulate/outcome.h"

namespace keelson::simulate {

// Runs under the tripwire, with a CHECK handler that reports a failed CHECK as this run's failure
// by `on_check` and ends the process.
Outcome run_seed(const scenarios::Scenario& scenario, std::uint64_t seed, sim::Choices& choices,
                 const scenarios::RunOptions& options,
                 const std::function<void(const Outcome&)>& on_check);

// Reads jobs, a line each, and answers each with an outcome, until its input ends.
int run_worker();

// Writes the run's choices. REQUIRES: they were recorded, or are being replayed.
void write_repro(const std::string& path, const Outcome& outcome, const sim::Choices& choices);

// What a repro file says it was made by.
std::string build_id();

}  // namespace keelson::simulate
