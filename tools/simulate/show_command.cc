#include "tools/simulate/show_command.h"

#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <sstream>

#include "scenarios/catalogue.h"
#include "sim/repro.h"
#include "tools/show/diagram.h"
#include "tools/show/perfetto.h"
#include "tools/show/recorder.h"
#include "tools/show/story.h"
#include "tools/simulate/command.h"
#include "tools/simulate/worker.h"

namespace keelson::simulate {

namespace {

// As many lines as a person reads on a terminal.
constexpr std::size_t kStoryLines = 40;
constexpr const char* kStandardOutput = "/dev/stdout";

// The run that is asked for.
struct Source {
  const scenarios::Scenario* scenario = nullptr;
  std::uint64_t seed = 0;
  sim::Choices choices;
  std::string repeat;
};

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Error{ErrorCode::invalid_argument, "cannot read " + path};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Result<std::unique_ptr<Source>> find_source(const ShowCommand& command) {
  const scenarios::Scenario* scenario = scenarios::find_scenario(command.what);
  if (command.seed) {
    if (scenario == nullptr) {
      return Error{ErrorCode::invalid_argument,
                   "there is no scenario '" + command.what + "'; see keelson-sim list"};
    }
    return std::unique_ptr<Source>(new Source{
        scenario, *command.seed, sim::Choices(*command.seed),
        fmt::format("keelson-sim run {} --seed {}", command.what, *command.seed)});
  }
  if (scenario != nullptr) return Error{ErrorCode::invalid_argument, "a scenario needs its --seed"};
  TRY(const std::string text, read_file(command.what));
  auto repro = sim::parse_repro(text);
  if (!repro) {
    return Error{ErrorCode::invalid_argument, command.what + ": " + repro.error().message};
  }
  scenario = scenarios::find_scenario(repro->scenario);
  if (scenario == nullptr) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{}: no scenario '{}'", command.what, repro->scenario)};
  }
  return std::unique_ptr<Source>(new Source{scenario, repro->seed,
                                            sim::Choices(std::move(repro->choices)),
                                            "keelson-sim replay " + command.what});
}

std::string file_of(const ShowCommand& command, const scenarios::Scenario& scenario,
                    std::uint64_t seed) {
  if (!command.out_file.empty()) return command.out_file;
  if (command.format == "text") return kStandardOutput;
  return fmt::format("{}-{}.{}", scenario.name, seed, command.format == "html" ? "html" : "json");
}

std::string written(const show::Recording& recording, const std::string& format,
                    const std::vector<show::CausePoint>& cause) {
  if (format == "html") return show::to_page(recording, cause);
  if (format == "text") return show::to_story(recording, kStoryLines);
  return show::to_perfetto(recording);
}

}  // namespace

int show(const ShowCommand& command) {
  auto source = find_source(command);
  if (!source) return usage(source.error().message);
  std::vector<show::CausePoint> cause;
  if (!command.cause_file.empty()) {
    auto text = read_file(command.cause_file);
    if (!text) return usage(text.error().message);
    auto parsed = show::parse_cause(*text);
    if (!parsed) return usage(command.cause_file + ": " + parsed.error().message);
    cause = *std::move(parsed);
  }
  const std::string path = file_of(command, *(*source)->scenario, (*source)->seed);
  std::ofstream file(path);
  if (!file) return usage("cannot write " + path);

  show::Recorder recorder;
  scenarios::RunOptions options;
  recorder.attach(options);
  const auto finish = [&](const Outcome& outcome) {
    show::Recording recording = recorder.take();
    recording.scenario = outcome.scenario;
    recording.seed = outcome.seed;
    recording.repeat = (*source)->repeat;
    recording.digest = outcome.digest;
    if (outcome.failure) {
      // A failed CHECK says nothing about time: it ends the run where it is.
      const bool has_time = outcome.failure->at_ns != 0;
      recording.violation = {.oracle = outcome.failure->oracle,
                             .message = outcome.failure->message,
                             .at = has_time ? outcome.failure->at_ns : recording.end};
    }
    file << written(recording, command.format, cause);
    file.close();
    if (path == kStandardOutput) return;
    fmt::print("{}: {} messages, {} operations, {} events; digest {:016x}\n", path,
               recording.messages.size(), recording.operations.size(), recording.events.size(),
               recording.digest);
    if (outcome.failure) fmt::print("{}: {}\n", outcome.failure->oracle, outcome.failure->message);
    std::fflush(stdout);
  };
  finish(run_seed(*(*source)->scenario, (*source)->seed, (*source)->choices, options, finish));
  return file ? 0 : usage("cannot write " + path);
}

}  // namespace keelson::simulate
