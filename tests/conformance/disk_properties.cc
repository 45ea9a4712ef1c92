// What core/runtime/disk.h promises while the power is on, in every world. What a loss of power
// leaves is tested where power can be lost: tests/sim/sim_disk_test.cc.
#include <gtest/gtest.h>

#include "core/runtime/task_group.h"
#include "tests/conformance/disk_programs.h"

namespace keelson::conformance {
namespace {

using namespace std::chrono_literals;

// --- bytes ---

TEST_P(DiskConformance, WhatIsWrittenIsReadBack) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    const Bytes bytes = pattern(100'000);
    write_at(host, *file, 0, bytes);
    EXPECT_TRUE(read_at(host, *file, 0, bytes.size()) == bytes);
    EXPECT_EQ(read_at(host, *file, 4095, 10), bytes.substr(4095, 10));
  });
}

TEST_P(DiskConformance, AWriteReplacesOnlyItsOwnBytes) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    write_at(host, *file, 0, "0123456789");
    write_at(host, *file, 3, "abc");
    write_at(host, *file, 9, "xyz");
    EXPECT_EQ(read_at(host, *file, 0, 100), "012abc678xyz");
  });
}

TEST_P(DiskConformance, WritesInAnyOrderGiveTheSameFile) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    const Bytes bytes = pattern(64 * 1000);
    for (std::size_t i = 0; i < 64; ++i) {
      const std::size_t piece = i * 37 % 64;
      write_at(host, *file, piece * 1000, BytesView(bytes).substr(piece * 1000, 1000));
    }
    EXPECT_TRUE(read_at(host, *file, 0, bytes.size()) == bytes);
  });
}

TEST_P(DiskConformance, AGapIsFilledWithZeros) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    write_at(host, *file, 0, "ab");
    write_at(host, *file, 10'000, "cd");
    EXPECT_EQ(*file->size(), 10'002u);
    EXPECT_EQ(read_at(host, *file, 0, 20'000), "ab" + Bytes(9'998, '\0') + "cd");
  });
}

TEST_P(DiskConformance, AReadIsShortOnlyAtTheEndOfTheFile) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    write_at(host, *file, 0, "0123456789");
    EXPECT_EQ(read_at(host, *file, 4, 100), "456789");
    EXPECT_EQ(read_at(host, *file, 4, 6), "456789");
    EXPECT_EQ(read_at(host, *file, 10, 100), "");
    EXPECT_EQ(read_at(host, *file, 1000, 100), "");
  });
}

TEST_P(DiskConformance, ReadingAndWritingNothingChangesNothing) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    write_at(host, *file, 0, "abc");
    EXPECT_EQ(read_at(host, *file, 1, 0), "");
    write_at(host, *file, 100, "");
    EXPECT_EQ(*file->size(), 3u);
  });
}

TEST_P(DiskConformance, TheSizeFollowsTheLastByteWritten) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    EXPECT_EQ(*file->size(), 0u);
    write_at(host, *file, 0, pattern(5000));
    EXPECT_EQ(*file->size(), 5000u);
    write_at(host, *file, 100, "within");
    EXPECT_EQ(*file->size(), 5000u);
  });
}

TEST_P(DiskConformance, TruncateCutsAndExtendsWithZeros) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    write_at(host, *file, 0, "0123456789");
    expect_success(file->truncate(4, patience(host)));
    EXPECT_EQ(*file->size(), 4u);
    EXPECT_EQ(read_at(host, *file, 0, 100), "0123");
    expect_success(file->truncate(8, patience(host)));
    EXPECT_EQ(read_at(host, *file, 0, 100), Bytes("0123\0\0\0\0", 8)) << "what was cut is gone";
    write_at(host, *file, 8, "89");
    EXPECT_EQ(read_at(host, *file, 0, 100), Bytes("0123\0\0\0\00089", 10));
  });
}

