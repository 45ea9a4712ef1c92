// A histogram of latencies whose error is bounded relative to the value, as HdrHistogram's: buckets
// are powers of two, each split into 64 equal parts, so a percentile is off by less than 1.6 %.
#pragma once

#include <array>
#include <cstdint>

namespace keelson::load {

class Histogram {
 public:
  // Negative latencies count as 0.
  void record(std::int64_t nanoseconds);

  std::uint64_t count() const { return count_; }
  std::int64_t max() const { return max_; }
  // The smallest recorded value that so many thousandths of all do not exceed, rounded up within
  // its bucket; 0 when there is none. REQUIRES: 0 <= per_mille <= 1000.
  std::int64_t at(std::uint64_t per_mille) const;

 private:
  static constexpr int kPartBits = 6;
  static constexpr std::size_t kBuckets = (64 - kPartBits + 1) << kPartBits;

  static std::size_t bucket_of(std::uint64_t value);
  static std::uint64_t top_of(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::int64_t max_ = 0;
};

}  // namespace keelson::load
