// Schedules, as a person is given them: short, as numbers to repeat them by, and told step by step.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "sim/explore/search.h"
#include "sim/explore/system.h"

namespace keelson::sim {

// Each event by its place among those that can happen then: "0.12.3". What a program prints it can
// read as long as the system is the same. The last event does not happen: it may end the process.
// REQUIRES: the schedule is one of the system's.
std::string to_text(const MakeSystem& make, const Schedule& schedule);
// Errors: invalid_argument.
Result<Schedule> schedule_from_text(const MakeSystem& make, const std::string& text);

// A schedule that breaks the same promise, and that breaks it no more if any one event is left out.
// REQUIRES: the schedule ends in a violation.
Schedule shorten(const MakeSystem& make, Schedule schedule);

// Told of each event before it happens, and then of the state of its machine if that is another.
enum class Told { event, machine };
using Tell = std::function<void(Told what, const std::string& line)>;

// Executes the schedule; `tell` may be null. Returns what was broken, by the last event if at all.
std::optional<Violation> execute(const MakeSystem& make, const Schedule& schedule,
                                 const Tell& tell);

}  // namespace keelson::sim
