// `keelson-sim bisect`: the first event at which two runs part, and the choices before it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/simulate/command.h"
#include "tools/simulate/recording.h"
#include "tools/simulate/subprocess.h"
#include "tools/simulate/summary.h"

namespace keelson::simulate {

namespace {

constexpr std::size_t kEventsShown = 5;
constexpr std::size_t kChoicesShown = 12;

struct BisectOptions {
  std::string a;
  std::string b = {};  // Empty: the same as a, by another program.
  std::string program_a = kThisProgram;
  std::string program_b = kThisProgram;
};

// "FILE.repro" or "SCENARIO:SEED" as arguments of `events`.
std::vector<std::string> arguments_for(const std::string& run) {
  const std::size_t colon = run.rfind(':');
  const bool has_seed = colon != std::string::npos && colon + 1 < run.size() &&
                        run.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  if (!has_seed) return {"events", run};
  return {"events", run.substr(0, colon), "--seed", run.substr(colon + 1)};
}

void print_events(const std::vector<Recording::Event>& events) {
  for (const Recording::Event& event : events) {
    fmt::print("    [{:>10.6f}s] {}\n", seconds_number(event.at_ns), event.text);
  }
  if (events.empty()) fmt::print("    nothing\n");
}

void print_choices(const char* whose, const std::vector<Recording::Drawn>& choices) {
  if (choices.empty()) return;
  fmt::print("choices before it {}:\n", whose);
  const std::size_t left_out = choices.size() - std::min(choices.size(), kChoicesShown);
  if (left_out > 0) fmt::print("    ... {} more, and last\n", left_out);
  for (std::size_t i = left_out; i < choices.size(); ++i) {
    fmt::print("    [{:>10.6f}s] {}\n", seconds_number(choices[i].at_ns), choices[i].text);
  }
}

int bisect(const BisectOptions& options) {
  const std::string& other = options.b.empty() ? options.a : options.b;
  const auto a = output_of(options.program_a, arguments_for(options.a));
  const auto b = output_of(options.program_b, arguments_for(other));
  if (!a || !b) {
    return usage("cannot run " + (a ? options.program_b + " events " + other
                                    : options.program_a + " events " + options.a));
  }
  const auto parted = where_they_part(parse_recording(*a), parse_recording(*b), kEventsShown);
  if (!parted) {
    fmt::print("the two runs are the same\n");
    return static_cast<int>(ExitCode::held);
  }
  fmt::print("the two runs part at event {}\n  after\n", parted->event);
  print_events(parted->before);
  fmt::print("  A goes on with\n");
  print_events(parted->after_in_a);
  fmt::print("  B goes on with\n");
  print_events(parted->after_in_b);
  print_choices("that only A made", parted->only_a);
  print_choices("that only B made", parted->only_b);
  print_choices("that both made", parted->both);
  return static_cast<int>(ExitCode::broken);
}

}  // namespace

void add_bisect(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<BisectOptions>();
  CLI::App* const command = app.add_subcommand("bisect", "The first event at which two runs part");
  command->add_option("A", options->a, "A .repro file, or SCENARIO:SEED")->required();
  command->add_option("B", options->b, "The other run; left out: the same");
  command->add_option("--program-a", options->program_a, "The keelson-sim that runs A");
  command->add_option("--program-b", options->program_b, "The keelson-sim that runs B");
  command->callback([&chosen, options] { chosen = [options] { return bisect(*options); }; });
}

}  // namespace keelson::simulate
