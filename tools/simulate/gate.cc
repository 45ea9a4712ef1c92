#include "tools/simulate/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "core/base/bytes.h"
#include "scenarios/catalogue.h"
#include "tools/simulate/campaign.h"
#include "tools/simulate/command.h"
#include "tools/simulate/gate_report.h"
#include "tools/simulate/shares.h"
#include "tools/simulate/subprocess.h"
#include "tools/simulate/trials.h"

namespace keelson::simulate {

namespace {

using WallClock = std::chrono::steady_clock;

// The canary fails by design in a known share of its seeds, so this many must show a failure, and
// one rare delay is all that it takes.
constexpr std::string_view kCanary = "canary";
constexpr std::uint64_t kCanarySeeds = 60;
constexpr std::size_t kCanaryChoices = 5;
constexpr std::int64_t kCanaryShrinkMs = 20'000;
// So many sorts of failure are worth a closer look in one gate.
constexpr std::size_t kFailuresShrunk = 5;

// Hands the scenario that has had the least of its share the next seed.
class FairSource {
 public:
  FairSource(const GateOptions& options, std::vector<std::string> names, const Shares& shares)
      : options_(options), names_(std::move(names)), spent_ns_(names_.size()),
        given_(names_.size()) {
    for (const std::string& name : names_) weights_.push_back(shares.weight(name));
  }

  std::optional<Job> next() {
    if (is_over()) return std::nullopt;
    std::size_t chosen = 0;
    for (std::size_t i = 1; i < names_.size(); ++i) {
      if (cost(i) < cost(chosen)) chosen = i;
    }
    ++total_given_;
    const std::uint64_t nth = given_[chosen]++;
    return Job{.scenario = names_[chosen], .seed = seed(chosen, nth)};
  }

  void on_outcome(const Outcome& outcome) {
    const auto found = std::find(names_.begin(), names_.end(), outcome.scenario);
    spent_ns_[static_cast<std::size_t>(found - names_.begin())] += outcome.wall_ns;
  }

 private:
  bool is_over() const {
    if (options_.seeds > 0) return total_given_ >= options_.seeds;
    return WallClock::now() - start_ >= std::chrono::milliseconds(options_.time_ms);
  }

  // Time spent; before anything is known of it, seeds given. By count of seeds the gate is the same
  // whatever the machine does, so then only they count.
  std::uint64_t cost(std::size_t i) const {
    constexpr std::uint64_t kUnit = 1'000'000;
    if (options_.seeds > 0) return given_[i] * kUnit / weights_[i];
    return (static_cast<std::uint64_t>(spent_ns_[i]) + given_[i]) * Shares::kLeast / weights_[i];
  }

  std::uint64_t seed(std::size_t scenario, std::uint64_t nth) const {
    const std::string name = fmt::format("{}/{}/{}", options_.base, names_[scenario],
                                         nth * options_.shards + options_.shard);
    return hash64(name) >> 16;  // 48 bits: short enough to read out.
  }

