// Summary: many outcomes added up, and how to tell people and programs about them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/simulate/outcome.h"

namespace keelson::simulate {

// The exit codes of keelson-sim.
enum class ExitCode { held = 0, broken = 1, usage = 2, not_deterministic = 3, vacuous = 4 };

struct Summary {
  std::string scenario;  // One, or "gate".
  std::uint64_t seeds = 0;
  std::vector<Outcome> failures;     // As far as they are kept: the first `kFailuresKept`.
  std::uint64_t failure_count = 0;
  std::vector<std::string> divergences;  // One sentence each: a seed with two digests.
  std::int64_t virtual_ns = 0;
  std::int64_t wall_ns = 0;          // Of the campaign, not the sum of the runs.
  std::uint64_t events = 0;
  std::uint64_t digest_sum = 0;      // Of what each seed and its digest were mixed to.
  std::uint64_t last_digest = 0;
  std::map<std::string, FaultCount> faults;
  std::map<std::string, std::uint64_t> reached;
  std::map<std::string, std::uint64_t> counts;
  std::vector<std::string> vacuities;    // One sentence each.
  bool simulator_lies = false;           // A fault never had an effect: no verdict counts.

  static constexpr std::size_t kFailuresKept = 100;

  void add(const Outcome& outcome);
  // Finds faults without effect and, if `judge_reached`, paths never taken. Call it once, at the
  // end.
  void judge_vacuity(bool judge_reached);
  ExitCode exit_code() const;
  // Of one seed its own; of many the same whatever the order in which they were run.
  std::uint64_t digest() const;
};

double seconds_number(std::int64_t ns);

// The line to paste that repeats a run.
std::string repeat_line(const Outcome& outcome);

// The object that --json prints: the contract is in the README.
std::string to_json(const Summary& summary);
// For people: verdict, failures with their repeat lines, faults, paths.
std::string to_text(const Summary& summary);
// Reads what to_json says of one scenario, but for what was vacuous. Errors: corrupt.
Result<Summary> summary_from_json(const std::string& text);

}  // namespace keelson::simulate
