// Snapshots: one moment while entries are applied, and a new state that is there whole or not.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/core/kv/state_fixture.h"

namespace keelson::kv {
namespace {

using namespace std::chrono_literals;

constexpr raft::SnapshotId id_of(const raft::StateLabel& label, std::uint64_t number = 1) {
  return {.number = number, .index = label.index, .term = label.term};
}

// A group's state after so many entries, as another node would send it.
struct Sent {
  raft::StateLabel label;
  std::vector<raft::SnapshotChunk> chunks;
};

Sent snapshot_after(std::uint64_t entries, std::size_t chunk_bytes = 100) {
  Sent sent;
  OneMachine machine;
  machine.run([&](Env& env) {
    StateStoreOptions options = small_options();
    options.chunk_bytes = chunk_bytes;
    const auto store = opened(env, options);
    CHECK(store->apply(next_entries(*store, 1, entries)).has_value());
    const auto snapshot = store->open_snapshot(kGroup);
    CHECK(snapshot.has_value());
    sent.label = (*snapshot)->label();
    sent.chunks = read_all(**snapshot);
  });
  return sent;
}

class StateSnapshotTest : public testing::Test {
 protected:
  OneMachine machine_;
};

TEST_F(StateSnapshotTest, ItCarriesAllThatIsReplicated) {
  for (const std::size_t chunk_bytes : {3, 100, 1'000'000}) {
    const Sent sent = snapshot_after(200, chunk_bytes);
    for (const raft::SnapshotChunk& chunk : sent.chunks) EXPECT_LE(chunk.data.size(), chunk_bytes);
    machine_.run([&](Env& env) {
      const auto store = opened(env);
      for (const raft::SnapshotChunk& chunk : sent.chunks) {
        ASSERT_TRUE(store->stage(GroupId(chunk_bytes), id_of(sent.label), chunk));
      }
      EXPECT_TRUE(store->label(GroupId(chunk_bytes)) == raft::StateLabel{});
      const auto done = store->install(GroupId(chunk_bytes), id_of(sent.label), sent.label);
      ASSERT_TRUE(done.has_value()) << done.error().message;
      expect_model(*store, 1, GroupId(chunk_bytes));
      // And goes on as the sender would.
      ASSERT_TRUE(store->apply(next_entries(*store, 1, 50, GroupId(chunk_bytes))));
      expect_model(*store, 1, GroupId(chunk_bytes));
    });
  }
}

TEST_F(StateSnapshotTest, ItIsOneMomentWhileEntriesAreApplied) {
  Sent sent;
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    ASSERT_TRUE(store->apply(next_entries(*store, 1, 100)));
    const auto snapshot = store->open_snapshot(kGroup);
    ASSERT_TRUE(snapshot.has_value());
    sent.label = (*snapshot)->label();
    EXPECT_EQ(sent.label.index, raft::LogIndex(100));
    do {
      const auto chunk = (*snapshot)->read(sent.chunks.size());
      ASSERT_TRUE(chunk.has_value());
      const auto again = (*snapshot)->read(sent.chunks.size());
      EXPECT_EQ(again->data, chunk->data);
      sent.chunks.push_back(*chunk);
      ASSERT_TRUE(store->apply(next_entries(*store, 1, 3)));
      if (chunk->number % 20 == 0) {
        ASSERT_TRUE(store->make_durable());
      }
    } while (!sent.chunks.back().is_last);
    EXPECT_GT(store->label(kGroup).index, raft::LogIndex(120));
    for (const raft::SnapshotChunk& chunk : sent.chunks) {
      ASSERT_TRUE(store->stage(GroupId(2), id_of(sent.label), chunk));
    }
    ASSERT_TRUE(store->install(GroupId(2), id_of(sent.label), sent.label));
    expect_model(*store, 1, GroupId(2));
    EXPECT_EQ(store->label(GroupId(2)).index, raft::LogIndex(100));
  });
}

TEST_F(StateSnapshotTest, OnlySoManyAreOpenAtATime) {
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    std::vector<std::unique_ptr<raft::Snapshot>> open;
    for (int i = 0; i < 3; ++i) open.push_back(*store->open_snapshot(kGroup));
    EXPECT_EQ(store->open_snapshot(kGroup).error().code, ErrorCode::unavailable);
    EXPECT_EQ(store->sizes().open_snapshots, 3u);
    open.pop_back();
    EXPECT_TRUE(store->open_snapshot(kGroup));
  });
}

