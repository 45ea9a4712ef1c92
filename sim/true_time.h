// True time: what the simulator's own clock says. No node ever sees it; oracles judge by it.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace keelson::sim {

using Duration = std::chrono::nanoseconds;

struct TrueTime {
  std::int64_t ns = 0;  // Since the beginning of the world.

  constexpr auto operator<=>(const TrueTime&) const = default;

  static constexpr TrueTime end() { return {INT64_MAX}; }
};

constexpr TrueTime operator+(TrueTime start, Duration span) { return {start.ns + span.count()}; }
constexpr Duration operator-(TrueTime end, TrueTime start) { return Duration(end.ns - start.ns); }

}  // namespace keelson::sim
