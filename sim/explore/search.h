// Search: every schedule of a system, depth first.
//
// A schedule is a sequence of events, each one of those that can happen where the ones before it
// lead. The search keeps the events of the schedule that it is in, what is left to be tried at each
// of its steps, and nothing else that a file could not hold: a state is made anew by executing the
// events that lead to it, unless the system can be copied.
//
// Two things spare it work and none of them a state:
//   * Sleep sets (Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems",
//     5): of two independent events only one order is tried. Once an event has been tried in a
//     state, it sleeps in what the others lead to, until one that depends on it wakes it.
//   * States that were met are not entered again, except for events that slept then and do not now
//     (the same, 7: with the sets kept for each state).
//
// "None found" is as strong as the system's hash: of n states, two unequal ones share a hash with
// a chance of n * n / 2^65.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "sim/explore/system.h"
#include "sim/explore/visited_states.h"

namespace keelson::sim {

using Schedule = std::vector<Event>;

struct SearchTotals {
  std::uint64_t schedules = 0;    // Followed to where nothing new could be done.
  std::uint64_t complete = 0;     // Of these, to where nothing more can happen at all.
  std::uint64_t states = 0;       // Different ones, the first included.
  std::uint64_t transitions = 0;  // Events taken, without those that only led back to a state.
  std::uint64_t deepest = 0;      // Events of the longest schedule.
  std::uint64_t cut = 0;          // Schedules that the depth ended.

  bool operator==(const SearchTotals&) const = default;
};

class Search {
 public:
  static constexpr std::uint32_t kUnbounded = std::numeric_limits<std::uint32_t>::max();

  // Asked now and then; false stops the search where it is.
  using GoOn = std::function<bool(const SearchTotals&)>;

  enum class End {
    exhausted,  // Every schedule; of at most that depth, if any was cut.
    violated,   // violation() and schedule() say what and how.
    stopped,    // run() goes on from here, as does load().
  };

  explicit Search(MakeSystem make, std::uint32_t depth_max = kUnbounded);

  End run(const GoOn& go_on);

  const SearchTotals& totals() const { return totals_; }
  // Of the search's present place. After a violation, with the event that broke the promise.
  const Schedule& schedule() const { return schedule_; }
  const std::optional<Violation>& violation() const { return violation_; }

  // All that is needed to go on. `name` says what is searched, and how.
  Bytes save(const std::string& name) const;
  // Takes the place of what this search has done. Errors: corrupt (no such bytes),
  // invalid_argument (of another search, or the system does something else today).
  Result<void> load(BytesView saved, const std::string& name);

 private:
  // A state of the present schedule.
  struct Frame {
    std::unique_ptr<System> system;  // Null when it was given to the last event tried.
    std::vector<Event> todo;
    std::size_t next = 0;  // Of todo.
    SleepSet asleep;
  };

  void enter(std::unique_ptr<System> system, SleepSet asleep);
  std::vector<Event> events_to_try(const System& system, SleepSet& asleep);
  std::vector<Event> events_not_tried(const System& system, SleepSet& asleep);
  void take_next();
  std::unique_ptr<System> system_of_top();
  std::unique_ptr<System> execute(std::size_t events) const;
  Result<void> check_is_same_system(std::uint64_t state) const;

  const MakeSystem make_;
  const std::uint32_t depth_max_;
  bool has_begun_ = false;
  SearchTotals totals_;
  VisitedStates visited_;
  std::vector<Frame> frames_;
  Schedule schedule_;
  std::optional<Violation> violation_;
};

}  // namespace keelson::sim
