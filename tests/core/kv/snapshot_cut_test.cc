#include "core/kv/snapshot_cut.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <utility>
#include <vector>

#include "core/kv/command.h"
#include "core/kv/history_rows.h"
#include "core/kv/rows.h"
#include "core/kv/snapshot_content.h"
#include "core/raft/messages.h"

namespace keelson::kv {
namespace {

using Content = std::map<Bytes, std::pair<Bytes, std::uint64_t>>;  // Value and version.

Bytes stream_of(const Content& rows) {
  Bytes out;
  std::uint64_t checksum = 0;
  const Bytes nobody = raft::encode(raft::Configuration{});
  snapshot::append(out, snapshot::Header{9, 2, 3, 0, 10, nobody}, checksum);
  for (const auto& [key, value] : rows) {
    snapshot::append(out, snapshot::Key{value.second, key, value.first}, checksum);
  }
  snapshot::append(out, snapshot::End{checksum}, checksum);
  return out;
}

Content rows_of(BytesView stream) {
  Content rows;
  std::uint64_t checksum = 0;
  while (!stream.empty()) {
    const auto record = snapshot::take(stream, checksum);
    CHECK(record.has_value() && *record);
    if (const auto* const key = std::get_if<snapshot::Key>(&**record)) {
      CHECK(rows.empty() || rows.rbegin()->first < key->key);
      rows[Bytes(key->key)] = {Bytes(key->value), key->version};
    }
  }
  return rows;
}

Result<Bytes> cut(BytesView stream, std::uint64_t at, std::size_t piece = SIZE_MAX) {
  SnapshotCut one{Timestamp(at)};
  Bytes out;
  for (std::size_t from = 0; from < stream.size(); from += std::min(piece, stream.size() - from)) {
    TRY(one.put(stream.substr(from, piece), out));
  }
  SnapshotContent content;
  EXPECT_TRUE(content.put(out, nullptr).has_value());
  EXPECT_TRUE(content.is_complete());
  return out;
}

Content::value_type old_row(const Bytes& key, std::uint64_t end, Bytes value,
                            std::uint64_t version) {
  return {history_row(key, Timestamp(end)), {std::move(value), version}};
}

TEST(SnapshotCutTest, KeysAreAsTheyWereAtTheTime) {
  const Content rows{old_row("b", 5, "long ago", 2), old_row("b", 12, "then", 5),
                     old_row("b", 14, "between", 12), old_row("gone", 11, "was there", 4),
                     old_row("later", 15, "not yet", 13),
                     {"a", {"as ever", 3}}, {"b", {"now", 14}}, {"later", {"now", 15}},
                     {"new", {"now", 11}}, {"same", {"as ever", 10}}};
  for (const std::size_t piece : {std::size_t{1}, std::size_t{13}, SIZE_MAX}) {
    const auto out = cut(stream_of(rows), 10, piece);
    ASSERT_TRUE(out.has_value());
    EXPECT_EQ(rows_of(*out), (Content{{"a", {"as ever", 3}}, {"b", {"then", 5}},
                                      {"gone", {"was there", 4}}, {"same", {"as ever", 10}}}));
  }
}

TEST(SnapshotCutTest, WhatIsRemovedAtTheEndComesBackBeforeTheTokens) {
  const Content rows{old_row("z", 11, "was there", 4), {"a", {"as ever", 3}}};
  const auto out = cut(stream_of(rows), 10);
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(rows_of(*out), (Content{{"a", {"as ever", 3}}, {"z", {"was there", 4}}}));
}

TEST(SnapshotCutTest, TransactionsThatHaveNotHappenedLeaveNothing) {
  Prepare prepare;
  prepare.conditions = {{.key = "k"}};
  const Bytes only_reads = encode_command(Command(prepare));
  prepare.mutations = {{"k", "v"}};
  const Bytes prepared = encode_command(Command(prepare));
  Content rows{{Bytes(kPreparedRows) + "t", {prepared, 11}},
               {Bytes(kPreparedRows) + "u", {only_reads, 9}},
               {Bytes(kRecordRows) + "w", {"record", 8}},
               {Bytes(kShardMapRow), {"map", 30}}};
  const auto out = cut(stream_of(rows), 10);
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(rows_of(*out), (Content{{Bytes(kShardMapRow), {"map", 30}}}));

  // It may have been committed at that time, and it is not known whether it was.
  rows[Bytes(kPreparedRows) + "t"].second = 10;
  const auto refused = cut(stream_of(rows), 10);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
}

// Against a store that remembers what it was at each time.
RC_GTEST_PROP(SnapshotCutTest, AnyTimeCanBeCutOutOfAnyHistory, ()) {
  Content rows;
  std::vector<Content> at_time(1);
  const auto times = *rc::gen::inRange<std::uint64_t>(1, 30);
  for (std::uint64_t now = 1; now <= times; ++now) {
    const Bytes key(1 + *rc::gen::inRange(0, 2), static_cast<char>('a' + *rc::gen::inRange(0, 4)));
    if (const auto found = rows.find(key); found != rows.end()) {
      rows.insert(old_row(key, now, found->second.first, found->second.second));
    }
    Content present = at_time.back();
    if (*rc::gen::arbitrary<bool>()) {
      present[key] = rows[key] = {std::to_string(now), now};
    } else {
      present.erase(key);
      rows.erase(key);
    }
    at_time.push_back(std::move(present));
  }
  const auto at = *rc::gen::inRange<std::uint64_t>(0, times + 1);
  const auto out = cut(stream_of(rows), at, *rc::gen::inRange<std::size_t>(1, 200));
  RC_ASSERT(out.has_value());
  RC_ASSERT(rows_of(*out) == at_time[at]);
}

}  // namespace
}  // namespace keelson::kv
