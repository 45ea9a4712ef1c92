// Power is lost at every operation of a scripted life of the write-ahead log, with every image that
// the disk may then hold: what a node finds must be what the last sync has promised, or that and
// the one batch that was under way.
#include "sim/crash_points.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "core/storage/data_directory.h"
#include "core/storage/wal.h"
#include "tests/core/storage/wal_fixture.h"

namespace keelson::storage {
namespace {

using namespace std::chrono_literals;

constexpr Deadline kNever = Deadline::never();

struct Change {
  GroupId group{};
  std::optional<raft::HardState> hard_state{};
  std::vector<raft::Entry> entries{};
  std::optional<raft::LogStart> cut{};
  std::optional<raft::LogStart> restart{};
};

// What becomes durable together, and what is done then.
struct Step {
  std::vector<Change> changes{};
  bool removes_segments = false;
  Duration rest{};
};

// What a log says, by the simplest means.
class Model {
 public:
  explicit Model(Groups groups = {}) : groups_(std::move(groups)) {}

  void apply(const Step& step) {
    for (const Change& change : step.changes) apply(change);
  }
  const Groups& groups() const { return groups_; }
  raft::LogStart last(GroupId group) const {
    const auto found = groups_.find(group);
    if (found == groups_.end()) return {};
    const RecoveredGroup& state = found->second;
    if (state.entries.empty()) return state.start;
    return {state.entries.back().index, state.entries.back().term};
  }

 private:
  void apply(const Change& change) {
    RecoveredGroup& state = groups_[change.group];
    if (change.hard_state) state.hard_state = *change.hard_state;
    for (const raft::Entry& added : change.entries) {
      std::erase_if(state.entries,
                    [&](const raft::Entry& old) { return old.index >= added.index; });
      state.entries.push_back(added);
    }
    if (change.cut) {
      state.start = *change.cut;
      std::erase_if(state.entries,
                    [&](const raft::Entry& old) { return old.index <= change.cut->index; });
    }
    if (change.restart) {
      state.start = *change.restart;
      state.entries.clear();
    }
  }

  Groups groups_;
};

// Three groups that live differently: one grows and is cut, one is overwritten by later terms, and
// one is replaced by snapshots.
class Script {
 public:
  explicit Script(std::uint64_t rounds) {
    for (std::uint64_t round = 0; round < rounds; ++round) add_round(round);
  }
  void add(Step step) {
    model_.apply(step);
    steps_.push_back(std::move(step));
    states_.push_back(model_.groups());
  }
  const std::vector<Step>& steps() const { return steps_; }
  // After so many steps.
  const Groups& state(std::size_t steps) const { return states_.at(steps); }
  const Model& model() const { return model_; }

 private:
  void add_round(std::uint64_t round) {
    const std::uint64_t term = 1 + round / 2;
    add({.changes = {grow(kGroups[0], term, 700), grow(kGroups[0], term, 4600 - 110 * (round % 40)),
                     {.group = kGroups[1], .hard_state = hard_state(term, round % 3)}}});
    add({.changes = {grow(kGroups[1], term, 40), overwrite(kGroups[1], term),
                     {.group = kGroups[2], .hard_state = hard_state(term, 1)},
                     grow(kGroups[2], term, 1200)}});
    if (round % 3 == 1) add({.rest = 20ms});
    if (round % 2 == 1) add({.changes = {cut(kGroups[0])}, .removes_segments = true});
    if (round % 4 == 3) {
      const raft::LogStart last = model_.last(kGroups[2]);
      Change installed{.group = kGroups[2]};
      installed.restart = {raft::LogIndex(last.index.value + 5), raft::Term(term)};
      add({.changes = {installed, cut(kGroups[1])}});
      add({.removes_segments = true});
    }
  }
  static raft::Entry next(raft::LogStart last, std::uint64_t term, std::uint64_t bytes) {
    const std::uint64_t index = last.index.value + 1;
    return entry(index, term, Bytes(bytes, static_cast<char>('a' + index % 26)));
  }
  // Two changes of one step may meet the same group: each looks at what is there before the step.
  Change grow(GroupId group, std::uint64_t term, std::uint64_t bytes) const {
    return {.group = group, .entries = {next(model_.last(group), term, bytes)}};
  }
  Change overwrite(GroupId group, std::uint64_t term) const {
    raft::LogStart last = model_.last(group);
    if (last.index == model_.groups().at(group).start.index) return {.group = group};
    last.index = last.index.previous();
    return {.group = group, .entries = {next(last, term, 30)}};
  }
  // All but the last entry.
  Change cut(GroupId group) const {
    const RecoveredGroup& state = model_.groups().at(group);
    Change change{.group = group};
    if (state.entries.size() < 2) return change;
    const raft::Entry& at = state.entries[state.entries.size() - 2];
    change.cut = {at.index, at.term};
    return change;
  }

