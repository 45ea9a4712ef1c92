// Logs that do not begin with entry 1: cuts, restarts, and segments that are given back.
#include <gtest/gtest.h>

#include "core/storage/wal.h"
#include "core/storage/wal_format.h"
#include "tests/core/storage/wal_fixture.h"

namespace keelson::storage {
namespace {

using namespace std::chrono_literals;

raft::LogStart at(std::uint64_t index, std::uint64_t term = 1) {
  return {raft::LogIndex(index), raft::Term(term)};
}

std::string path_of(std::uint32_t segment) { return wal_format::segment_path(segment); }

class WalCompactionTest : public WalTest {
 protected:
  // Entries `first` to `last` of a group, a batch each, of 100 octets.
  static void fill(Wal& wal, GroupId group, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t index = first; index <= last; ++index) {
      wal.append(group, std::nullopt, {entry(index, 1, Bytes(100, 'x'))});
      sync(wal);
    }
  }
  static void remove_unneeded(Wal& wal) {
    const auto removed = wal.remove_unneeded(Deadline::never());
    ASSERT_TRUE(removed) << removed.error().message;
  }
  std::uint32_t first_segment(const MemoryDisk& disk) {
    std::uint32_t segment = 1;
    while (!disk.exists(path_of(segment))) ++segment;
    return segment;
  }
  void expect_refused(MemoryDisk& disk, const std::string& message) {
    const auto opened = try_open(disk);
    ASSERT_FALSE(opened) << "expected: " << message;
    EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
    EXPECT_EQ(opened.error().message, "write-ahead log: " + message);
  }
};

TEST_F(WalCompactionTest, ACutTakesTheFrontOfALogAndKeepsTheRest) {
  const auto wal = open(disk_);
  wal->append(GroupId(0), hard_state(2, 1), {entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 2, "c")});
  wal->cut(GroupId(0), at(2, 1));
  sync(*wal);
  Groups expected;
  expected[GroupId(0)] = {hard_state(2, 1), at(2, 1), {entry(3, 2, "c")}};
  EXPECT_EQ(recover(*disk_.after_power_loss()), expected);

  wal->append(GroupId(0), std::nullopt, {entry(4, 2, "d")});
  wal->cut(GroupId(0), at(4, 2));
  sync(*wal);
  expected[GroupId(0)] = {hard_state(2, 1), at(4, 2), {}};
  EXPECT_EQ(recover(*disk_.after_power_loss()), expected);

  wal->append(GroupId(0), std::nullopt, {entry(5, 2, "e")});
  sync(*wal);
  expected[GroupId(0)].entries = {entry(5, 2, "e")};
  EXPECT_EQ(recover(*disk_.after_power_loss()), expected);
}

TEST_F(WalCompactionTest, ARestartTakesTheWholeLog) {
  const auto wal = open(disk_);
  wal->append(GroupId(0), hard_state(2, 1), {entry(1, 1, "a"), entry(2, 1, "b")});
  sync(*wal);
  wal->restart(GroupId(0), at(40, 7));
  wal->append(GroupId(0), hard_state(7, 0), {entry(41, 7, "x")});
  sync(*wal);
  Groups expected;
  expected[GroupId(0)] = {hard_state(7, 0), at(40, 7), {entry(41, 7, "x")}};
  EXPECT_EQ(recover(*disk_.after_power_loss()), expected);

  // One that is shorter than what is there, too: the old entries were not those of the snapshot.
  wal->append(GroupId(0), std::nullopt, {entry(42, 7, "y"), entry(43, 7, "z")});
  wal->restart(GroupId(0), at(42, 8));
  sync(*wal);
  expected[GroupId(0)] = {hard_state(7, 0), at(42, 8), {}};
  EXPECT_EQ(recover(*disk_.after_power_loss()), expected);
}