TEST_F(StateSnapshotTest, TheStagedChunksSurviveARestart) {
  const Sent sent = snapshot_after(100, 20);
  ASSERT_GT(sent.chunks.size(), 30u);
  std::uint64_t next = 0;
  while (next < sent.chunks.size()) {
    machine_.run([&](Env& env) {
      const auto store = opened(env);
      EXPECT_EQ(*store->staged(kGroup, id_of(sent.label)), next);
      EXPECT_EQ(*store->staged(kGroup, id_of(sent.label, 2)), 0u);
      for (int i = 0; i < 7 && next < sent.chunks.size(); ++i) {
        ASSERT_TRUE(store->stage(kGroup, id_of(sent.label), sent.chunks[next++]));
        // The same once more, and one that is too early, count for nothing.
        ASSERT_TRUE(store->stage(kGroup, id_of(sent.label), sent.chunks[next - 1]));
        ASSERT_TRUE(store->stage(kGroup, id_of(sent.label), {.number = next + 1, .data = "x"}));
      }
    });
  }
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    ASSERT_TRUE(store->install(kGroup, id_of(sent.label), sent.label));
    expect_model(*store, 1);
  });
}

TEST_F(StateSnapshotTest, AnotherSnapshotReplacesWhatWasStaged) {
  const Sent old = snapshot_after(50);
  const Sent sent = snapshot_after(100);
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    ASSERT_TRUE(store->apply(next_entries(*store, 1, 20)));
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(store->stage(kGroup, id_of(old.label), old.chunks[static_cast<size_t>(i)]));
    }
    for (const raft::SnapshotChunk& chunk : sent.chunks) {
      ASSERT_TRUE(store->stage(kGroup, id_of(sent.label, 2), chunk));
    }
    expect_model(*store, 1);
    ASSERT_TRUE(store->install(kGroup, id_of(sent.label, 2), sent.label));
    expect_model(*store, 1);
    EXPECT_EQ(*store->staged(kGroup, id_of(sent.label, 2)), 0u);
  });
}

TEST_F(StateSnapshotTest, ADamagedOneIsRefusedAndDropped) {
  const Sent sent = snapshot_after(100, 20);
  std::map<std::string, int> outcomes;
  for (std::size_t damaged = 0; damaged < sent.chunks.size(); damaged += 5) {
    OneMachine machine;
    machine.run([&](Env& env) {
      const auto store = opened(env);
      ASSERT_TRUE(store->apply(next_entries(*store, 1, 20)));
      for (raft::SnapshotChunk chunk : sent.chunks) {
        if (chunk.number == damaged) chunk.data[chunk.data.size() / 2] ^= 1;
        const auto staged = store->stage(kGroup, id_of(sent.label), chunk);
        if (staged) continue;
        EXPECT_EQ(staged.error().code, ErrorCode::invalid_argument);
        ++outcomes["refused at once"];
        expect_model(*store, 1);
        return;
      }
      const auto installed = store->install(kGroup, id_of(sent.label), sent.label);
      ASSERT_FALSE(installed.has_value());
      EXPECT_EQ(installed.error().code, ErrorCode::invalid_argument);
      ++outcomes["refused as a whole"];
      EXPECT_EQ(*store->staged(kGroup, id_of(sent.label)), 0u);
      expect_model(*store, 1);
      // The right one is welcome.
      for (const raft::SnapshotChunk& chunk : sent.chunks) {
        ASSERT_TRUE(store->stage(kGroup, id_of(sent.label), chunk));
      }
      ASSERT_TRUE(store->install(kGroup, id_of(sent.label), sent.label));
      expect_model(*store, 1);
    });
  }
  EXPECT_GT(outcomes["refused as a whole"], 3);
}

TEST_F(StateSnapshotTest, ChunksThatBelongToNoSuchSnapshotAreRefused) {
  const Sent sent = snapshot_after(30, 1'000'000);
  ASSERT_EQ(sent.chunks.size(), 1u);
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    const auto code = [&](const raft::SnapshotId& id, bool is_last, Bytes data) {
      const auto staged = store->stage(kGroup, id, {.number = 0, .is_last = is_last,
                                                    .data = std::move(data)});
      return staged ? std::string() : name_of(staged.error().code);
    };
    const std::string wrong = name_of(ErrorCode::invalid_argument);
    const Bytes& data = sent.chunks[0].data;
    raft::SnapshotId other = id_of(sent.label);
    other.index = raft::LogIndex(31);
    EXPECT_EQ(code(other, true, data), wrong);
    EXPECT_EQ(code(id_of(sent.label), false, data), wrong);
    EXPECT_EQ(code(id_of(sent.label), true, data + "x"), wrong);
    EXPECT_EQ(code(id_of(sent.label), true, data.substr(0, data.size() - 1)), wrong);
    EXPECT_EQ(code(id_of(sent.label), true, ""), wrong);
    EXPECT_EQ(code(id_of(sent.label), true, data), "");
  });
}

