// Tested by tests/core/kv/hlc_test.cc.
#include "core/kv/hlc.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"

namespace keelson::kv {

namespace {

constexpr std::uint64_t kCounterMask = (std::uint64_t{1} << kTimestampCounterBits) - 1;

std::int64_t whole_ms(Duration span) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
}

}  // namespace

std::string to_string(Timestamp timestamp) {
  return fmt::format("{}+{}", ms_of(timestamp), timestamp.value & kCounterMask);
}

Hlc::Hlc(const Clock& clock, Duration ahead)
    : clock_(clock), ahead_(ahead), seen_(clock.now()), physical_(Duration::zero()) {
  CHECK(ahead >= std::chrono::milliseconds(8));
}

void Hlc::advance() {
  const Instant now = clock_.now();
  CHECK(now >= seen_);
  const Duration slewed = physical_ + (now - seen_) / 2;
  seen_ = now;
  const Duration wall = std::chrono::milliseconds(
      std::min(clock_.wall_ms(), ms_of(ceiling_) - whole_ms(ahead_ / 4)));
  const Duration most = std::chrono::milliseconds(ms_of(ceiling_));
  physical_ = std::max(physical_, std::min(std::max(slewed, wall), most));
}

Timestamp Hlc::now() {
  advance();
  return std::max(last_, timestamp_of(whole_ms(physical_)));
}

std::optional<Timestamp> Hlc::next() {
  // The counter runs over into the milliseconds: those that come next are greater anyhow.
  const Timestamp next = std::max(last_.next(), now());
  if (next > ceiling_) return std::nullopt;
  last_ = next;
  return next;
}

void Hlc::observe(Timestamp timestamp) {
  advance();
  last_ = std::max(last_, timestamp);
  physical_ = std::max<Duration>(physical_, std::chrono::milliseconds(ms_of(timestamp)));
}

void Hlc::raise_ceiling(Timestamp ceiling) {
  advance();
  ceiling_ = std::max(ceiling_, ceiling);
}

}  // namespace keelson::kv