  const GateOptions& options_;
  const std::vector<std::string> names_;
  const WallClock::time_point start_ = WallClock::now();
  std::vector<std::uint64_t> weights_;
  std::vector<std::int64_t> spent_ns_;
  std::vector<std::uint64_t> given_;
  std::uint64_t total_given_ = 0;
};

// The gate must be able to see, and to shrink what it sees: a scenario that fails by design does so
// here. Says what was seen of it, or nothing.
std::string watch_canary(const GateOptions& options) {
  std::uint64_t given = 0;
  const auto next_job = [&]() -> std::optional<Job> {
    if (given == kCanarySeeds) return std::nullopt;
    const std::string name = fmt::format("{}/{}/{}", options.base, kCanary, given++);
    return Job{.scenario = std::string(kCanary), .seed = hash64(name) >> 16};
  };
  const CampaignOptions campaign{.workers = options.workers, .until_failure = true};
  const auto summaries = run_campaign(campaign, next_job, kCanarySeeds);
  if (summaries.empty() || summaries.front().failures.empty()) return {};
  const std::uint64_t seed = summaries.front().failures.front().seed;
  std::filesystem::create_directories(options.out_directory);
  WorkerPool pool(options.workers);
  const auto shrunk =
      shrink_job(pool, {.scenario = std::string(kCanary), .seed = seed},
                 {.budget_ms = kCanaryShrinkMs},
                 fmt::format("{}/canary-{}.shrunk.repro", options.out_directory, seed));
  if (!shrunk || shrunk->outcome.choices.size() > kCanaryChoices) return {};
  return fmt::format("was seen to fail by seed {}, and shrunk from {} choices to {}", seed,
                     shrunk->failing.choices.size(), shrunk->outcome.choices.size());
}

// Files about the first failure of each sort, beside its .repro, which the campaign has written.
std::vector<std::string> look_closer(const GateOptions& options,
                                     const std::vector<Summary>& summaries) {
  std::vector<std::string> files;
  std::set<std::string> sorts;
  for (const Summary& summary : summaries) {
    for (const Outcome& outcome : summary.failures) {
      const std::string stem =
          fmt::format("{}/{}-{}", options.out_directory, outcome.scenario, outcome.seed);
      if (!std::filesystem::exists(stem + ".repro")) continue;
      if (!sorts.insert(outcome.scenario + outcome.failure->fingerprint).second) continue;
      files.push_back(stem + ".repro");
      if (sorts.size() > kFailuresShrunk || options.shrink_ms == 0) continue;
      WorkerPool pool(options.workers);
      const std::string shrunk = stem + ".shrunk.repro";
      const bool is_shrunk =
          shrink_job(pool, {.scenario = outcome.scenario, .seed = outcome.seed},
                     {.budget_ms = options.shrink_ms}, shrunk)
              .has_value();
      if (is_shrunk) files.push_back(shrunk);
      // In a process of its own: the run may end it.
      const std::string page = stem + ".html";
      const std::string& shown = is_shrunk ? shrunk : files.back();
      if (output_of(kThisProgram, {"show", shown, "--out", page})) files.push_back(page);
    }
  }
  return files;
}

Result<Shares> read_shares(const std::string& path) {
  std::ifstream file(path);
  if (path.empty() || !file) return Shares{};  // The first gate has no past.
  std::ostringstream text;
  text << file.rdbuf();
  return Shares::from_json(text.str());
}

}  // namespace

int run_gate(const GateOptions& options) {
  std::vector<std::string> names = options.scenarios;
  if (names.empty()) {
    for (const auto& scenario : scenarios::all_scenarios()) names.emplace_back(scenario.name);
  }
  std::erase(names, kCanary);
  if (names.empty()) return usage("no scenario is left to run");
  auto shares = read_shares(options.shares_file);
  if (!shares) return usage(options.shares_file + ": " + shares.error().message);
  auto regressions = run_regressions(options.regressions);
  if (!regressions) return usage(regressions.error().message);

  GateReport report;
  report.base = options.base;
  report.shard = options.shard;
  report.shards = options.shards;
  report.regressions = *std::move(regressions);
  report.canary = watch_canary(options);
  FairSource source(options, names, *shares);
  const CampaignOptions campaign{.workers = options.workers,
                                 .runs = CampaignOptions::Runs::twice_in_two_processes,
                                 .out_directory = options.out_directory};
  report.scenarios = run_campaign(
      campaign, [&] { return source.next(); }, options.seeds,
      [&](const Outcome& outcome) { source.on_outcome(outcome); });
  report.artifacts = look_closer(options, report.scenarios);

  if (!options.shares_file.empty()) {
    shares->learn(report.scenarios);
    std::ofstream(options.shares_file) << shares->to_json() << "\n";
  }
  if (!options.junit_file.empty()) std::ofstream(options.junit_file) << to_junit(report);
  fmt::print("{}", options.json ? to_json(report) + "\n" : to_text(report));
  return static_cast<int>(exit_code(report));
}

}  // namespace keelson::simulate
