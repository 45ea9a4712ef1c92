// Which run a subcommand is about: a .repro file, or a seed of a scenario.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "sim/repro.h"
#include "tools/simulate/job.h"
#include "tools/simulate/worker_pool.h"

namespace keelson::simulate {

// Errors: invalid_argument, whose message names the file.
Result<sim::Repro> read_repro(const std::string& path);

// `what` is the name of a scenario if a seed is given, else a file. The outcome is to have the
// choices. Errors: invalid_argument: no such scenario or file.
Result<Job> find_run(const std::string& what, std::optional<std::uint64_t> seed);

// Runs one job in a worker of the pool. REQUIRES: no worker is busy.
Outcome run_one(WorkerPool& pool, Job job);

// Runs that are like a failing one are cut off when they take much longer than it did until it
// failed. REQUIRES: it failed.
scenarios::RunLimits limits_beyond(const Outcome& failing);

}  // namespace keelson::simulate
