// Shares: how the gate's time is spread over the scenarios, by what each has lately found and
// reached. Kept in a file from gate to gate, so that a gate of the same commit and the same file is
// the same.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "tools/simulate/summary.h"

namespace keelson::simulate {

class Shares {
 public:
  // What a scenario without a past gets; others get up to five times as much.
  static constexpr std::uint64_t kLeast = 1000;

  std::uint64_t weight(const std::string& scenario) const;

  // Halves what was known, and adds what these found: failures, and rare paths.
  void learn(const std::vector<Summary>& scenarios);

  std::string to_json() const;
  // Errors: corrupt.
  static Result<Shares> from_json(const std::string& text);

 private:
  struct Past {
    std::uint64_t found = 0;    // In thousandths of a seed that failed.
    std::uint64_t reached = 0;  // In thousandths of a rare path.
  };
  std::map<std::string, Past> past_;
};

}  // namespace keelson::simulate
