// Report: what a run has to say: its first failure, the paths it reached, what its clients did.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sim/true_time.h"

namespace keelson::scenarios {

struct Failure {
  std::string oracle;       // "probe claim", "election safety".
  std::string message;      // One sentence in the domain's words.
  std::string fingerprint;  // Equal for failures of one kind, without times, terms and nodes.
  sim::TrueTime at;         // When the oracle fired.
};

class Report {
 public:
  // Keeps the first failure of the run: what comes after it may be its consequence. `kind` names
  // what went wrong among the oracle's possibilities; with the oracle it is the fingerprint.
  void fail(std::string_view oracle, std::string_view kind, std::string message,
            sim::TrueTime at) {
    if (failure_) return;
    failure_ = {.oracle = std::string(oracle),
                .message = std::move(message),
                .fingerprint = std::string(oracle) + "/" + std::string(kind),
                .at = at};
  }
  bool failed() const { return failure_.has_value(); }
  const std::optional<Failure>& failure() const { return failure_; }

  // A path that the scenario itself was to take ("probe: a 200 was contested").
  // REQUIRES: string literals.
  void reached(std::string_view path, std::uint64_t times = 1) {
    if (times != 0) reached_[path] += times;
  }
  // A number for people: operations by outcome, probes by status, steps of a check.
  void count(std::string_view what, std::uint64_t times = 1) { counts_[what] += times; }

  const std::map<std::string_view, std::uint64_t>& reached_counts() const { return reached_; }
  const std::map<std::string_view, std::uint64_t>& counts() const { return counts_; }

 private:
  std::optional<Failure> failure_;
  std::map<std::string_view, std::uint64_t> reached_;
  std::map<std::string_view, std::uint64_t> counts_;
};

}  // namespace keelson::scenarios
