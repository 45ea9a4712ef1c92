// `keelson-sim cause`: when a failure became inevitable.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>
#include <optional>

#include "tools/simulate/command.h"
#include "tools/simulate/inevitability.h"
#include "tools/simulate/run_source.h"
#include "tools/simulate/subprocess.h"
#include "tools/simulate/summary.h"

namespace keelson::simulate {

namespace {

constexpr std::size_t kChoicesShown = 12;
constexpr double kBarWidth = 40;

struct CauseOptions {
  std::string what;
  std::optional<std::uint64_t> seed = {};
  std::string budget = "60s";
  std::uint64_t runs = 40;
  std::size_t workers = 2;
  std::string program = kThisProgram;
  bool json = false;
};

void print_json(const std::vector<CurvePoint>& curve) {
  boost::json::array array;
  for (const CurvePoint& point : curve) {
    array.push_back(boost::json::object{{"virtual_ns", point.virtual_ns},
                                        {"probability", point.probability()},
                                        {"runs", point.runs}});
  }
  fmt::print("{}\n", boost::json::serialize(array));
}

void print_curve(const Outcome& failing, const std::vector<CurvePoint>& curve) {
  fmt::print("'{}' at {:.6f} s: {}\nof the runs whose choices are kept up to here, and drawn anew "
             "from there on, so many fail in the same way:\n",
             failing.failure->oracle, seconds_number(failing.failure->at_ns),
             failing.failure->message);
  for (const CurvePoint& point : curve) {
    const auto filled = static_cast<std::size_t>(point.probability() * kBarWidth + 0.5);
    fmt::print("  {:>10.6f} s {:>5.1f} % |{:<40}| of {} runs\n", seconds_number(point.virtual_ns),
               100 * point.probability(), std::string(filled, '#'), point.runs);
  }
}

// Names the steepest rise, and what was drawn there.
void print_rise(const Outcome& failing, const std::vector<CurvePoint>& curve) {
  const std::size_t rise = steepest_rise(curve);
  const CurvePoint& before = curve[rise];
  const CurvePoint& after = curve[rise + 1];
  fmt::print("steepest rise: from {:.1f} % to {:.1f} % by what was drawn from {:.6f} s to {:.6f} s"
             "\n",
             100 * before.probability(), 100 * after.probability(),
             seconds_number(before.virtual_ns), seconds_number(after.virtual_ns - 1));
  std::size_t count = 0;
  for (const auto& [stream, choice, at] : failing.choices) {
    if (at.ns < before.virtual_ns || at.ns >= after.virtual_ns) continue;
    if (++count <= kChoicesShown) {
      fmt::print("  [{:>10.6f}s] {} {} {}\n", seconds_number(at.ns), stream, choice.nth,
                 choice.value);
    }
  }
  if (count > kChoicesShown) fmt::print("  ... and {} more choices\n", count - kChoicesShown);
}

int find_cause(const CauseOptions& options) {
  const std::int64_t budget_ms = parse_time(options.budget);
  if (budget_ms == 0) {
    return usage("--budget: '" + options.budget + "' is not a time like 60s or 5m");
  }
  auto job = find_run(options.what, options.seed);
  if (!job) return usage(job.error().message);
  WorkerPool pool(options.workers, options.program);
  const Outcome failing = run_one(pool, *job);
  if (!failing.failure) return usage("this run holds: nothing made it fail");
  if (failing.choices.empty()) return usage("this run fails whatever is drawn");
  const bool shows = isatty(STDERR_FILENO) == 1;
  const auto curve = inevitability(
      pool, failing, {.runs = options.runs, .budget_ms = budget_ms}, [shows](std::uint64_t runs) {
        if (shows) fmt::print(stderr, "\r\033[K{} runs", runs);
      });
  if (shows) fmt::print(stderr, "\r\033[K");
  if (options.json) {
    print_json(curve);
  } else {
    print_curve(failing, curve);
    print_rise(failing, curve);
  }
  return static_cast<int>(ExitCode::held);
}

}  // namespace

void add_cause(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<CauseOptions>();
  CLI::App* const command =
      app.add_subcommand("cause", "From when on a failing run could not but fail");
  command->add_option("run", options->what, "A .repro file, or a scenario with --seed")->required();
  command->add_option("--seed", options->seed, "The seed of the scenario that fails");
  command->add_option("--budget", options->budget, "The most time to take")->capture_default_str();
  command->add_option("--runs", options->runs, "Runs from each point in time")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("--jobs", options->workers, "Worker processes")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command->add_option("--program", options->program, "Another build of keelson-sim that is to run");
  command->add_flag("--json", options->json, "Print an array of {virtual_ns, probability, runs}");
  command->callback([&chosen, options] { chosen = [options] { return find_cause(*options); }; });
}

}  // namespace keelson::simulate
