// The digests of a group's state: the chain over entries and outcomes, and what goes into the
// digest of content. For the .cc files of the state store alone.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"
#include "core/kv/store.h"

namespace keelson::kv {

// A hash over fields in order; each is told from its neighbours by its size.
class FieldDigest {
 public:
  explicit FieldDigest(std::uint64_t start) : value_(start) {}

  void add(std::uint64_t number);
  void add(BytesView bytes);
  void add(const BatchOutcome& outcome);

  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_;
};

}  // namespace keelson::kv
