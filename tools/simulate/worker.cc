#include "tools/simulate/worker.h"

#include <fmt/format.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "core/base/check.h"
#include "core/runtime/fiber.h"
#include "scenarios/catalogue.h"
#include "sim/repro.h"
#include "sim/tripwire/tripwire.h"
#include "tools/simulate/free_memory.h"
#include "tools/simulate/job.h"

namespace keelson::simulate {

namespace {

// What the CHECK handler needs to report the run that it ends.
struct RunInProgress {
  const scenarios::Scenario& scenario;
  std::uint64_t seed;
  const sim::Choices& choices;
  const std::function<void(const Outcome&)>& on_check;
};

void report_failed_check(void* context, std::string_view expression, const char* file, int line) {
  const sim::TripwireLifted lifted;
  const auto& run = *static_cast<const RunInProgress*>(context);
  Outcome outcome{.scenario = std::string(run.scenario.name), .seed = run.seed, .failure = {}};
  outcome.failure = Outcome::Failure{
      .oracle = "check",
      .message = fmt::format("{}:{}: CHECK failed: {}", file, line, expression),
      .fingerprint = fmt::format("check/{}: {}", file, expression),
      .at_ns = run.choices.now().ns};
  outcome.virtual_ns = outcome.failure->at_ns;
  run.on_check(outcome);
  // The run's fibers and objects are in an unknown state: nothing is unwound.
  std::_Exit(1);
}

Outcome to_outcome(const scenarios::Scenario& scenario, std::uint64_t seed,
                   const scenarios::RunResult& result) {
  Outcome outcome{.scenario = std::string(scenario.name), .seed = seed, .failure = {}};
  outcome.digest = result.digest;
  outcome.virtual_ns = result.virtual_ns;
  outcome.events = result.events;
  for (const auto& [kind, count] : result.faults) {
    outcome.faults[kind] = {.injected = count.injected, .effective = count.effective};
  }
  for (const std::string_view path : scenario.must_reach) outcome.reached[std::string(path)] = 0;
  for (const auto& [path, count] : result.reached) outcome.reached[path] += count;
  outcome.counts = result.counts;
  if (result.failure) {
    outcome.failure = Outcome::Failure{.oracle = result.failure->oracle,
                                       .message = result.failure->message,
                                       .fingerprint = result.failure->fingerprint,
                                       .at_ns = result.failure->at.ns};
  }
  return outcome;
}

// Tells who gave the job how it went, with all that the job asks for.
struct AnswerTo {
  const Job& job;
  const sim::Choices& choices;

  void give(Outcome outcome) const {
    if (!job.repro_path.empty()) write_repro(job.repro_path, outcome, choices);
    if (job.wants_choices) outcome.choices = choices.history();
    outcome.matched = choices.matched();
    std::cout << to_json_line(outcome) << "\n" << std::flush;
  }
};

// A node that goes in circles while time stands still gathers messages for ever: such a run ends
// its process after so much of the processor, of which a run takes a hundredth.
void bound_run() {
  const itimerval limit{.it_interval = {}, .it_value = {.tv_sec = 60, .tv_usec = 0}};
  CHECK(setitimer(ITIMER_PROF, &limit, nullptr) == 0);
}

}  // namespace

Outcome run_seed(const scenarios::Scenario& scenario, std::uint64_t seed, sim::Choices& choices,
                 const scenarios::RunOptions& options,
                 const std::function<void(const Outcome&)>& on_check) {
  RunInProgress in_progress{
      .scenario = scenario, .seed = seed, .choices = choices, .on_check = on_check};
  set_check_handler(report_failed_check, &in_progress);
  const auto start = std::chrono::steady_clock::now();
  scenarios::RunResult result;
  {
    const sim::TripwireArmed armed;
    result = run_scenario(scenario, choices, options);
  }
  set_check_handler(nullptr, nullptr);
  Outcome outcome = to_outcome(scenario, seed, result);
  outcome.wall_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                        std::chrono::steady_clock::now() - start)
                        .count();
  return outcome;
}

int run_worker() {
  StackPool stacks;
  for (std::string line; std::getline(std::cin, line);) {
    const auto job = job_from_json(line);
    CHECK(job.has_value());
    const scenarios::Scenario* const scenario = scenarios::find_scenario(job->scenario);
    CHECK(scenario != nullptr);
    sim::Choices choices = choices_of(*job);
    bound_run();
    AnswerTo answer{.job = *job, .choices = choices};
    const scenarios::RunOptions options{
        .stacks = &stacks, .listener = {}, .limits = job->limits};
    answer.give(run_seed(*scenario, job->seed, choices, options,
                         [&answer](const Outcome& outcome) { answer.give(outcome); }));
    give_back_free_memory();
  }
  return 0;
}

void write_repro(const std::string& path, const Outcome& outcome, const sim::Choices& choices) {
  sim::Repro repro;
  repro.scenario = outcome.scenario;
  repro.build_id = build_id();
  repro.seed = outcome.seed;
  if (outcome.failure) {
    repro.oracle = outcome.failure->oracle;
    repro.fingerprint = outcome.failure->fingerprint;
  }
  repro.choices = choices.recorded();
  std::ofstream(path) << sim::to_text(repro);
}

std::string build_id() {
#ifdef __clang__
  return "keelson 0.1.0 clang " __clang_version__;
#else
  return "keelson 0.1.0 gcc " __VERSION__;
#endif
}

}  // namespace keelson::simulate
