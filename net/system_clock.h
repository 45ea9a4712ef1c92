// Clock of the real world: CLOCK_MONOTONIC and CLOCK_REALTIME, read when the reactor says so, so
// that time stands still while a fiber runs.
#pragma once

#include "core/runtime/clock.h"

namespace keelson {

class SystemClock final : public Clock {
 public:
  SystemClock() { refresh(); }

  Instant now() const override { return now_; }
  std::int64_t wall_ms() const override { return wall_ms_; }

  // Lets time pass. For the reactor, while no fiber runs.
  void refresh();

 private:
  Instant now_;
  std::int64_t wall_ms_ = 0;
};

}  // namespace keelson
