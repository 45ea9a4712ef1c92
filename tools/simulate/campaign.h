// A campaign: many seeds of many scenarios, each run once or twice, added up.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/simulate/summary.h"
#include "tools/simulate/worker_pool.h"

namespace keelson::simulate {

struct CampaignOptions {
  std::size_t workers = 2;
  // A seed that runs twice must give the same digest. In two processes addresses differ; in one,
  // what the first run has left behind is there for the second.
  enum class Runs { once, twice_in_two_processes, twice_in_one_process };
  Runs runs = Runs::once;
  // Ends after the first failure.
  bool until_failure = false;
  // Where .repro files of failures go, one for each fingerprint; empty: none are written.
  std::string out_directory = {};
  // Progress goes to stderr if that is a terminal.
  bool progress = true;
};

// Hands out what to run next, until it returns nothing.
using JobSource = std::function<std::optional<Job>()>;

// Runs the jobs and returns one summary for each scenario, in the order of their first job. An
// expected number of jobs of 0 means unknown: progress shows no share.
std::vector<Summary> run_campaign(const CampaignOptions& options, const JobSource& next_job,
                                  std::uint64_t jobs_expected,
                                  const std::function<void(const Outcome&)>& on_outcome = {});

}  // namespace keelson::simulate
