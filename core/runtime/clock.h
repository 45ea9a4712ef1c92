// Time, as a node is allowed to see it.
//
// A node never asks the operating system. It is handed a Clock: net/system_clock.h in production,
// sim/sim_clock.h in a simulated world, where time passes only while every fiber waits. To let
// time pass, a fiber sleeps or waits with a Deadline (core/runtime/scheduler.h).
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace keelson {

using Duration = std::chrono::nanoseconds;

// A point on one node's monotonic clock. Instants of two nodes, or of one node before and after a
// restart, have no common origin, so an Instant never goes on the wire or to disk.
struct Instant {
  std::int64_t ns = 0;

  constexpr auto operator<=>(const Instant&) const = default;
};

constexpr Instant operator+(Instant start, Duration span) { return {start.ns + span.count()}; }
constexpr Instant operator-(Instant end, Duration span) { return {end.ns - span.count()}; }
constexpr Duration operator-(Instant end, Instant start) { return Duration(end.ns - start.ns); }

class Clock {
 public:
  virtual ~Clock() = default;

  // Never goes back, and stands still until the calling fiber suspends: one decision, one time.
  virtual Instant now() const = 0;

  // Milliseconds since 1970-01-01 UTC. May step forward or backward at any time: for dates that
  // people and signatures carry, never for measuring a span.
  virtual std::int64_t wall_ms() const = 0;
};

// The mark of a call that may suspend: until when, at most. A call without a Deadline never
// suspends (sleep_… and yield excepted), and after one that has it, every earlier check is stale.
struct Deadline {
  Instant at;

  static constexpr Deadline never() { return {Instant{INT64_MAX}}; }
  static Deadline in(const Clock& clock, Duration span) { return {clock.now() + span}; }

  constexpr bool is_never() const { return at.ns == INT64_MAX; }
  constexpr auto operator<=>(const Deadline&) const = default;
};

}  // namespace keelson
