// Tested by tests/tools/load_histogram_test.cc.
#include "tools/load/histogram.h"

#include <algorithm>
#include <bit>

#include "core/base/check.h"

namespace keelson::load {

// Values below 2^(kPartBits+1) have a bucket each. Above, a value with its highest bit at position
// h is in block h - kPartBits, at the part that the next kPartBits bits name.
std::size_t Histogram::bucket_of(std::uint64_t value) {
  const int highest = value == 0 ? 0 : 63 - std::countl_zero(value);
  const int block = std::max(0, highest - kPartBits);
  return (static_cast<std::size_t>(block) << kPartBits) + static_cast<std::size_t>(value >> block);
}

std::uint64_t Histogram::top_of(std::size_t bucket) {
  const std::size_t parts = std::size_t{1} << kPartBits;
  if (bucket < 2 * parts) return bucket;
  const std::size_t block = (bucket >> kPartBits) - 1;
  const std::uint64_t part = bucket - (block << kPartBits);
  return (part << block) + ((std::uint64_t{1} << block) - 1);
}

void Histogram::record(std::int64_t nanoseconds) {
  nanoseconds = std::max<std::int64_t>(nanoseconds, 0);
  const std::size_t bucket = bucket_of(static_cast<std::uint64_t>(nanoseconds));
  CHECK(bucket < kBuckets);
  ++counts_[bucket];
  ++count_;
  max_ = std::max(max_, nanoseconds);
}

std::int64_t Histogram::at(std::uint64_t per_mille) const {
  CHECK(per_mille <= 1000);
  if (count_ == 0) return 0;
  const std::uint64_t wanted = std::max<std::uint64_t>(1, (count_ * per_mille + 999) / 1000);
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += counts_[bucket];
    if (seen >= wanted) return std::min(static_cast<std::int64_t>(top_of(bucket)), max_);
  }
  CHECK(false);
  return max_;
}

}  // namespace keelson::load
