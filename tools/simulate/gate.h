// `keelson-sim gate`: what CI calls. Fresh seeds derived from a base, spread over the scenarios by
// time, each run twice in two processes; the canary must be seen; the 3/N bound is printed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace keelson::simulate {

struct GateOptions {
  std::int64_t time_ms = 0;   // One of these two says when to stop: so long,
  std::uint64_t seeds = 0;    // or so many seeds in all.
  std::vector<std::string> scenarios;  // Empty: all.
  std::string base;           // Fresh seeds derive from it: a commit id, so a rerun is the same.
  std::uint64_t shard = 0;    // This is shard I of N: it takes every Nth seed.
  std::uint64_t shards = 1;
  std::size_t workers = 2;
  std::string junit_file;
  std::string out_directory = "out/gate";
  bool json = false;
};

// Returns the exit code.
int run_gate(const GateOptions& options);

}  // namespace keelson::simulate
