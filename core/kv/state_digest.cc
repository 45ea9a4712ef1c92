// Tested by tests/core/kv/state_store_test.cc, against the model.
#include "core/kv/state_digest.h"

#include <array>

namespace keelson::kv {

void FieldDigest::add(std::uint64_t number) {
  std::array<char, 8> octets;
  for (std::size_t i = 0; i < octets.size(); ++i) octets[i] = static_cast<char>(number >> 8 * i);
  value_ = hash64({octets.data(), octets.size()}, value_);
}

void FieldDigest::add(BytesView bytes) {
  add(std::uint64_t{bytes.size()});
  value_ = hash64(bytes, value_);
}

void FieldDigest::add(const BatchOutcome& outcome) {
  add(std::uint64_t{outcome.applied});
  add(std::uint64_t{outcome.failed_condition});
  add(outcome.version);
}

}  // namespace keelson::kv
