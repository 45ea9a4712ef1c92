// Inevitability: from when on a failing run could not but fail. The choices up to some time are
// kept and all later ones drawn anew, many times; the share of such runs that fail in the same way
// rises from the chance of a fresh seed to certainty, and where it rises most is the cause.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "tools/simulate/worker_pool.h"

namespace keelson::simulate {

struct CurvePoint {
  std::int64_t virtual_ns = 0;  // Choices made before this are kept.
  std::uint64_t runs = 0;
  std::uint64_t failed = 0;     // By the same oracle, in the same way.

  double probability() const {
    return runs == 0 ? 0 : static_cast<double>(failed) / static_cast<double>(runs);
  }
};

struct CurveOptions {
  std::uint64_t runs = 40;      // At each point.
  std::size_t points = 16;      // To begin with; then more where it rises most.
  std::int64_t budget_ms = 60'000;
};

// By time, from a point before all choices to one after the last. `failing` has its choices.
// `on_progress` is told how many runs were made. REQUIRES: it failed, and no worker is busy.
std::vector<CurvePoint> inevitability(WorkerPool& pool, const Outcome& failing,
                                      const CurveOptions& options,
                                      const std::function<void(std::uint64_t)>& on_progress);

// The position of the point before the steepest rise. REQUIRES: there are two points.
std::size_t steepest_rise(const std::vector<CurvePoint>& curve);

}  // namespace keelson::simulate
