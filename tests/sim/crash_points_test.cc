// Crash points, on a tiny protocol of two files: a value is replaced by writing a file beside it,
// syncing it and renaming it over the old one. START HERE to check a protocol of your own.
#include "sim/crash_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/runtime/env.h"
#include "core/runtime/task_group.h"
#include "sim/choices.h"
#include "sim/machine.h"
#include "sim/sim_disk.h"
#include "sim/world.h"

namespace keelson::sim {
namespace {

using namespace std::chrono_literals;

const Deadline kNever = Deadline::never();

std::unique_ptr<File> open(Env& env, const std::string& path) {
  auto file = env.disk.open(path, OpenMode::create, kNever);
  CHECK(file.has_value());
  return *std::move(file);
}

void must(const Result<void>& result) { CHECK(result.has_value()); }

// --- the example ---

struct Steps {
  bool syncs_file = true;
  bool syncs_directory = true;
};

// Makes `value` the current one; what it has done when it returns is a promise.
void replace_value(Env& env, const std::string& value, const Steps& steps) {
  auto file = open(env, "next");
  must(file->truncate(0, kNever));
  must(file->pwrite(value, 0, kNever));
  if (steps.syncs_file) must(file->sync(kNever));
  must(env.disk.rename("next", "current", kNever));
  if (steps.syncs_directory) must(env.disk.sync_directory("", kNever));
}

CrashScript replaces(std::vector<std::string> values, Steps steps = {}) {
  return [=](Env& env, CrashJournal& journal) {
    for (const std::string& value : values) {
      replace_value(env, value, steps);
      journal.note(value);
    }
  };
}

std::string read(Env& env, const std::string& path) {
  auto file = env.disk.open(path, OpenMode::existing, kNever);
  if (!file.has_value()) return "(none)";
  std::string bytes(*(*file)->size(), '?');
  CHECK(*(*file)->pread(bytes, 0, kNever) == bytes.size());
  return bytes;
}

// The current value is the last one promised or the one after it.
CrashCheck finds_one_of(std::vector<std::string> values) {
  return [=](Env& env, const CrashPoint& point) -> std::string {
    const std::size_t promised = point.notes.size();
    const std::string found = read(env, "current");
    const std::string before = promised == 0 ? "(none)" : values[promised - 1];
    if (found == before || (promised < values.size() && found == values[promised])) return "";
    return "found \"" + found.substr(0, 20) + "\" after \"" + before.substr(0, 20) + "\"";
  };
}

const std::vector<std::string> kValues{"one", std::string(1300, '2'), "three"};

TEST(CrashPointsTest, ARightProtocolPasses) {
  const CrashReport report = check_crash_points(replaces(kValues), finds_one_of(kValues));
  EXPECT_TRUE(report.failures.empty()) << report.text();
  // Created, truncated, written, synced, renamed and the directory synced, three times.
  EXPECT_EQ(report.counts.operations, 18u);
  EXPECT_EQ(report.counts.points, 37u);
  EXPECT_GE(report.counts.images, 100u);
  EXPECT_EQ(report.counts.bounded_points, 0u);
}

TEST(CrashPointsTest, AMissingSyncOfTheFileIsCaught) {
  const CrashReport report =
      check_crash_points(replaces(kValues, {.syncs_file = false}), finds_one_of(kValues));
  ASSERT_FALSE(report.failures.empty());
  EXPECT_NE(report.text().find("found \"\" after"), std::string::npos) << report.text();
}

TEST(CrashPointsTest, AMissingSyncOfTheDirectoryIsCaught) {
  const CrashReport report =
      check_crash_points(replaces(kValues, {.syncs_directory = false}), finds_one_of(kValues));
  ASSERT_FALSE(report.failures.empty());
  const CrashFailure& first = report.failures.front();
  EXPECT_EQ(first.where, "after 5: rename next to current");
  EXPECT_EQ(first.notes, std::vector<std::string>{"one"});
  EXPECT_EQ(first.what, "found \"(none)\" after \"one\"");
}

TEST(CrashPointsTest, AnOperationMoreIsTwoPointsMore) {
  const auto count = [](int writes) {
    const auto script = [&](Env& env, CrashJournal&) {
      auto file = open(env, "log");
      must(env.disk.sync_directory("", kNever));
      for (int i = 0; i < writes; ++i) must(file->pwrite("record", 6u * i, kNever));
    };
    return check_crash_points(script, [](Env&, const CrashPoint&) { return ""; }).counts;
  };
  std::uint64_t images = 0;
  for (int writes = 0; writes < 6; ++writes) {
    const CrashCounts counts = count(writes);
    EXPECT_EQ(counts.points, 5u + 2 * writes);
    EXPECT_GT(counts.images, images);
    images = counts.images;
  }
}

// --- which images there are ---

using Images = std::map<std::uint64_t, std::vector<DiskContent>>;  // By point.

Images images_of(const CrashScript& script, const CrashOptions& options = {},
                 CrashCounts* counts = nullptr) {
  Images images;
  const auto recording = record_crash_points(script, options);
  const CrashCounts counted = for_each_crash_image(
      *recording, options, [&](const CrashPoint& point, const DiskContent& image) {
        images[point.number].push_back(image);
        return true;
      });
  if (counts != nullptr) *counts = counted;
  return images;
}

std::vector<std::string> contents(const std::vector<DiskContent>& images, const std::string& path) {
  std::vector<std::string> all;
  for (const DiskContent& image : images) {
    const auto found = image.files.find(path);
    all.push_back(found == image.files.end() ? "(none)" : found->second);
  }
  std::sort(all.begin(), all.end());
  return all;
}

using All = std::vector<std::string>;

TEST(CrashPointsTest, EverySubsetOfUnsyncedWritesIsAnImageAndWhatIsSyncedStays) {
  CrashOptions options;
  options.initial.files["log"] = "....";
  const auto images = images_of(
      [](Env& env, CrashJournal&) {
        auto file = open(env, "log");
        must(file->pwrite("a", 0, kNever));
        must(file->sync(kNever));
        must(file->pwrite("b", 1, kNever));
        must(file->truncate(3, kNever));
        must(file->pwrite("c", 4, kNever));
      },
      options);
  EXPECT_EQ(contents(images.at(0), "log"), All{"...."});
  EXPECT_EQ(contents(images.at(1), "log"), (All{"....", "a..."}));  // While it is written.
  EXPECT_EQ(contents(images.at(3), "log"), (All{"....", "a..."}));  // While it is synced.
  EXPECT_EQ(contents(images.at(4), "log"), All{"a..."});
  EXPECT_EQ(contents(images.at(6), "log"), (All{"a...", "ab.."}));
  EXPECT_EQ(contents(images.at(8), "log"), (All{"a..", "a...", "ab.", "ab.."}));
  EXPECT_EQ(contents(images.at(10), "log"),
            (All{"a..", std::string("a..\0c", 5), "a...", "a...c", "ab.",
                 std::string("ab.\0c", 5), "ab..", "ab..c"}));
}

TEST(CrashPointsTest, AWriteOverSectorsIsTornAtEachBoundary) {
  CrashOptions options;
  options.initial.files["log"] = std::string(2048, '.');
  const auto images = images_of(
      [](Env& env, CrashJournal&) {
        must(open(env, "log")->pwrite(std::string(1100, '#'), 500, kNever));
      },
      options);
  // It covers the end of sector 0, sectors 1 and 2, and the beginning of sector 3.
  std::vector<std::string> patterns;
  for (const DiskContent& image : images.at(2)) {
    const std::string& log = image.files.at("log");
    patterns.push_back({log[500], log[600], log[1100], log[1590]});
    EXPECT_EQ(log.size(), 2048u);
  }
  EXPECT_THAT(patterns, testing::UnorderedElementsAre("####", "....", "#...", ".###", "##..",
                                                     "..##", "###.", "...#"));
}

TEST(CrashPointsTest, NamesAreLostAndKeptLikeSimDiskDoes) {
  CrashOptions options;
  options.initial.files = {{"a/x", "X"}, {"b/y", "Y"}};
  const auto images = images_of(
      [](Env& env, CrashJournal&) {
        must(env.disk.rename("a/x", "b/y", kNever));
        must(env.disk.sync_directory("b", kNever));
        must(env.disk.create_directory("c", kNever));
        must(open(env, "c/z")->sync(kNever));
        must(env.disk.sync_directory("c", kNever));
      },
      options);
  // Each of the two directories keeps or loses its half.
  EXPECT_EQ(contents(images.at(2), "a/x"), (All{"(none)", "(none)", "X", "X"}));
  EXPECT_EQ(contents(images.at(2), "b/y"), (All{"X", "X", "Y", "Y"}));
  EXPECT_EQ(contents(images.at(4), "a/x"), (All{"(none)", "X"}));
  EXPECT_EQ(contents(images.at(4), "b/y"), (All{"X", "X"}));
  // The name of "c" itself was never synced.
  const auto& last = images.rbegin()->second;
  EXPECT_EQ(contents(last, "c/z"), (All{"", "", "(none)", "(none)"}));
}

TEST(CrashPointsTest, ARemovedFileMayComeBackWithWhatWasSaved) {
  CrashOptions options;
  options.initial.files["log"] = "saved";
  const auto images = images_of(
      [](Env& env, CrashJournal&) {
        auto file = open(env, "log");
        must(file->pwrite("S", 0, kNever));
        must(env.disk.remove("log", kNever));
        must(open(env, "log")->pwrite("new", 0, kNever));
      },
      options);
  EXPECT_EQ(contents(images.at(4), "log"), (All{"(none)", "Saved", "saved"}));
  EXPECT_EQ(contents(images.rbegin()->second, "log"),
            (All{"", "(none)", "Saved", "new", "saved"}));
}

TEST(CrashPointsTest, ASyncCoversWhatHadEndedWhenItBegan) {
  const auto images = images_of([](Env& env, CrashJournal&) {
    auto file = open(env, "log");
    must(env.disk.sync_directory("", kNever));
    must(file->pwrite("a", 0, kNever));
    TaskGroup group(env.scheduler);
    group.spawn("writer", [&] {
      env.scheduler.sleep_for(100us);
      must(file->pwrite("b", 1, kNever));
    });
    must(file->sync(kNever));
    CHECK(group.join(kNever));
  });
  EXPECT_EQ(contents(images.rbegin()->second, "log"), (All{"a", "ab"}));
}

TEST(CrashPointsTest, BeyondTheBoundTheListIsWhatTheHeaderSays) {
  const std::size_t writes = 12;
  CrashOptions options;
  options.initial.files["log"] = std::string(writes, '.');
  const auto script = [&](Env& env, CrashJournal&) {
    auto file = open(env, "log");
    for (std::size_t i = 0; i < writes; ++i) must(file->pwrite("#", i, kNever));
  };
  CrashCounts counts;
  const auto images = images_of(script, options, &counts);
  EXPECT_EQ(counts.most_pending, writes);
  EXPECT_EQ(counts.bounded_points, 8u);  // While and after each of the last four.
  // The prefix of none is all lost, of one the single first, and of all but one the last lost.
  EXPECT_EQ(images.rbegin()->second.size(), 3 * writes - 1);
  options.all_subsets_up_to = writes;
  EXPECT_EQ(images_of(script, options).rbegin()->second.size(), 4096u);
}

TEST(CrashPointsTest, TheSameScriptGivesTheSameImages) {
  EXPECT_EQ(images_of(replaces(kValues)), images_of(replaces(kValues)));
}

// Performs drawn operations on few files in few directories.
void perform_drawn(Env& env, std::uint64_t seed) {
  Choices choices(seed);
  ChoiceStream& draw = choices.stream("operations");
  const auto draw_path = [&] {
    const char* const directories[] = {"", "a/", "b/"};
    const std::string directory = directories[draw.choose(3)];
    return directory + static_cast<char>('p' + draw.choose(2));
  };
  must(env.disk.create_directory("a", kNever));
  must(env.disk.create_directory("b", kNever));
  must(env.disk.sync_directory("", kNever));
  for (int step = 0; step < 9; ++step) {
    const std::string path = draw_path();
    switch (draw.choose(8)) {
      case 0: (void)env.disk.remove(path, kNever); break;
      case 1: (void)env.disk.rename(path, draw_path(), kNever); break;
      case 2: (void)env.disk.sync_directory(path.substr(0, path.size() / 2), kNever); break;
      case 3: must(open(env, path)->sync(kNever)); break;
      case 4: must(open(env, path)->truncate(draw.choose(8), kNever)); break;
      default: {
        const std::string bytes(1 + draw.choose(4), static_cast<char>('a' + step));
        must(open(env, path)->pwrite(bytes, draw.choose(6), kNever));
      }
    }
  }
}

// Both know what may be lost, each in its own way.
TEST(CrashPointsTest, WhatALossOfPowerLeavesOfASimDiskIsOneOfTheImages) {
  const CrashOptions options;
  std::size_t different = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CrashCounts counts;
    const auto images = images_of(
        [&](Env& env, CrashJournal&) { perform_drawn(env, seed); }, options, &counts);
    if (counts.bounded_points > 0) continue;  // Not all of its images are listed.
    const std::vector<DiskContent>& last = images.rbegin()->second;
    std::set<std::size_t> found;
    for (std::uint64_t power = 1; power <= 20; ++power) {
      Choices choices(power);
      World world(choices, {.shuffle_fibers = false});
      Machine& machine = world.add_machine("n1");
      DiskConditions conditions;
      conditions.at_power_loss = {.lose_all_per_million = 100'000,
                                  .lose_write_per_million = 500'000,
                                  .lose_entry_per_million = 300'000};
      machine.disk().set_conditions(conditions);
      machine.start([&](Env& env) {
        perform_drawn(env, seed);
        (void)env.stop_requested.wait(kNever);
      });
      world.run_for(1s);
      machine.crash();
      const auto at = std::find(last.begin(), last.end(), machine.disk().visible_content());
      ASSERT_NE(at, last.end()) << "sequence " << seed << ", power loss " << power;
      found.insert(static_cast<std::size_t>(at - last.begin()));
    }
    different += found.size();
  }
  EXPECT_GT(different, 60u);
}

// --- checkers ---

TEST(CrashPointsTest, ACheckerMayWriteOnAndRunFibers) {
  const auto check = [](Env& env, const CrashPoint&) -> std::string {
    TaskGroup group(env.scheduler);
    group.spawn("writer", [&] {
      replace_value(env, "after", {});
      env.scheduler.sleep_for(1s);
    });
    if (!group.join(kNever)) return "no end";
    return read(env, "current") == "after" ? "" : "not replaced";
  };
  const CrashReport report = check_crash_points(replaces(kValues), check);
  EXPECT_TRUE(report.failures.empty()) << report.text();
}

TEST(CrashPointsTest, ACheckerThatEndsTheProcessOrNeverReturnsHasFailed) {
  const CrashOptions once{.initial = {}, .failures_most = 1};
  const auto stops = [](Env& env, const CrashPoint&) -> std::string {
    env.process.fail_stop("cannot go on");
    return "";
  };
  const CrashReport stopped = check_crash_points(replaces({}), stops, once);
  ASSERT_EQ(stopped.failures.size(), 1u);
  EXPECT_EQ(stopped.failures.front().what, "fail-stopped: cannot go on");
  const auto waits = [](Env& env, const CrashPoint&) -> std::string {
    (void)env.stop_requested.wait(kNever);
    return "";
  };
  const CrashReport waited = check_crash_points(replaces({}), waits, once);
  ASSERT_EQ(waited.failures.size(), 1u);
  EXPECT_EQ(waited.failures.front().what, "it did not end within a day");
}

TEST(CrashPointsTest, ACheckerKnowsWhichOperationsHadEnded) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
  const auto check = [&](Env&, const CrashPoint& point) -> std::string {
    if (seen.empty() || seen.back() != std::pair(point.ended, point.begun)) {
      seen.emplace_back(point.ended, point.begun);
    }
    return "";
  };
  const auto script = [](Env& env, CrashJournal& journal) {
    EXPECT_EQ(journal.operations(), 0u);
    auto file = open(env, "log");
    must(file->sync(kNever));
    EXPECT_EQ(journal.operations(), 2u);
  };
  check_crash_points(script, check);
  EXPECT_EQ(seen, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{
                      {0, 0}, {0, 1}, {1, 1}, {1, 2}, {2, 2}}));
}

}  // namespace
}  // namespace keelson::sim