  std::vector<Step> steps_;
  Model model_;
  std::vector<Groups> states_{{}};
};

void add_to(Wal& wal, const Step& step) {
  for (const Change& change : step.changes) {
    wal.append(change.group, change.hard_state, change.entries);
    if (change.cut) wal.cut(change.group, *change.cut);
    if (change.restart) wal.restart(change.group, *change.restart);
  }
}

// Notes: "begun" before anything of a step may be on the disk, "synced" once it is promised.
sim::CrashScript runs(const Script& script, WalOptions options, bool promises_too_early = false) {
  return [=](Env& env, sim::CrashJournal& journal) {
    auto wal = Wal::open(env, options, kNever);
    CHECK(wal.has_value());
    for (const Step& step : script.steps()) {
      add_to(**wal, step);
      journal.note("begun");
      if (promises_too_early) journal.note("synced");
      CHECK((*wal)->write_and_sync(kNever).has_value());
      if (!promises_too_early) journal.note("synced");
      if (step.removes_segments) CHECK((*wal)->remove_unneeded(kNever).has_value());
      if (step.rest > Duration::zero()) env.scheduler.sleep_for(step.rest);
    }
  };
}

Result<Groups> recover_all(Env& env, const WalOptions& options) {
  TRY(const auto wal, Wal::open(env, options, kNever));
  return groups_of(*wal);
}

// What a node does with such a log next.
Step next_step(const Groups& found) {
  Model model(found);
  Step step;
  for (const GroupId group : kGroups) {
    const raft::LogStart last = model.last(group);
    const auto known = found.find(group);
    raft::Term term = last.term;
    if (known != found.end()) term = std::max(term, known->second.hard_state.current_term);
    const std::uint64_t next_term = term.value + 1;
    step.changes.push_back({.group = group,
                            .hard_state = hard_state(next_term, 3),
                            .entries = {entry(last.index.value + 1, next_term, Bytes(500, 'z'))}});
  }
  Change cut{.group = kGroups[0]};
  const raft::Entry& last = step.changes[0].entries[0];
  cut.cut = {last.index, last.term};
  step.changes.push_back(cut);
  return step;
}

// Goes on with the log, gives back what it can, and stops.
Result<Groups> write_on(Env& env, const WalOptions& options, const Groups& found) {
  TRY(const auto wal, Wal::open(env, options, kNever));
  const Step step = next_step(found);
  add_to(*wal, step);
  TRY(wal->write_and_sync(kNever));
  TRY(wal->remove_unneeded(kNever));
  Model model(found);
  model.apply(step);
  return model.groups();
}

std::size_t count_of(const sim::CrashPoint& point, std::string_view note) {
  return static_cast<std::size_t>(std::count(point.notes.begin(), point.notes.end(), note));
}

std::string check_image(Env& env, const sim::CrashPoint& point, const Script& script,
                        const WalOptions& options) {
  const Groups& promised = script.state(count_of(point, "synced"));
  const Groups& asked = script.state(count_of(point, "begun"));
  const auto found = recover_all(env, options);
  if (!found) return found.error().message;
  if (*found != promised && *found != asked) return "what is found was never the state";
  for (const auto& [group, state] : promised) {
    if (found->at(group).hard_state.current_term < state.hard_state.current_term) {
      return to_string(group) + " has forgotten a term";
    }
  }
  const auto again = recover_all(env, options);
  if (!again) return "the second recovery: " + again.error().message;
  if (*again != *found) return "the second recovery differs from the first";

  const auto written = write_on(env, options, *found);
  if (!written) return "writing on: " + written.error().message;
  const auto kept = recover_all(env, options);
  if (!kept) return "after writing on: " + kept.error().message;
  if (*kept != *written) return "what was written after the recovery is not there";
  return "";
}

sim::CrashReport check(const Script& script, const WalOptions& options) {
  return sim::check_crash_points(runs(script, options),
                                 [&](Env& env, const sim::CrashPoint& point) {
                                   return check_image(env, point, script, options);
                                 });
}

struct Variant {
  const char* name;
  WalOptions options;
  std::uint64_t rounds;
  std::uint64_t images_least;
};

class WalCrashPointsTest : public testing::TestWithParam<Variant> {};

TEST_P(WalCrashPointsTest, WhateverIsLeftIsWhatWasPromisedOrOneBatchMore) {
  const Script script(GetParam().rounds);
  const sim::CrashReport report = check(script, GetParam().options);
  EXPECT_TRUE(report.failures.empty()) << report.text();
  EXPECT_GE(report.counts.images, GetParam().images_least);
  std::printf("crash points: %llu images of %llu points\n",
              static_cast<unsigned long long>(report.counts.images),
              static_cast<unsigned long long>(report.counts.points));
}

// The shape of the log's files differs; what is promised does not.
INSTANTIATE_TEST_SUITE_P(
    Shapes, WalCrashPointsTest,
    testing::Values(
        Variant{"Growing",
                {.segment_bytes = 6000, .preallocate_bytes = 0, .seal_after = {}}, 100, 9000},
        Variant{"RoomAheadAndSeals",
                {.segment_bytes = 7000, .preallocate_bytes = 4096, .seal_after = 5ms}, 100, 9000},
        Variant{"ManySmallSegments",
                {.segment_bytes = 700, .preallocate_bytes = 512, .seal_after = 5ms}, 100, 9000}),
    [](const auto& variant) { return std::string(variant.param.name); });

TEST(WalCrashPointsCountTest, AnOperationMoreInTheScriptGivesMoreImages) {
  const WalOptions options{.segment_bytes = 6000, .preallocate_bytes = 0, .seal_after = {}};
  Script script(3);
  const sim::CrashCounts before = check(script, options).counts;
  Change change{.group = kGroups[0]};
  change.entries = {entry(script.model().last(kGroups[0]).index.value + 1, 9, Bytes(2000, 'q'))};
  script.add({.changes = {change}});
  const sim::CrashCounts after = check(script, options).counts;
  EXPECT_GT(after.operations, before.operations);
  EXPECT_GT(after.points, before.points);
  EXPECT_GT(after.images, before.images + 10);
}

// The second life of a log: power is lost again while it is recovered, and while it goes on.
class SecondLife {
 public:
  SecondLife(Groups promised, Groups asked, WalOptions options)
      : promised_(std::move(promised)), asked_(std::move(asked)), options_(options) {}

