// Tested by tests/tools/load_workload_test.cc.
#include "tools/load/workload.h"

#include <fmt/format.h>

#include "core/base/check.h"

namespace keelson::load {

Workload::Workload(const Mix& mix)
    : mix_(mix), random_(mix.seed * 2 + 1), text_(mix.seed) {
  CHECK(mix.keys > 0 && mix.value_bytes > 0 && mix.read_percent <= 100);
}

// xorshift64*: fast, and good enough to pick keys.
std::uint64_t Workload::below(std::uint64_t bound) {
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return (random_ * 0x2545f4914f6cdd1d >> 11) % bound;
}

Operation Workload::next() {
  if (mix_.probes) return {.act = Act::probe};
  const bool reads = mix_.read_percent > 0 && below(100) < mix_.read_percent;
  const std::uint64_t key = below(mix_.keys);
  if (!reads) return put(key);
  key_ = fmt::format("key-{:012}", key);
  return {.act = Act::get,
          .key = key_,
          .expected = {.text = &text_, .key = key, .size = mix_.value_bytes}};
}

Operation Workload::put(std::uint64_t key) {
  key_ = fmt::format("key-{:012}", key);
  return {.act = Act::put, .key = key_, .value = Value(text_, ++puts_, key, mix_.value_bytes)};
}

}  // namespace keelson::load
