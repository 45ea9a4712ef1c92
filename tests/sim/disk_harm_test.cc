// What may be done to single files: rules by path, rot, lost sectors, misdirected writes and lost
// syncs, and the list of harm that is kept of them.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/disk_fixture.h"

namespace keelson::sim {
namespace {

using namespace std::chrono_literals;

const Deadline kNever = Deadline::never();

class DiskHarmTest : public DiskTest {
 protected:
  void set_rule(DiskRule rule) {
    DiskConditions conditions = disk().conditions();
    conditions.rules.push_back(std::move(rule));
    disk().set_conditions(conditions);
  }
  void fill(std::map<std::string, Bytes> files) {
    disk().fill({.files = std::move(files), .directories = {}});
  }
  Bytes visible(const std::string& path) { return disk().read_visible(path).value_or("(none)"); }
  Bytes durable(const std::string& path) { return disk().read_durable(path).value_or("(none)"); }
  std::optional<ErrorCode> reading(Env& env, const std::string& path, std::uint64_t offset = 0,
                                   std::size_t size = 1 << 20) {
    auto file = open(env, path);
    std::string into(size, '?');
    const auto got = file->pread(into, offset, kNever);
    return got.has_value() ? std::nullopt : std::optional(got.error().code);
  }
};

std::size_t differences(const Bytes& a, const Bytes& b) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += a[i] != b[i];
  return count;
}

// --- files by path ---

TEST_F(DiskHarmTest, ARuleHitsItsFilesAndTheSharesAllOthers) {
  fill({{"wal/1", "log"}, {"state/db", "state"}, {"IDENTITY", "me"}});
  DiskConditions conditions;
  conditions.read_error_per_million = kAlways;
  conditions.rules = {{.path_prefix = "wal/", .write_error_per_million = kAlways},
                      {.path_prefix = "IDENTITY", .sync_error_per_million = kAlways},
                      {.path_prefix = "wal/1", .read_error_per_million = kAlways}};
  disk().set_conditions(conditions);
  run([&](Env& env) {
    EXPECT_EQ(reading(env, "state/db"), ErrorCode::io_error);
    EXPECT_EQ(reading(env, "wal/1"), std::nullopt) << "the first rule that fits";
    EXPECT_EQ(reading(env, "IDENTITY"), std::nullopt);
    EXPECT_FALSE(open(env, "wal/1")->pwrite("x", 0, kNever).has_value());
    EXPECT_TRUE(open(env, "IDENTITY")->pwrite("x", 0, kNever).has_value());
    EXPECT_TRUE(open(env, "wal/1")->sync(kNever).has_value());
    EXPECT_FALSE(open(env, "IDENTITY")->sync(kNever).has_value());
    disk().heal();
    EXPECT_EQ(reading(env, "state/db"), std::nullopt);
    EXPECT_TRUE(open(env, "IDENTITY")->sync(kNever).has_value());
  });
}

TEST_F(DiskHarmTest, ARuleForADirectoryHitsItsListingAndItsSync) {
  fill({{"wal/1", "log"}, {"wall", ""}});
  set_rule({.path_prefix = "wal/",
            .read_error_per_million = kAlways,
            .sync_error_per_million = kAlways});
  run([&](Env& env) {
    EXPECT_FALSE(env.disk.list("wal", kNever).has_value());
    EXPECT_FALSE(env.disk.sync_directory("wal", kNever).has_value());
    EXPECT_TRUE(env.disk.list("", kNever).has_value());
    EXPECT_TRUE(env.disk.sync_directory("", kNever).has_value());
    EXPECT_EQ(reading(env, "wall"), std::nullopt);
  });
}

TEST_F(DiskHarmTest, ARuleDecidesWhatALossOfPowerTakes) {
  fill({{"wal/1", "...."}, {"state/db", "...."}});
  set_rule({.path_prefix = "wal/",
            .at_power_loss = {.lose_all_per_million = kAlways, .lose_entry_per_million = kAlways}});
  run_and_lose_power([&](Env& env) {
    for (const char* path : {"wal/1", "state/db", "wal/2", "state/2"}) {
      write(*open(env, path), "####");
    }
  });
  EXPECT_EQ(visible("wal/1"), "....");
  EXPECT_EQ(visible("wal/2"), "(none)");
  EXPECT_EQ(visible("state/db"), "####");
  EXPECT_EQ(visible("state/2"), "####");
}

TEST_F(DiskHarmTest, ArmedFailuresWaitForTheirFile) {
  fill({{"wal/1", "log"}, {"state/db", "state"}});
  run([&](Env& env) {
    disk().fail_next(DiskOperation::sync, 1, "state/");
    EXPECT_TRUE(open(env, "wal/1")->sync(kNever).has_value());
    EXPECT_FALSE(open(env, "state/db")->sync(kNever).has_value());
    EXPECT_TRUE(open(env, "state/db")->sync(kNever).has_value());
  });
  EXPECT_EQ(count("disk.eio_sync").effective, 1u);
}

TEST_F(DiskHarmTest, OnlySoMuchIsLeftFreeUntilSpaceReturns) {
  fill({{"log", "12345"}});
  run([&](Env& env) {
    disk().leave_free(3);
    EXPECT_EQ(*env.disk.free_bytes(), 3u);
    EXPECT_EQ(open(env, "log")->pwrite("6789", 5, kNever).error().code, ErrorCode::no_space);
    EXPECT_EQ(visible("log"), "12345678");
    disk().set_capacity(std::nullopt);
    EXPECT_TRUE(open(env, "log")->pwrite("6789", 5, kNever).has_value());
  });
  EXPECT_TRUE(had_effect("disk.no_space"));
}

// --- rot ---

TEST_F(DiskHarmTest, RotFlipsAFewBitsOfAFileAndHasItsEffectWhenTheyAreRead) {
  const Bytes log(5000, 'l');
  for (int round = 0; round < 30; ++round) {
    fill({{"wal/1", log}, {"state/db", log}});
    const auto harm = disk().harm(HarmKind::flipped_bits, "wal/");
    ASSERT_TRUE(harm.has_value());
    EXPECT_EQ(harm->path, "wal/1");
    EXPECT_EQ(differences(visible("wal/1"), log), harm->length);
    EXPECT_LE(harm->length, 8u);
    EXPECT_NE(visible("wal/1")[harm->offset], 'l');
    EXPECT_EQ(visible("wal/1"), durable("wal/1"));
    EXPECT_EQ(visible("state/db"), log);
    EXPECT_EQ(disk().harms(), std::vector<DiskHarm>{*harm});
    run([&](Env& env) {
      const auto before = count("disk.rot").effective;
      EXPECT_EQ(reading(env, "wal/1", 0, harm->offset), std::nullopt);
      EXPECT_EQ(reading(env, "state/db"), std::nullopt);
      EXPECT_EQ(count("disk.rot").effective, before);
      EXPECT_EQ(reading(env, "wal/1"), std::nullopt);
      EXPECT_EQ(reading(env, "wal/1"), std::nullopt);
      EXPECT_EQ(count("disk.rot").effective, before + 1);
    });
  }
  EXPECT_EQ(count("disk.rot").injected, 30u);
}

TEST_F(DiskHarmTest, RotNeverTouchesWhatIsNotSynced) {
  fill({{"log", std::string(100, '.')}});
  run([&](Env& env) {
    auto file = open(env, "log");
    write(*file, std::string(60, '#'), 40);
    write(*open(env, "new"), "has no durable name");
    for (int round = 0; round < 100; ++round) {
      const auto harm = disk().harm(HarmKind::flipped_bits);
      ASSERT_TRUE(harm.has_value());
      EXPECT_EQ(harm->path, "log");
      EXPECT_LE(harm->offset + harm->length, 40u);
    }
    EXPECT_EQ(visible("log").substr(40), std::string(60, '#'));
    EXPECT_EQ(durable("log").substr(40), std::string(60, '.'));
    EXPECT_TRUE(file->truncate(0, kNever).has_value());
    EXPECT_EQ(disk().harm(HarmKind::flipped_bits), std::nullopt) << "nothing is at rest";
  });
}

TEST_F(DiskHarmTest, AZeroedSectorIsZerosAndWhatIsZerosAlreadyIsNotHarmed) {
  fill({{"log", std::string(512, '\0') + std::string(1000, 'x')}});
  const auto harm = disk().harm_at(HarmKind::zeroed_sector, "log", 512, 512);
  EXPECT_EQ(harm, (DiskHarm{"log", HarmKind::zeroed_sector, 512, 512}));
  EXPECT_EQ(visible("log"), std::string(1024, '\0') + std::string(488, 'x'));
  EXPECT_EQ(disk().harm_at(HarmKind::zeroed_sector, "log", 0, 512), std::nullopt);
  EXPECT_EQ(count("disk.zeroed_sector").injected, 1u);
}

TEST_F(DiskHarmTest, AMisplacedBlockLiesInThePlaceOfAnotherOfItsFileToo) {
  const Bytes a(4096, 'a'), b(4096, 'b');
  fill({{"state.db", a + b + Bytes(100, 'c')}, {"state.db-wal", Bytes(8192, 'd')}});
  const auto harm = disk().misplace_block("state.db", 4096);
  ASSERT_TRUE(harm.has_value());
  EXPECT_EQ(harm->length, 4096u);
  EXPECT_EQ(visible("state.db"), (harm->offset == 0 ? b + b : a + a) + Bytes(100, 'c'));
  EXPECT_EQ(durable("state.db"), visible("state.db"));
  EXPECT_EQ(disk().harms(), std::vector<DiskHarm>{*harm});
  EXPECT_TRUE(had_effect("disk.misdirected_write"));
  EXPECT_EQ(disk().misplace_block("state.db", 4096), std::nullopt) << "no two of them differ";
  EXPECT_EQ(disk().misplace_block("state", 4096), std::nullopt) << "there is no such file";
}

TEST_F(DiskHarmTest, AnUnreadableSectorFailsReadsUntilItIsWritten) {
  fill({{"log", std::string(2000, 'x')}});
  ASSERT_TRUE(disk().harm_at(HarmKind::unreadable_sector, "log", 512, 512).has_value());
  run([&](Env& env) {
    EXPECT_EQ(reading(env, "log"), ErrorCode::io_error);
    EXPECT_EQ(reading(env, "log", 1000, 1), ErrorCode::io_error);
    EXPECT_EQ(reading(env, "log", 0, 512), std::nullopt);
    EXPECT_EQ(reading(env, "log", 1024, 512), std::nullopt);
    auto file = open(env, "log");
    write(*file, std::string(512, 'y'), 512);
    EXPECT_EQ(reading(env, "log"), std::nullopt);
    EXPECT_TRUE(disk().is_harmed()) << "the new bytes are not durable";
    sync(*file);
    EXPECT_FALSE(disk().is_harmed());
  });
  EXPECT_EQ(count("disk.unreadable_sector").effective, 1u);
}

TEST_F(DiskHarmTest, ALossOfPowerBringsBackTheHarmThatAnUnsyncedWriteHid) {
  fill({{"log", std::string(1024, 'x')}});
  ASSERT_TRUE(disk().harm_at(HarmKind::unreadable_sector, "log", 0, 512).has_value());
  set_losses({.lose_all_per_million = kAlways});
  run_and_lose_power([&](Env& env) {
    write(*open(env, "log"), std::string(512, 'y'));
    EXPECT_EQ(reading(env, "log"), std::nullopt);
  });
  run([&](Env& env) { EXPECT_EQ(reading(env, "log"), ErrorCode::io_error); });
  set_losses({});
  run_and_lose_power([&](Env& env) { write(*open(env, "log"), std::string(500, 'y')); });
  EXPECT_EQ(disk().harms(),
            (std::vector<DiskHarm>{{"log", HarmKind::unreadable_sector, 500, 12}}));
}

TEST_F(DiskHarmTest, HarmGoesWithItsFileAndWithTheDisk) {
  const auto harm = [&] {
    fill({{"a/log", "xxxx"}, {"b", ""}});
    ASSERT_TRUE(disk().harm(HarmKind::flipped_bits).has_value());
    ASSERT_TRUE(disk().is_harmed());
  };
  harm();
  run([&](Env& env) {
    EXPECT_TRUE(env.disk.rename("a/log", "b", kNever).has_value());
    EXPECT_EQ(disk().harms().size(), 2u) << "by the name it has and the one it may have again";
    EXPECT_TRUE(env.disk.remove("b", kNever).has_value());
    EXPECT_TRUE(disk().is_harmed()) << "a loss of power may bring it back";
    sync_directory(env, "a");
    sync_directory(env, "");
    EXPECT_FALSE(disk().is_harmed());
  });
  harm();
  disk().wipe();
  EXPECT_FALSE(disk().is_harmed());
}

// --- misdirected writes ---

TEST_F(DiskHarmTest, AMisdirectedWriteReplacesOtherBytesAndLeavesTheOldOnesWhereItBelongs) {
  const Bytes old = std::string(3000, 'o');
  bool other_file = false, same_file = false;
  for (int round = 0; round < 30; ++round) {
    fill({{"wal/1", old}, {"wal/2", old}, {"state/db", old}});
    disk().misdirect_next_write("wal/1");
    run([&](Env& env) {
      write(*open(env, "state/db"), "rightly", 100);
      auto file = open(env, "wal/1");
      write(*file, "astray", 100);
      write(*file, "rightly", 200);
      sync(*file);
    });
    EXPECT_EQ(visible("wal/1").substr(100, 6), "oooooo");
    EXPECT_EQ(visible("wal/1").substr(200, 7), "rightly");
    EXPECT_EQ(visible("state/db").substr(100, 7), "rightly");
    const std::size_t in_same = visible("wal/1").find("astray");
    const std::size_t in_other = visible("wal/2").find("astray");
    ASSERT_NE(in_same == Bytes::npos, in_other == Bytes::npos);
    EXPECT_EQ((in_same == Bytes::npos ? in_other : in_same) % 512, 100u);
    same_file |= in_same != Bytes::npos;
    other_file |= in_other != Bytes::npos;
    const auto harms = disk().harms();
    ASSERT_EQ(harms.size(), 2u);
    EXPECT_EQ(harms[0].path, "wal/1");
    EXPECT_EQ(harms[0].kind, HarmKind::lost_write);
    EXPECT_EQ(harms[1].kind, HarmKind::misdirected_write);
  }
  EXPECT_TRUE(same_file);
  EXPECT_TRUE(other_file);
  EXPECT_EQ(count("disk.misdirected_write").injected, 30u);
  EXPECT_EQ(count("disk.misdirected_write").effective, 30u);
}

TEST_F(DiskHarmTest, AMisdirectedAppendLeavesZeros) {
  fill({{"log", std::string(1024, 'o')}});
  disk().misdirect_next_write();
  run([&](Env& env) {
    auto file = open(env, "log");
    write(*file, "new", 1024);
    EXPECT_EQ(read(*file).substr(1024), std::string(3, '\0'));
    EXPECT_NE(read(*file).find("new"), Bytes::npos);
  });
}

TEST_F(DiskHarmTest, AWriteWithNowhereElseToGoIsRightAndNotCounted) {
  disk().misdirect_next_write();
  run([&](Env& env) {
    auto file = open(env, "log");
    write(*file, "first");
    EXPECT_EQ(read(*file), "first");
  });
  EXPECT_EQ(count("disk.misdirected_write").injected, 0u);
}

TEST_F(DiskHarmTest, AMisdirectedWriteThatWasNeverSyncedIsNoBrokenPromiseAfterALossOfPower) {
  fill({{"log", std::string(1024, 'o')}});
  disk().misdirect_next_write();
  run_and_lose_power([&](Env& env) { write(*open(env, "log"), "new", 0); });
  const auto harms = disk().harms();
  ASSERT_EQ(harms.size(), 1u);
  EXPECT_EQ(harms[0], (DiskHarm{"log", HarmKind::misdirected_write, 512, 3}));
}

// --- lost syncs ---

TEST_F(DiskHarmTest, ALostSyncIsToldToHaveSucceededAndShowsAfterALossOfPower) {
  fill({{"log", "...."}});
  disk().lose_next_sync("log");
  run_and_lose_power([&](Env& env) {
    auto file = open(env, "log");
    sync(*file);  // Has nothing to save, and nothing to lose.
    write(*file, "##", 0);
    sync(*file);
    write(*file, "++", 4);
    sync(*file);
    EXPECT_EQ(read(*file), "##..++");
    EXPECT_EQ(disk().harms(), (std::vector<DiskHarm>{{"log", HarmKind::lost_sync, 0, 2}}));
    EXPECT_EQ(count("disk.lost_sync").effective, 0u);
  });
  EXPECT_EQ(visible("log"), "....++");
  EXPECT_EQ(count("disk.lost_sync").injected, 1u);
  EXPECT_EQ(count("disk.lost_sync").effective, 1u);
  EXPECT_TRUE(disk().is_harmed());
  run([&](Env& env) {
    auto file = open(env, "log");
    write(*file, "again", 0);
    sync(*file);
  });
  EXPECT_FALSE(disk().is_harmed());
}

TEST_F(DiskHarmTest, ALostSyncThatIsOverwrittenInTimeDoesNoHarm) {
  fill({{"log", "...."}});
  disk().lose_next_sync();
  run_and_lose_power([&](Env& env) {
    auto file = open(env, "log");
    write(*file, "##", 0);
    sync(*file);
    write(*file, "####", 0);
    sync(*file);
    EXPECT_FALSE(disk().is_harmed());
  });
  EXPECT_EQ(visible("log"), "####");
  EXPECT_EQ(count("disk.lost_sync").effective, 0u);
}

// --- determinism ---

TEST_F(DiskHarmTest, FaultsOfOneKindDoNotDisturbTheDrawsOfOthers) {
  const auto left_by = [](std::uint32_t misdirect_per_million) {
    Choices choices(7, Choices::Recording::on);
    World world(choices, {.shuffle_fibers = false});
    Machine& machine = world.add_machine("n1");
    DiskConditions conditions;
    conditions.at_power_loss.lose_write_per_million = 500'000;
    conditions.misdirect_write_per_million = misdirect_per_million;
    machine.disk().set_conditions(conditions);
    machine.start([](Env& env) {
      auto file = open(env, "log");
      write(*file, std::string(2048, '.'));
      sync(*file);
      sync_directory(env);
      for (std::uint64_t i = 0; i < 30; ++i) write(*file, "#", i * 7);
      (void)env.stop_requested.wait(kNever);
    });
    world.run_for(1s);
    machine.crash();
    return std::make_pair(choices.recorded().at("disk/n1/power_loss").size(),
                          choices.recorded().contains("disk/n1/misdirect"));
  };
  EXPECT_FALSE(left_by(0).second);
  EXPECT_TRUE(left_by(100'000).second);
}

// Harm against a model that keeps a flag for each byte, for what is seen and for what is durable.
TEST(FileHarmTest, EachByteIsHarmedUntilItIsDurablyOverwritten) {
  Choices choices(12);
  ChoiceStream& draw = choices.stream("test");
  for (int round = 0; round < 25; ++round) {
    FileImage image(std::make_shared<std::uint64_t>(0));
    std::string seen, durable;  // "x" is harmed, "." is not.
    std::vector<std::pair<std::uint64_t, std::string>> copies;
    for (int step = 0; step < 200; ++step) {
      const std::uint64_t what = draw.choose(12);
      if (what < 4) {
        const std::uint64_t offset = draw.choose(200);
        const std::uint64_t length = 1 + draw.choose(50);
        image.write(std::string(length, 'w'), offset);
        if (seen.size() < offset + length) seen.resize(offset + length, '.');
        seen.replace(offset, length, length, '.');
      } else if (what == 4) {
        const std::uint64_t size = draw.choose(250);
        image.truncate(size);
        seen.resize(size, '.');
      } else if (what < 8 && !copies.empty()) {
        const auto& [until, copy] = copies[draw.choose(copies.size())];
        image.make_durable(until);
        durable = copy;
        std::erase_if(copies, [limit = until](const auto& each) { return each.first < limit; });
      } else if (what == 8) {
        Losses losses;
        image.lose_power({.lose_all_per_million = 1'000'000}, choices.stream("losses"), losses);
        seen = durable;
        copies.clear();
      } else if (what > 8) {
        const auto ranges = image.at_rest();
        if (ranges.empty()) continue;
        const ByteRange range = ranges[draw.choose(ranges.size())];
        image.note_harm(HarmKind::unreadable_sector, range);
        const auto mark = [&](std::string& flags) {
          flags.replace(range.begin, range.size(), range.size(), 'x');
        };
        mark(seen);
        mark(durable);
        for (auto& [number, copy] : copies) mark(copy);
      }
      copies.emplace_back(image.change_count(), seen);
      ASSERT_EQ(image.visible().size(), seen.size());
      std::string harmed(durable.size(), '.');
      for (const FileHarm& harm : image.harms().all()) {
        ASSERT_LE(harm.range.end, harmed.size());
        harmed.replace(harm.range.begin, harm.range.size(), harm.range.size(), 'x');
      }
      ASSERT_EQ(harmed, durable);
      for (std::uint64_t i = 0; i < seen.size(); ++i) {
        ASSERT_EQ(!image.harms_met({i, i + 1}).empty(), seen[i] == 'x') << i;
      }
    }
  }
}

}  // namespace
}  // namespace keelson::sim
