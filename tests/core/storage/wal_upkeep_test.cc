// What the log does beside writing batches: room ahead of them, seals, and a disk without space.
#include <gtest/gtest.h>

#include "core/runtime/task_group.h"
#include "core/storage/wal.h"
#include "core/storage/wal_format.h"
#include "tests/core/storage/wal_fixture.h"

namespace keelson::storage {
namespace {

using namespace std::chrono_literals;

constexpr const char* kFirst = "wal/00000001.log";
constexpr const char* kSecond = "wal/00000002.log";

class WalUpkeepTest : public WalTest {
 protected:
  WalUpkeepTest() {
    disk_.scheduler = &world_.scheduler;
    disk_.sync_latency = 1ms;
  }
  ~WalUpkeepTest() override { world_.scheduler.kill_all(); }

  // Runs `body` in a fiber, and the world for so long.
  void run(Duration span, std::function<void()> body) {
    tasks_.spawn("test", std::move(body));
    run_until(world_.scheduler, world_.clock, world_.clock.now() + span);
  }
  void idle(Duration span) { run(span, [] {}); }
  // Opens the log of disk_.
  void start() {
    run(20ms, [this] { wal_ = open(disk_); });
    ASSERT_NE(wal_, nullptr);
  }
  void put_entry(std::uint64_t index, const Bytes& data) {
    run(20ms, [&, this] { put(*wal_, index, data); });
  }
  Groups recover_after_power_loss() {
    const auto disk = disk_.after_power_loss();
    return recover(*disk);
  }
  ErrorCode sync_fails() {
    ErrorCode code{};
    run(20ms, [&] {
      const auto synced = wal_->write_and_sync(Deadline::never());
      ASSERT_FALSE(synced);
      code = synced.error().code;
    });
    return code;
  }

