// One run of a scenario: builds the world, lets the scenario act in it, and says what came of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/scenario.h"
#include "sim/fault_ledger.h"
#include "sim/trace.h"

namespace keelson::scenarios {

struct RunOptions {
  // Reused from run to run, as mapping stacks is slow; may be null.
  StackPool* stacks = nullptr;
  // Hears the run, without an effect on it.
  sim::Trace::Listener listener;
  sim::Trace::Detail detail = sim::Trace::Detail::rare;
  // Sees the run, without an effect on it; may be null.
  Watcher* watcher = nullptr;
  // Takes the digest after each event, to find where two runs part; may be null.
  std::vector<std::uint64_t>* digest_log = nullptr;
  RunLimits limits = {};
};

struct RunResult {
  std::optional<Failure> failure;
  std::uint64_t digest = 0;
  std::uint64_t events = 0;  // That the world took from its queue.
  std::int64_t virtual_ns = 0;
  std::map<std::string, sim::FaultLedger::Count> faults;
  // SOMETIMES marks of all machines, and what the scenario itself reported.
  std::map<std::string, std::uint64_t> reached;
  std::map<std::string, std::uint64_t> counts;
};

// Same choices, same result, to the digest. A failed CHECK inside ends the process by its handler:
// the program that runs seeds says which one it was.
RunResult run_scenario(const Scenario& scenario, sim::Choices& choices,
                       const RunOptions& options = {});

}  // namespace keelson::scenarios
