// Power is lost at every operation of a scripted life of the state store, with every image that the
// disk may then hold: what is found is the state after a prefix of the log that is no shorter than
// was promised, and the log goes on from there.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "sim/crash_points.h"
#include "tests/core/kv/state_fixture.h"

namespace keelson::kv {
namespace {

constexpr std::uint64_t kLog = 11;  // The seed of the logs of all groups.
constexpr GroupId kGrows{1};
constexpr GroupId kInstalls{2};
constexpr std::uint64_t kSnapshotIndex = 40;

// A snapshot as another node sends it.
struct Sent {
  raft::SnapshotId id;
  raft::StateLabel label;
  std::vector<raft::SnapshotChunk> chunks;
};

Sent snapshot_of_another_node() {
  Sent sent;
  OneMachine machine;
  machine.run([&](Env& env) {
    const auto store = opened(env);
    CHECK(store->apply(next_entries(*store, kLog, kSnapshotIndex, kInstalls)).has_value());
    auto snapshot = store->open_snapshot(kInstalls);
    CHECK(snapshot.has_value());
    sent.label = (*snapshot)->label();
    sent.id = {.number = 7, .index = sent.label.index, .term = sent.label.term};
    sent.chunks = read_all(**snapshot);
  });
  return sent;
}

// What the script has promised and asked for, told by its notes: "promised g1 12", "asked g2 40",
// "staged 3".
struct Known {
  explicit Known(std::span<const std::string> notes) {
    for (const std::string& note : notes) {
      const std::size_t space = note.rfind(' ');
      values[note.substr(0, space)] = std::stoull(note.substr(space + 1));
    }
  }
  std::uint64_t of(const std::string& what) const {
    const auto found = values.find(what);
    return found == values.end() ? 0 : found->second;
  }

