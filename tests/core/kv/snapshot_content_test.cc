#include "core/kv/snapshot_content.h"

#include <gtest/gtest.h>

#include "core/kv/rows.h"
#include "core/kv/snapshot_format.h"
#include "core/raft/messages.h"
#include "tests/core/kv/state_fixture.h"

namespace keelson::kv {
namespace {

// The stream of a group's snapshot after these entries of the log that `seed` draws.
Bytes stream_of(OneMachine& machine, std::uint64_t seed, std::uint64_t entries) {
  Bytes stream;
  machine.run([&](Env& env) {
    const auto store = opened(env);
    CHECK(store->apply(next_entries(*store, seed, entries)).has_value());
    const auto snapshot = store->open_snapshot(kGroup);
    CHECK(snapshot.has_value());
    for (const auto& chunk : read_all(**snapshot)) stream += chunk.data;
  });
  return stream;
}
Bytes stream_of(std::uint64_t seed, std::uint64_t entries) {
  OneMachine machine;
  return stream_of(machine, seed, entries);
}

std::uint64_t digest_of(BytesView stream) {
  SnapshotContent content;
  EXPECT_TRUE(content.put(stream, nullptr).has_value());
  EXPECT_TRUE(content.is_complete());
  return content.digest();
}

TEST(SnapshotContent, IsTheSameHoweverTheStreamIsCut) {
  const Bytes stream = stream_of(1, 60);
  for (const std::size_t piece : {1, 7, 1000}) {
    SnapshotContent content;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      EXPECT_FALSE(content.is_complete());
      ASSERT_TRUE(content.put(BytesView(stream).substr(at, piece), nullptr).has_value());
    }
    ASSERT_TRUE(content.is_complete());
    EXPECT_EQ(content.digest(), digest_of(stream));
  }
  EXPECT_NE(digest_of(stream), digest_of(stream_of(1, 80)));
}

TEST(SnapshotContent, ARenewedStreamHasTheContentAndNoMembers) {
  const Bytes stream = stream_of(1, 60);
  Bytes renewed;
  SnapshotContent content;
  ASSERT_TRUE(content.put(stream, &renewed).has_value());
  EXPECT_EQ(digest_of(renewed), content.digest());
  BytesView front = renewed;
  std::uint64_t checksum = 0;
  const auto record = snapshot::take(front, checksum);
  ASSERT_TRUE(record.has_value() && *record);
  const auto configuration =
      raft::decode_configuration(std::get<snapshot::Header>(**record).configuration);
  ASSERT_TRUE(configuration.has_value());
  EXPECT_TRUE(configuration->members.empty());
}

TEST(SnapshotContent, AnyAlteredOctetIsNoticed) {
  const Bytes stream = stream_of(1, 8);
  for (std::size_t at = 0; at < stream.size(); ++at) {
    Bytes altered = stream;
    altered[at] = static_cast<char>(altered[at] ^ 0x20);
    SnapshotContent content;
    const auto taken = content.put(altered, nullptr);
    EXPECT_FALSE(taken.has_value() && content.is_complete()) << at;
  }
}

// A stream of one key.
Bytes stream_of_row(BytesView key, BytesView value) {
  Bytes stream;
  std::uint64_t checksum = 0;
  const Bytes nobody = raft::encode(raft::Configuration{});
  snapshot::append(stream,
                   snapshot::Header{.index = 1,
                                    .term = 1,
                                    .digest = 1,
                                    .tokens = 0,
                                    .limit = 7,
                                    .configuration = nobody},
                   checksum);
  snapshot::append(stream, snapshot::Key{.version = 1, .key = key, .value = value}, checksum);
  snapshot::append(stream, snapshot::End{checksum}, checksum);
  return stream;
}

TEST(SnapshotContent, WhatAClusterRenewsByItselfIsNotInTheDigest) {
  for (const Bytes& key : {Bytes(kClockRow), Bytes(kHistoryRows) + "key"}) {
    EXPECT_EQ(digest_of(stream_of_row(key, "one")), digest_of(stream_of_row(key, "two")));
  }
  for (const Bytes& key : {Bytes("key"), Bytes(kPreparedRows) + "t", Bytes(kRecordRows) + "t"}) {
    EXPECT_NE(digest_of(stream_of_row(key, "one")), digest_of(stream_of_row(key, "two")));
  }
}

TEST(SnapshotContent, NothingMayFollowItsEnd) {
  SnapshotContent content;
  ASSERT_TRUE(content.put(stream_of(1, 8), nullptr).has_value());
  EXPECT_FALSE(content.put("x", nullptr).has_value());
}

TEST(StateMoment, HasAllGroupsAsTheyWereWhenItWasOpened) {
  OneMachine machine;
  machine.run([&](Env& env) {
    const auto store = opened(env);
    const GroupId other(2);
    ASSERT_TRUE(store->apply(next_entries(*store, 1, 20)).has_value());
    ASSERT_TRUE(store->apply(next_entries(*store, 2, 30, other)).has_value());
    const auto moment = store->open_moment();
    ASSERT_TRUE(moment.has_value());
    ASSERT_TRUE(store->apply(next_entries(*store, 1, 5)).has_value());
    ASSERT_TRUE(store->apply(next_entries(*store, 2, 5, other)).has_value());
    for (const auto& [group, entries] : {std::pair(kGroup, 20u), std::pair(other, 30u)}) {
      const auto snapshot = (*moment)->open(group);
      ASSERT_TRUE(snapshot.has_value());
      EXPECT_EQ((*snapshot)->label().index, raft::LogIndex(entries));
      EXPECT_TRUE(read_all(**snapshot).back().is_last);
    }
    EXPECT_EQ(store->sizes().open_snapshots, 1u);
  });
}

TEST(StateMoment, CountsAsOneOpenSnapshot) {
  OneMachine machine;
  machine.run([&](Env& env) {
    const auto store = opened(env);
    std::vector<std::unique_ptr<StateMoment>> moments;
    for (std::size_t i = 0; i < small_options().snapshots_limit; ++i) {
      auto moment = store->open_moment();
      ASSERT_TRUE(moment.has_value());
      moments.push_back(*std::move(moment));
    }
    const auto more = store->open_moment();
    ASSERT_FALSE(more.has_value());
    EXPECT_EQ(more.error().code, ErrorCode::unavailable);
    moments.clear();
    EXPECT_TRUE(store->open_moment().has_value());
  });
}

}  // namespace
}  // namespace keelson::kv
