// A file's blocks against a string.
#include "sim/file_bytes.h"

#include <gtest/gtest.h>

#include <string>

#include "sim/choices.h"

namespace keelson::sim {
namespace {

constexpr std::uint64_t kMost = 300'000;  // Several blocks.

TEST(FileBytesTest, WritesAndSizesLeaveWhatTheyWouldLeaveOfAString) {
  Choices choices(5);
  ChoiceStream& draw = choices.stream("test");
  for (int round = 0; round < 40; ++round) {
    FileBytes bytes;
    std::string expected;
    for (int step = 0; step < 60; ++step) {
      const std::uint64_t offset = draw.choose(kMost);
      if (draw.choose(4) == 0) {
        bytes.resize(offset);
        expected.resize(offset);
      } else {
        // Zeros as well: nobody need keep them, but they cover what was there.
        const std::string written(1 + draw.choose(kMost / 3),
                                  draw.choose(3) == 0 ? '\0' : static_cast<char>('a' + step % 26));
        bytes.write(written, offset);
        if (expected.size() < offset + written.size()) expected.resize(offset + written.size());
        expected.replace(offset, written.size(), written);
      }
      ASSERT_EQ(bytes.size(), expected.size());
      ASSERT_EQ(bytes.empty(), expected.empty());
      ASSERT_TRUE(bytes.all() == expected);
      const std::uint64_t from = draw.choose(kMost);
      const std::uint64_t length = draw.choose(kMost);
      ASSERT_TRUE(bytes.read(from, length) ==
                  (from < expected.size() ? expected.substr(from, length) : ""));
    }
  }
}

TEST(FileBytesTest, ACopyIsNotTouchedByWhatHappensToTheOther) {
  FileBytes bytes;
  bytes.write(std::string(200'000, 'a'), 0);
  FileBytes copy = bytes;
  bytes.write("bbb", 65'535);
  copy.resize(100'000);
  copy.resize(200'000);
  EXPECT_EQ(bytes.all(), std::string(65'535, 'a') + "bbb" + std::string(200'000 - 65'538, 'a'));
  EXPECT_EQ(copy.all(), std::string(100'000, 'a') + std::string(100'000, '\0'));
}

TEST(FileBytesTest, TheRestOfAnotherIsAddedWhereverItBegins) {
  FileBytes other;
  other.write(std::string(100'000, 'a') + std::string(100'000, 'b'), 0);
  for (const std::uint64_t kept : {0, 1, 65'535, 65'536, 65'537, 131'072, 199'999, 200'000}) {
    FileBytes bytes;
    bytes.write(std::string(kept, 'x'), 0);
    bytes.append_rest_of(other);
    EXPECT_TRUE(bytes.all() == std::string(kept, 'x') + other.all().substr(kept)) << kept;
  }
}

TEST(FileBytesTest, SharingBlocksChangesNoByteOfEither) {
  FileBytes bytes;
  FileBytes other;
  bytes.write(std::string(200'000, 'a'), 0);
  other.write(std::string(150'000, 'a') + "b", 0);
  bytes.share_blocks_of(other, 200'000);
  other.write("c", 0);
  bytes.write("d", 65'536);
  EXPECT_EQ(bytes.all(), std::string(65'536, 'a') + "d" + std::string(200'000 - 65'537, 'a'));
  EXPECT_EQ(other.all(), "c" + std::string(149'999, 'a') + "b");
}

TEST(FileBytesTest, WhatIsReadIntoAPlaceIsAllOfIt) {
  FileBytes bytes;
  bytes.resize(100'000);
  bytes.write("x", 70'000);
  std::string into(3, '?');
  bytes.read_into(into, 69'999);
  EXPECT_EQ(into, std::string("\0x\0", 3));
}

}  // namespace
}  // namespace keelson::sim
