#include "tools/simulate/trials.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "tools/simulate/run_source.h"

namespace keelson::simulate {

namespace {

using WallClock = std::chrono::steady_clock;

std::int64_t since_ms(WallClock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(WallClock::now() - start).count();
}

}  // namespace

WorkerTrials::WorkerTrials(WorkerPool& pool, const Outcome& failing, const TrialOptions& options)
    : pool_(pool), failing_(failing), options_(options), limits_(limits_beyond(failing)),
      running_(pool.size()), choices_left_(failing.choices.size()) {
  patience_ms_ = 2'000 + 20 * failing.wall_ns / 1'000'000;
}

bool WorkerTrials::is_over() const { return since_ms(start_) >= options_.budget_ms; }

bool WorkerTrials::fails_as_demanded(const Outcome& outcome) const {
  return outcome.failure && outcome.failure->oracle == failing_.failure->oracle &&
         outcome.failure->fingerprint == failing_.failure->fingerprint;
}

std::optional<sim::Trials::Found> WorkerTrials::first_failing(const Candidates& candidate) {
  for (Running& running : running_) running.number.reset();  // Of an earlier call: in vain.
  Judged judged;
  std::size_t given = 0;
  std::size_t next = 0;  // All before did not fail.
  bool exhausted = false;
  while (true) {
    for (std::size_t worker = 0; worker < pool_.size(); ++worker) {
      if (exhausted || is_over() || pool_.is_busy(worker)) continue;
      auto choices = candidate(given);
      exhausted = !choices;
      if (choices) begin(worker, given++, *std::move(choices));
    }
    if (next == given && (exhausted || is_over())) return std::nullopt;
    wait(judged);
    show_progress();
    for (; judged.contains(next); ++next) {
      if (!judged[next]) continue;
      choices_left_ = judged[next]->choices.size();
      return judged[next];
    }
  }
}

void WorkerTrials::finish() {
  if (is_shown()) fmt::print(stderr, "\r\033[K");
  for (std::size_t worker = 0; worker < pool_.size(); ++worker) {
    if (pool_.is_busy(worker)) pool_.abandon(worker);
  }
}

void WorkerTrials::begin(std::size_t worker, std::size_t number, sim::ChoicesByStream choices) {
  pool_.begin(worker, Job{.scenario = failing_.scenario,
                          .seed = failing_.seed,
                          .fixed = std::move(choices),
                          .limits = limits_,
                          .wants_choices = true});
  running_[worker] = {.number = number, .since = WallClock::now()};
}

void WorkerTrials::wait(Judged& judged) {
  (void)pool_.wait(100, [&](std::size_t worker, Outcome outcome) {
    ++runs_;
    const auto number = std::exchange(running_[worker].number, std::nullopt);
    if (!number) return;
    std::optional<Found>& verdict = judged[*number];
    if (!fails_as_demanded(outcome)) return;
    verdict = Found{.number = *number, .choices = std::move(outcome.choices)};
  });
  for (std::size_t worker = 0; worker < pool_.size(); ++worker) {
    if (!pool_.is_busy(worker) || since_ms(running_[worker].since) < patience_ms_) continue;
    pool_.abandon(worker);
    const auto number = std::exchange(running_[worker].number, std::nullopt);
    if (number) judged[*number] = std::nullopt;
  }
}

bool WorkerTrials::is_shown() const { return options_.progress && isatty(STDERR_FILENO) == 1; }

void WorkerTrials::show_progress() {
  if (!is_shown()) return;
  if (since_ms(last_shown_) < 200) return;
  last_shown_ = WallClock::now();
  const auto left = std::max<std::int64_t>(0, options_.budget_ms - since_ms(start_)) / 1000;
  fmt::print(stderr, "\r\033[K{} choices, {} runs, at most {} s left", choices_left_, runs_,
             left);
}

Result<Shrunk> shrink_job(WorkerPool& pool, Job job, const TrialOptions& options,
                          const std::string& out_file,
                          const std::function<void(const Outcome&)>& on_failing) {
  job.wants_choices = true;
  const Outcome failing = run_one(pool, job);
  if (!failing.failure) {
    return Error{ErrorCode::invalid_argument, "this run holds: there is nothing to shrink"};
  }
  if (failing.failure->oracle == "process") {
    return Error{ErrorCode::invalid_argument,
                 "this run ended its process, and nobody knows its choices: " +
                     failing.failure->message};
  }
  if (on_failing) on_failing(failing);
  WorkerTrials trials(pool, failing, options);
  job.fixed = sim::by_stream(sim::shrink(failing.choices, trials));
  trials.finish();
  job.repro_path = out_file;
  Shrunk shrunk{.failing = failing, .outcome = run_one(pool, job), .runs = trials.runs()};
  if (!trials.fails_as_demanded(shrunk.outcome)) {
    return Error{ErrorCode::corrupt, "what was found does not fail again: not deterministic"};
  }
  return shrunk;
}

}  // namespace keelson::simulate