TEST_F(WalCompactionTest, ConfigurationsAreEntriesToo) {
  const auto wal = open(disk_);
  raft::Entry change = entry(1, 1, "members");
  change.kind = raft::EntryKind::configuration;
  wal->append(GroupId(0), std::nullopt, {change});
  sync(*wal);
  EXPECT_EQ(recover(disk_)[GroupId(0)].entries, std::vector{change});
}

TEST_F(WalCompactionTest, WhatRecoveryWouldRefuseIsABugOfTheCaller) {
  const auto wal = open(disk_);
  wal->append(GroupId(0), hard_state(3, 0), {entry(1, 1, "a"), entry(2, 3, "b")});
  EXPECT_DEATH(wal->cut(GroupId(0), at(3, 3)), "CHECK failed");
  EXPECT_DEATH(wal->cut(GroupId(0), at(2, 1)), "CHECK failed");
  EXPECT_DEATH(wal->append(GroupId(0), hard_state(2, 0), {}), "CHECK failed");
  EXPECT_DEATH(wal->append(GroupId(0), std::nullopt, {entry(3, 2, "c")}), "CHECK failed");
  wal->cut(GroupId(0), at(1, 1));
  wal->cut(GroupId(0), at(1, 1));
  EXPECT_DEATH(wal->append(GroupId(0), std::nullopt, {entry(1, 3, "c")}), "CHECK failed");
  EXPECT_DEATH(wal->restart(GroupId(0), at(0, 0)), "CHECK failed");
  sync(*wal);
  EXPECT_EQ(recover(disk_)[GroupId(0)].entries, std::vector{entry(2, 3, "b")});
}

TEST_F(WalCompactionTest, ASegmentGoesWhenNoGroupNeedsIt) {
  options_.segment_bytes = 500;
  const auto wal = open(disk_);
  wal->append(GroupId(1), hard_state(5, 2), {});
  wal->append(GroupId(7), hard_state(2, 0), {entry(1, 1, "of another group")});
  sync(*wal);
  fill(*wal, GroupId(0), 1, 20);
  ASSERT_GT(wal->segment_count(), 4u);
  EXPECT_EQ(wal->groups_in_oldest_segment(), (std::vector{GroupId(0), GroupId(7)}));
  const std::uint64_t bytes_before = wal->bytes();

  wal->cut(GroupId(0), at(20));
  remove_unneeded(*wal);
  EXPECT_TRUE(disk_.exists(path_of(1)));  // Group 7 keeps it.
  EXPECT_EQ(wal->groups_in_oldest_segment(), std::vector{GroupId(7)});

  wal->append(GroupId(7), std::nullopt, {entry(1, 2, "overwritten")});
  remove_unneeded(*wal);
  EXPECT_EQ(wal->segment_count(), 1u);
  EXPECT_EQ(first_segment(disk_), wal->segment_number());
  EXPECT_LT(wal->bytes(), bytes_before / 3);
  EXPECT_EQ(wal->groups_in_oldest_segment(), std::vector{GroupId(7)});

  Groups expected;
  expected[GroupId(0)] = {{}, at(20), {}};
  expected[GroupId(1)] = {hard_state(5, 2), {}, {}};
  expected[GroupId(7)] = {hard_state(2, 0), {}, {entry(1, 2, "overwritten")}};
  EXPECT_EQ(recover(*disk_.after_power_loss()), expected);
}

TEST_F(WalCompactionTest, ARestartFreesTheSegmentsOfTheOldLog) {
  options_.segment_bytes = 500;
  const auto wal = open(disk_);
  fill(*wal, GroupId(0), 1, 10);
  wal->restart(GroupId(0), at(100, 3));
  remove_unneeded(*wal);
  EXPECT_EQ(wal->segment_count(), 1u);
  EXPECT_EQ(recover(*disk_.after_power_loss())[GroupId(0)].start, at(100, 3));
}

