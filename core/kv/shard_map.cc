// Tested by tests/core/kv/shard_map_test.cc.
#include "core/kv/shard_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/kv/rows.h"
#include "core/kv/spread.h"
#include "core/kv/wire.h"

namespace keelson::kv {

ShardMap ShardMap::initial(const std::vector<GroupId>& groups) {
  CHECK(!groups.empty());
  ShardMap map;
  map.shards_.clear();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    map.shards_.push_back(
        {.from = i == 0 ? Bytes() : nth_spread(kSpreads * i / groups.size()), .group = groups[i]});
  }
  CHECK(map.shards_.front().from.empty());
  return map;
}

std::size_t ShardMap::position_of(BytesView key) const {
  const auto after = std::upper_bound(
      shards_.begin(), shards_.end(), key,
      [](BytesView wanted, const Shard& shard) { return wanted < shard.from; });
  CHECK(after != shards_.begin());
  return static_cast<std::size_t>(after - shards_.begin()) - 1;
}

KeyRange ShardMap::range_of(BytesView key) const {
  const std::size_t position = position_of(key);
  const bool is_last = position + 1 == shards_.size();
  return {shards_[position].from, is_last ? Bytes() : shards_[position + 1].from};
}

std::vector<std::pair<GroupId, KeyRange>> ShardMap::parts_of(const KeyRange& range) const {
  CHECK(range.to.empty() || range.from <= range.to);
  std::vector<std::pair<GroupId, KeyRange>> parts;
  for (Bytes from = range.from;;) {
    Bytes to = range_of(from).to;
    const bool is_last = to.empty() || (!range.to.empty() && to >= range.to);
    if (is_last) to = range.to;
    parts.emplace_back(group_of(from), KeyRange{from, to});
    if (is_last) return parts;
    from = std::move(to);
  }
}

Result<void> ShardMap::apply(const ShardChange& change) {
  TRY(std::visit([this](const auto& one) { return apply_one(one); }, change));
  ++version_;
  return {};
}

Result<void> ShardMap::apply_one(const FoundShards& found) {
  if (version_ != 0) return Error{ErrorCode::conflict, "there is a shard map already"};
  if (found.groups.empty() || found.groups.size() > kSpreads) {
    return Error{ErrorCode::invalid_argument, "a shard map needs 1 to 65,280 groups"};
  }
  *this = initial(found.groups);
  return {};
}

Result<void> ShardMap::apply_one(const SplitShard& split) {
  if (!is_user_key(split.at)) {
    return Error{ErrorCode::invalid_argument, "no key: it is empty or begins with 00"};
  }
  const std::size_t position = position_of(split.at);
  if (shards_[position].from == split.at) {
    return Error{ErrorCode::invalid_argument, "a shard begins there already"};
  }
  if (move_ && move_->range.contains(split.at)) {
    return Error{ErrorCode::conflict, "the shard is moving"};
  }
  shards_.insert(shards_.begin() + static_cast<std::ptrdiff_t>(position) + 1,
                 {.from = split.at, .group = shards_[position].group});
  return {};
}

Result<void> ShardMap::apply_one(const MoveShard& moved) {
  if (move_) return Error{ErrorCode::conflict, "another shard is moving"};
  const Shard& shard = shards_[position_of(moved.from)];
  if (shard.from != moved.from) {
    return Error{ErrorCode::invalid_argument, "no shard begins there"};
  }
  if (shard.group == moved.to) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("the shard is in {} already", to_string(moved.to))};
  }
  move_ = ShardMove{.number = version_ + 1,
                    .range = range_of(moved.from),
                    .source = shard.group,
                    .target = moved.to};
  return {};
}

Result<void> ShardMap::apply_one(const SwitchShard& switched) {
  if (!move_ || move_->number != switched.move || move_->is_switched) {
    return Error{ErrorCode::conflict, "no such move is waiting for it"};
  }
  Shard& shard = shards_[position_of(move_->range.from)];
  // Nothing has changed there since the move began.
  CHECK(shard.from == move_->range.from && shard.group == move_->source);
  CHECK(range_of(shard.from) == move_->range);
  move_->is_switched = true;
  shard.group = move_->target;
  return {};
}

Result<void> ShardMap::apply_one(const EndMove& ended) {
  if (!move_ || move_->number != ended.move || !move_->is_switched) {
    return Error{ErrorCode::conflict, "no such move is waiting for it"};
  }
  move_.reset();
  return {};
}

// --- its row ---

Bytes encode(const ShardMap& map) {
  wire::ShardMap message;
  message.set_version(map.version_);
  for (const Shard& shard : map.shards_) {
    wire::Shard& written = *message.add_shards();
    written.set_from(shard.from);
    written.set_group(shard.group.value);
  }
  if (map.move_) {
    wire::ShardMove& move = *message.mutable_move();
    move.set_number(map.move_->number);
    move.set_from(map.move_->range.from);
    move.set_to(map.move_->range.to);
    move.set_source(map.move_->source.value);
    move.set_target(map.move_->target.value);
    move.set_is_switched(map.move_->is_switched);
  }
  return serialize(message);
}

Result<ShardMap> decode_shard_map(BytesView bytes) {
  wire::ShardMap message;
  TRY(parse(bytes, "shard map", message));
  ShardMap map;
  map.version_ = message.version();
  map.shards_.clear();
  for (wire::Shard& shard : *message.mutable_shards()) {
    const bool is_in_order = map.shards_.empty() ? shard.from().empty()
                                                 : map.shards_.back().from < shard.from();
    if (!is_in_order) return Error{ErrorCode::corrupt, "shard map: out of order"};
    map.shards_.push_back({std::move(*shard.mutable_from()), GroupId(shard.group())});
  }
  if (map.shards_.empty()) return Error{ErrorCode::corrupt, "shard map: without shards"};
  if (message.has_move()) {
    wire::ShardMove& move = *message.mutable_move();
    map.move_ = ShardMove{
        .number = move.number(),
        .range = {std::move(*move.mutable_from()), std::move(*move.mutable_to())},
        .source = GroupId(move.source()),
        .target = GroupId(move.target()),
        .is_switched = move.is_switched()};
  }
  return map;
}

}  // namespace keelson::kv
