#include "tools/simulate/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>

#include "core/base/bytes.h"
#include "scenarios/catalogue.h"
#include "tools/simulate/campaign.h"

namespace keelson::simulate {

namespace {

using WallClock = std::chrono::steady_clock;

// Fewer seeds of a scenario than this say little about which paths it can take.
constexpr std::uint64_t kSeedsToJudgeReached = 200;
// The canary fails by design in a known share of its seeds, so this many must show a failure.
constexpr std::string_view kCanary = "canary";
constexpr std::uint64_t kCanarySeeds = 60;

// Hands the scenario that has had the least time its next seed.
class FairSource {
 public:
  FairSource(const GateOptions& options, std::vector<std::string> names)
      : options_(options), names_(std::move(names)), spent_ns_(names_.size()),
        given_(names_.size()) {}

  std::optional<Job> next() {
    if (is_over()) return std::nullopt;
    std::size_t chosen = 0;
    for (std::size_t i = 1; i < names_.size(); ++i) {
      if (cost(i) < cost(chosen)) chosen = i;
    }
    ++total_given_;
    const std::uint64_t nth = given_[chosen]++;
    return Job{.scenario = names_[chosen], .seed = seed(chosen, nth), .repro_path = {}};
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
  std::int64_t cost(std::size_t i) const {
    const auto given = static_cast<std::int64_t>(given_[i]);
    return options_.seeds > 0 ? given : spent_ns_[i] + given;
  }

  std::uint64_t seed(std::size_t scenario, std::uint64_t nth) const {
    const std::string name = fmt::format("{}/{}/{}", options_.base, names_[scenario],
                                         nth * options_.shards + options_.shard);
    return hash64(name) >> 16;  // 48 bits: short enough to read out.
  }

  const GateOptions& options_;
  const std::vector<std::string> names_;
  const WallClock::time_point start_ = WallClock::now();
  std::vector<std::int64_t> spent_ns_;
  std::vector<std::uint64_t> given_;
  std::uint64_t total_given_ = 0;
};

// The gate must be able to see: a scenario that fails by design does fail here. Empty, or what is
// wrong.
std::string watch_canary(const GateOptions& options) {
  std::uint64_t given = 0;
  const auto next_job = [&]() -> std::optional<Job> {
    if (given == kCanarySeeds) return std::nullopt;
    const std::string name = fmt::format("{}/{}/{}", options.base, kCanary, given++);
    return Job{.scenario = std::string(kCanary), .seed = hash64(name) >> 16, .repro_path = {}};
  };
  const CampaignOptions campaign{.workers = options.workers, .until_failure = true};
  const auto summaries = run_campaign(campaign, next_job, kCanarySeeds);
  if (summaries.size() == 1 && summaries.front().failure_count > 0) return {};
  return fmt::format("the canary did not fail in {} seeds: this gate cannot see", given);
}

Summary merge(const std::vector<Summary>& scenarios) {
  Summary all;
  all.scenario = "gate";
  for (const Summary& each : scenarios) {
    all.seeds += each.seeds;
    all.failure_count += each.failure_count;
    all.failures.insert(all.failures.end(), each.failures.begin(), each.failures.end());
    all.divergences.insert(all.divergences.end(), each.divergences.begin(),
                           each.divergences.end());
    all.virtual_ns += each.virtual_ns;
    all.wall_ns = std::max(all.wall_ns, each.wall_ns);
    all.events += each.events;
    all.digest_sum += each.digest_sum;
    for (const auto& [kind, count] : each.faults) {
      all.faults[kind].injected += count.injected;
      all.faults[kind].effective += count.effective;
    }
    for (const auto& [name, count] : each.reached) all.reached[name] += count;
  }
  return all;
}

void print_bounds(const std::vector<Summary>& scenarios) {
  for (const Summary& each : scenarios) {
    fmt::print("{:20} {:>7} seeds, {:>9.0f} virtual seconds: ", each.scenario, each.seeds,
               static_cast<double>(each.virtual_ns) / 1e9);
    if (each.failure_count == 0) {
      fmt::print("held; with 95 % confidence fewer than {:.2g} of such runs fail\n",
                 3.0 / static_cast<double>(each.seeds));
    } else {
      fmt::print("BROKEN in {} seeds\n", each.failure_count);
    }
  }
}

}  // namespace

int run_gate(const GateOptions& options) {
  std::vector<std::string> names = options.scenarios;
  if (names.empty()) {
    for (const auto& scenario : scenarios::all_scenarios()) names.emplace_back(scenario.name);
  }
  std::erase(names, kCanary);
  if (names.empty()) {
    fmt::print(stderr, "keelson-sim: no scenario is left to run\n");
    return static_cast<int>(ExitCode::usage);
  }

  const std::string blind = watch_canary(options);
  FairSource source(options, names);
  const CampaignOptions campaign{.workers = options.workers,
                                 .twice = true,
                                 .out_directory = options.out_directory};
  auto summaries = run_campaign(
      campaign, [&] { return source.next(); }, options.seeds,
      [&](const Outcome& outcome) { source.on_outcome(outcome); });

  for (Summary& summary : summaries) {
    // Faults are judged over the whole gate below: one scenario may draw a rare one in vain.
    if (summary.seeds < kSeedsToJudgeReached) continue;
    for (const auto& [name, count] : summary.reached) {
      if (count == 0) {
        summary.vacuities.push_back(fmt::format("{}: never reached: {}", summary.scenario, name));
      }
    }
  }
  Summary all = merge(summaries);
  all.judge_vacuity(false);
  for (const Summary& each : summaries) {
    all.vacuities.insert(all.vacuities.end(), each.vacuities.begin(), each.vacuities.end());
  }
  if (!blind.empty()) all.vacuities.push_back(blind);
  if (!options.junit_file.empty()) std::ofstream(options.junit_file) << to_junit(summaries);
  if (options.json) {
    fmt::print("{}\n", to_json(all));
  } else {
    fmt::print("{}", to_text(all));
    print_bounds(summaries);
  }
  return static_cast<int>(all.exit_code());
}

}  // namespace keelson::simulate
