// Tested by tests/sim/explore/search_test.cc.
#include "sim/explore/search.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/check.h"

namespace keelson::sim {

namespace {

constexpr std::uint64_t kTransitionsBetweenQuestions = 4096;

bool is_asleep(const SleepSet& asleep, const Event& event) {
  return std::binary_search(asleep.begin(), asleep.end(), event);
}

}  // namespace

Search::Search(MakeSystem make, std::uint32_t depth_max)
    : make_(std::move(make)), depth_max_(depth_max) {
  CHECK(depth_max_ > 0);
}

Search::End Search::run(const GoOn& go_on) {
  CHECK(!violation_);
  if (!std::exchange(has_begun_, true)) enter(make_(), {});
  for (std::uint64_t steps = 1; !frames_.empty(); ++steps) {
    if (steps % kTransitionsBetweenQuestions == 0 && !go_on(totals_)) return End::stopped;
    schedule_.resize(frames_.size() - 1);
    if (frames_.back().next == frames_.back().todo.size()) {
      frames_.pop_back();
      continue;
    }
    take_next();
    if (violation_) return End::violated;
  }
  return End::exhausted;
}

void Search::take_next() {
  std::unique_ptr<System> system = system_of_top();
  Frame& top = frames_.back();
  const Event event = top.todo[top.next++];
  SleepSet asleep;
  std::copy_if(top.asleep.begin(), top.asleep.end(), std::back_inserter(asleep),
               [&](const Event& other) { return system->are_independent(event, other); });
  top.asleep.insert(std::upper_bound(top.asleep.begin(), top.asleep.end(), event), event);

  schedule_.push_back(event);
  ++totals_.transitions;
  totals_.deepest = std::max<std::uint64_t>(totals_.deepest, schedule_.size());
  violation_ = system->take(event);
  if (!violation_) enter(std::move(system), std::move(asleep));
}

// The last event gets the state itself; without copies, the first.
std::unique_ptr<System> Search::system_of_top() {
  Frame& top = frames_.back();
  CHECK(top.next < top.todo.size());
  if (!top.system) return execute(schedule_.size());
  if (top.next + 1 == top.todo.size()) return std::move(top.system);
  std::unique_ptr<System> copy = top.system->copy();
  return copy ? std::move(copy) : std::move(top.system);
}

std::unique_ptr<System> Search::execute(std::size_t events) const {
  std::unique_ptr<System> system = make_();
  for (std::size_t i = 0; i < events; ++i) {
    const auto broken = system->take(schedule_[i]);
    CHECK(!broken);  // It was not when this was taken first.
  }
  return system;
}

// Begins with what can be tried from a state, if there is anything.
void Search::enter(std::unique_ptr<System> system, SleepSet asleep) {
  std::vector<Event> todo = events_to_try(*system, asleep);
  if (!todo.empty() && schedule_.size() == depth_max_) {
    ++totals_.cut;
    todo.clear();
  }
  if (todo.empty()) {
    ++totals_.schedules;
    return;
  }
  frames_.push_back({.system = std::move(system),
                     .todo = std::move(todo),
                     .next = 0,
                     .asleep = std::move(asleep)});
}

// Leaves in `asleep` what is not to be tried from here either.
std::vector<Event> Search::events_to_try(const System& system, SleepSet& asleep) {
  const std::optional<std::uint64_t> hash = system.hash();
  const auto depth = static_cast<std::uint32_t>(schedule_.size());
  if (!hash) {
    ++totals_.states;
    return events_not_tried(system, asleep);
  }
  VisitedStates::State* const known = visited_.find(*hash);
  if (known == nullptr) {
    ++totals_.states;
    visited_.add({.hash = *hash, .depth = depth, .asleep = asleep});
    return events_not_tried(system, asleep);
  }
  // From a lower depth a cut search sees further.
  if (depth_max_ != kUnbounded && depth < known->depth) {
    known->depth = depth;
    known->asleep = asleep;
    return events_not_tried(system, asleep);
  }
  // What slept whenever it was here and does not now is what is left. It alone: had the rest not
  // been tried, it would be asleep.
  std::vector<Event> todo;
  std::set_difference(known->asleep.begin(), known->asleep.end(), asleep.begin(), asleep.end(),
                      std::back_inserter(todo));
  SleepSet both;
  std::set_intersection(known->asleep.begin(), known->asleep.end(), asleep.begin(), asleep.end(),
                        std::back_inserter(both));
  known->asleep = both;
  asleep = std::move(both);
  return todo;
}

std::vector<Event> Search::events_not_tried(const System& system, SleepSet& asleep) {
  std::vector<Event> events = system.events();
  if (events.empty()) ++totals_.complete;
  // What sleeps has not happened and depends on nothing that has: it can happen still.
  const std::size_t enabled = events.size();
  std::erase_if(events, [&](const Event& event) { return is_asleep(asleep, event); });
  CHECK(events.size() + asleep.size() == enabled);
  return events;
}

}  // namespace keelson::sim
