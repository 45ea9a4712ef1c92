// What core/runtime/disk.h promises about the bytes of files, beyond the plain cases of
// disk_properties.cc, in every world.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/runtime/task_group.h"
#include "tests/conformance/disk_programs.h"

namespace keelson::conformance {
namespace {

TEST_P(DiskConformance, AnyMixOfWritesAndTruncationsAgreesWithACopyInMemory) {
  run([](Host& host) {
    const auto random = host.env.random.stream("test");
    const auto file = open_file(host, "file");
    std::string copy;
    for (int step = 0; step < 300; ++step) {
      const std::uint64_t place = random->below(20'000);
      if (random->below(5) == 0) {
        expect_success(file->truncate(place, patience(host)));
        copy.resize(place);
      } else {
        const std::uint64_t size = 1 + random->below(9000);
        const Bytes bytes = pattern(size, step);
        write_at(host, *file, place, bytes);
        if (copy.size() < place + size) copy.resize(place + size);
        copy.replace(place, size, bytes);
      }
      ASSERT_EQ(*file->size(), copy.size());
      const std::uint64_t from = std::min<std::uint64_t>(place, copy.size());
      ASSERT_TRUE(read_at(host, *file, from, 10'000) == copy.substr(from, 10'000)) << step;
    }
    EXPECT_TRUE(read_file(host, "file") == copy);
  });
}

TEST_P(DiskConformance, AFileIsAsLongForOneWhoOpensItLater) {
  run([](Host& host) {
    {
      const auto file = open_file(host, "file");
      write_at(host, *file, 0, "0123456789");
      expect_success(file->truncate(4, patience(host)));
    }
    EXPECT_EQ(read_file(host, "file"), "0123");
    expect_success(open_file(host, "file")->truncate(6, patience(host)));
    EXPECT_EQ(read_file(host, "file"), Bytes("0123\0\0", 6));
  });
}

TEST_P(DiskConformance, WhatWasCutDoesNotComeBackWhenAWriteMakesTheFileLongerAgain) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    write_at(host, *file, 0, Bytes(10'000, 'x'));
    expect_success(file->sync(patience(host)));
    expect_success(file->truncate(10, patience(host)));
    write_at(host, *file, 9'000, "end");
    EXPECT_EQ(read_at(host, *file, 0, 20'000), Bytes(10, 'x') + Bytes(8'990, '\0') + "end");
  });
}

TEST_P(DiskConformance, TruncatingToTheSameSizeChangesNothing) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    expect_success(file->truncate(0, patience(host)));
    EXPECT_EQ(*file->size(), 0u);
    write_at(host, *file, 0, "same");
    expect_success(file->truncate(4, patience(host)));
    EXPECT_EQ(read_at(host, *file, 0, 100), "same");
  });
}

TEST_P(DiskConformance, ReadingNothingGivesNothingWhereverItIs) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    EXPECT_EQ(read_at(host, *file, 0, 0), "");
    EXPECT_EQ(read_at(host, *file, 0, 1), "");
    write_at(host, *file, 0, "abc");
    for (const std::uint64_t offset : {0, 2, 3, 4, 1000}) {
      EXPECT_EQ(read_at(host, *file, offset, 0), "");
    }
    EXPECT_EQ(read_at(host, *file, 2, 1), "c");
    EXPECT_EQ(read_at(host, *file, 3, 1), "");
  });
}

TEST_P(DiskConformance, AReadLeavesTheRestOfItsBufferAlone) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    write_at(host, *file, 0, "abc");
    Bytes buffer(8, '?');
    EXPECT_EQ(*file->pread(std::span(buffer).first(6), 1, patience(host)), 2u);
    EXPECT_EQ(buffer.substr(0, 2), "bc");
    EXPECT_EQ(buffer.substr(6), "??") << "past what it was given";
  });
}

TEST_P(DiskConformance, ABufferMayBeUsedAgainAsSoonAsItsWriteHasReturned) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    Bytes buffer(5000, 'a');
    write_at(host, *file, 0, buffer);
    std::fill(buffer.begin(), buffer.end(), 'b');
    expect_success(file->sync(patience(host)));
    EXPECT_EQ(read_at(host, *file, 0, 5000), Bytes(5000, 'a'));
  });
}

TEST_P(DiskConformance, AWriteOfManyMegabytesIsWhole) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    const Bytes bytes = pattern(12 << 20);
    write_at(host, *file, 7, bytes);
    expect_success(file->sync(patience(host)));
    EXPECT_EQ(*file->size(), bytes.size() + 7);
    EXPECT_TRUE(read_at(host, *file, 7, bytes.size()) == bytes);
  });
}

TEST_P(DiskConformance, EveryByteValueIsKept) {
  run([](Host& host) {
    Bytes bytes;
    for (int value = 0; value < 256; ++value) bytes += static_cast<char>(value);
    write_file(host, "file", bytes);
    EXPECT_TRUE(read_file(host, "file") == bytes);
  });
}

TEST_P(DiskConformance, ManyHandlesAreOpenAtOnce) {
  run([](Host& host) {
    std::vector<std::unique_ptr<File>> files;
    for (int i = 0; i < 200; ++i) files.push_back(open_file(host, std::to_string(i / 2)));
    for (std::size_t i = 0; i < files.size(); i += 2) {
      write_at(host, *files[i], 0, std::to_string(i));
      EXPECT_EQ(read_at(host, *files[i + 1], 0, 100), std::to_string(i));
    }
  });
}

TEST_P(DiskConformance, SyncsOfManyFilesAtOnceAllEnd) {
  run([](Host& host) {
    TaskGroup group(host.env.scheduler);
    for (int i = 0; i < 30; ++i) {
      group.spawn("writer", [&, i] {
        const std::string path = "file" + std::to_string(i);
        const auto file = open_file(host, path);
        for (std::uint64_t round = 0; round < 3; ++round) {
          write_at(host, *file, round * 100, pattern(100, round));
          expect_success(file->sync(patience(host)));
        }
        expect_success(host.env.disk.sync_directory("", patience(host)));
      });
    }
    EXPECT_TRUE(group.join(patience(host)));
    EXPECT_EQ(list(host, "").size(), 30u);
  });
}

TEST_P(DiskConformance, WritesGoOnWhileTheirFileIsSynced) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    bool is_over = false;
    TaskGroup group(host.env.scheduler);
    group.spawn("syncer", [&] {
      for (int i = 0; i < 10; ++i) expect_success(file->sync(patience(host)));
      is_over = true;
    });
    Bytes expected;
    while (!is_over) {
      const Bytes piece = pattern(100, expected.size());
      write_at(host, *file, expected.size(), piece);
      expected += piece;
      EXPECT_EQ(read_at(host, *file, expected.size() - 100, 100), piece);
      host.env.scheduler.sleep_for(std::chrono::microseconds(100));
    }
    EXPECT_TRUE(group.join(patience(host)));
    EXPECT_TRUE(read_at(host, *file, 0, expected.size() + 1) == expected);
  });
}

TEST_P(DiskConformance, FreeBytesAreANumberThatADiskMayHave) {
  run([](Host& host) {
    const auto before = host.env.disk.free_bytes();
    ASSERT_TRUE(before.has_value());
    EXPECT_LT(*before, std::uint64_t{1} << 60);
    write_file(host, "file", pattern(1 << 20));
    EXPECT_TRUE(host.env.disk.free_bytes().has_value());
  });
}

}  // namespace
}  // namespace keelson::conformance