TEST_P(DiskConformance, TwoHandlesSeeEachOthersWrites) {
  run([](Host& host) {
    const auto one = open_file(host, "file");
    const auto other = open_file(host, "file");
    write_at(host, *one, 0, "from one");
    EXPECT_EQ(read_at(host, *other, 0, 100), "from one");
    write_at(host, *other, 5, "other");
    EXPECT_EQ(read_at(host, *one, 0, 100), "from other");
    expect_success(other->truncate(4, patience(host)));
    EXPECT_EQ(*one->size(), 4u);
  });
}

TEST_P(DiskConformance, FilesStayWhenTheirHandlesGo) {
  run([](Host& host) {
    for (int i = 0; i < 200; ++i) write_file(host, "file" + std::to_string(i), pattern(100, i));
    for (int i = 0; i < 200; ++i) {
      EXPECT_EQ(read_file(host, "file" + std::to_string(i)), pattern(100, i));
    }
    EXPECT_EQ(list(host, "").size(), 200u);
  });
}

// --- sync ---

TEST_P(DiskConformance, ASyncChangesNothingThatReadsShow) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    const Bytes bytes = pattern(50'000);
    write_at(host, *file, 0, bytes);
    expect_success(file->sync(patience(host)));
    EXPECT_TRUE(read_at(host, *file, 0, bytes.size()) == bytes);
    expect_success(file->sync(patience(host)));  // There is nothing left to sync; fine.
    expect_success(host.env.disk.sync_directory("", patience(host)));
    EXPECT_EQ(list(host, ""), Names{"file"});
  });
}

TEST_P(DiskConformance, FibersMayWriteAndSyncOneFileAtOnce) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    TaskGroup group(host.env.scheduler);
    for (std::uint64_t i = 0; i < 8; ++i) {
      group.spawn("writer", [&, i] {
        write_at(host, *file, i * 1000, pattern(1000, i));
        expect_success(file->sync(patience(host)));
      });
    }
    EXPECT_TRUE(group.join(patience(host)));
    for (std::uint64_t i = 0; i < 8; ++i) {
      EXPECT_EQ(read_at(host, *file, i * 1000, 1000), pattern(1000, i));
    }
  });
}

TEST_P(DiskConformance, AFiberKilledInASyncLeavesTheDiskInOrder) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    write_at(host, *file, 0, "before");
    for (int i = 0; i < 20; ++i) {
      TaskGroup group(host.env.scheduler);
      group.spawn("syncer", [&] {
        (void)file->sync(patience(host));
        (void)host.env.disk.sync_directory("", patience(host));
      });
      // Sometimes while the sync is under way, sometimes between the two, sometimes after both.
      host.env.scheduler.sleep_for(i * 50us);
      group.stop();
    }
    EXPECT_EQ(read_at(host, *file, 0, 100), "before");
    expect_success(file->sync(patience(host)));
  });
}