  std::map<std::string, std::uint64_t> values;
};

void note(sim::CrashJournal& journal, const std::string& what, std::uint64_t value) {
  journal.note(what + " " + std::to_string(value));
}

void apply_some(StateStore& store, sim::CrashJournal& journal, GroupId group,
                std::uint64_t count) {
  const auto entries = next_entries(store, kLog, count, group);
  note(journal, "asked " + to_string(group), entries.back().entry.index.value);
  CHECK(store.apply(entries).has_value());
}

void make_durable(StateStore& store, sim::CrashJournal& journal) {
  const auto durable = store.make_durable();
  CHECK(durable.has_value());
  for (const auto& [group, at] : *durable) {
    note(journal, "promised " + to_string(group), at.index.value);
  }
}

void stage_all(StateStore& store, sim::CrashJournal& journal, const Sent& sent) {
  for (const raft::SnapshotChunk& chunk : sent.chunks) {
    CHECK(*store.staged(kInstalls, sent.id) == chunk.number);
    CHECK(store.stage(kInstalls, sent.id, chunk).has_value());
    note(journal, "staged", chunk.number + 1);
  }
}

void live(Env& env, sim::CrashJournal& journal, const Sent& sent, bool promises_too_early) {
  const auto store = opened(env);
  for (const std::uint64_t count : {3, 9, 1}) {
    apply_some(*store, journal, kGrows, count);
    apply_some(*store, journal, kInstalls, 2);
    if (promises_too_early) note(journal, "promised g1", store->label(kGrows).index.value);
    if (count != 9) make_durable(*store, journal);
  }
  stage_all(*store, journal, sent);
  apply_some(*store, journal, kGrows, 2);
  note(journal, "asked g2", kSnapshotIndex);
  CHECK(store->install(kInstalls, sent.id, sent.label).has_value());
  note(journal, "promised g2", kSnapshotIndex);
  apply_some(*store, journal, kInstalls, 3);
  apply_some(*store, journal, kGrows, 6);
  make_durable(*store, journal);
}

// Empty when the group's state is that of the log at its label.
std::string compare(StateStore& store, GroupId group) {
  const raft::StateLabel label = store.label(group);
  const auto model = model_of(kLog, label.index, kTokens);
  const auto digest = store.content_digest(group);
  if (!digest) return digest.error().message;
  if (label == model->label() && store.digest(group) == model->store().digest() &&
      *digest == model->content_digest()) {
    return "";
  }
  return to_string(group) + " at " + std::to_string(label.index.value) +
         " is not what its log says";
}

std::string check_promises(StateStore& store, const Known& known) {
  for (const GroupId group : {kGrows, kInstalls}) {
    const std::uint64_t index = store.label(group).index.value;
    if (index < known.of("promised " + to_string(group))) return "a promised state is gone";
    if (index > known.of("asked " + to_string(group))) return "a state that was not asked for";
    if (auto wrong = compare(store, group); !wrong.empty()) return wrong;
  }
  return "";
}

// Sends the snapshot on from wherever it has come to, and applies what comes next.
std::string go_on(StateStore& store, const Known& known, const Sent& sent) {
  if (store.label(kInstalls).index.value < kSnapshotIndex) {
    const auto staged = store.staged(kInstalls, sent.id);
    if (!staged) return staged.error().message;
    if (*staged > known.of("staged") + 1) return "a chunk that was never staged";
    for (std::uint64_t i = *staged; i < sent.chunks.size(); ++i) {
      if (auto done = store.stage(kInstalls, sent.id, sent.chunks[i]); !done) {
        return "staging on: " + done.error().message;
      }
    }
    if (auto done = store.install(kInstalls, sent.id, sent.label); !done) {
      return "installing: " + done.error().message;
    }
  }
  if (auto done = store.apply(next_entries(store, kLog, 5, kGrows)); !done) {
    return "applying on: " + done.error().message;
  }
  if (auto done = store.make_durable(); !done) return done.error().message;
  return "";
}

std::string check_image(Env& env, const sim::CrashPoint& point, const Sent& sent) {
  const Known known(point.notes);
  std::map<GroupId, raft::StateLabel> labels;
  for (const bool is_first : {true, false}) {
    const auto store = StateStore::open(env, small_options(), Deadline::never());
    if (!store) return store.error().message;
    if (is_first) {
      if (auto wrong = check_promises(**store, known); !wrong.empty()) return wrong;
      for (const GroupId group : {kGrows, kInstalls}) labels[group] = (*store)->label(group);
      continue;
    }
    for (const auto& [group, label] : labels) {
      if (!((*store)->label(group) == label)) return "a second start finds another state";
    }
    if (auto wrong = go_on(**store, known, sent); !wrong.empty()) return wrong;
  }
  const auto store = StateStore::open(env, small_options(), Deadline::never());
  if (!store) return "after going on: " + store.error().message;
  if ((*store)->label(kGrows).index.value != labels[kGrows].index.value + 5 ||
      (*store)->label(kInstalls).index.value < kSnapshotIndex) {
    return "what was made durable after going on is gone";
  }
  if (auto wrong = compare(**store, kGrows); !wrong.empty()) return "later: " + wrong;
  return compare(**store, kInstalls);
}

sim::CrashReport check(bool promises_too_early) {
  const Sent sent = snapshot_of_another_node();
  CHECK(sent.chunks.size() > 2);
  sim::CrashOptions options;
  options.torn_writes_most = 8;  // Enough for a transaction of some pages.
  options.torn_boundaries_most = 4;
  return sim::check_crash_points(
      [&](Env& env, sim::CrashJournal& journal) { live(env, journal, sent, promises_too_early); },
      [&](Env& env, const sim::CrashPoint& point) { return check_image(env, point, sent); },
      options);
}

TEST(StateCrashPointsTest, WhateverIsLeftIsAPrefixOfTheLogThatKeepsWhatWasPromised) {
  const sim::CrashReport report = check(false);
  EXPECT_TRUE(report.failures.empty()) << report.text();
  EXPECT_GT(report.counts.images, 3000u);
  std::printf("crash points: %llu images of %llu points\n",
              static_cast<unsigned long long>(report.counts.images),
              static_cast<unsigned long long>(report.counts.points));
}

TEST(StateCrashPointsTest, APromiseBeforeTheSyncIsFound) {
  EXPECT_FALSE(check(true).failures.empty());
}

}  // namespace
}  // namespace keelson::kv
