// keelson-sim: runs scenarios in simulated worlds. The README of tools has the contract.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include "scenarios/catalogue.h"
#include "tools/simulate/campaign.h"
#include "tools/simulate/command.h"
#include "tools/simulate/run_source.h"
#include "tools/simulate/show_command.h"
#include "tools/simulate/worker.h"

namespace keelson::simulate {
namespace {

int exit_status(ExitCode code) { return static_cast<int>(code); }

struct RunCommand {
  std::string scenario;
  std::uint64_t seed = 1;
  std::uint64_t seeds = 1;
  std::size_t jobs = std::max(1u, std::thread::hardware_concurrency());
  bool json = false;
  bool until_failure = false;
  bool twice = false;
  bool twice_in_process = false;
  std::string trace_file;
  std::string out_directory;
};

int list() {
  for (const auto& scenario : scenarios::all_scenarios()) {
    fmt::print("{:20} {}\n", scenario.name, scenario.promise);
  }
  return 0;
}

void print_summary(const Summary& summary, bool as_json) {
  fmt::print("{}", as_json ? to_json(summary) + "\n" : to_text(summary));
}

void report_check_in_this_process(const Outcome& outcome) {
  Summary summary;
  summary.scenario = outcome.scenario;
  summary.add(outcome);
  print_summary(summary, false);
  std::fflush(stdout);
}

// One seed in this process, with its trace.
int run_traced(const scenarios::Scenario& scenario, const RunCommand& command) {
  std::ofstream file;
  if (command.trace_file != "-") {
    file.open(command.trace_file);
    if (!file) return usage("cannot write " + command.trace_file);
  }
  scenarios::RunOptions options;
  options.listener = sim::print_to(command.trace_file == "-" ? std::cout : file);
  options.detail = sim::Trace::Detail::all;
  sim::Choices choices(command.seed);
  Summary summary;
  summary.scenario = command.scenario;
  summary.add(run_seed(scenario, command.seed, choices, options, report_check_in_this_process));
  summary.wall_ns = 0;
  print_summary(summary, command.json);
  return exit_status(summary.exit_code());
}

int run(const RunCommand& command) {
  const scenarios::Scenario* const scenario = scenarios::find_scenario(command.scenario);
  if (scenario == nullptr) {
    return usage("there is no scenario '" + command.scenario + "'; see keelson-sim list");
  }
  if (!command.trace_file.empty()) {
    if (command.seeds != 1) return usage("--trace takes one seed");
    return run_traced(*scenario, command);
  }
  using Runs = CampaignOptions::Runs;
  const CampaignOptions options{.workers = command.twice ? std::max<std::size_t>(2, command.jobs)
                                                         : command.jobs,
                                .runs = command.twice              ? Runs::twice_in_two_processes
                                        : command.twice_in_process ? Runs::twice_in_one_process
                                                                   : Runs::once,
                                .until_failure = command.until_failure,
                                .out_directory = command.out_directory};
  std::uint64_t given = 0;
  const auto next_job = [&]() -> std::optional<Job> {
    if (given == command.seeds) return std::nullopt;
    return Job{.scenario = command.scenario, .seed = command.seed + given++, .repro_path = {}};
  };
  auto summaries = run_campaign(options, next_job, command.seeds);
  if (summaries.empty()) return usage("--seeds must be at least 1");
  // A handful of seeds says nothing about which faults and paths the scenario can draw.
  constexpr std::uint64_t kSeedsToJudge = 1000;
  if (command.seeds >= kSeedsToJudge) summaries.front().judge_vacuity(true);
  print_summary(summaries.front(), command.json);
  return exit_status(summaries.front().exit_code());
}

int replay(const std::string& path, const std::string& trace_file) {
  auto repro = read_repro(path);
  if (!repro) return usage(repro.error().message);
  const scenarios::Scenario* const scenario = scenarios::find_scenario(repro->scenario);

  sim::Choices choices(std::move(repro->choices));
  scenarios::RunOptions options;
  std::ofstream trace;
  if (!trace_file.empty()) {
    trace.open(trace_file);
    options.listener = sim::print_to(trace);
    options.detail = sim::Trace::Detail::all;
  }
  const Outcome outcome =
      run_seed(*scenario, repro->seed, choices, options, report_check_in_this_process);
  Summary summary;
  summary.scenario = repro->scenario;
  summary.add(outcome);
  print_summary(summary, false);
  fmt::print("choices asked for: {} of {} in the file\n", choices.matched(),
             choices.fixed_count());
  if (!repro->fingerprint.empty()) {
    const bool is_same = outcome.failure && outcome.failure->fingerprint == repro->fingerprint;
    fmt::print("{}\n", is_same ? "the same failure as recorded"
                               : "NOT the failure that was recorded: " + repro->fingerprint);
  }
  return exit_status(summary.exit_code());
}

}  // namespace
}  // namespace keelson::simulate

