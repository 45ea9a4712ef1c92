#include "scenarios/log_tap.h"

#include <gtest/gtest.h>

#include "core/runtime/env.h"
#include "core/storage/wal.h"
#include "scenarios/scenario.h"
#include "sim/machine.h"

namespace keelson::scenarios {
namespace {

using namespace std::chrono_literals;
using raft::LogIndex;
using raft::Term;

constexpr NodeId kN1{1};
constexpr GroupId kGroup{0};

class LogTapTest : public testing::Test {
 protected:
  LogTapTest() {
    checks_.expect_durable_evidence();
    machine_.disk().set_tap(&tap_);
  }
  ~LogTapTest() override { stop_machines(world_); }

  static raft::Entry entry(std::uint64_t index, std::uint64_t term) {
    return {.term = Term(term), .index = LogIndex(index), .data = "data"};
  }
  // Writes the real log; syncs what comes before `unsynced`, and only writes the rest.
  void run_log(std::function<void(Env&, storage::Wal&)> body) {
    machine_.start([body](Env& env) {
      storage::WalOptions options;
      options.segment_bytes = 4096;
      auto wal = storage::Wal::open(env, options, Deadline::never());
      ASSERT_TRUE(wal.has_value()) << wal.error().message;
      (void)(*wal)->take_recovered(kGroup);
      body(env, **wal);
      env.scheduler.sleep_for(1h);
    });
    world_.run_for(5s);
  }
  // What the oracle believes to be durable, asked by an acknowledgement.
  bool acknowledges(std::uint64_t match, std::uint64_t term = 2) {
    raft::AppendEntriesReply reply;
    reply.term = Term(term);
    reply.success = true;
    reply.match_index = LogIndex(match);
    checks_.on_append_reply(kN1, NodeId(2), kGroup, reply, world_.now());
    return !report_.failed();
  }

