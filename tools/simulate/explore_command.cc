// `keelson-sim explore`: every schedule of the Raft core within a bound.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include "core/base/check.h"
#include "scenarios/explore/bounds.h"
#include "scenarios/explore/explored_cluster.h"
#include "sim/explore/schedule.h"
#include "sim/explore/search.h"
#include "tools/simulate/command.h"
#include "tools/simulate/summary.h"

namespace keelson::simulate {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

struct ExploreOptions {
  std::string bound;        // Empty: list them.
  std::uint32_t depth = 0;  // The most events of a schedule; 0: as many as the bound allows.
  std::string time;         // Then it stops. Empty: when the bound is exhausted.
  std::string state_file;   // Where a search that was stopped is kept, and goes on from.
  std::string schedule;     // Repeat this one instead.
};

std::int64_t ms_since(Clock::time_point begun) {
  return std::chrono::duration_cast<Milliseconds>(Clock::now() - begun).count();
}

int list_bounds() {
  for (const scenarios::Bound& bound : scenarios::all_bounds()) {
    fmt::print("{:20} {}\n", bound.name, bound.covers);
  }
  return static_cast<int>(ExitCode::held);
}

// Prints the steps. Returns what they broke.
std::optional<sim::Violation> tell(const sim::MakeSystem& make, const sim::Schedule& schedule) {
  std::size_t step = 0;
  const auto violation =
      execute(make, schedule, [&](sim::Told what, const std::string& line) {
        if (what == sim::Told::event) fmt::print("  {:3}. {}\n", ++step, line);
        if (what == sim::Told::machine) fmt::print("       {}\n", line);
        std::fflush(stdout);
      });
  if (violation) fmt::print("{}: {}\n", violation->oracle, violation->message);
  return violation;
}

// `transitions` were taken in that time.
void print_totals(const sim::SearchTotals& totals, std::uint64_t transitions, std::int64_t ms) {
  fmt::print("  schedules    {:>12}   followed until nothing new could happen\n"
             "  complete     {:>12}   of these, until nothing more could happen at all\n"
             "  states       {:>12}\n"
             "  transitions  {:>12}   {} a second\n"
             "  deepest      {:>12}   events\n"
             "  time         {:>10}.{} s\n",
             totals.schedules, totals.complete, totals.states, totals.transitions,
             transitions * 1000 / static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 1)),
             totals.deepest, ms / 1000, ms % 1000 / 100);
}

class Exploration {
 public:
  Exploration(const ExploreOptions& options, const scenarios::Bound& bound)
      : options_(options),
        material_(bound),
        make_([this] { return std::make_unique<scenarios::ExploredCluster>(material_); }),
        search_(make_, options.depth == 0 ? sim::Search::kUnbounded : options.depth) {}

  int repeat();
  int run(std::int64_t time_ms);

 private:
  bool load();
  bool save() const;
  void show_progress(const sim::SearchTotals& totals, std::int64_t ms);
  int report(sim::Search::End end, std::int64_t ms) const;
  int report_violation() const;
  static void report_check(void* exploration, std::string_view expression, const char* file,
                           int line);

  const ExploreOptions& options_;
  const scenarios::ExploredCluster::Material material_;
  const sim::MakeSystem make_;
  sim::Search search_;
  std::uint64_t loaded_transitions_ = 0;
  std::int64_t shown_at_ms_ = 0;
};

int Exploration::repeat() {
  const auto schedule = sim::schedule_from_text(make_, options_.schedule);
  if (!schedule) return usage("--schedule: " + schedule.error().message);
  set_check_handler(report_check, this);
  const bool is_broken = tell(make_, *schedule).has_value();
  set_check_handler(nullptr, nullptr);
  if (!is_broken) fmt::print("no promise is broken\n");
  return static_cast<int>(is_broken ? ExitCode::broken : ExitCode::held);
}

int Exploration::run(std::int64_t time_ms) {
  if (!load()) return static_cast<int>(ExitCode::usage);
  set_check_handler(report_check, this);
  const Clock::time_point begun = Clock::now();
  const auto end = search_.run([&](const sim::SearchTotals& totals) {
    const std::int64_t ms = ms_since(begun);
    show_progress(totals, ms);
    return time_ms == 0 || ms < time_ms;
  });
  set_check_handler(nullptr, nullptr);
  if (shown_at_ms_ > 0) fmt::print(stderr, "\r\x1b[K");
  if (end == sim::Search::End::violated) return report_violation();
  if (!save()) return usage("cannot write " + options_.state_file);
  return report(end, ms_since(begun));
}

