#include "core/kv/command.h"

#include <gtest/gtest.h>

#include "core/kv/batch.h"

namespace keelson::kv {
namespace {

using namespace std::chrono_literals;

template <typename T>
T over_the_log(const Command& command) {
  Bytes entry = encode_command(command);
  const Stamp stamp{.at = timestamp_of(7, 3), .safe_point = timestamp_of(5)};
  set_stamp(entry, stamp);
  auto read = decode_command(entry);
  CHECK(read.has_value());
  EXPECT_EQ(read->stamp.at, stamp.at);
  EXPECT_EQ(read->stamp.safe_point, stamp.safe_point);
  CHECK(std::holds_alternative<T>(read->command));
  return std::get<T>(std::move(read->command));
}

TEST(CommandTest, EveryCommandReadsBack) {
  const Condition range{.key = "a", .kind = Condition::Kind::range_is, .version = 9, .end = "b"};
  const Batch batch = over_the_log<Batch>(
      Batch{.token = "t", .conditions = {range}, .mutations = {{"k", "v"}}});
  EXPECT_EQ(batch.token, "t");
  EXPECT_EQ(batch.conditions.at(0).kind, Condition::Kind::range_is);
  EXPECT_EQ(batch.conditions.at(0).end, "b");
  EXPECT_EQ(batch.mutations.at(0).value, "v");

  const Prepare prepare = over_the_log<Prepare>(Prepare{.transaction = "x",
                                                        .primary = GroupId(2),
                                                        .participants = {GroupId(0), GroupId(2)},
                                                        .begun = timestamp_of(4, 1),
                                                        .ttl = 250ms,
                                                        .conditions = {range},
                                                        .mutations = {{"k", std::nullopt}}});
  EXPECT_EQ(prepare.transaction, "x");
  EXPECT_EQ(prepare.primary, GroupId(2));
  EXPECT_EQ(prepare.participants, (std::vector{GroupId(0), GroupId(2)}));
  EXPECT_EQ(prepare.begun, timestamp_of(4, 1));
  EXPECT_EQ(prepare.ttl, 250ms);
  EXPECT_EQ(prepare.conditions.at(0).version, 9u);
  EXPECT_EQ(prepare.mutations.at(0).value, std::nullopt);

  for (const auto kind :
       {Decide::Kind::commit, Decide::Kind::abort, Decide::Kind::abort_if_expired}) {
    const Decide decide = over_the_log<Decide>(Decide{.transaction = "x",
                                                      .kind = kind,
                                                      .prepared_at = Timestamp(8),
                                                      .expires_at = Timestamp(9)});
    EXPECT_EQ(decide.kind, kind);
    EXPECT_EQ(decide.prepared_at, Timestamp(8));
    EXPECT_EQ(decide.expires_at, Timestamp(9));
  }
  EXPECT_EQ(over_the_log<Finish>(Finish{"x", Timestamp(6)}).committed_at, Timestamp(6));
  EXPECT_EQ(over_the_log<Forget>(Forget{"x"}).transaction, "x");
  EXPECT_EQ(over_the_log<CollectGarbage>(CollectGarbage{"row"}).from, "row");
  const RaiseCeiling raise = over_the_log<RaiseCeiling>(RaiseCeiling{Timestamp(3), 20ms});
  EXPECT_EQ(raise.at_least, Timestamp(3));
  EXPECT_EQ(raise.step, 20ms);
}

TEST(CommandTest, WhatIsNoCommandIsCorrupt) {
  const Bytes good = encode_command(Forget{"x"});
  Bytes unknown_kind = good;
  unknown_kind[0] = 99;
  Bytes safe_point_after_it = good;
  safe_point_after_it[9] = 1;
  for (const Bytes& entry : {Bytes(), good.substr(0, 16), unknown_kind, safe_point_after_it,
                             good.substr(0, 17) + "\xff", encode(Batch{})}) {
    ASSERT_FALSE(decode_command(entry));
    EXPECT_EQ(decode_command(entry).error().code, ErrorCode::corrupt);
  }
}

TEST(CommandTest, EveryResultOfABatchReadsBack) {
  const Lock lock{"x", GroupId(1), Timestamp(2), Timestamp(3)};
  EXPECT_EQ(decode_batch_result(encode(BatchResult{.lock = lock})).lock, lock);
  const BatchResult nothing = decode_batch_result(encode(BatchResult{}));
  EXPECT_FALSE(nothing.outcome || nothing.lock);
  for (const bool applied : {true, false}) {
    const Bytes bytes =
        encode(BatchResult{.outcome = BatchOutcome{applied, 7, std::uint64_t{1} << 60}});
    EXPECT_EQ(bytes.size(), 13u);
    const auto outcome = decode_batch_result(bytes).outcome;
    EXPECT_EQ(outcome->applied, applied);
    EXPECT_EQ(outcome->failed_condition, 7u);
    EXPECT_EQ(outcome->version, std::uint64_t{1} << 60);
  }
}

}  // namespace
}  // namespace keelson::kv
