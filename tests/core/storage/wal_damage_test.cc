// What the log makes of damage: a torn tail is cut, all else is refused with its place.
#include <gtest/gtest.h>

#include "core/storage/wal.h"
#include "core/storage/wal_format.h"
#include "tests/core/storage/wal_fixture.h"

namespace keelson::storage {
namespace {

constexpr const char* kFirst = "wal/00000001.log";
constexpr const char* kSecond = "wal/00000002.log";

class WalDamageTest : public WalTest {
 protected:
  // Writes one batch an entry; ends_[i] is where batch i ends in the first segment, ends_[0] where
  // the first begins.
  void write(const std::vector<Bytes>& data) {
    const auto wal = open(disk_);
    ends_ = {disk_.content(kFirst).size()};
    for (std::size_t i = 0; i < data.size(); ++i) {
      put(*wal, i + 1, data[i]);
      ends_.push_back(disk_.content(kFirst).size());
    }
  }
  static Bytes flipped(Bytes content, std::size_t offset) {
    content[offset] = static_cast<char>(content[offset] ^ 0x10);
    return content;
  }
  // Opens a copy of the disk with another content of a file.
  std::unique_ptr<MemoryDisk> with(const char* path, const Bytes& content) const {
    auto disk = disk_.after_power_loss();
    disk->put(path, content);
    return disk;
  }
  void expect_refused(MemoryDisk& disk, const std::string& place) {
    const auto opened = try_open(disk);
    ASSERT_FALSE(opened) << "expected: " << place;
    EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
    EXPECT_NE(opened.error().message.find(place), std::string::npos) << opened.error().message;
  }
  void expect_cut_to(MemoryDisk& disk, const std::vector<Bytes>& data) {
    const std::uint64_t cuts_before = reached("wal: torn tail cut");
    EXPECT_EQ(recover(disk), log_of(data));
    EXPECT_EQ(reached("wal: torn tail cut"), cuts_before + 1);
    // The cut is durable, and the log goes on behind it.
    const auto later = disk.after_power_loss();
    const auto wal = open(*later);
    EXPECT_EQ(reached("wal: torn tail cut"), cuts_before + 1);
    put(*wal, data.size() + 1, "next");
    std::vector<Bytes> longer = data;
    longer.push_back("next");
    EXPECT_EQ(recover(*later->after_power_loss()), log_of(longer));
  }