  TaskGroup tasks_{world_.scheduler};
  std::unique_ptr<Wal> wal_;
};

TEST_F(WalUpkeepTest, WhoNeverStopsWritingDoesNotKeepOthersFromGivingBack) {
  options_.segment_bytes = 1000;
  start();
  bool is_over = false;
  tasks_.spawn("writer", [&, this] {
    for (std::uint64_t index = 1; !is_over; ++index) put(*wal_, index, Bytes(100, 'x'));
  });
  idle(50ms);
  bool has_given_back = false;
  run(50ms, [&, this] {
    wal_->cut(GroupId(0), {raft::LogIndex(30), raft::Term(1)});
    ASSERT_TRUE(wal_->remove_unneeded(Deadline::never()));
    has_given_back = true;
  });
  EXPECT_TRUE(has_given_back);
  EXPECT_FALSE(disk_.exists(kFirst));
  is_over = true;
  idle(20ms);
}

TEST_F(WalUpkeepTest, RoomIsMadeAheadAndDurable) {
  options_.preallocate_bytes = 8192;
  start();
  EXPECT_EQ(disk_.content(kFirst).size(), 12288u);  // Whole pages.
  EXPECT_EQ(disk_.after_power_loss()->content(kFirst).size(), 12288u);
  EXPECT_EQ(wal_->bytes(), 12288u);

  std::vector<Bytes> data;
  std::uint64_t size_before = 12288;
  int grew = 0;
  for (std::uint64_t index = 1; index <= 30; ++index) {
    data.push_back(Bytes(1000, 'x'));
    put_entry(index, data.back());
    const std::uint64_t size = disk_.content(kFirst).size();
    EXPECT_EQ(size % 4096, 0u);  // A batch never has to make the file longer.
    grew += size > size_before;
    size_before = size;
  }
  EXPECT_GE(grew, 3);
  EXPECT_LE(grew, 8);
  EXPECT_EQ(wal_->bytes(), size_before);
  EXPECT_EQ(recover_after_power_loss(), log_of(data));
}

TEST_F(WalUpkeepTest, RoomEndsWithTheSegment) {
  options_.preallocate_bytes = 1 << 20;
  options_.segment_bytes = 3000;
  start();
  EXPECT_EQ(disk_.content(kFirst).size(), 3000u);
  std::vector<Bytes> data;
  for (std::uint64_t index = 1; index <= 10; ++index) {
    data.push_back(Bytes(900, 'x'));
    put_entry(index, data.back());
  }
  EXPECT_GT(wal_->segment_number(), 2u);
  EXPECT_EQ(recover_after_power_loss(), log_of(data));
}

TEST_F(WalUpkeepTest, ARecoveredLogKeepsItsRoom) {
  options_.preallocate_bytes = 8192;
  start();
  put_entry(1, "a");
  const auto disk = disk_.after_power_loss();
  int operations = 0;
  const auto wal = open(*disk);
  EXPECT_EQ(reached("wal: torn tail cut"), 0u);
  EXPECT_EQ(wal->bytes(), 12288u);
  disk->on_operation = [&] { ++operations; };
  run_until(world_.scheduler, world_.clock, world_.clock.now() + 1s);
  EXPECT_EQ(operations, 0);
}

TEST_F(WalUpkeepTest, WithALongerSegmentLimitBeforeZerosMayEndAClosedSegment) {
  options_.preallocate_bytes = 8192;
  start();
  put_entry(1, Bytes(100, 'x'));
  const auto disk = disk_.after_power_loss();
  options_ = {.segment_bytes = 150, .preallocate_bytes = 0, .seal_after = {}};
  put(*open(*disk), 2, "b");
  ASSERT_TRUE(disk->exists(kSecond));
  EXPECT_EQ(recover(*disk), log_of({Bytes(100, 'x'), "b"}));
  // Zeros in the place of a batch are not taken for such an end.
  Bytes content = disk->content(kFirst);
  const Bytes zeros(content.size() - wal_format::kSegmentHeaderBytes, '\0');
  disk->put(kFirst, content.replace(wal_format::kSegmentHeaderBytes, zeros.size(), zeros));
  EXPECT_FALSE(try_open(*disk));
}

TEST_F(WalUpkeepTest, AFailedSyncOfRoomFailsTheLog) {
  options_.preallocate_bytes = 8192;
  start();
  put_entry(1, "a");
  wal_->append(GroupId(0), std::nullopt, {entry(2, 1, Bytes(9000, 'x'))});
  run(20ms, [&] {
    sync(*wal_);
    disk_.syncs_to_fail = 1;  // The next is that of the room.
  });
  EXPECT_EQ(disk_.syncs_to_fail, 0);
  wal_->append(GroupId(0), std::nullopt, {entry(3, 1, "c")});
  EXPECT_EQ(sync_fails(), ErrorCode::io_error);
  EXPECT_EQ(recover_after_power_loss(), log_of({"a", Bytes(9000, 'x')}));
}

TEST_F(WalUpkeepTest, WithoutSpaceForRoomTheLogGoesOn) {
  options_.preallocate_bytes = 8192;
  disk_.space_left = 3000;  // The header, and some of the room.
  start();
  EXPECT_EQ(wal_->bytes(), wal_format::kSegmentHeaderBytes);
  disk_.space_left = 1000;
  put_entry(1, "a");
  disk_.space_left.reset();
  put_entry(2, Bytes(8000, 'x'));
  put_entry(3, "c");
  EXPECT_EQ(disk_.content(kFirst).size() % 4096, 0u);
  EXPECT_EQ(recover_after_power_loss(), log_of({"a", Bytes(8000, 'x'), "c"}));
}

TEST_F(WalUpkeepTest, ALogAtRestIsSealedOnce) {
  options_.seal_after = 50ms;
  start();
  idle(10s);
  EXPECT_EQ(wal_->batches_synced(), 0u);  // There is nothing to seal.
  put_entry(1, "a");
  EXPECT_FALSE(wal_->is_sealed());
  idle(20ms);
  EXPECT_EQ(wal_->batches_synced(), 1u);
  idle(100ms);
  EXPECT_TRUE(wal_->is_sealed());
  EXPECT_EQ(wal_->batches_synced(), 2u);
  const int syncs_before = disk_.syncs;
  idle(1h);
  EXPECT_EQ(wal_->batches_synced(), 2u);
  EXPECT_EQ(disk_.syncs, syncs_before);
  EXPECT_FALSE(world_.scheduler.next_timer());
  EXPECT_EQ(recover_after_power_loss(), log_of({"a"}));
}

TEST_F(WalUpkeepTest, ALogAtWorkIsNotSealed) {
  options_.seal_after = 50ms;
  start();
  std::vector<Bytes> data;
  for (std::uint64_t index = 1; index <= 20; ++index) {
    data.push_back("x");
    put_entry(index, "x");  // Every 20 ms.
  }
  EXPECT_EQ(wal_->batches_synced(), 20u);
  idle(100ms);
  EXPECT_EQ(wal_->batches_synced(), 21u);
  put_entry(21, "y");
  data.push_back("y");
  idle(100ms);
  EXPECT_EQ(wal_->batches_synced(), 23u);
  EXPECT_EQ(recover_after_power_loss(), log_of(data));
}

TEST_F(WalUpkeepTest, ALogThatWasNotSealedIsSealedAfterARestart) {
  start();
  put_entry(1, "a");
  wal_.reset();
  options_.seal_after = 50ms;
  start();
  EXPECT_FALSE(wal_->is_sealed());
  idle(100ms);
  EXPECT_TRUE(wal_->is_sealed());
  wal_.reset();
  start();
  EXPECT_TRUE(wal_->is_sealed());
  idle(100ms);
  EXPECT_EQ(wal_->batches_synced(), 2u);
}

TEST_F(WalUpkeepTest, RotAnywhereInASealedLogIsCorruptionButInTheSealItself) {
  options_.seal_after = 50ms;
  options_.preallocate_bytes = 4096;
  start();
  put_entry(1, "one");
  put_entry(2, "two");
  idle(200ms);
  ASSERT_TRUE(wal_->is_sealed());
  const Bytes content = disk_.after_power_loss()->content(kFirst);
  const std::size_t end = content.find_last_not_of('\0') + 1;
  const std::size_t seal = end - wal_format::kBatchHeaderBytes;
  options_.seal_after = {};
  for (std::size_t offset = 0; offset < content.size(); ++offset) {
    SCOPED_TRACE(offset);
    const auto disk = disk_.after_power_loss();
    Bytes harmed = content;
    harmed[offset] = static_cast<char>(harmed[offset] ^ 0x10);
    disk->put(kFirst, harmed);
    const auto opened = try_open(*disk);
    if (offset < seal) {
      ASSERT_FALSE(opened);
      EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
      EXPECT_EQ(disk->content(kFirst), harmed);
    } else {
      ASSERT_TRUE(opened);
      EXPECT_EQ(groups_of(**opened), log_of({"one", "two"}));
    }
  }
}

TEST_F(WalUpkeepTest, ASealThatFindsNoSpaceHarmsNothingAndIsNotRepeated) {
  options_.seal_after = 50ms;
  start();
  put_entry(1, "a");
  disk_.space_left = 10;
  idle(1s);
  EXPECT_EQ(wal_->batches_synced(), 1u);
  EXPECT_EQ(disk_.space_left, 0u);
  EXPECT_FALSE(world_.scheduler.next_timer());
  disk_.space_left.reset();
  put_entry(2, "b");
  EXPECT_EQ(recover_after_power_loss(), log_of({"a", "b"}));
  idle(1s);
  EXPECT_EQ(wal_->batches_synced(), 3u);
}

TEST_F(WalUpkeepTest, ASealMayBeginASegment) {
  options_.segment_bytes = 150;
  options_.seal_after = 50ms;
  start();
  put_entry(1, Bytes(100, 'x'));
  idle(1s);
  EXPECT_EQ(wal_->segment_number(), 2u);
  EXPECT_TRUE(wal_->is_sealed());
  EXPECT_EQ(recover_after_power_loss(), log_of({Bytes(100, 'x')}));
  put_entry(2, "b");
  EXPECT_EQ(recover_after_power_loss(), log_of({Bytes(100, 'x'), "b"}));
}

// A tail that is torn inside the zeros ahead of it, at sectors of any size.
TEST_F(WalUpkeepTest, ABatchTornInsideTheRoomIsATornTail) {
  options_.preallocate_bytes = 8192;
  start();
  put_entry(1, "one");
  const Bytes before = disk_.content(kFirst);
  put_entry(2, Bytes(300, 'x'));
  const Bytes after = disk_.content(kFirst);
  ASSERT_EQ(before.size(), after.size());
  const std::size_t begin = before.find_last_not_of('\0') + 1;
  const std::size_t end = after.find_last_not_of('\0') + 1;
  options_.preallocate_bytes = 0;
  for (std::size_t kept_from = begin; kept_from < end; kept_from += 7) {
    for (std::size_t kept_to = kept_from; kept_to <= end; kept_to += 13) {
      SCOPED_TRACE(std::to_string(kept_from) + " to " + std::to_string(kept_to));
      if (kept_from == begin && kept_to == end) continue;
      Bytes torn = before;
      torn.replace(kept_from, kept_to - kept_from, after, kept_from, kept_to - kept_from);
      const auto disk = disk_.after_power_loss();
      disk->put(kFirst, torn);
      ASSERT_EQ(recover(*disk), log_of({"one"}));
      put(*open(*disk), 2, "two");
      ASSERT_EQ(recover(*disk->after_power_loss()), log_of({"one", "two"}));
    }
  }
}

// Whatever runs out of space, at whichever octet: nothing that was promised is lost, nothing that
// was not is there, and the same log goes on once there is some.
TEST_F(WalUpkeepTest, SpaceMayRunOutAnywhereAndComeBack) {
  options_ = {.segment_bytes = 400, .preallocate_bytes = 256, .seal_after = 5ms};
  for (std::size_t space = 0; space < 1500; space += 3) {
    SCOPED_TRACE(space);
    MemoryDisk disk;
    disk.scheduler = &world_.scheduler;
    disk.sync_latency = 1ms;
    run(20ms, [&] { wal_ = open(disk); });
    disk.space_left = space;
    std::vector<Bytes> data;
    std::size_t durable = 0;
    bool was_full = false;
    run(1s, [&] {
      for (std::uint64_t index = 1; index <= 12; ++index) {
        data.push_back("entry " + std::to_string(index));
        wal_->append(GroupId(0), std::nullopt, {entry(index, 1, data.back())});
        const auto synced = wal_->write_and_sync(Deadline::never());
        if (synced) durable = data.size();
        if (!synced) {
          ASSERT_EQ(synced.error().code, ErrorCode::no_space);
          was_full = true;
        }
        world_.scheduler.sleep_for(index % 3 == 0 ? 20ms : 1ms);
      }
    });
    EXPECT_TRUE(was_full);
    disk.scheduler = nullptr;
    disk.sync_latency = {};
    for (const auto& left : {disk.after_power_loss(), disk.after_process_death()}) {
      options_.preallocate_bytes = 0;
      EXPECT_EQ(recover(*left), log_of({data.begin(),
                                        data.begin() + static_cast<std::ptrdiff_t>(durable)}));
      options_.preallocate_bytes = 256;
    }
    disk.space_left.reset();
    run(100ms, [&] { sync(*wal_); });
    EXPECT_EQ(recover(*disk.after_power_loss()), log_of(data));
    wal_.reset();
    world_.scheduler.kill_all();
  }
}

TEST_F(WalUpkeepTest, ASegmentForWhichThereIsNoNameOrNoSpaceIsBegunLater) {
  options_.segment_bytes = 150;
  disk_.scheduler = nullptr;
  disk_.sync_latency = {};
  const auto wal = open(disk_);
  put(*wal, 1, Bytes(100, 'x'));
  wal->append(GroupId(0), std::nullopt, {entry(2, 1, "b")});
  for (const std::size_t space : {0, 10, 39, 40, 45, 63, 100}) {
    SCOPED_TRACE(space);
    disk_.names_find_space = space > 0;
    disk_.space_left = space;
    const auto failed = wal->write_and_sync(Deadline::never());
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, ErrorCode::no_space);
    EXPECT_EQ(recover(*disk_.after_process_death()), log_of({Bytes(100, 'x')}));
    EXPECT_EQ(recover(*disk_.after_power_loss()), log_of({Bytes(100, 'x')}));
  }
  disk_.space_left.reset();
  sync(*wal);
  EXPECT_EQ(wal->segment_number(), 2u);
  EXPECT_EQ(recover(*disk_.after_power_loss()), log_of({Bytes(100, 'x'), "b"}));
}

// The search for a whole batch behind a harmed one looks at every octet once, cheaply.
TEST_F(WalUpkeepTest, ALongTailWithoutABatchIsReadOnce) {
  disk_.scheduler = nullptr;
  disk_.sync_latency = {};
  put(*open(disk_), 1, "a");
  for (const char filling : {'\0', '\x01', '\xff'}) {
    const auto disk = disk_.after_power_loss();
    Bytes content = disk->content(kFirst) + "torn";
    content.append(32 << 20, filling);
    content.push_back('x');
    disk->put(kFirst, content);
    EXPECT_EQ(recover(*disk), log_of({"a"}));
  }
}

}  // namespace
}  // namespace keelson::storage