TEST_F(WalCompactionTest, NothingToGiveBackTouchesNoDisk) {
  options_.segment_bytes = 500;
  const auto wal = open(disk_);
  fill(*wal, GroupId(0), 1, 10);
  const int writes_before = disk_.writes;
  int operations = 0;
  disk_.on_operation = [&] { ++operations; };
  remove_unneeded(*wal);
  EXPECT_EQ(operations, 0);
  EXPECT_EQ(disk_.writes, writes_before);
}

TEST_F(WalCompactionTest, ACutThatIsNotDurableGivesNothingBack) {
  options_.segment_bytes = 500;
  const auto wal = open(disk_);
  fill(*wal, GroupId(0), 1, 10);
  wal->cut(GroupId(0), at(10));
  disk_.space_left = 20;
  const auto full = wal->remove_unneeded(Deadline::never());
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::no_space);
  EXPECT_EQ(first_segment(disk_), 1u);
  EXPECT_EQ(recover(*disk_.after_power_loss())[GroupId(0)].entries.size(), 10u);
  disk_.space_left.reset();
  remove_unneeded(*wal);
  EXPECT_EQ(wal->segment_count(), 1u);
  EXPECT_EQ(recover(*disk_.after_power_loss())[GroupId(0)].start, at(10));
}

TEST_F(WalCompactionTest, ALogGoesOnAcrossManyRemovalsAndRestarts) {
  options_.segment_bytes = 400;
  std::uint64_t last = 0;
  std::uint64_t start = 0;
  for (int restart = 0; restart < 6; ++restart) {
    const auto wal = open(disk_);
    const RecoveredGroup found = wal->take_recovered(GroupId(0));
    EXPECT_EQ(found.start.index.value, start);
    EXPECT_EQ(found.entries.size(), last - start);
    fill(*wal, GroupId(0), last + 1, last + 12);
    last += 12;
    start = last - 5;
    wal->cut(GroupId(0), at(start));
    remove_unneeded(*wal);
    EXPECT_LE(wal->segment_count(), 4u);
  }
  EXPECT_GT(first_segment(disk_), 10u);
}

TEST_F(WalCompactionTest, AnOldestSegmentThatIsLostIsCorruption) {
  options_.segment_bytes = 500;
  {
    const auto wal = open(disk_);
    fill(*wal, GroupId(0), 1, 20);
    wal->cut(GroupId(0), at(8));
    remove_unneeded(*wal);
  }
  const std::uint32_t first = first_segment(disk_);
  ASSERT_GT(first, 1u);
  ASSERT_TRUE(disk_.exists(path_of(first + 2)));
  {
    const auto disk = disk_.after_power_loss();
    disk->erase(path_of(first));
    expect_refused(*disk, "segment " + std::to_string(first) +
                              " offset 0: the segment is missing");
    disk->erase(path_of(first + 1));
    expect_refused(*disk, "segment " + std::to_string(first) +
                              " offset 0: the segment is missing");
  }
  const auto disk = disk_.after_power_loss();
  disk->erase(path_of(first + 1));
  expect_refused(*disk, "segment " + std::to_string(first + 1) +
                            " offset 0: the segment is missing");
}

// The strict reading: it held nothing that is needed, but nobody had said so yet.
TEST_F(WalCompactionTest, AnOldestSegmentThatWasNotGivenUpInWritingIsMissedThoughNobodyNeedsIt) {
  options_.segment_bytes = 500;
  const auto wal = open(disk_);
  fill(*wal, GroupId(0), 1, 20);
  wal->cut(GroupId(0), at(20));
  sync(*wal);
  EXPECT_EQ(recover(disk_)[GroupId(0)].start, at(20));
  disk_.erase(path_of(1));
  expect_refused(disk_, "segment 1 offset 0: the segment is missing");
}

