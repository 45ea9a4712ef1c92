#include "core/storage/wal_format.h"

#include <gtest/gtest.h>

#include "tests/core/storage/wal_fixture.h"

namespace keelson::storage {
namespace {

// The bytes on disk are a promise to every later version.
TEST(WalFormatTest, TheBytesOfASegmentAreThese) {
  EXPECT_EQ(to_hex(wal_format::encode(
                wal_format::SegmentHeader{.segment = 2, .salt = 3, .first_sequence = 4})),
            "4b45454c57414c0a" "02000000" "02000000" "0300000000000000" "0400000000000000"
            "a109fb01a3427de0");
  Bytes frame(wal_format::kBatchHeaderBytes, '\0');
  wal_format::append_hard_state(frame, GroupId(5), hard_state(6, 7));
  wal_format::append_entries(frame, GroupId(5), {entry(8, 6, "data")});
  wal_format::seal_batch(frame, {.salt = 3, .segment = 2, .position = 40}, 4);
  EXPECT_EQ(to_hex(frame),
            "925856fc" "3f000000" "0400000000000000" "f150b322a2774823"
            "0500000000000000" "01" "0600000000000000" "0700000000000000"
            "0500000000000000" "02" "01000000"
            "0600000000000000" "0800000000000000" "00" "04000000" "64617461");
}

TEST(WalFormatTest, ABatchIsValidOnlyInItsPlace) {
  Bytes frame(wal_format::kBatchHeaderBytes, '\0');
  wal_format::append_hard_state(frame, GroupId(5), hard_state(6, 7));
  const wal_format::BatchPlace place{.salt = 3, .segment = 2, .position = 40};
  wal_format::seal_batch(frame, place, 4);
  ASSERT_TRUE(wal_format::read_batch(frame, place));
  EXPECT_EQ(wal_format::read_batch(frame, place)->sequence, 4u);
  EXPECT_FALSE(wal_format::read_batch(frame, {.salt = 4, .segment = 2, .position = 40}));
  EXPECT_FALSE(wal_format::read_batch(frame, {.salt = 3, .segment = 1, .position = 40}));
  EXPECT_FALSE(wal_format::read_batch(frame, {.salt = 3, .segment = 2, .position = 41}));
}

TEST(WalFormatTest, SegmentNamesAreReadBack) {
  EXPECT_EQ(wal_format::segment_path(1), "wal/00000001.log");
  EXPECT_EQ(wal_format::segment_of("00000123.log"), 123u);
  for (const char* other : {"", "1.log", "00000001.tmp", "0000000x.log", "000000001.log"}) {
    EXPECT_EQ(wal_format::segment_of(other), std::nullopt) << other;
  }
}

}  // namespace
}  // namespace keelson::storage
