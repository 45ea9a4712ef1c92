// Chance, as a node is allowed to have it.
//
// The world hands out independent named streams: a draw in one does not disturb another, so that a
// simulated run keeps its meaning when a new draw is added elsewhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "core/base/bytes.h"

namespace keelson {

// One stream of draws.
class Random {
 public:
  virtual ~Random() = default;

  // Uniform in [0, bound). In a simulation 0 is the benign choice that shrinking aims for.
  // REQUIRES: bound > 0.
  virtual std::uint64_t below(std::uint64_t bound) = 0;
};

class RandomSource {
 public:
  virtual ~RandomSource() = default;

  // A stream of its own for `purpose` ("raft/1/election"). Asking twice for one purpose continues
  // the one stream.
  virtual std::unique_ptr<Random> stream(std::string_view purpose) = 0;

  // 16 octets that no node gets twice, restarts included: for names, never for decisions. In a
  // simulation they are no choice, or shrinking all choices to 0 would give two things one name.
  virtual Bytes identifier() = 0;
};

}  // namespace keelson