TEST_F(WalCompactionTest, ALogOfOneLaterSegmentMustHoldABatch) {
  options_.segment_bytes = 500;
  {
    const auto wal = open(disk_);
    fill(*wal, GroupId(0), 1, 10);
    wal->cut(GroupId(0), at(10));
    remove_unneeded(*wal);
    ASSERT_EQ(wal->segment_count(), 1u);
  }
  const std::string path = path_of(first_segment(disk_));
  const Bytes content = disk_.content(path);
  for (std::size_t size = 0; size < wal_format::kSegmentHeaderBytes + 60; ++size) {
    SCOPED_TRACE(size);
    const auto disk = disk_.after_power_loss();
    disk->put(path, content.substr(0, size));
    const auto opened = try_open(*disk);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
    EXPECT_EQ(disk->content(path), content.substr(0, size));
  }
}

TEST_F(WalCompactionTest, ARemovalMayDieAtAnyOperation) {
  options_.segment_bytes = 300;
  const auto wal = open(disk_);
  wal->append(GroupId(1), hard_state(5, 2), {});
  fill(*wal, GroupId(0), 1, 12);
  const Groups before = recover(*disk_.after_power_loss());
  wal->cut(GroupId(0), at(11));
  Groups after = before;
  after[GroupId(0)] = {{}, at(11), {entry(12, 1, Bytes(100, 'x'))}};

  std::vector<std::unique_ptr<MemoryDisk>> deaths;
  disk_.on_operation = [&] {
    deaths.push_back(disk_.after_power_loss());
    deaths.push_back(disk_.after_process_death());
  };
  remove_unneeded(*wal);
  disk_.on_operation = nullptr;
  ASSERT_GT(deaths.size(), 12u);
  std::size_t unfinished = 0;
  for (const auto& disk : deaths) {
    const Groups found = recover(*disk);
    EXPECT_TRUE(found == before || found == after);
    EXPECT_EQ(recover(*disk->after_power_loss()), found);
    // What a removal did not come to goes with the next.
    unfinished += disk->exists(path_of(3));
    const auto again = open(*disk);
    if (found == before) again->cut(GroupId(0), at(11));
    remove_unneeded(*again);
    EXPECT_EQ(first_segment(*disk), first_segment(disk_));
    EXPECT_EQ(recover(*disk->after_power_loss()), after);
  }
  EXPECT_GT(unfinished, 3u);
}

TEST_F(WalCompactionTest, ARemovalWhoseSyncFailedIsTheLastThingTheLogDoes) {
  options_.segment_bytes = 300;
  const auto wal = open(disk_);
  fill(*wal, GroupId(0), 1, 13);
  wal->cut(GroupId(0), at(13));
  disk_.directory_syncs_to_fail = 1;
  const auto removed = wal->remove_unneeded(Deadline::never());
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, ErrorCode::io_error);
  wal->append(GroupId(0), std::nullopt, {entry(14, 1, "x")});
  EXPECT_FALSE(wal->write_and_sync(Deadline::never()));
  EXPECT_FALSE(wal->remove_unneeded(Deadline::never()));
  EXPECT_EQ(recover(*disk_.after_power_loss())[GroupId(0)].start, at(13));
}

