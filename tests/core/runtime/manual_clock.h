// A clock that a test moves by hand, and the loop that lets fibers live by it.
#pragma once

#include "core/runtime/scheduler.h"

namespace keelson {

class ManualClock : public Clock {
 public:
  Instant now() const override { return now_; }
  std::int64_t wall_ms() const override { return now_.ns / 1'000'000; }
  void advance_to(Instant instant) { now_ = instant; }

 private:
  Instant now_;
};

// Runs fibers and moves the clock to each timer until nothing is left to do before `until`.
inline void run_until(Scheduler& scheduler, ManualClock& clock, Instant until) {
  scheduler.run_ready();
  while (scheduler.next_timer() && *scheduler.next_timer() <= until) {
    clock.advance_to(std::max(clock.now(), *scheduler.next_timer()));
    scheduler.fire_timers();
    scheduler.run_ready();
  }
  clock.advance_to(until);
}

}  // namespace keelson
