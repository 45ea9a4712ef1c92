#include "core/storage/wal.h"

#include <gtest/gtest.h>

#include "core/runtime/task_group.h"
#include "tests/core/storage/wal_fixture.h"

namespace keelson::storage {
namespace {

using namespace std::chrono_literals;

TEST_F(WalTest, AFreshLogKnowsNoGroup) {
  EXPECT_EQ(recover(disk_), Groups{});
  EXPECT_EQ(recover(disk_), Groups{});  // Nor one that was only opened before.
}

TEST_F(WalTest, WhatWasSyncedIsRecovered) {
  const auto wal = open(disk_);
  wal->append(GroupId(0), hard_state(3, 2),
              {entry(1, 1, "a"), {raft::Term(3), raft::LogIndex(2), raft::EntryKind::no_op, ""}});
  sync(*wal);
  wal->append(GroupId(0), hard_state(4, 0), {});
  wal->append(GroupId(0), std::nullopt, {entry(3, 4, Bytes(100'000, 'x'))});
  sync(*wal);

  Groups expected;
  expected[GroupId(0)] = {hard_state(4, 0),
                          {},
                          {entry(1, 1, "a"),
                           {raft::Term(3), raft::LogIndex(2), raft::EntryKind::no_op, ""},
                           entry(3, 4, Bytes(100'000, 'x'))}};
  EXPECT_EQ(recover(*disk_.after_power_loss()), expected);
}

TEST_F(WalTest, WhatWasNotSyncedIsNotPromised) {
  const auto wal = open(disk_);
  put(*wal, 1, "synced");
  wal->append(GroupId(0), std::nullopt, {entry(2, 1, "only appended")});
  EXPECT_EQ(recover(*disk_.after_process_death()), log_of({"synced"}));
}

TEST_F(WalTest, AnEntryReplacesAllEntriesOfItsIndexAndAbove) {
  const auto wal = open(disk_);
  wal->append(GroupId(0), std::nullopt, {entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 1, "c")});
  sync(*wal);
  wal->append(GroupId(0), std::nullopt, {entry(2, 2, "B")});
  sync(*wal);
  EXPECT_EQ(recover(disk_)[GroupId(0)].entries,
            (std::vector{entry(1, 1, "a"), entry(2, 2, "B")}));

  wal->append(GroupId(0), std::nullopt, {entry(3, 2, "C")});
  sync(*wal);
  EXPECT_EQ(recover(disk_)[GroupId(0)].entries,
            (std::vector{entry(1, 1, "a"), entry(2, 2, "B"), entry(3, 2, "C")}));
}

TEST_F(WalTest, GroupsShareTheLogAndOneSync) {
  const auto wal = open(disk_);
  const int syncs_before = disk_.syncs;
  Groups expected;
  for (std::uint64_t index = 1; index <= 5; ++index) {
    for (const GroupId group : kGroups) {
      const auto state = hard_state(index, 1 + group.value);
      const auto added = entry(index, index, to_string(group) + std::to_string(index));
      wal->append(group, state, {added});
      expected[group].hard_state = state;
      expected[group].entries.push_back(added);
    }
    sync(*wal);
  }
  EXPECT_EQ(disk_.syncs - syncs_before, 5);
  EXPECT_EQ(recover(*disk_.after_power_loss()), expected);
}

TEST_F(WalTest, RecoveredEntriesAreMovedOutOnce) {
  put(*open(disk_), 1, "a");
  const auto wal = open(disk_);
  EXPECT_EQ(wal->take_recovered(GroupId(0)).entries.size(), 1u);
  EXPECT_EQ(wal->take_recovered(GroupId(0)).entries.size(), 0u);
}

TEST_F(WalTest, NothingToSyncTouchesNoDisk) {
  const auto wal = open(disk_);
  const int writes_before = disk_.writes;
  wal->append(GroupId(0), std::nullopt, {});
  sync(*wal);
  EXPECT_EQ(disk_.writes, writes_before);
}

TEST_F(WalTest, TheLogGoesOnInANewSegmentWhenOneIsFull) {
  options_.segment_bytes = 100;
  std::vector<Bytes> data;
  for (int restart = 0; restart < 4; ++restart) {
    const auto wal = open(disk_);
    EXPECT_EQ(groups_of(*wal), log_of(data));
    for (int i = 0; i < 5; ++i) {
      data.push_back("entry " + std::to_string(data.size()));
      put(*wal, data.size(), data.back());
    }
  }
  const auto wal = open(disk_);
  EXPECT_GT(wal->segment_number(), 5u);
  EXPECT_EQ(wal->batches_synced(), 20u);
  EXPECT_TRUE(disk_.exists("wal/00000005.log"));
  EXPECT_EQ(groups_of(*wal), log_of(data));
}

// Runs a workload that begins several segments and, after every single operation on the disk, asks
// what a node would find: with a loss of power, and with the death of the process alone.
TEST_F(WalTest, DyingAtAnyOperationKeepsWhatWasSynced) {
  options_.segment_bytes = 150;
  struct Death {
    std::unique_ptr<MemoryDisk> disk;
    std::size_t synced;
  };
  std::vector<Death> deaths;
  std::vector<Bytes> data;
  std::size_t synced = 0;
  disk_.on_operation = [&] {
    deaths.push_back({disk_.after_power_loss(), synced});
    deaths.push_back({disk_.after_process_death(), synced});
  };
  for (int restart = 0; restart < 3; ++restart) {
    const auto wal = open(disk_);
    for (int i = 0; i < 4; ++i) {
      data.push_back("entry " + std::to_string(data.size() + 1));
      put(*wal, data.size(), data.back());
      synced = data.size();
    }
  }
  disk_.on_operation = nullptr;
  ASSERT_GT(deaths.size(), 60u);

  for (const Death& death : deaths) {
    const Groups found = recover(*death.disk);
    const std::size_t count = found.empty() ? 0 : found.at(GroupId(0)).entries.size();
    EXPECT_GE(count, death.synced);
    EXPECT_LE(count, death.synced + 1);
    ASSERT_EQ(found, log_of({data.begin(), data.begin() + static_cast<std::ptrdiff_t>(count)}));
    // What a node was told at its start it may rely on: it must not be taken back.
    EXPECT_EQ(recover(*death.disk->after_power_loss()), found);
  }
}

TEST_F(WalTest, AfterAFailedSyncTheLogTakesNoMore) {
  const auto wal = open(disk_);
  put(*wal, 1, "a");
  wal->append(GroupId(0), std::nullopt, {entry(2, 1, "b")});
  disk_.syncs_to_fail = 1;
  const auto failed = wal->write_and_sync(Deadline::never());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::io_error);
  const auto again = wal->write_and_sync(Deadline::never());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::io_error);
}

TEST_F(WalTest, AFailedSyncIsNotForgottenByTheNextProcess) {
  put(*open(disk_), 1, "a");
  {
    const auto wal = open(disk_);
    wal->append(GroupId(0), std::nullopt, {entry(2, 1, "b")});
    disk_.syncs_to_fail = 1;
    ASSERT_FALSE(wal->write_and_sync(Deadline::never()));
  }
  // The page cache shows the batch, and a sync alone would not save it.
  const auto wal = open(disk_);
  const Groups found = groups_of(*wal);
  EXPECT_EQ(found, log_of({"a", "b"}));
  put(*wal, 3, "c");
  EXPECT_EQ(recover(*disk_.after_power_loss()), log_of({"a", "b", "c"}));
}

TEST_F(WalTest, AFailedSyncOfANewSegmentIsNotForgottenEither) {
  options_.segment_bytes = 60;
  put(*open(disk_), 1, "a");
  {
    const auto wal = open(disk_);
    wal->append(GroupId(0), std::nullopt, {entry(2, 1, "b")});
    disk_.syncs_to_fail = 1;
    ASSERT_FALSE(wal->write_and_sync(Deadline::never()));
    EXPECT_EQ(wal->segment_number(), 1u);
  }
  const auto wal = open(disk_);
  EXPECT_EQ(wal->segment_number(), 2u);
  put(*wal, 2, "b");
  EXPECT_EQ(recover(*disk_.after_power_loss()), log_of({"a", "b"}));
}

TEST_F(WalTest, ABatchThatFindsNoSpaceIsKeptAndWrittenWhenThereIsSome) {
  const auto wal = open(disk_);
  put(*wal, 1, "a");
  wal->append(GroupId(0), std::nullopt, {entry(2, 1, "b")});
  for (const std::size_t space : {0, 10, 30}) {
    disk_.space_left = space;
    const auto failed = wal->write_and_sync(Deadline::never());
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, ErrorCode::no_space);
    EXPECT_EQ(recover(*disk_.after_process_death()), log_of({"a"}));
  }
  disk_.space_left.reset();
  wal->append(GroupId(0), std::nullopt, {entry(3, 1, "c")});
  sync(*wal);
  EXPECT_EQ(recover(*disk_.after_power_loss()), log_of({"a", "b", "c"}));
}

TEST_F(WalTest, ASegmentThatFindsNoSpaceIsBegunAgain) {
  options_.segment_bytes = 60;
  const auto wal = open(disk_);
  put(*wal, 1, "a");
  wal->append(GroupId(0), std::nullopt, {entry(2, 1, "b")});
  disk_.space_left = 10;
  const auto failed = wal->write_and_sync(Deadline::never());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::no_space);
  EXPECT_EQ(recover(*disk_.after_process_death()), log_of({"a"}));
  EXPECT_EQ(reached("wal: unfinished segment removed"), 1u);
  disk_.space_left.reset();
  sync(*wal);
  EXPECT_EQ(recover(*disk_.after_power_loss()), log_of({"a", "b"}));
}

class WalFiberTest : public WalTest {
 protected:
  WalFiberTest() : wal_(open(disk_)) {
    disk_.scheduler = &world_.scheduler;
    disk_.sync_latency = 10ms;
  }
  ~WalFiberTest() override { world_.scheduler.kill_all(); }

  // A fiber of its own group appends an entry and waits for it; its outcome goes to `outcomes_`.
  Fiber& spawn_writer(TaskGroup& tasks, GroupId group, Deadline deadline = Deadline::never()) {
    return tasks.spawn("writer", [this, group, deadline] {
      wal_->append(group, std::nullopt, {entry(1, 1, "x")});
      const auto synced = wal_->write_and_sync(deadline);
      outcomes_[group] = synced ? "synced" : name_of(synced.error().code);
    });
  }

  std::unique_ptr<Wal> wal_;
  std::map<GroupId, std::string> outcomes_;
};

TEST_F(WalFiberTest, CallersShareASync) {
  TaskGroup tasks(world_.scheduler);
  const int syncs_before = disk_.syncs;
  spawn_writer(tasks, GroupId(0));
  run_until(world_.scheduler, world_.clock, Instant{} + 5ms);
  spawn_writer(tasks, GroupId(1));  // The first batch is on its way: these two make the second.
  spawn_writer(tasks, GroupId(7));
  run_until(world_.scheduler, world_.clock, Instant{} + 10ms);
  EXPECT_EQ(outcomes_, (std::map<GroupId, std::string>{{GroupId(0), "synced"}}));
  run_until(world_.scheduler, world_.clock, Instant{} + 1s);
  EXPECT_EQ(outcomes_.size(), 3u);
  EXPECT_EQ(disk_.syncs - syncs_before, 2);
  EXPECT_EQ(wal_->batches_synced(), 2u);
}

TEST_F(WalFiberTest, TheDeadlineOfOneWhoOnlyWaitsHarmsNobody) {
  TaskGroup tasks(world_.scheduler);
  spawn_writer(tasks, GroupId(0));
  spawn_writer(tasks, GroupId(1), Deadline{Instant{} + 5ms});
  run_until(world_.scheduler, world_.clock, Instant{} + 1s);
  EXPECT_EQ(outcomes_[GroupId(0)], "synced");
  EXPECT_EQ(outcomes_[GroupId(1)], "timed_out");
  spawn_writer(tasks, GroupId(7));
  run_until(world_.scheduler, world_.clock, Instant{} + 2s);
  EXPECT_EQ(outcomes_[GroupId(7)], "synced");
}

TEST_F(WalFiberTest, AWriterThatIsKilledLeavesAFailedLog) {
  TaskGroup tasks(world_.scheduler);
  Fiber& writer = spawn_writer(tasks, GroupId(0));
  spawn_writer(tasks, GroupId(1));
  run_until(world_.scheduler, world_.clock, Instant{} + 5ms);
  tasks.kill(writer);
  run_until(world_.scheduler, world_.clock, Instant{} + 1s);
  EXPECT_EQ(outcomes_, (std::map<GroupId, std::string>{{GroupId(1), "io_error"}}));
}

TEST_F(WalTest, ALogThatMustExistIsNotBegunAnew) {
  options_.must_exist = true;
  const auto lost = try_open(disk_);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::corrupt);

  options_.must_exist = false;
  ASSERT_NE(open(disk_), nullptr);
  options_.must_exist = true;
  EXPECT_NE(open(disk_), nullptr);
}

TEST_F(WalTest, AGapInAGroupsLogIsABug) {
  const auto wal = open(disk_);
  put(*wal, 1, "a");
  EXPECT_DEATH(wal->append(GroupId(0), std::nullopt, {entry(3, 1, "c")}), "CHECK failed");
  EXPECT_DEATH(wal->append(GroupId(0), std::nullopt, {entry(2, 1, "b"), entry(4, 1, "d")}),
               "CHECK failed");
}

}  // namespace
}  // namespace keelson::storage
