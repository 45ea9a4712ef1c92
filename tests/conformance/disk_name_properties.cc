// What core/runtime/disk.h promises about names: renames, removals, directories and paths, in every
// world.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/conformance/disk_programs.h"

namespace keelson::conformance {
namespace {

void make_directory(Host& host, const std::string& path) {
  expect_success(host.env.disk.create_directory(path, patience(host)));
}
void rename(Host& host, const std::string& from, const std::string& to) {
  expect_success(host.env.disk.rename(from, to, patience(host)));
}
void remove(Host& host, const std::string& path) {
  expect_success(host.env.disk.remove(path, patience(host)));
}
std::optional<ErrorCode> renaming(Host& host, const std::string& from, const std::string& to) {
  return code_of(host.env.disk.rename(from, to, patience(host)));
}
std::optional<ErrorCode> opening(Host& host, const std::string& path,
                                 OpenMode mode = OpenMode::existing) {
  return code_of(host.env.disk.open(path, mode, patience(host)));
}

// --- renames ---

TEST_P(DiskConformance, AFileThatARenameReplacedLivesOnInItsHandles) {
  run([](Host& host) {
    const auto old = open_file(host, "current");
    write_at(host, *old, 0, "old");
    write_file(host, "next", "new");
    rename(host, "next", "current");
    EXPECT_EQ(read_at(host, *old, 0, 100), "old");
    write_at(host, *old, 0, "OLD");
    expect_success(old->sync(patience(host)));
    EXPECT_EQ(read_file(host, "current"), "new");
  });
}

TEST_P(DiskConformance, AHandleFollowsItsFileThroughRenames) {
  run([](Host& host) {
    const auto file = open_file(host, "a");
    for (const char* const name : {"b", "c", "a", "d"}) {
      rename(host, list(host, "").front(), name);
      write_at(host, *file, *file->size(), name);
      expect_success(file->sync(patience(host)));
    }
    EXPECT_EQ(list(host, ""), Names{"d"});
    EXPECT_EQ(read_file(host, "d"), "bcad");
  });
}

TEST_P(DiskConformance, NothingIsRenamedOntoADirectory) {
  run([](Host& host) {
    write_file(host, "file", "kept");
    make_directory(host, "empty");
    make_directory(host, "full");
    write_file(host, "full/inner", "kept too");
    make_directory(host, "other");
    for (const char* const from : {"file", "other"}) {
      for (const char* const to : {"empty", "full"}) {
        EXPECT_EQ(renaming(host, from, to), ErrorCode::invalid_argument) << from << " " << to;
      }
    }
    EXPECT_EQ(list(host, ""), (Names{"empty", "file", "full", "other"}));
    EXPECT_EQ(read_file(host, "file"), "kept");
    EXPECT_EQ(read_file(host, "full/inner"), "kept too");
  });
}

TEST_P(DiskConformance, ADirectoryIsNotRenamedOntoAFileNorIntoItself) {
  run([](Host& host) {
    make_directory(host, "directory/inner");
    write_file(host, "file", "kept");
    EXPECT_EQ(renaming(host, "directory", "file"), ErrorCode::invalid_argument);
    EXPECT_EQ(renaming(host, "directory", "directory/x"), ErrorCode::invalid_argument);
    EXPECT_EQ(renaming(host, "directory", "directory/inner/x"), ErrorCode::invalid_argument);
    rename(host, "directory", "directory");
    EXPECT_EQ(list(host, ""), (Names{"directory", "file"}));
    EXPECT_EQ(list(host, "directory"), Names{"inner"});
    EXPECT_EQ(list(host, "directory/inner"), Names{});
    EXPECT_EQ(read_file(host, "file"), "kept");
  });
}

TEST_P(DiskConformance, ADirectoryIsRenamedWithAllThatIsInItAndHandlesStayGood) {
  run([](Host& host) {
    make_directory(host, "a/deep");
    make_directory(host, "b");
    const auto file = open_file(host, "a/deep/file");
    write_at(host, *file, 0, "one");
    rename(host, "a", "b/c");
    EXPECT_EQ(list(host, ""), Names{"b"});
    EXPECT_EQ(read_file(host, "b/c/deep/file"), "one");
    write_at(host, *file, 3, "two");
    expect_success(file->sync(patience(host)));
    EXPECT_EQ(read_file(host, "b/c/deep/file"), "onetwo");
    make_directory(host, "a");
    EXPECT_EQ(list(host, "a"), Names{}) << "the name is free";
  });
}

TEST_P(DiskConformance, ARenameThatFailsChangesNothing) {
  run([](Host& host) {
    write_file(host, "file", "kept");
    EXPECT_EQ(renaming(host, "file", "absent/file"), ErrorCode::not_found);
    EXPECT_EQ(renaming(host, "file", "file/inner"), ErrorCode::not_found);
    EXPECT_EQ(renaming(host, "file/inner", "other"), ErrorCode::not_found);
    EXPECT_EQ(renaming(host, "absent/file", "file"), ErrorCode::not_found);
    EXPECT_EQ(renaming(host, "absent", "absent"), ErrorCode::not_found);
    EXPECT_EQ(list(host, ""), Names{"file"});
    EXPECT_EQ(read_file(host, "file"), "kept");
  });
}

TEST_P(DiskConformance, TwoNamesAreExchangedOverAThird) {
  run([](Host& host) {
    write_file(host, "a", "was a");
    write_file(host, "b", "was b");
    rename(host, "a", "t");
    rename(host, "b", "a");
    rename(host, "t", "b");
    EXPECT_EQ(read_file(host, "a"), "was b");
    EXPECT_EQ(read_file(host, "b"), "was a");
    EXPECT_EQ(list(host, ""), (Names{"a", "b"}));
  });
}

// --- removals ---

TEST_P(DiskConformance, ARemovedFileCanBeWrittenCutAndSyncedByItsHandles) {
  run([](Host& host) {
    const auto file = open_file(host, "file");
    const auto other = open_file(host, "file");
    write_at(host, *file, 0, "0123456789");
    remove(host, "file");
    write_at(host, *file, 10, "abc");
    expect_success(file->truncate(12, patience(host)));
    expect_success(file->sync(patience(host)));
    EXPECT_EQ(*other->size(), 12u);
    EXPECT_EQ(read_at(host, *other, 0, 100), "0123456789ab");
    EXPECT_EQ(list(host, ""), Names{});
  });
}

TEST_P(DiskConformance, ANameIsFreeAfterARemovalWhateverItStoodFor) {
  run([](Host& host) {
    write_file(host, "name", "a file");
    remove(host, "name");
    make_directory(host, "name");
    write_file(host, "name/inner", "");
    remove(host, "name/inner");
    remove(host, "name");
    EXPECT_EQ(code_of(host.env.disk.remove("name", patience(host))), ErrorCode::not_found);
    write_file(host, "name", "another file");
    EXPECT_EQ(read_file(host, "name"), "another file");
  });
}

TEST_P(DiskConformance, OnlyAnEmptyDirectoryIsRemoved) {
  run([](Host& host) {
    make_directory(host, "a/b");
    write_file(host, "a/file", "");
    const auto removing = [&](const char* path) {
      return code_of(host.env.disk.remove(path, patience(host)));
    };
    EXPECT_EQ(removing("a"), ErrorCode::invalid_argument);
    remove(host, "a/file");
    EXPECT_EQ(removing("a"), ErrorCode::invalid_argument);
    remove(host, "a/b");
    remove(host, "a");
    EXPECT_EQ(list(host, ""), Names{});
  });
}

TEST_P(DiskConformance, ADirectoryThatWasRemovedOrRenamedIsNotFound) {
  run([](Host& host) {
    make_directory(host, "gone");
    make_directory(host, "moved");
    remove(host, "gone");
    rename(host, "moved", "elsewhere");
    for (const char* const path : {"gone", "moved"}) {
      EXPECT_EQ(code_of(host.env.disk.list(path, patience(host))), ErrorCode::not_found);
      EXPECT_EQ(code_of(host.env.disk.sync_directory(path, patience(host))),
                ErrorCode::not_found);
      EXPECT_EQ(opening(host, std::string(path) + "/file", OpenMode::create),
                ErrorCode::not_found);
    }
    EXPECT_EQ(list(host, ""), Names{"elsewhere"});
  });
}

// --- directories ---

TEST_P(DiskConformance, DirectoriesMayBeDeep) {
  run([](Host& host) {
    std::string path = "d0";
    for (int depth = 1; depth < 20; ++depth) path += "/d" + std::to_string(depth);
    make_directory(host, path);
    write_file(host, path + "/file", "deep");
    expect_success(host.env.disk.sync_directory(path, patience(host)));
    EXPECT_EQ(read_file(host, path + "/file"), "deep");
    EXPECT_EQ(list(host, path), Names{"file"});
    for (std::size_t end = path.rfind('/'); end != std::string::npos; end = path.rfind('/')) {
      const std::string name = path.substr(end + 1);
      path.resize(end);
      EXPECT_EQ(list(host, path), Names{name});
    }
  });
}

TEST_P(DiskConformance, AFileIsNoDirectoryForAnything) {
  run([](Host& host) {
    write_file(host, "file", "kept");
    Disk& disk = host.env.disk;
    EXPECT_EQ(code_of(disk.sync_directory("file", patience(host))), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(disk.list("file", patience(host))), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(disk.create_directory("file/inner", patience(host))),
              ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(disk.list("file/inner", patience(host))), ErrorCode::not_found);
    EXPECT_EQ(code_of(disk.sync_directory("file/inner", patience(host))), ErrorCode::not_found);
    EXPECT_EQ(code_of(disk.remove("file/inner", patience(host))), ErrorCode::not_found);
    EXPECT_EQ(opening(host, "file/inner"), ErrorCode::not_found);
    EXPECT_EQ(list(host, ""), Names{"file"});
    EXPECT_EQ(read_file(host, "file"), "kept");
  });
}

TEST_P(DiskConformance, ADirectoryIsNotOpenedAsAFile) {
  run([](Host& host) {
    make_directory(host, "directory");
    EXPECT_EQ(opening(host, "directory"), ErrorCode::invalid_argument);
    EXPECT_EQ(opening(host, "directory", OpenMode::create), ErrorCode::invalid_argument);
    EXPECT_EQ(list(host, "directory"), Names{});
  });
}

TEST_P(DiskConformance, ADirectoryMaySyncWithNothingToSave) {
  run([](Host& host) {
    make_directory(host, "a");
    for (int i = 0; i < 3; ++i) {
      expect_success(host.env.disk.sync_directory("a", patience(host)));
      expect_success(host.env.disk.sync_directory("", patience(host)));
    }
  });
}

// --- lists ---

TEST_P(DiskConformance, AListShowsWhatThereIsAtThatMoment) {
  run([](Host& host) {
    write_file(host, "b", "");
    EXPECT_EQ(list(host, ""), Names{"b"});
    write_file(host, "a", "");
    EXPECT_EQ(list(host, ""), (Names{"a", "b"}));
    rename(host, "a", "c");
    EXPECT_EQ(list(host, ""), (Names{"b", "c"}));
    remove(host, "b");
    make_directory(host, "a");
    EXPECT_EQ(list(host, ""), (Names{"a", "c"}));
  });
}

TEST_P(DiskConformance, AListOfManyNamesIsWholeAndSorted) {
  run([](Host& host) {
    Names names;
    for (std::uint64_t i = 0; i < 1000; ++i) names.push_back(to_hex(pattern(12, i)));
    for (const std::string& name : names) (void)open_file(host, name);
    std::sort(names.begin(), names.end());
    EXPECT_EQ(list(host, ""), names);
  });
}

// --- paths ---

TEST_P(DiskConformance, ANameIsBytesAndIsSortedByThem) {
  run([](Host& host) {
    const Names names{"\n", " ", "...", "A", "a", "a b", "a\\b", "a~", "\xc3\xa4", "\xff"};
    for (const std::string& name : names) write_file(host, name, name);
    EXPECT_EQ(list(host, ""), names);
    for (const std::string& name : names) EXPECT_EQ(read_file(host, name), name);
  });
}

TEST_P(DiskConformance, ANameHas255BytesAtMost) {
  run([](Host& host) {
    const std::string longest(255, 'n');
    write_file(host, longest, "fits");
    EXPECT_EQ(list(host, ""), Names{longest});
    EXPECT_EQ(read_file(host, longest), "fits");
    EXPECT_EQ(opening(host, longest + "n", OpenMode::create), ErrorCode::invalid_argument);
    EXPECT_EQ(renaming(host, longest, longest + "n"), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(host.env.disk.create_directory("a/" + longest + "n", patience(host))),
              ErrorCode::invalid_argument);
    EXPECT_EQ(list(host, ""), Names{longest}) << "and nothing was made on the way";
  });
}

TEST_P(DiskConformance, AZeroByteIsNoPartOfAPath) {
  run([](Host& host) {
    const std::string bad("a\0b", 3);
    EXPECT_EQ(opening(host, bad, OpenMode::create), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(host.env.disk.create_directory(bad, patience(host))),
              ErrorCode::invalid_argument);
    EXPECT_EQ(list(host, ""), Names{});
  });
}

TEST_P(DiskConformance, TheLockOfTheDataDirectoryIsTheWorlds) {
  run([](Host& host) {
    EXPECT_EQ(opening(host, "LOCK", OpenMode::create), ErrorCode::invalid_argument);
    EXPECT_EQ(opening(host, "LOCK"), ErrorCode::invalid_argument);
    EXPECT_EQ(opening(host, "LOCK/inner"), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(host.env.disk.remove("LOCK", patience(host))), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(host.env.disk.create_directory("LOCK", patience(host))),
              ErrorCode::invalid_argument);
    write_file(host, "file", "");
    EXPECT_EQ(renaming(host, "file", "LOCK"), ErrorCode::invalid_argument);
    make_directory(host, "a");
    write_file(host, "a/LOCK", "anywhere else it is a name like any other");
    EXPECT_EQ(list(host, ""), (Names{"a", "file"}));
  });
}

}  // namespace
}  // namespace keelson::conformance
