#include "core/kv/state_mark.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "core/runtime/task_group.h"
#include "tests/core/kv/state_fixture.h"

namespace keelson::kv {
namespace {

using sim::HarmKind;

constexpr char kMark[] = "state/DURABLE";
constexpr char kDatabase[] = "state/state.db";
constexpr char kWal[] = "state/state.db-wal";
constexpr std::uint64_t kSlotBytes = 64 << 10;
constexpr std::uint64_t kFrames = 32;  // Where they begin in the -wal file.
constexpr std::uint64_t kFrame = 24 + 4096;

// --- the file ---

constexpr char kPath[] = "marks";

DurabilityMark mark_at(std::uint64_t index) {
  return {.wal = {.salt = 7, .frames = 3 * index},
          .groups = {{GroupId(0), {.label = {.index = raft::LogIndex(index),
                                             .term = raft::Term(2)},
                                   .digest = 99 + index}},
                     {GroupId(5), {.label = {.index = raft::LogIndex(1), .term = raft::Term(1)},
                                   .digest = 4}}}};
}

std::unique_ptr<MarkFile> opened_marks(Env& env) {
  auto marks = MarkFile::open(env.disk, kPath, Deadline::never());
  CHECK(marks.has_value());
  return *std::move(marks);
}

// A file of this many marks after the empty one.
void write_marks(Env& env, std::uint64_t count) {
  CHECK(MarkFile::make(env.disk, kPath, Deadline::never()).has_value());
  CHECK(env.disk.sync_directory("", Deadline::never()).has_value());
  const auto marks = opened_marks(env);
  for (std::uint64_t i = 1; i <= count; ++i) CHECK(marks->write(mark_at(i)).has_value());
}

TEST(MarkFileTest, TheNewestMarkIsFoundAgain) {
  OneMachine machine;
  machine.run([](Env& env) {
    CHECK(MarkFile::make(env.disk, kPath, Deadline::never()).has_value());
    EXPECT_TRUE(opened_marks(env)->mark() == DurabilityMark{});
    for (std::uint64_t i = 1; i <= 5; ++i) {
      ASSERT_TRUE(opened_marks(env)->write(mark_at(i)));
      EXPECT_TRUE(opened_marks(env)->mark() == mark_at(i));
    }
  });
}

TEST(MarkFileTest, WhenTheNewestSlotIsNotWholeTheOtherCounts) {
  for (const std::uint64_t count : {1, 2, 5, 6}) {
    OneMachine machine;
    machine.run([&](Env& env) { write_marks(env, count); });
    // The empty marks are 0 and 1.
    const std::uint64_t slot = (count + 1) % 2;
    ASSERT_TRUE(machine.disk().harm_at(HarmKind::flipped_bits, kPath, slot * kSlotBytes + 50, 1));
    machine.run([&](Env& env) {
      EXPECT_TRUE(opened_marks(env)->mark() ==
                  (count == 1 ? DurabilityMark{} : mark_at(count - 1)));
      ASSERT_TRUE(opened_marks(env)->write(mark_at(77)));
      EXPECT_TRUE(opened_marks(env)->mark() == mark_at(77));
    });
  }
}

TEST(MarkFileTest, WithoutAWholeSlotItIsDamaged) {
  OneMachine machine;
  machine.run([](Env& env) { write_marks(env, 4); });
  for (const std::uint64_t slot : {0, 1}) {
    ASSERT_TRUE(machine.disk().harm_at(HarmKind::flipped_bits, kPath, slot * kSlotBytes + 20, 1));
  }
  machine.run([](Env& env) {
    const auto marks = MarkFile::open(env.disk, kPath, Deadline::never());
    ASSERT_FALSE(marks.has_value());
    EXPECT_EQ(marks.error().code, ErrorCode::corrupt);
    EXPECT_NE(marks.error().message.find("marks: both slots"), std::string::npos);
  });
}

TEST(MarkFileTest, AfterAFailedSyncNothingIsMarked) {
  OneMachine machine;
  machine.run([&](Env& env) {
    write_marks(env, 1);
    const auto marks = opened_marks(env);
    machine.disk().fail_next(sim::DiskOperation::sync);
    EXPECT_EQ(marks->write(mark_at(2)).error().code, ErrorCode::io_error);
    EXPECT_EQ(marks->write(mark_at(2)).error().code, ErrorCode::io_error);
    EXPECT_TRUE(marks->mark() == mark_at(1));
  });
}

// --- what it finds ---

// The last state is durable in the -wal file, and copied to the database.
void live(Env& env) {
  const auto store = opened(env);
  for (int i = 0; i < 4; ++i) {
    CHECK(store->apply(next_entries(*store, 1, 6)).has_value());
    CHECK(store->content_digest(kGroup).has_value());  // Commits it.
  }
  CHECK(store->make_durable().has_value());
}

std::string code_at_open(OneMachine& machine, std::string& message) {
  std::string code;
  machine.run([&](Env& env) {
    const auto store = StateStore::open(env, small_options(), Deadline::never());
    code = store ? "" : name_of(store.error().code);
    if (!store) message = store.error().message;
  });
  return code;
}

TEST(StateMarkTest, RotOfAnyDurableFrameIsFoundAtTheStart) {
  std::uint64_t size = 0;
  {
    OneMachine machine;
    machine.run(live);
    size = machine.disk().read_visible(kWal)->size();
  }
  const std::uint64_t frames = (size - kFrames) / kFrame;
  ASSERT_GT(frames, 10u);
  for (std::uint64_t frame = 0; frame < frames; ++frame) {
    for (const std::uint64_t within : {std::uint64_t{2}, std::uint64_t{18}, std::uint64_t{2000}}) {
      OneMachine machine;
      machine.run(live);
      ASSERT_TRUE(machine.disk().harm_at(HarmKind::flipped_bits, kWal,
                                         kFrames + frame * kFrame + within, 1));
      std::string message;
      EXPECT_EQ(code_at_open(machine, message), "corrupt") << frame << " " << within;
      EXPECT_EQ(message.find(kMark), 0u) << message;
    }
  }
}

TEST(StateMarkTest, RotOfTheHeaderOfTheFramesIsFoundAtTheStart) {
  for (std::uint64_t at = 0; at < kFrames; ++at) {
    OneMachine machine;
    machine.run(live);
    ASSERT_TRUE(machine.disk().harm_at(HarmKind::flipped_bits, kWal, at, 1));
    std::string message;
    EXPECT_EQ(code_at_open(machine, message), "corrupt") << at;
    EXPECT_EQ(message.find(kMark), 0u) << message;
  }
}

// As a disk does that answers with what it had before.
TEST(StateMarkTest, AnOlderStateIsFoundOut) {
  OneMachine machine;
  std::map<std::string, Bytes> before;
  machine.run(live);
  for (const char* const path : {kDatabase, kWal}) {
    before[path] = *machine.disk().read_visible(path);
  }
  machine.run([&](Env& env) {
    {
      const auto store = opened(env);
      for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(store->apply(next_entries(*store, 1, 12)));
        ASSERT_TRUE(store->make_durable());  // What follows it begins the -wal file anew.
      }
    }
    for (const auto& [path, content] : before) {
      const auto file = env.disk.open(path, OpenMode::existing, Deadline::never());
      ASSERT_TRUE((*file)->truncate(0, Deadline::never()));
      ASSERT_TRUE((*file)->pwrite(content, 0, Deadline::never()));
    }
  });
  std::string message;
  EXPECT_EQ(code_at_open(machine, message), "corrupt");
  EXPECT_NE(message.find("g1 was durable at index 60 "), std::string::npos) << message;
  EXPECT_NE(message.find("has it at index 24 "), std::string::npos) << message;
}

TEST(StateMarkTest, AStateWithoutItsMarkIsDamagedAndSetAside) {
  OneMachine machine;
  machine.run([](Env& env) {
    live(env);
    ASSERT_TRUE(env.disk.remove(kMark, Deadline::never()));
    const auto store = StateStore::open(env, small_options(), Deadline::never());
    ASSERT_FALSE(store.has_value());
    EXPECT_EQ(store.error().code, ErrorCode::corrupt);
    EXPECT_EQ(store.error().message.find(kMark), 0u);
    ASSERT_TRUE(StateStore::set_aside(env, small_options(), Deadline::never()));
    live(env);
    expect_model(*opened(env), 1);
  });
}

TEST(StateMarkTest, TheMarkIsSetAsideWithTheState) {
  OneMachine machine;
  machine.run([](Env& env) {
    live(env);
    ASSERT_TRUE(StateStore::set_aside(env, small_options(), Deadline::never()));
    EXPECT_TRUE(opened(env)->label(kGroup) == raft::StateLabel{});
  });
  EXPECT_TRUE(machine.disk().read_visible("state/DURABLE.damaged").has_value());
}

// What a checkpoint copies is marked before, also what was applied after the mark of its caller.
TEST(StateMarkTest, WhatACheckpointCopiesWhileEntriesAreAppliedIsMarked) {
  OneMachine machine;
  auto conditions = machine.disk().conditions();
  conditions.write_latency = std::chrono::microseconds(50);
  machine.disk().set_conditions(conditions);
  std::uint64_t marked_in_between = 0;
  machine.run([&](Env& env) {
    const auto store = opened(env);
    TaskGroup fibers(env.scheduler);
    fibers.spawn("applies", [&] {
      for (int i = 0; i < 200; ++i) {
        CHECK(store->apply(next_entries(*store, 1, 1)).has_value());
        env.scheduler.sleep_for(std::chrono::microseconds(30));
      }
    });
    fibers.spawn("makes durable", [&] {
      for (int i = 0; i < 30; ++i) {
        const auto durable = store->make_durable();
        CHECK(durable.has_value());
        const auto marks = MarkFile::open(env.disk, kMark, Deadline::never());
        for (const auto& [group, label] : *durable) {
          ASSERT_TRUE((*marks)->mark().groups.contains(group));
          const raft::LogStart marked = (*marks)->mark().groups.at(group).label;
          EXPECT_GE(marked.index, label.index);
          if (marked.index > label.index) ++marked_in_between;
        }
      }
    });
    (void)fibers.join(Deadline::never());
  });
  EXPECT_GT(marked_in_between, 0u);
}

}  // namespace
}  // namespace keelson::kv