  std::vector<std::size_t> ends_;
};

TEST_F(WalDamageTest, ATailTornAtAnyByteIsCutAndEarlierBatchesStand) {
  write({"one", "two", "the last batch"});
  const Bytes content = disk_.content(kFirst);
  for (std::size_t size = ends_[2] + 1; size < content.size(); ++size) {
    SCOPED_TRACE(size);
    expect_cut_to(*with(kFirst, content.substr(0, size)), {"one", "two"});
    // The length of the file was saved, the rest of its bytes was not.
    Bytes zeros = content.substr(0, size);
    zeros.resize(content.size());
    if (zeros != content) expect_cut_to(*with(kFirst, zeros), {"one", "two"});
    // The end was saved, the beginning was not.
    Bytes headless = content;
    for (std::size_t i = ends_[2]; i < size; ++i) headless[i] = '\0';
    if (headless != content) expect_cut_to(*with(kFirst, headless), {"one", "two"});
  }
}

TEST_F(WalDamageTest, AFlippedByteAnywhereInTheLastBatchLooksLikeATear) {
  write({"one", "two", "the last batch"});
  const Bytes content = disk_.content(kFirst);
  for (std::size_t offset = ends_[2]; offset < content.size(); ++offset) {
    SCOPED_TRACE(offset);
    expect_cut_to(*with(kFirst, flipped(content, offset)), {"one", "two"});
  }
}

TEST_F(WalDamageTest, AFlippedByteAnywhereBeforeTheLastBatchIsRefusedWithItsPlaceAndNeverCut) {
  write({"one", "two", "three"});
  const Bytes content = disk_.content(kFirst);
  for (std::size_t offset = 0; offset < ends_[2]; ++offset) {
    SCOPED_TRACE(offset);
    const std::size_t batch_begin =
        offset < ends_[0] ? 0 : offset < ends_[1] ? ends_[0] : ends_[1];
    const auto disk = with(kFirst, flipped(content, offset));
    expect_refused(*disk, "segment 1 offset " + std::to_string(batch_begin) + ":");
    EXPECT_EQ(disk->content(kFirst), flipped(content, offset));
  }
  EXPECT_EQ(reached("wal: torn tail cut"), 0u);
}

TEST_F(WalDamageTest, ALengthOfGarbageIsNotBelieved) {
  write({"one", "two", "three"});
  for (const std::uint32_t length : {0u, 1u, 0x7fff'ffffu, 0xffff'ffffu}) {
    Bytes field;
    append_u32(field, length);
    Bytes tail = disk_.content(kFirst);
    expect_cut_to(*with(kFirst, tail.replace(ends_[2] + 4, 4, field)), {"one", "two"});
    Bytes middle = disk_.content(kFirst);
    expect_refused(*with(kFirst, middle.replace(ends_[1] + 4, 4, field)),
                   "segment 1 offset " + std::to_string(ends_[1]) + ":");
  }
}

TEST_F(WalDamageTest, AnythingHarmedBeforeTheLastSegmentIsRefused) {
  options_.segment_bytes = 150;
  write({"one", "two", "three"});
  ASSERT_TRUE(disk_.exists(kSecond));
  const Bytes content = disk_.content(kFirst);
  for (std::size_t offset = 0; offset < content.size(); ++offset) {
    SCOPED_TRACE(offset);
    expect_refused(*with(kFirst, flipped(content, offset)), "segment 1 offset ");
  }
  for (std::size_t size = 0; size < content.size(); ++size) {
    SCOPED_TRACE(size);
    expect_refused(*with(kFirst, content.substr(0, size)), "segment ");
  }
  expect_refused(*with(kFirst, content + "x"), "segment 1 offset " +
                                                   std::to_string(content.size()) + ":");
}

TEST_F(WalDamageTest, AHarmedHeaderOfALastSegmentInUseIsRefused) {
  options_.segment_bytes = 150;
  write({"one", "two", "three"});
  const Bytes content = disk_.content(kSecond);
  ASSERT_GT(content.size(), wal_format::kSegmentHeaderBytes);
  for (std::size_t offset = 0; offset < wal_format::kSegmentHeaderBytes; ++offset) {
    expect_refused(*with(kSecond, flipped(content, offset)), "segment 2 offset 0:");
  }
}

TEST_F(WalDamageTest, ASegmentThatWasBeingBegunIsRemoved) {
  options_.segment_bytes = 150;
  write({"one", "two"});
  ASSERT_FALSE(disk_.exists(kSecond));
  const Bytes header = wal_format::encode(wal_format::SegmentHeader{.segment = 2});
  for (std::size_t size = 0; size < header.size(); ++size) {
    SCOPED_TRACE(size);
    auto disk = with(kSecond, header.substr(0, size));
    EXPECT_EQ(recover(*disk), log_of({"one", "two"}));
    EXPECT_FALSE(disk->after_power_loss()->exists(kSecond));
    put(*open(*disk), 3, "three");
    EXPECT_EQ(recover(*disk->after_power_loss()), log_of({"one", "two", "three"}));
  }
}

TEST_F(WalDamageTest, AnEmptyFileIsALogThatWasNeverBegun) {
  open(disk_);
  const auto disk = with(kFirst, "");
  EXPECT_EQ(recover(*disk), Groups{});
  put(*open(*disk), 1, "a");
  EXPECT_EQ(recover(*disk->after_power_loss()), log_of({"a"}));
}

TEST_F(WalDamageTest, AMissingSegmentIsRefused) {
  options_.segment_bytes = 60;
  write({"one", "two", "three"});
  for (const char* missing : {kFirst, kSecond}) {
    const auto disk = disk_.after_power_loss();
    disk->erase(missing);
    expect_refused(*disk, missing == kFirst ? "segment 1 offset 0:" : "segment 2 offset 0:");
  }
}

TEST_F(WalDamageTest, SegmentsOfAnotherPlaceOrAnotherLogAreRefused) {
  options_.segment_bytes = 60;
  write({"one", "two", "three"});
  expect_refused(*with(kSecond, disk_.content(kFirst)), "segment 2 offset 0:");

  MemoryDisk other;
  const auto wal = open(other);
  for (std::uint64_t index = 1; index <= 3; ++index) put(*wal, index, "other");
  expect_refused(*with(kSecond, other.content(kSecond)), "segment 2 offset 0:");
}

TEST_F(WalDamageTest, BytesOfAClientThatLookLikeABatchAreNotTakenForOne) {
  write({"one"});
  const Bytes batch = disk_.content(kFirst).substr(ends_[0]);
  const auto wal = open(disk_);
  put(*wal, 2, batch + batch + batch);
  Bytes content = disk_.content(kFirst);
  content.pop_back();
  expect_cut_to(*with(kFirst, content), {"one"});
}

TEST_F(WalDamageTest, AWholeBatchThatContradictsTheLogIsRefused) {
  write({"one"});
  const Bytes& content = disk_.content(kFirst);
  const auto header = wal_format::decode_segment_header(content);
  ASSERT_TRUE(header && *header);
  const auto batch_of = [&](std::uint64_t sequence, const Bytes& payload) {
    Bytes frame = Bytes(wal_format::kBatchHeaderBytes, '\0') + payload;
    wal_format::seal_batch(frame, {(*header)->salt, 1, content.size()}, sequence);
    return frame;
  };
  const auto entries = [](std::uint64_t index, std::uint64_t term) {
    Bytes payload;
    wal_format::append_entries(payload, GroupId(0), {entry(index, term, "x")});
    return payload;
  };
  const std::string place = "segment 1 offset " + std::to_string(content.size()) + ":";

  EXPECT_EQ(recover(*with(kFirst, content + batch_of(2, entries(2, 1)))), log_of({"one", "x"}));
  expect_refused(*with(kFirst, content + batch_of(3, entries(2, 1))), place);
  expect_refused(*with(kFirst, content + batch_of(2, entries(3, 1))), place);
  expect_refused(*with(kFirst, content + batch_of(2, entries(0, 1))), place);
  expect_refused(*with(kFirst, content + batch_of(2, entries(2, 0))), place);
  // A count far beyond what is there is met by the end of the record, not by an allocation.
  Bytes greedy = entries(2, 1);
  greedy.replace(9, 4, "\xff\xff\xff\xff");
  expect_refused(*with(kFirst, content + batch_of(2, greedy)), place);
  for (std::size_t size = 1; size < greedy.size(); ++size) {
    SCOPED_TRACE(size);
    expect_refused(*with(kFirst, content + batch_of(2, entries(2, 1).substr(0, size))), place);
  }
}

TEST_F(WalDamageTest, AFormatOfAnotherVersionIsNamed) {
  write({"one"});
  Bytes header = disk_.content(kFirst).substr(0, wal_format::kSegmentHeaderBytes - 8);
  header[8] = 9;
  append_u64(header, hash64(header));
  const auto opened = try_open(*with(kFirst, header));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(opened.error().message, "write-ahead log of format 9, this program knows 2");
}

}  // namespace
}  // namespace keelson::storage