  sim::CrashReport check(const sim::DiskContent& image) const {
    sim::CrashOptions crash_options;
    crash_options.initial = image;
    return sim::check_crash_points(
        [this](Env& env, sim::CrashJournal& journal) { live(env, journal); },
        [this](Env& env, const sim::CrashPoint& point) { return check_image(env, point); },
        crash_options);
  }

 private:
  void live(Env& env, sim::CrashJournal& journal) const {
    auto wal = Wal::open(env, options_, kNever);
    CHECK(wal.has_value());
    const Groups found = groups_of(**wal);
    CHECK(found == promised_ || found == asked_);
    journal.note(found == asked_ ? "asked" : "promised");
    add_to(**wal, next_step(found));
    journal.note("begun");
    CHECK((*wal)->write_and_sync(kNever).has_value());
    journal.note("synced");
    CHECK((*wal)->remove_unneeded(kNever).has_value());
  }

  std::string check_image(Env& env, const sim::CrashPoint& point) const {
    const auto found = recover_all(env, options_);
    if (!found) return found.error().message;
    std::vector<Groups> right;
    // What a node was told at its start it may rely on.
    if (count_of(point, "asked") == 0) right.push_back(promised_);
    if (count_of(point, "promised") == 0) right.push_back(asked_);
    if (count_of(point, "begun") > 0) {
      Model model(right.front());
      model.apply(next_step(right.front()));
      if (count_of(point, "synced") > 0) right.clear();
      right.push_back(model.groups());
    }
    if (std::find(right.begin(), right.end(), *found) != right.end()) return "";
    return "what is found in the second life was never its state";
  }

