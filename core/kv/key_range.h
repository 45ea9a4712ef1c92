// KeyRange: the keys from one to before another.
#pragma once

#include "core/base/bytes.h"

namespace keelson::kv {

struct KeyRange {
  Bytes from;
  Bytes to;  // Empty: no end.

  bool operator==(const KeyRange&) const = default;

  bool contains(BytesView key) const { return key >= from && (to.empty() || key < to); }
  bool intersects(const KeyRange& other) const {
    return (to.empty() || other.from < to) && (other.to.empty() || from < other.to);
  }
};

}  // namespace keelson::kv