TEST_P(DiskConformance, AFileMayBeClosedWhileAKilledFibersSyncIsUnderWay) {
  run([](Host& host) {
    for (int i = 0; i < 20; ++i) {
      TaskGroup group(host.env.scheduler);
      group.spawn("owner", [&] {
        const auto file = open_file(host, "file");
        write_at(host, *file, 0, pattern(10'000));
        (void)file->sync(patience(host));
      });
      host.env.scheduler.sleep_for(i * 20us);
      group.stop();
    }
    const auto file = open_file(host, "file");
    write_at(host, *file, 0, "still works");
    expect_success(file->sync(patience(host)));
    EXPECT_EQ(read_at(host, *file, 0, 11), "still works");
  });
}

TEST_P(DiskConformance, ASyncWhoseDeadlineHasPassedSaysThatItsOutcomeIsUnknown) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    write_at(host, *file, 0, pattern(10'000));
    EXPECT_EQ(code_of(file->sync(Deadline{host.env.clock.now()})), ErrorCode::timed_out);
    expect_success(file->sync(patience(host)));
  });
}

// --- names ---

TEST_P(DiskConformance, OpeningWhatDoesNotExistIsNotFoundAndCreatesNothing) {
  run([](Host& host) {
    EXPECT_EQ(code_of(host.env.disk.open("absent", OpenMode::existing, patience(host))),
              ErrorCode::not_found);
    EXPECT_EQ(list(host, ""), Names{});
  });
}

TEST_P(DiskConformance, CreatingKeepsAFileThatExists) {
  run([](Host& host) {
    write_file(host, "file", "kept");
    EXPECT_EQ(read_at(host, *open_file(host, "file"), 0, 100), "kept");
  });
}

TEST_P(DiskConformance, AFileNeedsItsDirectory) {
  run([](Host& host) {
    EXPECT_EQ(code_of(host.env.disk.open("absent/file", OpenMode::create, patience(host))),
              ErrorCode::not_found);
    expect_success(host.env.disk.create_directory("absent", patience(host)));
    write_file(host, "absent/file", "now");
    EXPECT_EQ(read_file(host, "absent/file"), "now");
  });
}

TEST_P(DiskConformance, ARenameReplacesAndTheOldNameIsGone) {
  run([](Host& host) {
    write_file(host, "new", "new");
    write_file(host, "current", "old and longer");
    expect_success(host.env.disk.rename("new", "current", patience(host)));
    EXPECT_EQ(read_file(host, "current"), "new");
    EXPECT_EQ(list(host, ""), Names{"current"});
  });
}

TEST_P(DiskConformance, ARenameMovesBetweenDirectoriesAndKeepsHandles) {
  run([](Host& host) {
    expect_success(host.env.disk.create_directory("a", patience(host)));
    expect_success(host.env.disk.create_directory("b", patience(host)));
    const auto file = open_file(host, "a/file");
    write_at(host, *file, 0, "moved");
    expect_success(host.env.disk.rename("a/file", "b/other", patience(host)));
    EXPECT_EQ(list(host, "a"), Names{});
    EXPECT_EQ(list(host, "b"), Names{"other"});
    write_at(host, *file, 0, "M");
    EXPECT_EQ(read_file(host, "b/other"), "Moved");
  });
}

TEST_P(DiskConformance, ARenameOntoItselfChangesNothing) {
  run([](Host& host) {
    write_file(host, "file", "same");
    expect_success(host.env.disk.rename("file", "file", patience(host)));
    EXPECT_EQ(read_file(host, "file"), "same");
  });
}

TEST_P(DiskConformance, RenamingOrRemovingWhatDoesNotExistIsNotFound) {
  run([](Host& host) {
    EXPECT_EQ(code_of(host.env.disk.rename("absent", "other", patience(host))),
              ErrorCode::not_found);
    EXPECT_EQ(code_of(host.env.disk.remove("absent", patience(host))), ErrorCode::not_found);
    EXPECT_EQ(list(host, ""), Names{});
  });
}

TEST_P(DiskConformance, ARemovedFileIsGoneForItsNameButNotForItsHandles) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    write_at(host, *file, 0, "held");
    expect_success(host.env.disk.remove("file", patience(host)));
    EXPECT_EQ(list(host, ""), Names{});
    EXPECT_EQ(code_of(host.env.disk.open("file", OpenMode::existing, patience(host))),
              ErrorCode::not_found);
    EXPECT_EQ(read_at(host, *file, 0, 100), "held");
    write_file(host, "file", "another");
    EXPECT_EQ(read_at(host, *file, 0, 100), "held");
  });
}

TEST_P(DiskConformance, DirectoriesAreMadeWithTheirParentsAndMakingThemAgainIsFine) {
  run([](Host& host) {
    for (int i = 0; i < 2; ++i) {
      expect_success(host.env.disk.create_directory("a/b/c", patience(host)));
    }
    expect_success(host.env.disk.create_directory("a", patience(host)));
    EXPECT_EQ(list(host, ""), Names{"a"});
    EXPECT_EQ(list(host, "a"), Names{"b"});
    EXPECT_EQ(list(host, "a/b"), Names{"c"});
    expect_success(host.env.disk.sync_directory("a/b", patience(host)));
  });
}

