// What clients asked and how it ended, as paths that a gate must have taken: a workload that stops
// asking something makes the gate vacuous and not green.
#pragma once

#include <string_view>
#include <vector>

#include "scenarios/history.h"
#include "scenarios/probe_protocol.h"

namespace keelson::scenarios {

using Paths = std::vector<std::string_view>;

// "s3: a conditional put was refused"; nothing if nobody demands it. REQUIRES: it has ended.
std::string_view path_of(const Operation& operation);
// All that path_of returns.
Paths s3_paths();

// "probe: HEAD of a leader probe, 503"; nothing if nobody demands it. `status` is 0 without an
// answer.
std::string_view path_of(std::string_view method, ProbeExpectation expectation, int status);
Paths probe_paths();

// One after the other.
Paths together(Paths paths, const Paths& more);

}  // namespace keelson::scenarios