  const Groups promised_;
  const Groups asked_;
  const WalOptions options_;
};

TEST(WalCrashPointsCountTest, PowerMayBeLostAgainDuringTheRecovery) {
  const WalOptions options{.segment_bytes = 3000, .preallocate_bytes = 1024, .seal_after = 5ms};
  const Script script(8);
  const auto recording = sim::record_crash_points(runs(script, options));
  std::uint64_t first_lives = 0;
  std::uint64_t second_images = 0;
  sim::for_each_crash_image(
      *recording, {}, [&](const sim::CrashPoint& point, const sim::DiskContent& image) {
        if (++first_lives % 10 != 0) return true;
        const SecondLife life(script.state(count_of(point, "synced")),
                              script.state(count_of(point, "begun")), options);
        const sim::CrashReport report = life.check(image);
        second_images += report.counts.images;
        EXPECT_TRUE(report.failures.empty()) << point.where << ", " << point.image << "\n"
                                             << report.text();
        return report.failures.empty();
      });
  EXPECT_GT(second_images, 2000u);
  std::printf("crash points: %llu images of second lives\n",
              static_cast<unsigned long long>(second_images));
}

TEST(DataDirectoryCrashPointsTest, AnIncarnationThatWasSeenIsKeptAndFoundersAreThereOrNot) {
  const Identity ours{.cluster_id = "blue", .node_id = NodeId(2)};
  const WalOptions options{.preallocate_bytes = 0, .seal_after = {}};
  const std::map<NodeId, Incarnation> founders{{NodeId(2), Incarnation(5)}};
  const auto report = sim::check_crash_points(
      [&](Env& env, sim::CrashJournal& journal) {
        CHECK(open_data_directory(env, ours, options, kNever).has_value());
        auto identity = read_identity(env.disk, kNever);
        CHECK(identity.has_value() && identity->has_value());
        journal.note(std::to_string((*identity)->incarnation.value));
        (*identity)->founders = founders;
        CHECK(write_identity(env.disk, **identity, kNever).has_value());
        journal.note("founders");
      },
      [&](Env& env, const sim::CrashPoint& point) -> std::string {
        if (auto opened = open_data_directory(env, ours, options, kNever); !opened) {
          return opened.error().message;
        }
        const auto identity = read_identity(env.disk, kNever);
        if (!identity) return identity.error().message;
        const Identity& found = **identity;
        if (!point.notes.empty() && std::to_string(found.incarnation.value) != point.notes[0]) {
          return "another incarnation";
        }
        if (found.founders.empty()) return point.notes.size() < 2 ? "" : "founders are forgotten";
        return found.founders == founders ? "" : "other founders";
      });
  EXPECT_TRUE(report.failures.empty()) << report.text();
  EXPECT_GT(report.counts.images, 30u);
}

TEST(WalCrashPointsCountTest, APromiseBeforeTheSyncIsFound) {
  const WalOptions options{.segment_bytes = 6000, .preallocate_bytes = 0, .seal_after = {}};
  const Script script(2);
  const auto report =
      sim::check_crash_points(runs(script, options, true),
                              [&](Env& env, const sim::CrashPoint& point) {
                                return check_image(env, point, script, options);
                              });
  EXPECT_FALSE(report.failures.empty());
}

}  // namespace
}  // namespace keelson::storage
