// What a gate found, or several shards of one together: for people, for programs, for CI.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "tools/simulate/regressions.h"
#include "tools/simulate/summary.h"

namespace keelson::simulate {

struct GateReport {
  std::vector<Summary> scenarios;
  std::vector<Regression> regressions;
  std::string canary;           // What was seen of it; empty: nothing, and the gate is blind.
  // Which seeds it ran: the first ones of each scenario that the base gives this shard. Empty when
  // shards were merged.
  std::string base = {};
  std::uint64_t shard = 0;
  std::uint64_t shards = 1;
  std::vector<std::string> artifacts;  // Files that were written about failures.

  // Of several: it judges no vacuity, the merged report does.
  bool is_shard() const { return shards > 1; }
};

// The scenarios added up, with what is vacuous about the whole.
Summary judge(const GateReport& report);
ExitCode exit_code(const GateReport& report);

std::string to_text(const GateReport& report);
std::string to_json(const GateReport& report);
// Errors: corrupt.
Result<GateReport> gate_report_from_json(const std::string& text);
// JUnit XML, a test case for each scenario and each regression.
std::string to_junit(const GateReport& report);

// Adds the report of another shard.
void merge_into(GateReport& report, const GateReport& shard);

}  // namespace keelson::simulate
