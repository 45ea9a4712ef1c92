// Stored failures, each of a bug that is gone: .repro files that must hold on the present code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "tools/simulate/worker_pool.h"

namespace keelson::simulate {

struct Regression {
  std::string file;      // Its path, or why it cannot be run.
  std::string scenario;
  std::uint64_t listed = 0;   // Choices in the file,
  std::uint64_t matched = 0;  // and those that the run asked for.
  std::optional<Outcome::Failure> failure = {};
  bool is_deterministic = true;

  // Of a run that asks for less than half of what it is made of nobody knows what it tests.
  bool is_stale() const { return 2 * matched < listed; }
  std::uint64_t match_percent() const { return listed == 0 ? 100 : 100 * matched / listed; }
};

// Runs every .repro file of the folder, in the order of their names, each in two processes. None if
// there is no such folder. Errors: invalid_argument: a file that cannot be read.
Result<std::vector<Regression>> run_regressions(const std::string& folder);

}  // namespace keelson::simulate