TEST_P(DiskConformance, AListIsSortedAndHasDirectChildrenOnly) {
  run([](Host& host) {
    expect_success(host.env.disk.create_directory("m/deep", patience(host)));
    for (const char* name : {"z", "a", "m/inner", "b10", "b9", "B"}) write_file(host, name, "");
    EXPECT_EQ(list(host, ""), (Names{"B", "a", "b10", "b9", "m", "z"}));
    EXPECT_EQ(list(host, "m"), (Names{"deep", "inner"}));
    EXPECT_EQ(list(host, "m/deep"), Names{});
  });
}

TEST_P(DiskConformance, ListingOrSyncingADirectoryThatDoesNotExistIsNotFound) {
  run([](Host& host) {
    EXPECT_EQ(code_of(host.env.disk.list("absent", patience(host))), ErrorCode::not_found);
    EXPECT_EQ(code_of(host.env.disk.sync_directory("absent", patience(host))),
              ErrorCode::not_found);
  });
}

TEST_P(DiskConformance, PathsThatLeaveTheDirectoryOrAreNotPlainAreRefused) {
  run([](Host& host) {
    expect_success(host.env.disk.create_directory("a", patience(host)));
    Disk& disk = host.env.disk;
    for (const char* bad : {"..", "../x", "a/../x", "a/..", ".", "./x", "a/./x", "/x", "/", "a/",
                            "a//x"}) {
      EXPECT_EQ(code_of(disk.open(bad, OpenMode::create, patience(host))),
                ErrorCode::invalid_argument) << bad;
      EXPECT_EQ(code_of(disk.create_directory(bad, patience(host))), ErrorCode::invalid_argument)
          << bad;
      EXPECT_EQ(code_of(disk.rename("a", bad, patience(host))), ErrorCode::invalid_argument) << bad;
      EXPECT_EQ(code_of(disk.rename(bad, "b", patience(host))), ErrorCode::invalid_argument) << bad;
      EXPECT_EQ(code_of(disk.remove(bad, patience(host))), ErrorCode::invalid_argument) << bad;
      EXPECT_EQ(code_of(disk.list(bad, patience(host))), ErrorCode::invalid_argument) << bad;
      EXPECT_EQ(code_of(disk.sync_directory(bad, patience(host))), ErrorCode::invalid_argument)
          << bad;
    }
    EXPECT_EQ(code_of(disk.open("", OpenMode::create, patience(host))),
              ErrorCode::invalid_argument);
    EXPECT_EQ(list(host, ""), Names{"a"});
  });
}

TEST_P(DiskConformance, ADirectoryIsNoFileAndAFileNoDirectory) {
  run([](Host& host) {
    Disk& disk = host.env.disk;
    expect_success(disk.create_directory("directory", patience(host)));
    write_file(host, "file", "");
    EXPECT_EQ(code_of(disk.open("directory", OpenMode::existing, patience(host))),
              ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(disk.open("file/inner", OpenMode::create, patience(host))),
              ErrorCode::not_found);
    EXPECT_EQ(code_of(disk.create_directory("file", patience(host))),
              ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(disk.list("file", patience(host))), ErrorCode::invalid_argument);
    write_file(host, "directory/inner", "");
    EXPECT_EQ(code_of(disk.remove("directory", patience(host))), ErrorCode::invalid_argument)
        << "it is not empty";
  });
}

TEST_P(DiskConformance, ThereIsRoomOnAHealthyDisk) {
  run([](Host& host) {
    const auto free = host.env.disk.free_bytes();
    ASSERT_TRUE(free.has_value()) << free.error().message;
    EXPECT_GT(*free, 1u << 20);
  });
}

TEST_P(DiskConformance, MachinesDoNotShareADisk) {
  Handover<bool> is_written;
  run({[&](Host& host) {
         write_file(host, "mine", "");
         is_written.give(true);
       },
       [&](Host& host) {
         is_written.await(host);
         EXPECT_EQ(list(host, ""), Names{});
       }});
}

}  // namespace
}  // namespace keelson::conformance
