#include "core/base/bytes.h"

#include <gtest/gtest.h>

namespace keelson {
namespace {

TEST(BytesTest, IntegersAreLittleEndian) {
  Bytes bytes;
  append_u32(bytes, 0x8182'8384);
  append_u64(bytes, 0xf1f2'f3f4'f5f6'f7f8);
  EXPECT_EQ(to_hex(bytes), "84838281f8f7f6f5f4f3f2f1");
  EXPECT_EQ(read_u32(bytes), 0x8182'8384u);
  EXPECT_EQ(read_u64(BytesView(bytes).substr(4)), 0xf1f2'f3f4'f5f6'f7f8u);
}

TEST(BytesTest, ReadingBeyondTheEndIsABug) {
  EXPECT_DEATH(read_u32("abc"), "CHECK failed");
  EXPECT_DEATH(read_u64("abcdefg"), "CHECK failed");
}

TEST(BytesTest, HexShowsEveryOctetWithTwoDigits) {
  EXPECT_EQ(to_hex(Bytes("\0\x0f\xff", 3)), "000fff");
  EXPECT_EQ(to_hex(""), "");
}

// Checksums are on disk and digests in repeated runs: the hash is the same everywhere, for ever.
TEST(BytesTest, TheHashIsXxh3) {
  EXPECT_EQ(hash64(""), 0x2d06'8005'38d3'94c2u);
  EXPECT_NE(hash64("a"), hash64("b"));
  EXPECT_NE(hash64("a", 1), hash64("a", 2));
}

}  // namespace
}  // namespace keelson