// What a segment says at its front is compared with what those before it say.
TEST_F(WalCompactionTest, AStateThatContradictsTheRecordsBeforeItIsRefused) {
  {
    const auto wal = open(disk_);
    wal->append(GroupId(0), hard_state(3, 1), {entry(1, 2, "a")});
    sync(*wal);
  }
  const auto header = wal_format::decode_segment_header(disk_.content(path_of(1)));
  ASSERT_TRUE(header && *header);
  const auto opens_with = [&](std::uint32_t oldest,
                              const std::map<GroupId, GroupLog::Summary>& states) {
    const auto disk = disk_.after_power_loss();
    Bytes segment = wal_format::encode(
        {.segment = 2, .salt = (*header)->salt, .first_sequence = 2});
    Bytes frame(wal_format::kBatchHeaderBytes, '\0');
    if (oldest != 0) wal_format::append_oldest_segment(frame, oldest);
    for (const auto& [group, state] : states) {
      wal_format::append_group_state(frame, group, state);
    }
    wal_format::seal_batch(frame, {(*header)->salt, 2, segment.size()}, 2);
    disk->put(path_of(2), segment + frame);
    return try_open(*disk).has_value();
  };
  const GroupLog::Summary right{hard_state(3, 1), {}, at(1, 2)};
  EXPECT_TRUE(opens_with(1, {{GroupId(0), right}}));
  EXPECT_FALSE(opens_with(0, {{GroupId(0), right}}));
  EXPECT_FALSE(opens_with(2, {{GroupId(0), right}}));
  EXPECT_FALSE(opens_with(1, {}));
  EXPECT_FALSE(opens_with(1, {{GroupId(1), right}}));
  EXPECT_FALSE(opens_with(1, {{GroupId(0), right}, {GroupId(1), right}}));
  EXPECT_FALSE(opens_with(1, {{GroupId(0), {hard_state(3, 2), {}, at(1, 2)}}}));
  EXPECT_FALSE(opens_with(1, {{GroupId(0), {hard_state(3, 1), {}, at(2, 2)}}}));
  EXPECT_FALSE(opens_with(1, {{GroupId(0), {hard_state(3, 1), at(1, 2), at(1, 2)}}}));
}

class WalRemovalFiberTest : public WalCompactionTest {
 protected:
  WalRemovalFiberTest() {
    options_.segment_bytes = 300;
    wal_ = open(disk_);
    fill(*wal_, GroupId(0), 1, 13);
    disk_.scheduler = &world_.scheduler;
    disk_.sync_latency = 10ms;
  }
  ~WalRemovalFiberTest() override { world_.scheduler.kill_all(); }

  std::unique_ptr<Wal> wal_;
};

TEST_F(WalRemovalFiberTest, TwoRemovalsAndAWriterDoNotDisturbEachOther) {
  TaskGroup tasks(world_.scheduler);
  wal_->cut(GroupId(0), at(11));
  int done = 0;
  for (int i = 0; i < 2; ++i) {
    tasks.spawn("removal", [&] {
      remove_unneeded(*wal_);
      ++done;
    });
  }
  tasks.spawn("writer", [&] {
    for (std::uint64_t index = 14; index <= 20; ++index) {
      wal_->append(GroupId(0), std::nullopt, {entry(index, 1, "x")});
      sync(*wal_);
    }
    ++done;
  });
  run_until(world_.scheduler, world_.clock, Instant{} + 10s);
  EXPECT_EQ(done, 3);
  EXPECT_GT(first_segment(disk_), 5u);
  const Groups found = recover(*disk_.after_power_loss());
  EXPECT_EQ(found.at(GroupId(0)).start, at(11));
  EXPECT_EQ(found.at(GroupId(0)).entries.size(), 9u);
}

TEST_F(WalRemovalFiberTest, ARemovalThatIsKilledIsFinishedByTheNext) {
  TaskGroup tasks(world_.scheduler);
  wal_->cut(GroupId(0), at(13));
  Fiber& removal = tasks.spawn("removal", [&] { remove_unneeded(*wal_); });
  run_until(world_.scheduler, world_.clock, Instant{} + 15ms);  // Inside the first sync of names.
  ASSERT_FALSE(disk_.exists(path_of(1)));
  ASSERT_TRUE(disk_.exists(path_of(2)));
  tasks.kill(removal);
  tasks.spawn("removal", [&] { remove_unneeded(*wal_); });
  run_until(world_.scheduler, world_.clock, Instant{} + 10s);
  EXPECT_EQ(wal_->segment_count(), 1u);
  EXPECT_EQ(recover(*disk_.after_power_loss())[GroupId(0)].start, at(13));
}

}  // namespace
}  // namespace keelson::storage