bool Exploration::load() {
  if (options_.state_file.empty()) return true;
  std::ifstream file(options_.state_file, std::ios::binary);
  if (!file) return true;  // The first part of a search.
  std::ostringstream bytes;
  bytes << file.rdbuf();
  const auto loaded = search_.load(bytes.str(), options_.bound);
  if (!loaded) (void)usage(options_.state_file + ": " + loaded.error().message);
  loaded_transitions_ = search_.totals().transitions;
  return loaded.has_value();
}

bool Exploration::save() const {
  if (options_.state_file.empty()) return true;
  const std::string next = options_.state_file + ".new";
  std::ofstream file(next, std::ios::binary);
  file << search_.save(options_.bound);
  file.close();
  return file && std::rename(next.c_str(), options_.state_file.c_str()) == 0;
}

void Exploration::show_progress(const sim::SearchTotals& totals, std::int64_t ms) {
  constexpr std::int64_t kBetween = 500;
  if (!isatty(STDERR_FILENO) || ms < shown_at_ms_ + kBetween) return;
  shown_at_ms_ = ms;
  fmt::print(stderr, "\r{}: {} states, {} schedules, {} transitions, at depth {} of {}, {} s\x1b[K",
             options_.bound, totals.states, totals.schedules, totals.transitions,
             search_.schedule().size(), totals.deepest, ms / 1000);
}

int Exploration::report(sim::Search::End end, std::int64_t ms) const {
  const sim::SearchTotals& totals = search_.totals();
  const bool is_exhausted = end == sim::Search::End::exhausted;
  fmt::print("{}: no promise broken, the bound is {}\n", options_.bound,
             !is_exhausted      ? "not exhausted: stopped"
             : totals.cut > 0 ? fmt::format("exhausted up to {} events", options_.depth)
                                : "exhausted");
  print_totals(totals, totals.transitions - loaded_transitions_, ms);
  if (!is_exhausted && !options_.state_file.empty()) {
    fmt::print("  goes on: keelson-sim explore {} --state {}{}\n", options_.bound,
               options_.state_file,
               options_.depth == 0 ? "" : fmt::format(" --depth {}", options_.depth));
  }
  return static_cast<int>(ExitCode::held);
}

int Exploration::report_violation() const {
  fmt::print("{}: {} is broken, after {} states and {} transitions\n", options_.bound,
             search_.violation()->oracle, search_.totals().states,
             search_.totals().transitions);
  const sim::Schedule shortest = shorten(make_, search_.schedule());
  fmt::print("found with {} events; of {}:\n", search_.schedule().size(), shortest.size());
  (void)tell(make_, shortest);
  fmt::print("repeat: keelson-sim explore {} --schedule {}\n", options_.bound,
             to_text(make_, shortest));
  return static_cast<int>(ExitCode::broken);
}

// A core that found itself broken, by the last event of the schedule. It does not happen again.
void Exploration::report_check(void* exploration, std::string_view expression, const char* file,
                               int line) {
  const auto& self = *static_cast<const Exploration*>(exploration);
  fmt::print("{}: a check fails, {} at {}:{}\n", self.options_.bound, expression, file, line);
  if (self.options_.schedule.empty()) {
    fmt::print("repeat: keelson-sim explore {} --schedule {}\n", self.options_.bound,
               to_text(self.make_, self.search_.schedule()));
  }
  std::fflush(stdout);
  std::_Exit(static_cast<int>(ExitCode::broken));
}

// Exits 0 when no schedule broke a promise, whether or not the bound was exhausted.
int explore(const ExploreOptions& options) {
  if (options.bound.empty()) return list_bounds();
  const scenarios::Bound* const bound = scenarios::find_bound(options.bound);
  if (bound == nullptr) {
    return usage("there is no bound '" + options.bound + "'; keelson-sim explore lists them");
  }
  const std::int64_t time_ms = options.time.empty() ? 0 : parse_time(options.time);
  if (!options.time.empty() && time_ms == 0) {
    return usage("--time: '" + options.time + "' is not a time like 60s or 5m");
  }
  Exploration exploration(options, *bound);
  return options.schedule.empty() ? exploration.run(time_ms) : exploration.repeat();
}

}  // namespace

void add_explore(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<ExploreOptions>();
  CLI::App* const command =
      app.add_subcommand("explore", "Every schedule of the Raft core within a bound");
  command->add_option("bound", options->bound, "Left out: lists them");
  command->add_option("--depth", options->depth, "Only schedules of so many events");
  command->add_option("--time", options->time, "Stop then: 60s, 5m");
  command->add_option("--state", options->state_file,
                      "Where a stopped search is kept, and goes on from");
  command->add_option("--schedule", options->schedule, "Repeat this one: 0.3.1");
  command->callback([&chosen, options] { chosen = [options] { return explore(*options); }; });
}

}  // namespace keelson::simulate
