// Tested by tests/sim/clock_test.cc.
#include "sim/sim_clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace keelson::sim {

namespace {

constexpr std::int64_t kMillion = 1'000'000;
// Half of all true time: beyond it nothing is computed, so that nothing overflows.
constexpr std::int64_t kFarAway = INT64_MAX / 4;

}  // namespace

SimClock::SimClock(const EventQueue& events, FaultLedger& ledger, std::int64_t epoch_ms,
                   std::function<void(std::string_view)> on_change)
    : events_(events), ledger_(ledger), epoch_ms_(epoch_ms), on_change_(std::move(on_change)) {}

std::int64_t SimClock::unfrozen_oscillator() const {
  const std::int64_t elapsed = (events_.now() - base_at_).count();
  if (drift_ppm_ == 0) return base_oscillator_ + elapsed;
  // floor(elapsed * rate / kMillion), in parts that do not overflow.
  const std::int64_t rate = kMillion + drift_ppm_;
  return base_oscillator_ + elapsed / kMillion * rate + elapsed % kMillion * rate / kMillion;
}

std::int64_t SimClock::oscillator() const {
  return is_frozen() ? frozen_oscillator_ : unfrozen_oscillator();
}

Instant SimClock::now() const {
  if (pending_ != 0) [[unlikely]] note_effects(origin | drift | frozen);
  return reading();
}

std::int64_t SimClock::wall_ms() const {
  if (pending_ != 0) [[unlikely]] note_effects(drift | frozen | offset | step);
  return epoch_ms_ + wall_offset_ms_ + wall_steps_ms_ + oscillator() / kMillion;
}

TrueTime SimClock::true_time_of(Instant instant) const {
  if (instant.ns >= kFarAway) return TrueTime::end();
  const TrueTime present = events_.now();
  const std::int64_t wanted = instant.ns - origin_;
  if (wanted <= oscillator()) return present;
  // The least elapsed time e with floor(e * rate / kMillion) >= span is ceil(span * kMillion /
  // rate).
  const std::int64_t span = std::max<std::int64_t>(wanted - base_oscillator_, 0);
  const std::int64_t rate = kMillion + drift_ppm_;
  if (span / rate >= kFarAway / kMillion) return TrueTime::end();
  const std::int64_t elapsed = span / rate * kMillion + (span % rate * kMillion + rate - 1) / rate;
  return std::max({present, base_at_ + Duration(elapsed), is_frozen() ? thaw_at_ : present});
}

// A read of the clock: counts, once each, the disturbances that make it differ.
void SimClock::note_effects(unsigned differing) const {
  const std::int64_t elapsed = (events_.now() - base_at_).count();
  const bool drifted = unfrozen_oscillator() - base_oscillator_ != elapsed;
  if (!drifted) differing &= ~static_cast<unsigned>(drift);
  if (!is_frozen() || frozen_oscillator_ == unfrozen_oscillator()) {
    differing &= ~static_cast<unsigned>(frozen);
  }
  const unsigned effective = pending_ & differing;
  if (effective & origin) ledger_.effective("clock.origin");
  if (effective & drift) ledger_.effective("clock.drift");
  if (effective & offset) ledger_.effective("clock.offset");
  if (effective & step) ledger_.effective("clock.step");
  if (effective & frozen) ledger_.effective("clock.freeze");
  pending_ &= ~effective;
}

void SimClock::inject(std::string_view kind, Pending pending) {
  ledger_.injected(kind);
  pending_ |= pending;
}

void SimClock::boot(Instant boot_origin) {
  CHECK(boot_origin.ns >= 0 && boot_origin.ns < kFarAway);
  origin_ = boot_origin.ns - oscillator();
  if (boot_origin.ns != 0) inject("clock.origin", origin);
}

void SimClock::set_drift_ppm(std::int32_t ppm) {
  CHECK(-kDriftPpmLimit <= ppm && ppm <= kDriftPpmLimit);
  base_oscillator_ = unfrozen_oscillator();
  base_at_ = events_.now();
  drift_ppm_ = ppm;
  if (ppm != 0) {
    inject("clock.drift", drift);
  } else {
    pending_ &= ~static_cast<unsigned>(drift);
  }
  on_change_(fmt::format("drifts by {} ppm", ppm));
}

void SimClock::set_wall_offset(std::int64_t ms) {
  wall_offset_ms_ = ms;
  if (ms != 0) inject("clock.offset", offset);
  on_change_(fmt::format("wall time is off by {} ms", ms));
}

void SimClock::step_wall(std::int64_t ms) {
  wall_steps_ms_ += ms;
  if (ms != 0) inject("clock.step", step);
  on_change_(fmt::format("wall time steps by {} ms", ms));
}

void SimClock::freeze(Duration span) {
  CHECK(span >= Duration::zero());
  frozen_oscillator_ = oscillator();
  thaw_at_ = std::max(thaw_at_, events_.now() + span);
  if (span > Duration::zero()) inject("clock.freeze", frozen);
  on_change_(fmt::format("stands still for {} ms", span.count() / kMillion));
}

}  // namespace keelson::sim