int main(int argc, char** argv) {
  using namespace keelson::simulate;
  CLI::App app{"Runs Keelson's scenarios in simulated worlds"};
  app.require_subcommand(1);
  CLI::App* const list_command = app.add_subcommand("list", "The scenarios and their promises");

  RunCommand run_command;
  CLI::App* const run_app = app.add_subcommand("run", "Run seeds of one scenario");
  run_app->add_option("scenario", run_command.scenario)->required();
  run_app->add_option("--seed", run_command.seed, "The first seed")->capture_default_str();
  run_app->add_option("--seeds", run_command.seeds, "How many")->capture_default_str();
  run_app->add_option("--jobs", run_command.jobs, "Worker processes")->capture_default_str();
  run_app->add_flag("--json", run_command.json, "Print one object");
  run_app->add_flag("--until-failure", run_command.until_failure, "Stop at the first failure");
  CLI::Option* const twice =
      run_app->add_flag("--twice", run_command.twice, "Run each seed in two processes and compare");
  run_app
      ->add_flag("--twice-in-process", run_command.twice_in_process,
                 "Run each seed twice in one process and compare")
      ->excludes(twice);
  run_app->add_option("--trace", run_command.trace_file, "Write the run's trace; - is stdout");
  run_app->add_option("--out", run_command.out_directory, "Where .repro files of failures go");

  std::string repro_file;
  std::string replay_trace;
  CLI::App* const replay_app = app.add_subcommand("replay", "Run a .repro file again");
  replay_app->add_option("file", repro_file)->required();
  replay_app->add_option("--trace", replay_trace, "Write the run's trace");

  ShowCommand show_command;
  CLI::App* const show_app =
      app.add_subcommand("show", "Draw a run: a page to look at, or tell it in words");
  show_app->add_option("what", show_command.what, "A .repro file, or a scenario")->required();
  show_app->add_option("--seed", show_command.seed, "Of the scenario");
  show_app->add_option("--out", show_command.out_file, "What to write; else named by the run");
  show_app->add_option("--format", show_command.format)
      ->check(CLI::IsMember({"html", "text", "perfetto"}))
      ->capture_default_str();
  show_app->add_option("--cause", show_command.cause_file, "What keelson-sim cause has written");

  Command chosen;
  add_shrink(app, chosen);
  add_cause(app, chosen);
  add_bisect(app, chosen);
  add_events(app, chosen);
  add_gate(app, chosen);
  add_merge(app, chosen);
  add_explore(app, chosen);
  CLI::App* const worker_app = app.add_subcommand("worker", "")->group("");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (list_command->parsed()) return list();
  if (run_app->parsed()) return run(run_command);
  if (replay_app->parsed()) return replay(repro_file, replay_trace);
  if (show_app->parsed()) return show(show_command);
  if (worker_app->parsed()) return run_worker();
  return chosen();
}
