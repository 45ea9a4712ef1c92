// ByteReader: takes fields off the front of stored bytes.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"

namespace keelson::storage {

// A field that is not there in full leaves the reader failed and gives zero.
class ByteReader {
 public:
  explicit ByteReader(BytesView bytes) : rest_(bytes) {}

  std::uint8_t u8() {
    const BytesView field = take(1);
    return field.empty() ? 0 : static_cast<std::uint8_t>(field[0]);
  }
  std::uint32_t u32() {
    const BytesView field = take(4);
    return field.empty() ? 0 : read_u32(field);
  }
  std::uint64_t u64() {
    const BytesView field = take(8);
    return field.empty() ? 0 : read_u64(field);
  }
  BytesView take(std::size_t size) {
    if (failed_ || size > rest_.size()) {
      failed_ = true;
      return {};
    }
    const BytesView field = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return field;
  }

  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }

 private:
  BytesView rest_;
  bool failed_ = false;
};

}  // namespace keelson::storage
