#include "core/kv/snapshot_format.h"

#include <gtest/gtest.h>

#include <vector>

namespace keelson::kv::snapshot {
namespace {

const Bytes kOutcome(13, 'o');

// One record of each kind, in the order of the grammar, and the checksum of all.
Bytes stream(std::uint64_t& checksum) {
  Bytes bytes;
  append(bytes, Header{.index = 1, .term = 2, .digest = 3, .tokens = 4, .limit = 5,
                       .configuration = "six"}, checksum);
  append(bytes, Key{.version = 7, .key = "key", .value = Bytes(300, 'v')}, checksum);
  append(bytes, Key{.version = 8, .key = "", .value = ""}, checksum);
  append(bytes, Token{.number = 9, .outcome = kOutcome, .token = "token"}, checksum);
  append(bytes, End{checksum}, checksum);
  return bytes;
}

TEST(SnapshotFormatTest, WhatIsAppendedIsTaken) {
  std::uint64_t written = 0;
  const Bytes bytes = stream(written);
  BytesView rest = bytes;
  std::uint64_t checksum = 0;
  std::vector<Record> records;
  while (!rest.empty()) {
    const auto record = take(rest, checksum);
    ASSERT_TRUE(record.has_value() && *record);
    records.push_back(**record);
  }
  ASSERT_EQ(records.size(), 5u);
  const auto& header = std::get<Header>(records[0]);
  EXPECT_EQ(header.index, 1u);
  EXPECT_EQ(header.term, 2u);
  EXPECT_EQ(header.digest, 3u);
  EXPECT_EQ(header.tokens, 4u);
  EXPECT_EQ(header.limit, 5u);
  EXPECT_EQ(header.configuration, "six");
  EXPECT_EQ(std::get<Key>(records[1]).value, Bytes(300, 'v'));
  EXPECT_EQ(std::get<Key>(records[1]).key, "key");
  EXPECT_EQ(std::get<Key>(records[2]).version, 8u);
  EXPECT_EQ(std::get<Token>(records[3]).outcome, kOutcome);
  EXPECT_EQ(std::get<Token>(records[3]).token, "token");
  EXPECT_EQ(std::get<End>(records[4]).checksum, checksum);
  EXPECT_EQ(written, checksum);
}

TEST(SnapshotFormatTest, APartOfARecordIsNotTakenYet) {
  std::uint64_t checksum = 0;
  const Bytes bytes = stream(checksum);
  const std::size_t first = 4 + 1 + 1 + 40 + 3;
  for (std::size_t size = 0; size < first; ++size) {
    BytesView part = BytesView(bytes).substr(0, size);
    std::uint64_t running = 0;
    const auto record = take(part, running);
    ASSERT_TRUE(record.has_value());
    EXPECT_FALSE(record->has_value());
    EXPECT_EQ(part.size(), size);
    EXPECT_EQ(running, 0u);
  }
}

TEST(SnapshotFormatTest, WhatIsNoRecordIsRefused) {
  const auto code_of = [](Bytes body) {
    Bytes bytes;
    append_u32(bytes, static_cast<std::uint32_t>(body.size()));
    bytes += body;
    BytesView rest = bytes;
    std::uint64_t checksum = 0;
    const auto record = take(rest, checksum);
    return record ? "taken" : name_of(record.error().code);
  };
  const std::string wrong = name_of(ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(""), wrong);
  EXPECT_EQ(code_of("\x04"), wrong);                              // An unknown kind.
  EXPECT_EQ(code_of(Bytes(1, '\0') + "\x01" + Bytes(40, 'x')), wrong);  // Another version.
  EXPECT_EQ(code_of(Bytes(1, '\0') + "\x02" + Bytes(39, 'x')), wrong);
  EXPECT_EQ(code_of("\x01" + Bytes(8, 'x') + Bytes("\x05\0\0\0", 4) + "four"), wrong);
  EXPECT_EQ(code_of("\x02" + Bytes(20, 'x')), wrong);
  EXPECT_EQ(code_of("\x03" + Bytes(9, 'x')), wrong);
  BytesView huge = "\xff\xff\xff\xff";
  std::uint64_t checksum = 0;
  EXPECT_EQ(take(huge, checksum).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace keelson::kv::snapshot
