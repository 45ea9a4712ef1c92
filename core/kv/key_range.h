// KeyRange: the keys from one to before another.
#pragma once

#include "core/base/bytes.h"

namespace keelson::kv {

// Where the keys that begin with `prefix` end, as KeyRange::to.
inline Bytes end_of(BytesView prefix) {
  Bytes end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) ++end.back();
  return end;
}

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
