// SimClock: one machine's clocks, as true time disturbed by the machine's faults. Integers only.
//
// An oscillator counts from the beginning of the world, fast or slow by its drift, and stands still
// while frozen (and then jumps to where it would have been). Both clocks are read from it:
//   now()     = oscillator + origin of this incarnation  (CLOCK_MONOTONIC; goes on in a pause)
//   wall_ms() = oscillator + epoch + offset + steps      (CLOCK_REALTIME; survives restarts)
#pragma once

#include <functional>
#include <string_view>

#include "core/runtime/clock.h"
#include "sim/event_queue.h"
#include "sim/fault_ledger.h"

namespace keelson::sim {

class SimClock : public Clock {
 public:
  static constexpr std::int32_t kDriftPpmLimit = 500'000;

  // `on_change` is called after each disturbance with its description: timers may be due at another
  // true time than before.
  SimClock(const EventQueue& events, FaultLedger& ledger, std::int64_t epoch_ms,
           std::function<void(std::string_view)> on_change);

  Instant now() const override;
  std::int64_t wall_ms() const override;

  // What now() says, for oracles: nothing of the machine has read it, so no disturbance has had an
  // effect by it.
  Instant reading() const { return {oscillator() + origin_}; }

  // The first true time, not before the present, at which now() >= instant if nothing disturbs the
  // clock until then; TrueTime::end() when that is beyond the end of time. A timer armed for it
  // never fires early by this clock.
  TrueTime true_time_of(Instant instant) const;

  // --- disturbances; each is counted when injected and when first a read differed by it ---

  // A new incarnation: the monotonic clock reads `origin` now ("clock.origin" when not 0).
  void boot(Instant origin);
  // From now on a second of true time counts as 1 s + ppm microseconds ("clock.drift").
  // REQUIRES: |ppm| <= kDriftPpmLimit.
  void set_drift_ppm(std::int32_t ppm);
  // How far the wall clock is set wrong ("clock.offset"), and a step of it ("clock.step").
  void set_wall_offset(std::int64_t ms);
  void step_wall(std::int64_t ms);
  // Both clocks stand still for `span` of true time, then jump ("clock.freeze").
  // REQUIRES: span >= 0.
  void freeze(Duration span);

  std::int32_t drift_ppm() const { return drift_ppm_; }
  bool is_frozen() const { return events_.now() < thaw_at_; }

 private:
  enum Pending : unsigned { origin = 1, drift = 2, offset = 4, step = 8, frozen = 16 };

  std::int64_t unfrozen_oscillator() const;
  std::int64_t oscillator() const;
  void note_effects(unsigned differing) const;
  void inject(std::string_view kind, Pending pending);

  const EventQueue& events_;
  FaultLedger& ledger_;
  const std::int64_t epoch_ms_;
  const std::function<void(std::string_view)> on_change_;

  // Since base_at_ the oscillator runs at (1'000'000 + drift_ppm_) / 1'000'000 from
  // base_oscillator_.
  TrueTime base_at_;
  std::int64_t base_oscillator_ = 0;
  std::int32_t drift_ppm_ = 0;
  // It reads frozen_oscillator_ before thaw_at_.
  TrueTime thaw_at_;
  std::int64_t frozen_oscillator_ = 0;

  std::int64_t origin_ = 0;          // now() less the oscillator.
  std::int64_t wall_offset_ms_ = 0;
  std::int64_t wall_steps_ms_ = 0;
  mutable unsigned pending_ = 0;     // Injected, and no read has differed because of it yet.
};

}  // namespace keelson::sim