  sim::Choices choices_{1};
  sim::World world_{choices_};
  sim::Machine& machine_ = world_.add_machine("n1");
  Report report_;
  RaftChecks checks_{report_};
  LogTap tap_{machine_, kN1, checks_, report_};
};

TEST_F(LogTapTest, WhatTheLogHasSyncedIsDurableAcrossSegments) {
  run_log([](Env&, storage::Wal& wal) {
    wal.append(kGroup, raft::HardState{Term(2), NodeId(3)}, {});
    for (std::uint64_t index = 1; index <= 200; ++index) {
      wal.append(kGroup, std::nullopt, {entry(index, 2)});
      ASSERT_TRUE(wal.write_and_sync(Deadline::never()).has_value());
    }
    EXPECT_GT(wal.segment_number(), 1u);
  });
  EXPECT_EQ(tap_.batches(), 200u);
  EXPECT_EQ(tap_.records(), 201u);
  EXPECT_TRUE(acknowledges(200));
  EXPECT_FALSE(acknowledges(201));
  EXPECT_EQ(report_.failure()->fingerprint, "durable promise/acknowledgement");
}

TEST_F(LogTapTest, WhatWasNotSyncedIsNotDurable) {
  machine_.disk().set_conditions({.sync_latency = 100s, .at_power_loss = {}});
  run_log([](Env&, storage::Wal& wal) {
    wal.append(kGroup, raft::HardState{Term(2), NodeId(3)}, {entry(1, 2)});
    (void)wal.write_and_sync(Deadline::never());
  });
  EXPECT_EQ(tap_.batches(), 0u);
  EXPECT_FALSE(acknowledges(1));
  EXPECT_EQ(report_.failure()->fingerprint, "durable promise/term");
}

TEST_F(LogTapTest, WhatSurvivesALossOfPowerIsDurableThough) {
  run_log([this](Env& env, storage::Wal& wal) {
    wal.append(kGroup, raft::HardState{Term(2), NodeId(3)}, {entry(1, 2)});
    ASSERT_TRUE(wal.write_and_sync(Deadline::never()).has_value());
    wal.append(kGroup, std::nullopt, {entry(2, 2)});
    machine_.disk().set_conditions({.sync_latency = 100s, .at_power_loss = {}});
    (void)wal.write_and_sync(Deadline::in(env.clock, 10ms));
  });
  EXPECT_EQ(tap_.batches(), 1u);
  machine_.crash();  // Keeps what was written: the default conditions lose nothing.
  tap_.on_restart();
  EXPECT_EQ(tap_.batches(), 2u);
  EXPECT_TRUE(acknowledges(2));
}

TEST_F(LogTapTest, WhatWasSyncedMayNotBeCutOff) {
  run_log([](Env& env, storage::Wal& wal) {
    wal.append(kGroup, raft::HardState{Term(2), NodeId(3)}, {entry(1, 2)});
    ASSERT_TRUE(wal.write_and_sync(Deadline::never()).has_value());
    auto file = env.disk.open("wal/00000001.log", OpenMode::existing, Deadline::never());
    ASSERT_TRUE(file.has_value());
    const auto size = (*file)->size();
    ASSERT_TRUE((*file)->truncate(*size - 1, Deadline::never()).has_value());
  });
  ASSERT_TRUE(report_.failed());
  EXPECT_EQ(report_.failure()->fingerprint, "durability/a promise of the log is gone");
}

TEST_F(LogTapTest, WhatWasSyncedMayBeWrittenAgainButNotOver) {
  run_log([this](Env& env, storage::Wal& wal) {
    wal.append(kGroup, raft::HardState{Term(2), NodeId(3)}, {entry(1, 2)});
    ASSERT_TRUE(wal.write_and_sync(Deadline::never()).has_value());
    auto file = env.disk.open("wal/00000001.log", OpenMode::existing, Deadline::never());
    ASSERT_TRUE(file.has_value());
    Bytes content(*(*file)->size(), '\0');
    ASSERT_TRUE((*file)->pread(content, 0, Deadline::never()).has_value());
    ASSERT_TRUE((*file)->pwrite(BytesView(content).substr(40), 40, Deadline::never()).has_value());
    EXPECT_FALSE(report_.failed());
    content.back() ^= 1;
    ASSERT_TRUE((*file)->pwrite(BytesView(content).substr(40), 40, Deadline::never()).has_value());
  });
  ASSERT_TRUE(report_.failed());
  EXPECT_EQ(report_.failure()->fingerprint, "durability/a promise of the log is gone");
}

TEST_F(LogTapTest, ASyncThatSavedNothingIsSeenWhenPowerIsLost) {
  sim::DiskConditions conditions;
  conditions.at_power_loss.lose_all_per_million = 1'000'000;
  machine_.disk().set_conditions(conditions);
  run_log([this](Env& env, storage::Wal& wal) {
    wal.append(kGroup, raft::HardState{Term(2), NodeId(3)}, {entry(1, 2)});
    ASSERT_TRUE(wal.write_and_sync(Deadline::never()).has_value());
    wal.append(kGroup, std::nullopt, {entry(2, 2)});
    machine_.disk().fail_next(sim::DiskOperation::sync);
    EXPECT_FALSE(wal.write_and_sync(Deadline::never()).has_value());
    auto file = env.disk.open("wal/00000001.log", OpenMode::existing, Deadline::never());
    ASSERT_TRUE((*file)->sync(Deadline::never()).has_value());
  });
  EXPECT_EQ(tap_.batches(), 2u);  // So it seemed.
  machine_.crash();
  tap_.on_restart();
  ASSERT_TRUE(report_.failed());
  EXPECT_EQ(report_.failure()->fingerprint, "durability/a promise of the log is gone");
}

TEST_F(LogTapTest, ASegmentWhoseNameWasLostIsReadAnewWhenItIsBegunAgain) {
  sim::DiskConditions conditions;
  conditions.at_power_loss.lose_entry_per_million = 1'000'000;
  machine_.disk().set_conditions(conditions);
  machine_.start([](Env& env) {
    // Only the header of the first segment, whose name is not durable yet.
    (void)storage::Wal::open(env, {}, Deadline::in(env.clock, 1200us));
    env.scheduler.sleep_for(1h);
  });
  world_.run_for(1100us);
  machine_.crash();
  tap_.on_restart();
  run_log([](Env&, storage::Wal& wal) {
    wal.append(kGroup, raft::HardState{Term(2), NodeId(3)}, {entry(1, 2)});
    ASSERT_TRUE(wal.write_and_sync(Deadline::never()).has_value());
  });
  EXPECT_EQ(tap_.batches(), 1u);
  EXPECT_TRUE(acknowledges(1));
}

}  // namespace
}  // namespace keelson::scenarios
