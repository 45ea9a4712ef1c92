// What became of one run of one seed, as a worker process reports it to the process that asked: one
// line of JSON each.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "sim/choices.h"

namespace keelson::simulate {

struct FaultCount {
  std::uint64_t injected = 0;
  std::uint64_t effective = 0;
};

struct Outcome {
  struct Failure {
    std::string oracle;
    std::string message;
    std::string fingerprint;
    std::int64_t at_ns = 0;
  };

  std::string scenario;
  std::uint64_t seed = 0;
  std::optional<Failure> failure = {};
  std::uint64_t digest = 0;
  std::int64_t virtual_ns = 0;
  std::int64_t wall_ns = 0;
  std::uint64_t events = 0;
  std::map<std::string, FaultCount> faults = {};
  // By path; those that the scenario must reach are there with 0.
  std::map<std::string, std::uint64_t> reached = {};
  std::map<std::string, std::uint64_t> counts = {};
  // What was drawn other than 0, if the job asked for it.
  std::vector<sim::DrawnChoice> choices = {};
  // Of a replayed run: how many of the fixed choices it asked for.
  std::uint64_t matched = 0;
};

// Without an end of line.
std::string to_json_line(const Outcome& outcome);
// Errors: corrupt.
Result<Outcome> outcome_from_json(const std::string& line);

}  // namespace keelson::simulate
