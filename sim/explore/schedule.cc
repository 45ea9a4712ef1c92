// Tested by tests/sim/explore/search_test.cc.
#include "sim/explore/schedule.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/base/check.h"

namespace keelson::sim {

namespace {

bool can_happen(const System& system, const Event& event) {
  const std::vector<Event> events = system.events();
  return std::find(events.begin(), events.end(), event) != events.end();
}

// Executes what of the events can happen, up to a violation of this oracle; returns what did.
// Nothing if there is none.
std::optional<Schedule> still_breaks(const MakeSystem& make, const Schedule& events,
                                     const std::string& oracle) {
  const std::unique_ptr<System> system = make();
  Schedule happened;
  for (const Event& event : events) {
    if (!can_happen(*system, event)) continue;
    happened.push_back(event);
    const auto violation = system->take(event);
    if (!violation) continue;
    if (violation->oracle != oracle) return std::nullopt;
    return happened;
  }
  return std::nullopt;
}

}  // namespace

std::string to_text(const MakeSystem& make, const Schedule& schedule) {
  const std::unique_ptr<System> system = make();
  std::string text;
  for (std::size_t i = 0; i < schedule.size(); ++i) {
    if (i > 0) (void)system->take(schedule[i - 1]);
    const std::vector<Event> events = system->events();
    const auto found = std::find(events.begin(), events.end(), schedule[i]);
    CHECK(found != events.end());
    if (i > 0) text += '.';
    text += std::to_string(found - events.begin());
  }
  return text;
}

Result<Schedule> schedule_from_text(const MakeSystem& make, const std::string& text) {
  const std::unique_ptr<System> system = make();
  Schedule schedule;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    std::size_t place = 0;
    const auto [after, error] = std::from_chars(at, end, place);
    const bool is_followed = after == end || (*after == '.' && after + 1 != end);
    const std::vector<Event> events = system->events();
    if (error != std::errc() || !is_followed || place >= events.size()) {
      return Error{ErrorCode::invalid_argument,
                   "no schedule of this bound, from step " + std::to_string(schedule.size() + 1)};
    }
    schedule.push_back(events[place]);
    // Nor does the last event happen here.
    if (after != end && system->take(events[place])) {
      return Error{ErrorCode::invalid_argument, "the schedule goes on after a violation"};
    }
    at = after == end ? end : after + 1;
  }
  return schedule;
}

Schedule shorten(const MakeSystem& make, Schedule schedule) {
  const auto violation = execute(make, schedule, nullptr);
  CHECK(violation);
  for (bool is_shorter = true; std::exchange(is_shorter, false);) {
    // From the end: what comes late rests on what came before.
    for (std::size_t left_out = schedule.size(); left_out > 0; --left_out) {
      if (left_out > schedule.size()) continue;
      Schedule without = schedule;
      without.erase(without.begin() + static_cast<std::ptrdiff_t>(left_out - 1));
      auto shorter = still_breaks(make, without, violation->oracle);
      if (!shorter) continue;
      schedule = std::move(*shorter);
      is_shorter = true;
    }
  }
  return schedule;
}

std::optional<Violation> execute(const MakeSystem& make, const Schedule& schedule,
                                 const Tell& tell) {
  const std::unique_ptr<System> system = make();
  std::optional<Violation> violation;
  for (const Event& event : schedule) {
    CHECK(!violation);
    if (!tell) {
      violation = system->take(event);
      continue;
    }
    tell(Told::event, system->describe(event));
    const std::string before = system->describe_machine(event.machine);
    violation = system->take(event);
    const std::string after = system->describe_machine(event.machine);
    if (after != before) tell(Told::machine, after);
  }
  return violation;
}

}  // namespace keelson::sim