TEST_F(StateSnapshotTest, WhatItReplacesIsDeletedAFewRowsAtATime) {
  const Sent sent = snapshot_after(100);
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    std::vector<raft::Committed> entries;
    for (std::uint64_t i = 1; i <= 90; ++i) {
      const Batch batch{.token = "t" + std::to_string(i), .conditions = {},
                        .mutations = {{"old/" + std::to_string(i), Bytes(10'000, 'x')}}};
      entries.push_back({kGroup, {.term = raft::Term(1), .index = raft::LogIndex(i),
                                  .data = stamped(batch, i)}});
    }
    ASSERT_TRUE(store->apply(entries));
    for (const raft::SnapshotChunk& chunk : sent.chunks) {
      ASSERT_TRUE(store->stage(kGroup, id_of(sent.label), chunk));
    }
    ASSERT_TRUE(store->install(kGroup, id_of(sent.label), sent.label));
    const std::uint64_t size = store->sizes().database_bytes;
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(store->apply(next_entries(*store, 1, 1)));
    // The space is used again.
    entries.clear();
    for (std::uint64_t i = 107; i <= 180; ++i) {
      const Batch batch{.token = {}, .conditions = {},
                        .mutations = {{"new/" + std::to_string(i), Bytes(10'000, 'x')}}};
      entries.push_back({kGroup, {.term = raft::Term(9), .index = raft::LogIndex(i),
                                  .data = stamped(batch, i)}});
    }
    ASSERT_TRUE(store->apply(entries));
    ASSERT_TRUE(store->make_durable());
    EXPECT_LE(store->sizes().database_bytes, size);
    EXPECT_FALSE((*values_of(*store, kGroup, {"old/3"}))[0].has_value());
    EXPECT_TRUE((*values_of(*store, kGroup, {"new/107"}))[0].has_value());
  });
}

// Wherever power is lost, the group has its old state or the new one, and once install() has
// returned it has the new one.
TEST(StateInstallTest, InstallingIsAtomicAndDurable) {
  const Sent sent = snapshot_after(100, 2'000);
  std::map<std::uint64_t, int> found;
  for (Duration at{}; at < 8ms; at += 43us) {
    OneMachine machine(static_cast<std::uint64_t>(at.count()));
    machine.run([&](Env& env) {
      const auto store = opened(env);
      CHECK(store->apply(next_entries(*store, 1, 20)).has_value());
      CHECK(store->make_durable().has_value());
    });
    machine.set_losses({.lose_all_per_million = 500'000,
                        .lose_write_per_million = 300'000,
                        .tear_write_per_million = 300'000});
    auto conditions = machine.disk().conditions();
    conditions.write_latency = 20us;
    machine.disk().set_conditions(conditions);
    bool has_returned = false;
    machine.begin([&](Env& env) {
      const auto store = opened(env);
      for (const raft::SnapshotChunk& chunk : sent.chunks) {
        CHECK(store->stage(kGroup, id_of(sent.label), chunk).has_value());
      }
      CHECK(store->install(kGroup, id_of(sent.label), sent.label).has_value());
      has_returned = true;
      while (true) {
        CHECK(store->apply(next_entries(*store, 1, 1)).has_value());
        env.scheduler.sleep_for(200us);
      }
    }, at);
    machine.lose_power();
    machine.disk().heal();
    machine.run([&](Env& env) {
      const auto store = opened(env);
      const std::uint64_t index = store->label(kGroup).index.value;
      ++found[std::min<std::uint64_t>(index, 100)];
      EXPECT_TRUE(index >= 100 || !has_returned);
      expect_model(*store, 1);
      // And the transfer goes on from where it was.
      if (index >= 100) return;
      EXPECT_EQ(index, 20u);
      const auto next = store->staged(kGroup, id_of(sent.label));
      ASSERT_TRUE(next.has_value());
      for (std::uint64_t i = *next; i < sent.chunks.size(); ++i) {
        ASSERT_TRUE(store->stage(kGroup, id_of(sent.label), sent.chunks[i]));
      }
      ASSERT_TRUE(store->install(kGroup, id_of(sent.label), sent.label));
      expect_model(*store, 1);
    });
  }
  EXPECT_GT(found[20], 10);
  EXPECT_GT(found[100], 10);
}

}  // namespace
}  // namespace keelson::kv
