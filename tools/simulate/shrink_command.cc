// `keelson-sim shrink`: a failure with as few choices as can be found.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <memory>
#include <optional>

#include "tools/simulate/command.h"
#include "tools/simulate/run_source.h"
#include "tools/simulate/subprocess.h"
#include "tools/simulate/summary.h"
#include "tools/simulate/trials.h"

namespace keelson::simulate {

namespace {

// As many choices as a person reads on a terminal.
constexpr std::size_t kShown = 40;

struct ShrinkOptions {
  std::string what;
  std::optional<std::uint64_t> seed = {};
  std::string budget = "60s";
  std::size_t workers = 2;
  std::string out_file = {};
  std::string program = kThisProgram;
  bool json = false;
};

std::string default_out_file(const ShrinkOptions& options) {
  if (options.seed) return fmt::format("{}-{}.shrunk.repro", options.what, *options.seed);
  const std::string suffix = ".repro";
  const bool ends_so = options.what.ends_with(suffix);
  return options.what.substr(0, options.what.size() - (ends_so ? suffix.size() : 0)) +
         ".shrunk.repro";
}

void print_choices(const std::vector<sim::DrawnChoice>& choices) {
  if (choices.size() > kShown) return;
  for (const auto& [stream, choice, at] : choices) {
    fmt::print("  [{:>3}.{:06}s] {} {} {}\n", at.ns / 1'000'000'000, at.ns / 1'000 % 1'000'000,
               stream, choice.nth, choice.value);
  }
}

void print_json(const Shrunk& shrunk, std::int64_t took_ms, const std::string& out_file) {
  const boost::json::object object{{"scenario", shrunk.outcome.scenario},
                                   {"seed", shrunk.outcome.seed},
                                   {"oracle", shrunk.outcome.failure->oracle},
                                   {"fingerprint", shrunk.outcome.failure->fingerprint},
                                   {"choices_before", shrunk.failing.choices.size()},
                                   {"choices", shrunk.outcome.choices.size()},
                                   {"seconds", seconds_number(took_ms * 1'000'000)},
                                   {"runs", shrunk.runs},
                                   {"file", out_file}};
  fmt::print("{}\n", boost::json::serialize(object));
}

// What happens in the run that is left: few choices do not say by themselves what they mean.
void print_story(const std::string& out_file, const std::string& program) {
  const auto story = output_of(program, {"show", out_file, "--format", "text"});
  if (story) fmt::print("what happens:\n{}", *story);
}

void print_text(const Shrunk& shrunk, std::int64_t took_ms, const std::string& out_file,
                const std::string& program) {
  const Outcome& left = shrunk.outcome;
  fmt::print("{} choices are left after {}.{:03} s and {} runs: {}\n", left.choices.size(),
             took_ms / 1000, took_ms % 1000, shrunk.runs, left.failure->message);
  print_choices(left.choices);
  print_story(out_file, program);
  fmt::print("  repeat: build/bin/keelson-sim replay {}\n", out_file);
}

int shrink_run(const ShrinkOptions& options) {
  const std::int64_t budget_ms = parse_time(options.budget);
  if (budget_ms == 0) {
    return usage("--budget: '" + options.budget + "' is not a time like 60s or 5m");
  }
  auto job = find_run(options.what, options.seed);
  if (!job) return usage(job.error().message);
  const auto start = std::chrono::steady_clock::now();
  WorkerPool pool(options.workers, options.program);
  const std::string out_file =
      options.out_file.empty() ? default_out_file(options) : options.out_file;
  const auto shrunk =
      shrink_job(pool, *job, {.budget_ms = budget_ms}, out_file, [&](const Outcome& failing) {
        if (options.json) return;
        fmt::print("{} choices break '{}': {}\n", failing.choices.size(),
                   failing.failure->oracle, failing.failure->message);
        std::fflush(stdout);
      });
  if (!shrunk) return usage(shrunk.error().message);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);
  if (options.json) {
    print_json(*shrunk, took.count(), out_file);
  } else {
    print_text(*shrunk, took.count(), out_file, options.program);
  }
  return static_cast<int>(ExitCode::held);
}

}  // namespace

void add_shrink(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<ShrinkOptions>();
  CLI::App* const command =
      app.add_subcommand("shrink", "The same failure with as few choices as can be found");
  command->add_option("run", options->what, "A .repro file, or a scenario with --seed")->required();
  command->add_option("--seed", options->seed, "The seed of the scenario that fails");
  command->add_option("--budget", options->budget, "The most time to take")->capture_default_str();
  command->add_option("--jobs", options->workers, "Worker processes")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command->add_option("--out", options->out_file, "Where the shrunk .repro file goes");
  command->add_flag("--json", options->json, "Print one object");
  command->add_option("--program", options->program, "Another build of keelson-sim that is to run");
  command->callback([&chosen, options] { chosen = [options] { return shrink_run(*options); }; });
}

}  // namespace keelson::simulate
