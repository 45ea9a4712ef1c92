#include "core/runtime/histogram.h"

namespace keelson {

std::vector<Duration> Histogram::request_bounds() {
  using namespace std::chrono_literals;
  return {100us, 250us, 500us, 1ms,   2500us, 5ms, 10ms,
          25ms,  50ms,  100ms, 250ms, 500ms,  1s,  2500ms};
}

}  // namespace keelson
