// `keelson-sim gate`: what CI calls. The canary must be seen and shrunk; stored failures must hold;
// then fresh seeds derived from a base, spread over the scenarios by time and by what each has
// lately found, each run twice in two processes. For each failure of a new sort there are files to
// look at: the choices, the choices that are left after shrinking, and a page.
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
  std::string regressions = "tests/regressions";  // The folder of stored failures.
  std::string shares_file;    // Where it is kept what scenarios found; empty: each gets the same.
  std::int64_t shrink_ms = 20'000;  // For each failure of a new sort; 0: none is shrunk.
  std::string junit_file;
  std::string out_directory = "out/gate";
  bool json = false;
};

// Returns the exit code.
int run_gate(const GateOptions& options);

}  // namespace keelson::simulate
