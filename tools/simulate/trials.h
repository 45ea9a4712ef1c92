// Trials of a shrinker, run by worker processes side by side.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/shrink.h"
#include "tools/simulate/worker_pool.h"

namespace keelson::simulate {

struct TrialOptions {
  std::int64_t budget_ms = 60'000;
  bool progress = true;  // To stderr if that is a terminal.
};

// A candidate fails as demanded if its failure has the oracle and the fingerprint of the failure
// that is shrunk. It is cut off when it takes much longer than that: by events, by virtual time,
// and, as a loop within one event has neither, by real time.
class WorkerTrials : public sim::Trials {
 public:
  // `failing` is the run that is shrunk. REQUIRES: it failed, and has its choices.
  WorkerTrials(WorkerPool& pool, const Outcome& failing, const TrialOptions& options);

  std::optional<Found> first_failing(const Candidates& candidate) override;
  bool is_over() const override;

  bool fails_as_demanded(const Outcome& outcome) const;
  // Waits for no run any more: the workers are free for others.
  void finish();
  std::uint64_t runs() const { return runs_; }

 private:
  // What a worker has in hand.
  struct Running {
    std::optional<std::size_t> number = {};  // Of the candidate, if anybody still asks for it.
    std::chrono::steady_clock::time_point since = {};
  };
  using Judged = std::map<std::size_t, std::optional<Found>>;  // By candidate.

  void begin(std::size_t worker, std::size_t number, sim::ChoicesByStream choices);
  void wait(Judged& judged);
  bool is_shown() const;
  void show_progress();

  WorkerPool& pool_;
  const Outcome failing_;
  const TrialOptions options_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  scenarios::RunLimits limits_;
  std::int64_t patience_ms_ = 0;
  std::vector<Running> running_;  // By worker.
  std::uint64_t runs_ = 0;
  std::size_t choices_left_;
  std::chrono::steady_clock::time_point last_shown_;
};

// What came of shrinking a run.
struct Shrunk {
  Outcome failing;          // As it was,
  Outcome outcome;          // and with the choices that are left; it fails in the same way.
  std::uint64_t runs = 0;
};

// Shrinks the run, and writes what is left to `out_file`. `on_failing` is told how the run fails
// before that begins. Errors: invalid_argument: it holds, or its choices cannot be known; corrupt:
// what was found does not fail again. REQUIRES: no worker is busy.
Result<Shrunk> shrink_job(WorkerPool& pool, Job job, const TrialOptions& options,
                          const std::string& out_file,
                          const std::function<void(const Outcome&)>& on_failing = {});

}  // namespace keelson::simulate
