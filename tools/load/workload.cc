// Tested by tests/tools/load_workload_test.cc.
#include "tools/load/workload.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"

namespace keelson::load {

Workload::Workload(const Mix& mix) : mix_(mix), random_(mix.seed * 2 + 1) {
  CHECK(mix.keys > 0 && mix.value_bytes > 0 && mix.read_percent <= 100);
  for (std::size_t i = 0; i < mix.value_bytes + 4096; ++i) {
    source_.push_back(static_cast<char>('0' + below(64)));
  }
}

// xorshift64*: fast, and good enough to pick keys.
std::uint64_t Workload::below(std::uint64_t bound) {
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return (random_ * 0x2545f4914f6cdd1d >> 11) % bound;
}

Operation Workload::next() {
  if (mix_.probes) return {.act = Act::probe, .key = {}, .value = {}};
  const bool reads = mix_.read_percent > 0 && below(100) < mix_.read_percent;
  const std::uint64_t key = below(mix_.keys);
  if (!reads) return put(key);
  key_ = fmt::format("key-{:012}", key);
  return {.act = Act::get, .key = key_, .value = {}};
}

Operation Workload::put(std::uint64_t key) {
  key_ = fmt::format("key-{:012}", key);
  // An engine may skip a write that changes nothing, so each value begins with a number of its own
  // (as many of its last digits as fit), and is cut from another place.
  const std::string number = fmt::format("{:016x}", ++puts_);
  const std::size_t digits = std::min(number.size(), mix_.value_bytes);
  value_.assign(source_, below(4096), mix_.value_bytes);
  value_.replace(0, digits, number, number.size() - digits, digits);
  return {.act = Act::put, .key = key_, .value = value_};
}

}  // namespace keelson::load
