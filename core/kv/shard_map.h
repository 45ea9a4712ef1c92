// ShardMap: which group has which keys: half-open ranges that cover all keys (shards), kept in the
// default group and so in the state of every node. A node may know an older one than its neighbour:
// a group refuses by itself what it has given away (core/kv/ownership.h), so an old map costs a
// second try and never a wrong answer.
//
// How a shard moves to another group (core/kv/shard_mover.h does it), one at a time:
//   MoveShard      it is written down that it shall move;
//   FenceRange     its group takes nothing more of it; what is prepared there is decided;
//   ReceiveRows    the other group gets its rows as they are, versions and all;
//   OwnRange       and serves it from then on;
//   SwitchShard    the map says so;
//   DropRange      the first group forgets the rows;
//   EndMove        and the next move may begin.
// Every step may be done twice, by two who do not know of each other, as late as can be: it names
// its move, whose number grows.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/result.h"
#include "core/kv/key_range.h"
#include "core/raft/types.h"

namespace keelson::kv {

// --- changes of the map, each an entry of the default group's log ---

// The first map: an equal part of all spreads (core/kv/spread.h) for each group. Only if there is
// none.
struct FoundShards {
  std::vector<GroupId> groups;
};
// Cuts a shard in two at the key.
struct SplitShard {
  Bytes at;
};
// The shard that begins at `from` is to move.
struct MoveShard {
  Bytes from;
  GroupId to;
};
// The other group has it. Nothing happens unless that move is under way.
struct SwitchShard {
  std::uint64_t move = 0;
};
struct EndMove {
  std::uint64_t move = 0;
};
using ShardChange = std::variant<FoundShards, SplitShard, MoveShard, SwitchShard, EndMove>;

struct Shard {
  Bytes from;  // It ends where the next begins.
  GroupId group;

  bool operator==(const Shard&) const = default;
};

// A move that is not over.
struct ShardMove {
  std::uint64_t number = 0;
  KeyRange range;
  GroupId source;
  GroupId target;
  bool is_switched = false;

  bool operator==(const ShardMove&) const = default;
};

class ShardMap {
 public:
  // What FoundShards makes of these groups, at version 0: as long as nothing is written down.
  // REQUIRES: at least one group.
  static ShardMap initial(const std::vector<GroupId>& groups);

  // Grows with every change.
  std::uint64_t version() const { return version_; }
  // In the order of keys; the first begins at the empty key.
  const std::vector<Shard>& shards() const { return shards_; }
  const std::optional<ShardMove>& move() const { return move_; }

  GroupId group_of(BytesView key) const { return shards_[position_of(key)].group; }
  // The whole shard of the key.
  KeyRange range_of(BytesView key) const;
  // What each shard has of the range, in the order of keys.
  std::vector<std::pair<GroupId, KeyRange>> parts_of(const KeyRange& range) const;

  // Errors: conflict (there is a map already; a move is under way), invalid_argument (the change
  // makes no sense: the message says why). Then nothing has changed.
  Result<void> apply(const ShardChange& change);

  bool operator==(const ShardMap&) const = default;

 private:
  friend Bytes encode(const ShardMap& map);
  friend Result<ShardMap> decode_shard_map(BytesView bytes);

  std::size_t position_of(BytesView key) const;
  Result<void> apply_one(const FoundShards& found);
  Result<void> apply_one(const SplitShard& split);
  Result<void> apply_one(const MoveShard& moved);
  Result<void> apply_one(const SwitchShard& switched);
  Result<void> apply_one(const EndMove& ended);

  std::uint64_t version_ = 0;
  std::vector<Shard> shards_{Shard{}};
  std::optional<ShardMove> move_;
};

Bytes encode(const ShardMap& map);
// Errors: corrupt.
Result<ShardMap> decode_shard_map(BytesView bytes);

}  // namespace keelson::kv
