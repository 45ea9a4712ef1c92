#include "core/kv/shard_map.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/kv/spread.h"

namespace keelson::kv {
namespace {

const std::vector<GroupId> kThree = {GroupId(0), GroupId(1), GroupId(2)};

ErrorCode refusal(ShardMap map, const ShardChange& change) {
  const ShardMap before = map;
  const auto done = map.apply(change);
  CHECK(!done);
  EXPECT_EQ(map, before);
  return done.error().code;
}

TEST(ShardMapTest, TheFirstMapHasAnEqualPartOfAllSpreadsForEachGroup) {
  const ShardMap map = ShardMap::initial(kThree);
  std::map<GroupId, std::uint64_t> spreads;
  for (std::uint64_t number = 0; number < kSpreads; ++number) {
    ++spreads[map.group_of(nth_spread(number) + "key")];
  }
  for (const GroupId group : kThree) EXPECT_EQ(spreads[group], kSpreads / 3);
  EXPECT_EQ(map.group_of(""), GroupId(0));
  EXPECT_EQ(map.group_of("\xff\xff\xff"), GroupId(2));
}

TEST(ShardMapTest, ItIsFoundedOnce) {
  ShardMap map;
  ASSERT_TRUE(map.apply(FoundShards{kThree}));
  EXPECT_EQ(map.version(), 1u);
  EXPECT_EQ(map.shards(), ShardMap::initial(kThree).shards());
  EXPECT_EQ(refusal(map, FoundShards{kThree}), ErrorCode::conflict);
  EXPECT_EQ(refusal(ShardMap(), FoundShards{}), ErrorCode::invalid_argument);
}

TEST(ShardMapTest, ASplitLeavesBothPartsWhereTheyWere) {
  ShardMap map = ShardMap::initial({GroupId(7)});
  ASSERT_TRUE(map.apply(SplitShard{"m"}));
  EXPECT_EQ(map.shards(), (std::vector<Shard>{{"", GroupId(7)}, {"m", GroupId(7)}}));
  EXPECT_EQ(map.range_of("lzz"), (KeyRange{"", "m"}));
  EXPECT_EQ(map.range_of("m"), (KeyRange{"m", ""}));
  EXPECT_EQ(refusal(map, SplitShard{"m"}), ErrorCode::invalid_argument);
  EXPECT_EQ(refusal(map, SplitShard{""}), ErrorCode::invalid_argument);
  EXPECT_EQ(refusal(map, SplitShard{Bytes(1, '\0')}), ErrorCode::invalid_argument);
}

TEST(ShardMapTest, AMoveIsSwitchedAndEndedOnceAndInThatOrder) {
  ShardMap map = ShardMap::initial(kThree);
  ASSERT_TRUE(map.apply(MoveShard{"", GroupId(2)}));
  const ShardMove move = *map.move();
  EXPECT_EQ(move.number, map.version());
  EXPECT_EQ(move.range, map.range_of(""));
  EXPECT_EQ(move.source, GroupId(0));
  EXPECT_EQ(map.group_of("\1"), GroupId(0));
  EXPECT_EQ(refusal(map, EndMove{move.number}), ErrorCode::conflict);
  EXPECT_EQ(refusal(map, SwitchShard{move.number + 1}), ErrorCode::conflict);
  EXPECT_EQ(refusal(map, MoveShard{map.shards()[1].from, GroupId(0)}), ErrorCode::conflict);
  EXPECT_EQ(refusal(map, SplitShard{"\1"}), ErrorCode::conflict);
  ASSERT_TRUE(map.apply(SwitchShard{move.number}));
  EXPECT_EQ(map.group_of("\1"), GroupId(2));
  EXPECT_EQ(refusal(map, SwitchShard{move.number}), ErrorCode::conflict);
  ASSERT_TRUE(map.apply(EndMove{move.number}));
  EXPECT_FALSE(map.move());
  EXPECT_EQ(refusal(map, EndMove{move.number}), ErrorCode::conflict);
}

TEST(ShardMapTest, AMoveOfWhatIsNoShardOrIsThereAlreadyIsRefused) {
  const ShardMap map = ShardMap::initial(kThree);
  EXPECT_EQ(refusal(map, MoveShard{"within", GroupId(1)}), ErrorCode::invalid_argument);
  EXPECT_EQ(refusal(map, MoveShard{"", GroupId(0)}), ErrorCode::invalid_argument);
}

// Whatever is asked of it, it covers all keys without gaps, says what it said before it was written
// down, and a key changes its group by a switch alone.
RC_GTEST_PROP(ShardMapProperty, EveryKeyHasOneGroupAndOnlyASwitchChangesIt, ()) {
  ShardMap map = ShardMap::initial(kThree);
  const auto keys = *rc::gen::container<std::vector<Bytes>>(12, rc::gen::nonEmpty<Bytes>());
  for (int step = 0; step < 30; ++step) {
    const Bytes key = *rc::gen::elementOf(keys);
    const std::uint64_t number = map.move() ? map.move()->number : 0;
    const std::vector<ShardChange> choices = {
        SplitShard{key}, MoveShard{map.range_of(key).from, GroupId(*rc::gen::inRange(0, 3))},
        SwitchShard{number}, EndMove{number}};
    const ShardChange change = *rc::gen::elementOf(choices);
    const ShardMap before = map;
    const bool done = map.apply(change).has_value();
    RC_ASSERT(map.version() == before.version() + (done ? 1 : 0));
    RC_ASSERT(done || map == before);
    RC_ASSERT(*decode_shard_map(encode(map)) == map);
    for (const Bytes& each : keys) {
      const bool moved = map.group_of(each) != before.group_of(each);
      RC_ASSERT(map.range_of(each).contains(each));
      // In a name of its own: RC_ASSERT looks at both sides of an "or".
      const bool may_move = std::holds_alternative<SwitchShard>(change) && before.move() &&
                            before.move()->range.contains(each);
      RC_ASSERT(!moved || may_move);
    }
  }
}

TEST(ShardMapTest, BytesThatAreNoMapAreRefused) {
  EXPECT_EQ(decode_shard_map("").error().code, ErrorCode::corrupt);
  EXPECT_EQ(decode_shard_map("\xff\xff").error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace keelson::kv
