// Tested by tests/conformance/time_properties.cc.
#include "net/system_clock.h"

#include <time.h>

#include "core/base/check.h"

namespace keelson {

namespace {

std::int64_t read_ns(clockid_t id) {
  timespec time;
  CHECK(clock_gettime(id, &time) == 0);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

void SystemClock::refresh() {
  const Instant read{read_ns(CLOCK_MONOTONIC)};
  CHECK(read >= now_);
  now_ = read;
  wall_ms_ = read_ns(CLOCK_REALTIME) / 1'000'000;
}

}  // namespace keelson
