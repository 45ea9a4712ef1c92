// `keelson-sim events`: all events of a run with the digest after each, and its choices, as lines
// for `keelson-sim bisect`:
//
//   line = "event" SP digest [ SP true time SP text ]
//        | "choice" SP true time SP stream SP nth SP value
//        | "failure" SP fingerprint
//
// A text is there for events that tell one. The true time is in nanoseconds.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <optional>

#include "scenarios/catalogue.h"
#include "tools/simulate/command.h"
#include "tools/simulate/run_source.h"
#include "tools/simulate/summary.h"
#include "tools/simulate/worker.h"

namespace keelson::simulate {

namespace {

struct Heard {
  std::vector<std::uint64_t> digests;
  std::map<std::uint64_t, std::string> texts;  // By the number of the event, from 1.
};

void print(const Heard& recording, const sim::Choices& choices, const Outcome& outcome) {
  for (std::size_t i = 0; i < recording.digests.size(); ++i) {
    const auto text = recording.texts.find(i + 1);
    fmt::print("event {:016x}{}{}\n", recording.digests[i],
               text == recording.texts.end() ? "" : " ",
               text == recording.texts.end() ? "" : text->second);
  }
  for (const auto& [stream, choice, at] : choices.history()) {
    fmt::print("choice {} {} {} {}\n", at.ns, stream, choice.nth, choice.value);
  }
  if (outcome.failure) fmt::print("failure {}\n", outcome.failure->fingerprint);
  std::fflush(stdout);
}

int record(const std::string& what, std::optional<std::uint64_t> seed) {
  const auto job = find_run(what, seed);
  if (!job) return usage(job.error().message);
  Heard recording;
  scenarios::RunOptions options;
  options.digest_log = &recording.digests;
  options.detail = sim::Trace::Detail::all;
  options.listener = [&](const sim::TraceEvent& event) {
    recording.texts[event.number] = fmt::format("{} {} {}: {}", event.at.ns, event.machine_name,
                                                event.component, event.detail);
  };
  sim::Choices choices = choices_of(*job);
  const Outcome outcome =
      run_seed(*scenarios::find_scenario(job->scenario), job->seed, choices, options,
               [&](const Outcome& failed) { print(recording, choices, failed); });
  print(recording, choices, outcome);
  return static_cast<int>(ExitCode::held);
}

}  // namespace

void add_events(CLI::App& app, Command& chosen) {
  const auto what = std::make_shared<std::string>();
  const auto seed = std::make_shared<std::optional<std::uint64_t>>();
  CLI::App* const command = app.add_subcommand("events", "All events of a run, with digests");
  command->add_option("run", *what, "A .repro file, or a scenario with --seed")->required();
  command->add_option("--seed", *seed, "The seed of the scenario");
  command->callback([&chosen, what, seed] {
    chosen = [what, seed] { return record(*what, *seed); };
  });
}

}  // namespace keelson::simulate
