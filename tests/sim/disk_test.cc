// What a simulated disk promises, what it may lose, and how it fails.
#include "sim/sim_disk.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/runtime/env.h"
#include "sim/choices.h"
#include "sim/machine.h"
#include "sim/world.h"
#include "tests/sim/disk_fixture.h"

namespace keelson::sim {
namespace {

using namespace std::chrono_literals;

struct SyncCounter : DiskTap {
  void on_write(const Machine&, const std::string&, std::uint64_t, BytesView) override {}
  void on_truncate(const Machine&, const std::string&, std::uint64_t) override {}
  void on_synced(const Machine&, const std::string&) override { ++synced; }
  void on_power_loss(const Machine&) override {}
  int synced = 0;
};

// --- a healthy disk ---

TEST_F(DiskTest, WhatIsWrittenIsReadAtOnceAndGapsAreZeros) {
  run([&](Env& env) {
    auto file = open(env, "log");
    write(*file, "abc", 5);
    EXPECT_EQ(read(*file), std::string("\0\0\0\0\0abc", 8));
    write(*file, "xyz", 1);
    EXPECT_EQ(read(*file), std::string("\0xyz\0abc", 8));
    EXPECT_TRUE(file->truncate(2, Deadline::never()).has_value());
    EXPECT_EQ(read(*file), std::string("\0x", 2));
    EXPECT_TRUE(file->truncate(4, Deadline::never()).has_value());
    EXPECT_EQ(read(*file), std::string("\0x\0\0", 4));
    char beyond[4];
    EXPECT_EQ(*file->pread(beyond, 3, Deadline::never()), 1u);
    EXPECT_EQ(*file->pread(beyond, 9, Deadline::never()), 0u);
    EXPECT_EQ(world_.now(), TrueTime{});  // Memory is fast.
  });
}

TEST_F(DiskTest, ASyncTakesTime) {
  run([&](Env& env) {
    auto file = open(env, "log");
    sync(*file);
    EXPECT_EQ(world_.now(), TrueTime{} + 500us);
  });
}

TEST_F(DiskTest, NamesAreMadeReplacedListedAndRemoved) {
  run([&](Env& env) {
    const Deadline never = Deadline::never();
    EXPECT_EQ(env.disk.open("a", OpenMode::existing, never).error().code, ErrorCode::not_found);
    EXPECT_EQ(env.disk.open("no/a", OpenMode::create, never).error().code, ErrorCode::not_found);
    EXPECT_TRUE(env.disk.create_directory("x/y", never).has_value());
    EXPECT_TRUE(env.disk.create_directory("x/y", never).has_value());
    write(*open(env, "x/y/b"), "b");
    write(*open(env, "x/y/a"), "a");
    EXPECT_EQ(*env.disk.list("x/y", never), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(*env.disk.list("", never), (std::vector<std::string>{"x"}));
    EXPECT_EQ(env.disk.list("z", never).error().code, ErrorCode::not_found);
    EXPECT_EQ(env.disk.remove("x/y", never).error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(env.disk.open("x/y", OpenMode::create, never).error().code,
              ErrorCode::invalid_argument);
    EXPECT_EQ(env.disk.create_directory("x/y/a/z", never).error().code,
              ErrorCode::invalid_argument);

    EXPECT_TRUE(env.disk.rename("x/y/a", "x/y/b", never).has_value());
    EXPECT_EQ(*env.disk.list("x/y", never), (std::vector<std::string>{"b"}));
    EXPECT_EQ(read(*open(env, "x/y/b")), "a");
    EXPECT_EQ(env.disk.rename("x/y/a", "c", never).error().code, ErrorCode::not_found);
    EXPECT_TRUE(env.disk.rename("x/y/b", "c", never).has_value());
    EXPECT_TRUE(env.disk.remove("x/y", never).has_value());
    EXPECT_EQ(env.disk.remove("x/y", never).error().code, ErrorCode::not_found);
    EXPECT_EQ(read(*open(env, "c")), "a");
  });
}

TEST_F(DiskTest, AFileThatWasRemovedWhileOpenIsReadableAndItsSpaceReturnsWhenItIsClosed) {
  run([&](Env& env) {
    auto file = open(env, "a");
    write(*file, "12345");
    EXPECT_TRUE(env.disk.remove("a", Deadline::never()).has_value());
    EXPECT_EQ(read(*file), "12345");
    EXPECT_EQ(disk().used_bytes(), 5u);
    sync_directory(env);
    file.reset();
    EXPECT_EQ(disk().used_bytes(), 0u);
  });
}

TEST_F(DiskTest, AKilledProcessLosesNothingThatItWrote) {
  set_losses({.lose_all_per_million = kAlways, .lose_entry_per_million = kAlways});
  begin([&](Env& env) {
    write(*open(env, "log"), "not synced");
    (void)env.stop_requested.wait(Deadline::never());
  });
  world_.run_for(1s);
  n1_.kill();
  EXPECT_EQ(disk().read_visible("log"), "not synced");
}

// --- loss of power ---

TEST_F(DiskTest, ByDefaultALossOfPowerLosesNothing) {
  run_and_lose_power([&](Env& env) { write(*open(env, "log"), "lucky"); });
  EXPECT_EQ(disk().read_visible("log"), "lucky");
  EXPECT_EQ(disk().read_durable("log"), "lucky");
}

TEST_F(DiskTest, WhatIsSyncedIsKeptAndWhatIsNotIsLostWhenToldSo) {
  set_losses({.lose_all_per_million = kAlways, .lose_entry_per_million = kAlways});
  run_and_lose_power([&](Env& env) {
    auto file = open(env, "log");
    sync_directory(env);
    write(*file, "synced");
    sync(*file);
    write(*file, "X", 2);
    write(*file, " and not", 6);
    EXPECT_TRUE(file->truncate(3, Deadline::never()).has_value());
    EXPECT_EQ(read(*file), "syX");
    EXPECT_EQ(disk().read_durable("log"), "synced");
  });
  EXPECT_EQ(disk().read_visible("log"), "synced");
  EXPECT_EQ(count("disk.lost_unsynced").effective, 3u);
}

TEST_F(DiskTest, ASyncSavesOnlyWhatWasWrittenBeforeItBegan) {
  set_losses({.lose_all_per_million = kAlways});
  run_and_lose_power([&](Env& env) {
    auto file = open(env, "log");
    write(*file, "before");
    env.scheduler.spawn("writer", [&] { write(*file, "during", 6); });
    sync(*file);
    EXPECT_EQ(read(*file), "beforeduring");
    EXPECT_EQ(disk().read_durable("log"), std::nullopt);
    sync_directory(env);
    EXPECT_EQ(disk().read_durable("log"), "before");
  });
  EXPECT_EQ(disk().read_visible("log"), "before");
}

TEST_F(DiskTest, PowerLostInTheMiddleOfASyncSavesNothing) {
  set_losses({.lose_all_per_million = kAlways});
  SyncCounter tap;
  disk().set_tap(&tap);
  begin([&](Env& env) {
    auto file = open(env, "log");
    write(*file, "almost");
    (void)file->sync(Deadline::never());
    ADD_FAILURE() << "the sync ended";
  });
  world_.run_for(400us);
  n1_.crash();
  world_.run_for(1s);
  disk().set_tap(nullptr);
  EXPECT_EQ(disk().read_visible("log"), "");
  EXPECT_EQ(tap.synced, 0);
}

TEST_F(DiskTest, AKilledProcessesSyncEndsByItself) {
  set_losses({.lose_all_per_million = kAlways});
  make_durable("log", "");
  begin([&](Env& env) {
    auto file = open(env, "log");
    write(*file, "saved");
    (void)file->sync(Deadline::never());
  });
  world_.run_for(400us);
  n1_.kill();
  EXPECT_EQ(disk().read_durable("log"), "");
  world_.run_for(1s);
  EXPECT_EQ(disk().read_durable("log"), "saved");
}

TEST_F(DiskTest, UnsyncedWritesAreLostOneByOneSoThatLaterOnesMaySurviveEarlierOnes) {
  set_losses({.lose_write_per_million = 500'000});
  bool later_survived_earlier = false;
  for (int round = 0; round < 20; ++round) {
    make_durable("log", "........");
    run_and_lose_power([&](Env& env) {
      auto file = open(env, "log");
      for (std::uint64_t i = 0; i < 8; ++i) write(*file, "#", i);
    });
    const std::string left = *disk().read_visible("log");
    ASSERT_EQ(left.size(), 8u);
    later_survived_earlier |= left.find(".#") != std::string::npos;
  }
  EXPECT_TRUE(later_survived_earlier);
  EXPECT_TRUE(had_effect("disk.lost_unsynced"));
}

TEST_F(DiskTest, ATornWriteIsTornBetweenSectors) {
  set_losses({.tear_write_per_million = kAlways});
  std::map<std::string, int> patterns;
  for (int round = 0; round < 40; ++round) {
    make_durable("log", std::string(2048, '.'));
    run_and_lose_power([&](Env& env) { write(*open(env, "log"), std::string(1100, '#'), 500); });
    const std::string left = *disk().read_visible("log");
    ASSERT_EQ(left.size(), 2048u);
    // The write covers the end of sector 0, sectors 1 and 2, and the beginning of sector 3.
    const std::pair<std::size_t, std::size_t> parts[] = {
        {500, 512}, {512, 1024}, {1024, 1536}, {1536, 1600}};
    std::string pattern;
    for (const auto& [begin, end] : parts) {
      ASSERT_EQ(left.substr(begin, end - begin), std::string(end - begin, left[begin]));
      pattern += left[begin];
    }
    ASSERT_EQ(left.substr(0, 500), std::string(500, '.'));
    ASSERT_EQ(left.substr(1600), std::string(448, '.'));
    ASSERT_NE(pattern, "####");
    ++patterns[pattern];
  }
  EXPECT_GT(patterns.size(), 5u);
  EXPECT_EQ(count("disk.torn_write").effective, 40u);
}

TEST_F(DiskTest, AWriteWithinOneSectorIsNeverTorn) {
  set_losses({.tear_write_per_million = kAlways});
  run_and_lose_power([&](Env& env) { write(*open(env, "log"), std::string(512, '#'), 512); });
  EXPECT_EQ(disk().read_visible("log"), std::string(512, '\0') + std::string(512, '#'));
  EXPECT_EQ(count("disk.torn_write").injected, 0u);
}

TEST_F(DiskTest, NamesAreDurableOnlyAfterTheirDirectoryWasSynced) {
  set_losses({.lose_entry_per_million = kAlways});
  make_durable("old", "kept");
  make_durable("removed", "comes back");
  run_and_lose_power([&](Env& env) {
    auto file = open(env, "new");
    write(*file, "synced, but nobody knows its name");
    sync(*file);
    const Deadline never = Deadline::never();
    EXPECT_TRUE(env.disk.rename("old", "renamed", never).has_value());
    EXPECT_TRUE(env.disk.remove("removed", never).has_value());
    EXPECT_TRUE(env.disk.create_directory("directory", never).has_value());
    sync(*open(env, "directory/inside"));
    sync_directory(env, "directory");
  });
  run([&](Env& env) {
    EXPECT_EQ(*env.disk.list("", Deadline::never()), (std::vector<std::string>{"old", "removed"}));
    EXPECT_EQ(read(*open(env, "old")), "kept");
  });
  EXPECT_EQ(count("disk.lost_directory_entry").effective, 4u);
  EXPECT_EQ(disk().used_bytes(), 14u);
}

TEST_F(DiskTest, ARenameInOneDirectoryIsAllOrNothing) {
  set_losses({.lose_entry_per_million = 500'000});
  int kept = 0;
  for (int round = 0; round < 20; ++round) {
    make_durable("next", "new");
    make_durable("current", "old");
    run_and_lose_power([&](Env& env) {
      EXPECT_TRUE(env.disk.rename("next", "current", Deadline::never()).has_value());
    });
    const bool is_renamed = disk().read_visible("current") == "new";
    EXPECT_EQ(disk().read_visible("current"), is_renamed ? "new" : "old");
    EXPECT_EQ(disk().read_visible("next").has_value(), !is_renamed);
    kept += is_renamed;
  }
  EXPECT_GT(kept, 0);
  EXPECT_LT(kept, 20);
}

TEST_F(DiskTest, AWipedDiskIsEmpty) {
  make_durable("log", "gone");
  disk().wipe();
  run([&](Env& env) { EXPECT_TRUE(env.disk.list("", Deadline::never())->empty()); });
  EXPECT_EQ(disk().used_bytes(), 0u);
}

// --- failures ---

TEST_F(DiskTest, AFailedSyncDropsWhatItShouldHaveSavedAndNoLaterSyncSavesIt) {
  make_durable("log", "0000000000");
  run_and_lose_power([&](Env& env) {
    auto file = open(env, "log");
    write(*file, "1111", 0);
    disk().fail_next(DiskOperation::sync);
    const auto failed = file->sync(Deadline::never());
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().code, ErrorCode::io_error);
    EXPECT_EQ(read(*file), "1111000000");

    write(*file, "22", 3);
    sync(*file);
    EXPECT_EQ(read(*file), "1112200000");
    write(*file, "33", 9);
    EXPECT_EQ(read(*file), "11122000033");
    EXPECT_EQ(disk().read_durable("log"), "0002200000");
    sync(*file);
    EXPECT_EQ(disk().read_durable("log"), "00022000033");
    EXPECT_EQ(read(*file), "11122000033");
  });
  // Nothing was to be lost by draw, and yet.
  EXPECT_EQ(disk().read_visible("log"), "00022000033");
  EXPECT_TRUE(had_effect("disk.eio_sync"));
}

TEST_F(DiskTest, ReadsAndWritesFailWhenToldSoAndAFailedWriteMayHaveWrittenABeginning) {
  make_durable("log", "........");
  run([&](Env& env) {
    auto file = open(env, "log");
    disk().fail_next(DiskOperation::read, 2);
    char buffer[4];
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(file->pread(buffer, 0, Deadline::never()).error().code, ErrorCode::io_error);
    }
    EXPECT_EQ(*file->pread(buffer, 0, Deadline::never()), 4u);
    disk().fail_next(DiskOperation::write);
    EXPECT_EQ(file->pwrite("####", 0, Deadline::never()).error().code, ErrorCode::io_error);
    const std::size_t written = read(*file).find('.');
    EXPECT_EQ(read(*file), std::string(written, '#') + std::string(8 - written, '.'));
    DiskConditions conditions;
    conditions.read_error_per_million = kAlways;
    disk().set_conditions(conditions);
    EXPECT_FALSE(file->pread(buffer, 0, Deadline::never()).has_value());
    disk().heal();
    EXPECT_TRUE(file->pread(buffer, 0, Deadline::never()).has_value());
  });
  EXPECT_EQ(count("disk.eio_read").effective, 3u);
  EXPECT_EQ(count("disk.eio_write").effective, 1u);
}

TEST_F(DiskTest, AFullDiskTakesWhatFitsAndMoreWhenSpaceReturns) {
  run([&](Env& env) {
    disk().set_capacity(10);
    auto file = open(env, "log");
    write(*file, "12345678");
    EXPECT_EQ(*env.disk.free_bytes(), 2u);
    EXPECT_EQ(file->pwrite("9abc", 8, Deadline::never()).error().code, ErrorCode::no_space);
    EXPECT_EQ(read(*file), "123456789a");
    write(*file, "over", 3);  // What is there may be written again.
    EXPECT_EQ(file->truncate(11, Deadline::never()).error().code, ErrorCode::no_space);
    EXPECT_TRUE(file->truncate(5, Deadline::never()).has_value());
    write(*file, "again", 5);
    EXPECT_EQ(*env.disk.free_bytes(), 0u);
    disk().set_capacity(std::nullopt);
    write(*file, std::string(100, 'x'), 10);
  });
  EXPECT_TRUE(had_effect("disk.no_space"));
}

TEST_F(DiskTest, AStuckDiskCompletesNothingUntilItIsUnstuck) {
  make_durable("log", "");
  TrueTime ended_at;
  begin([&](Env& env) {
    auto file = open(env, "log");
    write(*file, "x");
    disk().stick();
    EXPECT_EQ(file->sync(Deadline::in(env.clock, 1s)).error().code, ErrorCode::timed_out);
    EXPECT_EQ(file->pwrite("y", 1, Deadline::in(env.clock, 1s)).error().code,
              ErrorCode::timed_out);
    EXPECT_EQ(disk().read_durable("log"), "");
    sync(*file);
    ended_at = world_.now();
  });
  world_.run_until(TrueTime{} + 20s);
  EXPECT_EQ(ended_at, TrueTime{});
  disk().unstick();
  world_.run_for(1s);
  EXPECT_EQ(ended_at, TrueTime{} + 20s);
  EXPECT_EQ(disk().read_durable("log"), "x");
  EXPECT_TRUE(had_effect("disk.stuck"));
}

TEST_F(DiskTest, ASyncThatTimedOutEndsInTheBackground) {
  make_durable("log", "");
  run([&](Env& env) {
    auto file = open(env, "log");
    write(*file, "x");
    EXPECT_EQ(file->sync(Deadline::in(env.clock, 100us)).error().code, ErrorCode::timed_out);
    EXPECT_EQ(disk().read_durable("log"), "");
    env.scheduler.sleep_for(1ms);
    EXPECT_EQ(disk().read_durable("log"), "x");
  });
}

TEST_F(DiskTest, ASlowDiskAndALongTailMakeOperationsWait) {
  run([&](Env& env) {
    auto file = open(env, "log");
    disk().slow_down(100ms);
    const TrueTime before = world_.now();
    sync(*file);
    EXPECT_EQ(world_.now() - before, 100ms + 500us);
    write(*file, "x");
    EXPECT_EQ(world_.now() - before, 200ms + 500us);
    disk().slow_down(0ms);
    EXPECT_EQ(count("disk.slow").injected, 1u);
    EXPECT_EQ(count("disk.slow").effective, 2u);

    DiskConditions conditions;
    conditions.tail_per_million = kAlways;
    disk().set_conditions(conditions);
    const TrueTime healthy_until = world_.now() + 500us;
    sync(*file);
    EXPECT_GT(world_.now(), healthy_until);
    EXPECT_EQ(count("disk.slow").effective, 3u);
  });
}

TEST_F(DiskTest, AFailureMayTakeAsLongAsASuccess) {
  run([&](Env& env) {
    auto file = open(env, "log");
    disk().fail_next(DiskOperation::sync);
    EXPECT_FALSE(file->sync(Deadline::never()).has_value());
    EXPECT_EQ(world_.now(), TrueTime{} + 500us);
  });
}

TEST_F(DiskTest, TheTapSeesEveryChangeAndWhenItBecameDurable) {
  struct Tap : DiskTap {
    void on_write(const Machine& machine, const std::string& path, std::uint64_t offset,
                  BytesView bytes) override {
      seen += machine.name() + " writes " + path + "@" + std::to_string(offset) + " " +
              std::string(bytes) + "\n";
    }
    void on_truncate(const Machine&, const std::string& path, std::uint64_t size) override {
      seen += "truncates " + path + " to " + std::to_string(size) + "\n";
    }
    void on_synced(const Machine&, const std::string& path) override {
      seen += "synced " + path + "\n";
    }
    void on_power_loss(const Machine&) override { seen += "power loss\n"; }
    std::string seen;
  } tap;
  disk().set_tap(&tap);
  run_and_lose_power([&](Env& env) {
    auto file = open(env, "log");
    write(*file, "abc", 4);
    sync(*file);
    EXPECT_TRUE(file->truncate(1, Deadline::never()).has_value());
    disk().fail_next(DiskOperation::sync);
    EXPECT_FALSE(file->sync(Deadline::never()).has_value());
  });
  disk().set_tap(nullptr);
  EXPECT_EQ(tap.seen, "n1 writes log@4 abc\nsynced log\ntruncates log to 1\npower loss\n");
}

TEST_F(DiskTest, TheSameChoicesLoseTheSame) {
  const auto run_once = [](std::uint64_t seed) {
    Choices choices(seed);
    World world(choices);
    Machine& machine = world.add_machine("n1");
    DiskConditions conditions;
    conditions.tail_per_million = 300'000;
    conditions.write_error_per_million = 50'000;
    conditions.at_power_loss = {.lose_write_per_million = 300'000,
                                .tear_write_per_million = 300'000,
                                .lose_entry_per_million = 300'000};
    machine.disk().set_conditions(conditions);
    machine.set_on_ended([&](EndReason, const std::string&) { machine.restart(); });
    machine.start([](Env& env) {
      auto random = env.random.stream("work");
      for (int i = 0;; ++i) {
        auto file = open(env, std::to_string(random->below(5)));
        (void)file->pwrite(std::string(random->below(3000), 'x'), random->below(3000),
                           Deadline::never());
        if (random->below(3) == 0) (void)file->sync(Deadline::never());
        env.scheduler.sleep_for(1ms);
      }
    });
    std::string left;
    for (int i = 0; i < 20; ++i) {
      world.run_for(50ms);
      machine.crash();
      for (int name = 0; name < 5; ++name) {
        left += machine.disk().read_visible(std::to_string(name)).value_or("-") + "/";
      }
    }
    return std::make_pair(world.trace().digest(), left);
  };
  const auto first = run_once(1);
  EXPECT_EQ(run_once(1), first);
  EXPECT_NE(run_once(2).first, first.first);
}

}  // namespace
}  // namespace keelson::sim
