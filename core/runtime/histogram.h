// Spans of time, counted in buckets by upper bound: what metrics tell of latencies.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/runtime/clock.h"

namespace keelson {

class Histogram {
 public:
  // REQUIRES: the bounds ascend.
  explicit Histogram(std::vector<Duration> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {
    CHECK(std::is_sorted(bounds_.begin(), bounds_.end()));
  }

  void observe(Duration span) {
    const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), span);
    ++counts_[static_cast<std::size_t>(bound - bounds_.begin())];
    sum_ += span;
  }

  // 100 us to 2.5 s: what a request takes, and what a write to a disk or to a quorum does.
  static std::vector<Duration> request_bounds();

  const std::vector<Duration>& bounds() const { return bounds_; }
  // counts()[i] spans were at most bounds()[i] and above the bound before; the last has no bound.
  const std::vector<std::uint64_t>& counts() const { return counts_; }
  Duration sum() const { return sum_; }

 private:
  std::vector<Duration> bounds_;
  std::vector<std::uint64_t> counts_;
  Duration sum_{0};
};

}  // namespace keelson
