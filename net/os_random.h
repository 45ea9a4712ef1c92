// Random of the real world: every draw comes from the kernel's generator (getrandom), a page at a
// time. Streams need no state of their own to be independent, and no draw lets anyone guess
// another, so session tokens may come from here as well as election timeouts.
#pragma once

#include <array>

#include "core/runtime/random.h"

namespace keelson {

// Outlives its streams. For one thread.
class OsRandom final : public RandomSource {
 public:
  std::unique_ptr<Random> stream(std::string_view purpose) override;
  Bytes identifier() override;

  // 64 unpredictable bits.
  std::uint64_t next();

 private:
  void refill();

  std::array<std::uint64_t, 512> words_;
  std::size_t words_left_ = 0;
};

// Uniform in [0, bound) from uniform 64-bit words. REQUIRES: bound > 0.
template <typename NextWord>
std::uint64_t unbiased_below(std::uint64_t bound, NextWord&& next_word) {
  // The lowest 2^64 mod bound words would make some results likelier than others.
  const std::uint64_t rejected = (0 - bound) % bound;
  while (true) {
    const std::uint64_t word = next_word();
    if (word >= rejected) return word % bound;
  }
}

}  // namespace keelson
