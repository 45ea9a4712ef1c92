#include "tools/simulate/campaign.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <set>

#include "core/base/check.h"

namespace keelson::simulate {

namespace {

using WallClock = std::chrono::steady_clock;

std::int64_t since_ns(WallClock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(WallClock::now() - start).count();
}

// A job on its way: waits for its second run where every seed runs in two processes.
struct InFlight {
  Job job;
  std::optional<Outcome> first;
  std::size_t first_worker = 0;
};

using Runs = CampaignOptions::Runs;

class Campaign {
 public:
  Campaign(const CampaignOptions& options, const JobSource& next_job, std::uint64_t jobs_expected,
           const std::function<void(const Outcome&)>& on_outcome)
      : options_(options), next_job_(next_job), jobs_expected_(jobs_expected),
        on_outcome_(on_outcome), pool_(options.workers), running_(options.workers) {
    // The second run of a seed must not happen in the process of the first.
    CHECK(options.runs != Runs::twice_in_two_processes || options.workers >= 2);
  }

  std::vector<Summary> run() {
    while (true) {
      for (std::size_t worker = 0; worker < pool_.size(); ++worker) {
        if (!pool_.is_busy(worker)) give_work_to(worker);
      }
      bool any_busy = false;
      for (std::size_t worker = 0; worker < pool_.size(); ++worker) {
        any_busy = any_busy || pool_.is_busy(worker);
      }
      if (!any_busy) break;
      (void)pool_.wait(200, [this](std::size_t worker, Outcome outcome) {
        on_done(worker, std::move(outcome));
      });
      show_progress();
    }
    if (is_terminal()) std::fprintf(stderr, "\r\033[K");
    for (Summary& summary : summaries_) summary.wall_ns = since_ns(start_);
    return std::move(summaries_);
  }

 private:
  void give_work_to(std::size_t worker) {
    // Second runs first: those of seeds whose first run was in another process.
    for (auto it = second_runs_.begin(); it != second_runs_.end(); ++it) {
      if (it->first_worker == worker) continue;
      start(worker, std::move(*it));
      second_runs_.erase(it);
      return;
    }
    if (second_runs_.size() >= 2 * pool_.size()) return;  // The others must catch up.
    if (source_is_empty_) return;
    auto job = next_job_();
    if (!job || (options_.until_failure && failed_)) {
      source_is_empty_ = true;
      return;
    }
    start(worker, InFlight{.job = *std::move(job), .first = {}});
  }

  void start(std::size_t worker, InFlight in_flight) {
    pool_.begin(worker, in_flight.job);
    running_[worker] = std::move(in_flight);
  }

  void on_done(std::size_t worker, Outcome outcome) {
    InFlight done = std::move(running_[worker]);
    if (!done.job.repro_path.empty()) return;  // The repro run of a failure that was counted.
    if (options_.runs != Runs::once && !done.first) {
      done.first = std::move(outcome);
      done.first_worker = worker;
      if (options_.runs == Runs::twice_in_one_process) return start(worker, std::move(done));
      second_runs_.push_back(std::move(done));
      return;
    }
    Summary& summary = summary_of(outcome.scenario);
    if (done.first && done.first->digest != outcome.digest) {
      summary.divergences.push_back(
          fmt::format("{} --seed {} gave {:016x} and {:016x}", outcome.scenario, outcome.seed,
                      done.first->digest, outcome.digest));
    }
    summary.add(outcome);
    ++jobs_done_;
    if (outcome.failure) write_repro(worker, outcome);
    if (on_outcome_) on_outcome_(outcome);
  }

  // The first failure of each fingerprint is run once more, with its choices recorded.
  void write_repro(std::size_t worker, const Outcome& outcome) {
    failed_ = true;
    if (options_.out_directory.empty() || pool_.is_busy(worker)) return;
    if (!fingerprints_.insert(outcome.scenario + outcome.failure->fingerprint).second) return;
    std::filesystem::create_directories(options_.out_directory);
    start(worker, InFlight{.job = {.scenario = outcome.scenario,
                                   .seed = outcome.seed,
                                   .repro_path = fmt::format("{}/{}-{}.repro",
                                                             options_.out_directory,
                                                             outcome.scenario, outcome.seed)},
                           .first = {}});
  }

  Summary& summary_of(const std::string& scenario) {
    for (Summary& summary : summaries_) {
      if (summary.scenario == scenario) return summary;
    }
    summaries_.emplace_back();
    summaries_.back().scenario = scenario;
    return summaries_.back();
  }

  bool is_terminal() const { return options_.progress && isatty(STDERR_FILENO) == 1; }

  void show_progress() {
    if (!is_terminal()) return;
    const std::int64_t elapsed_ns = since_ns(start_);
    if (elapsed_ns - last_shown_ns_ < 200'000'000) return;
    last_shown_ns_ = elapsed_ns;
    const double per_second =
        static_cast<double>(jobs_done_) * 1e9 / static_cast<double>(elapsed_ns);
    std::string line = fmt::format("\r\033[K{} seeds, {:.1f} a second", jobs_done_, per_second);
    if (jobs_expected_ > 0 && per_second > 0) {
      const std::uint64_t filled = 30 * jobs_done_ / jobs_expected_;
      line += fmt::format(" [{:<30}] {} s left", std::string(filled, '#'),
                          static_cast<std::uint64_t>(
                              static_cast<double>(jobs_expected_ - jobs_done_) / per_second));
    }
    std::fputs(line.c_str(), stderr);
  }

  const CampaignOptions& options_;
  const JobSource& next_job_;
  const std::uint64_t jobs_expected_;
  const std::function<void(const Outcome&)>& on_outcome_;
  const WallClock::time_point start_ = WallClock::now();

  WorkerPool pool_;
  std::vector<InFlight> running_;  // By worker.
  std::deque<InFlight> second_runs_;
  std::vector<Summary> summaries_;
  std::set<std::string> fingerprints_;
  std::uint64_t jobs_done_ = 0;
  std::int64_t last_shown_ns_ = 0;
  bool source_is_empty_ = false;
  bool failed_ = false;
};

}  // namespace

std::vector<Summary> run_campaign(const CampaignOptions& options, const JobSource& next_job,
                                  std::uint64_t jobs_expected,
                                  const std::function<void(const Outcome&)>& on_outcome) {
  return Campaign(options, next_job, jobs_expected, on_outcome).run();
}

}  // namespace keelson::simulate
