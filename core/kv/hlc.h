// Hlc: a node's hybrid logical clock (Kulkarni et al., 2014), bounded by a lease.
//
// A timestamp is 48 bits of milliseconds since 1970 and a counter of 16 bits. Each one that is
// issued is greater than all that were issued or observed before on this node, follows the wall
// clock when that is well, and is never beyond the ceiling.
//
// The ceiling. One number, kept in the default group's state: no node issues a timestamp beyond
// what the number was when it last heard of it. It is raised to wall clock + `ahead` by the default
// group's leader, about every second and on demand (core/kv/timestamps.h). Who begins to lead a
// group raises it, and starts above what it was before that: so above all that was ever issued or
// read at by the leaders before, of whom nothing else need be known.
//
// A wall clock that steps back, or that was fast and is put right, does not stop time: as long as
// timestamps are ahead of the wall clock they go on at half the rate of the monotonic clock, so
// that spans measured in them end, and the wall clock catches up. A wall clock that is fast is
// followed to a quarter of `ahead` below the ceiling, and so drags nobody along; that of the
// default group's leader decides for all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/strong_int.h"
#include "core/runtime/clock.h"

namespace keelson::kv {

// Of a commit, a snapshot, a lease; 0 is before all others.
using Timestamp = StrongInt<struct TimestampTag>;

constexpr int kTimestampCounterBits = 16;

// Negative times are 0.
constexpr Timestamp timestamp_of(std::int64_t ms, std::uint64_t counter = 0) {
  return Timestamp((static_cast<std::uint64_t>(ms < 0 ? 0 : ms) << kTimestampCounterBits) +
                   counter);
}
constexpr std::int64_t ms_of(Timestamp timestamp) {
  return static_cast<std::int64_t>(timestamp.value >> kTimestampCounterBits);
}
// Rounded down to milliseconds.
constexpr Timestamp operator+(Timestamp start, Duration span) {
  return Timestamp(start.value + (static_cast<std::uint64_t>(
                                      std::chrono::duration_cast<std::chrono::milliseconds>(span)
                                          .count())
                                  << kTimestampCounterBits));
}
// Not before 0.
constexpr Timestamp operator-(Timestamp end, Duration span) {
  const Timestamp back = Timestamp() + span;
  return end < back ? Timestamp() : Timestamp(end.value - back.value);
}

// "1732284099123+7".
std::string to_string(Timestamp timestamp);

class Hlc {
 public:
  // `clock` outlives this object.
  Hlc(const Clock& clock, Duration ahead);

  // A timestamp of the present moment; nothing when it would be beyond the ceiling: have that
  // raised, and ask again.
  std::optional<Timestamp> next();

  // Whatever is issued from now on is greater.
  void observe(Timestamp timestamp);

  // Fine when it is lower than before: then nothing changes.
  void raise_ceiling(Timestamp ceiling);
  Timestamp ceiling() const { return ceiling_; }

  // Where time has come to, whether or not anything was issued.
  Timestamp now();

 private:
  void advance();

  const Clock& clock_;
  const Duration ahead_;
  Timestamp last_;     // The greatest issued or observed.
  Timestamp ceiling_;
  Instant seen_;       // When `physical_` was that.
  Duration physical_;  // Since 1970: never goes back.
};

}  // namespace keelson::kv
