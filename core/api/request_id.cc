// Tested by tests/core/api/dynamodb_listener_test.cc.
#include "core/api/request_id.h"

#include "core/base/bytes.h"

namespace keelson::api {

namespace {

std::string hex(std::uint64_t number, bool upper) {
  const char* const digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out(16, '\0');
  for (std::size_t i = 0; i < 16; ++i) out[i] = digits[number >> (60 - 4 * i) & 15];
  return out;
}

}  // namespace

std::uint64_t RequestIds::mix(std::uint64_t part) const {
  Bytes counted;
  append_u64(counted, count_);
  append_u64(counted, part);
  return hash64(counted, seed_);
}

std::string RequestIds::next_short() {
  ++count_;
  return hex(mix(0), /*upper=*/true);
}

std::string RequestIds::next_uuid() {
  ++count_;
  std::string id = hex(mix(0), /*upper=*/false) + hex(mix(1), /*upper=*/false);
  for (const std::size_t at : {8, 13, 18, 23}) id.insert(at, 1, '-');
  return id;
}

}  // namespace keelson::api
