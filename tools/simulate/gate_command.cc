// The flags of `keelson-sim gate` and `keelson-sim merge`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <memory>
#include <sstream>

#include "scenarios/catalogue.h"
#include "tools/simulate/command.h"
#include "tools/simulate/gate.h"
#include "tools/simulate/gate_report.h"

namespace keelson::simulate {

namespace {

struct GateFlags {
  GateOptions options;
  std::string time;
  std::string shard;
  std::string shrink = "20s";
};

int gate(GateFlags flags) {
  GateOptions& options = flags.options;
  if (!flags.time.empty() && (options.time_ms = parse_time(flags.time)) == 0) {
    return usage("--time: '" + flags.time + "' is not a time like 60s or 5m");
  }
  options.shrink_ms = parse_time(flags.shrink);
  if (options.shrink_ms == 0 && flags.shrink != "0") {
    return usage("--shrink: '" + flags.shrink + "' is not a time like 20s, or 0");
  }
  if (options.time_ms == 0 && options.seeds == 0) options.time_ms = 60'000;
  if (!flags.shard.empty()) {
    char slash = 0;
    std::istringstream in(flags.shard);
    if (!(in >> options.shard >> slash >> options.shards) || slash != '/' ||
        options.shard >= options.shards) {
      return usage("--shard: '" + flags.shard + "' is not I/N with I < N");
    }
  }
  for (const std::string& name : options.scenarios) {
    if (scenarios::find_scenario(name) == nullptr) return usage("no scenario '" + name + "'");
  }
  return run_gate(options);
}

struct MergeFlags {
  std::vector<std::string> files;
  std::string junit_file;
  bool json = false;
};

int merge(const MergeFlags& flags) {
  GateReport whole;
  for (const std::string& path : flags.files) {
    std::ifstream file(path);
    if (!file) return usage("cannot read " + path);
    std::ostringstream text;
    text << file.rdbuf();
    const auto report = gate_report_from_json(text.str());
    if (!report) return usage(path + ": " + report.error().message);
    merge_into(whole, *report);
  }
  if (!flags.junit_file.empty()) std::ofstream(flags.junit_file) << to_junit(whole);
  fmt::print("{}", flags.json ? to_json(whole) + "\n" : to_text(whole));
  return static_cast<int>(exit_code(whole));
}

}  // namespace

void add_gate(CLI::App& app, Command& chosen) {
  const auto flags = std::make_shared<GateFlags>();
  GateOptions& options = flags->options;
  CLI::App* const command = app.add_subcommand("gate", "What CI calls");
  command->add_option("--time", flags->time, "Run fresh seeds for so long: 60s, 5m");
  command->add_option("--seeds", options.seeds, "Run so many seeds instead, in each shard");
  command->add_option("--scenario", options.scenarios, "Only these; may be repeated");
  command->add_option("--base", options.base, "What fresh seeds derive from, say a commit id")
      ->default_val("keelson");
  command->add_option("--shard", flags->shard, "I/N: every Nth seed from the Ith on, I from 0");
  command->add_option("--jobs", options.workers, "Worker processes, at least 2")
      ->default_val(2)
      ->check(CLI::Range(2, 64));
  command->add_option("--regressions", options.regressions, "The folder of stored failures")
      ->capture_default_str();
  command->add_option("--shares", options.shares_file,
                      "Spread time by what scenarios found before, which this file remembers");
  command->add_option("--shrink", flags->shrink, "The most time for each sort of failure; 0: none")
      ->capture_default_str();
  command->add_option("--junit", options.junit_file, "Write JUnit XML here");
  command->add_option("--out", options.out_directory, "Where files about failures go")
      ->capture_default_str();
  command->add_flag("--json", options.json, "Print one object");
  command->callback([&chosen, flags] { chosen = [flags] { return gate(*flags); }; });
}

void add_merge(CLI::App& app, Command& chosen) {
  const auto flags = std::make_shared<MergeFlags>();
  CLI::App* const command = app.add_subcommand("merge", "What the shards of a gate found together");
  command->add_option("files", flags->files, "What gate --shard I/N --json printed")->required();
  command->add_option("--junit", flags->junit_file, "Write JUnit XML here");
  command->add_flag("--json", flags->json, "Print one object");
  command->callback([&chosen, flags] { chosen = [flags] { return merge(*flags); }; });
}

}  // namespace keelson::simulate
