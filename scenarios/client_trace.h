// What clients and operators ask, in a run's trace: "c1 client: put bucket/key-1 at n3", and how it
// ended, with the number of the event that began it: "c1 client: #417 ok: 200".
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/result.h"
#include "scenarios/history.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace keelson::scenarios {

// An operation begins: what is asked, of which node ("n3"). Returns the event's number.
std::uint64_t trace_call(sim::Machine& client, std::string_view what, std::string_view node);
// It ends: `answer` is for people.
void trace_return(sim::Machine& client, std::uint64_t call, Outcome outcome,
                  std::string_view answer);
// What an operator has asked for ends: it was done (nullptr), or not, or nobody knows.
void trace_return(sim::Machine& client, std::uint64_t call, const Error* failed);

}  // namespace keelson::scenarios
