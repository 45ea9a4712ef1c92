// Where keys lie. Neighbours in order are neighbours in a shard (core/kv/shard_map.h), so each
// adapter begins its keys with the spread() of the name of what belongs together (a bucket, a
// table, a queue): that puts it together, and puts different ones all over the shards of a new
// cluster. A shard can still be split in the middle of one of them.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace keelson::kv {

// How many there are. None begins with the octet 0, which is for rows of the groups' own.
inline constexpr std::uint64_t kSpreads = 255 * 256;

// Two octets, in the order of the numbers. REQUIRES: number < kSpreads.
inline Bytes nth_spread(std::uint64_t number) {
  CHECK(number < kSpreads);
  return {static_cast<char>(1 + number / 256), static_cast<char>(number % 256)};
}

inline Bytes spread(BytesView name) { return nth_spread(hash64(name) % kSpreads); }

}  // namespace keelson::kv
