// The state store against its model, through restarts, losses of power and a failing disk.
#include "core/kv/state_store.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/core/kv/state_fixture.h"

namespace keelson::kv {
namespace {

using namespace std::chrono_literals;
using sim::DiskOperation;
using sim::HarmKind;

constexpr char kDatabase[] = "state/state.db";
constexpr char kWal[] = "state/state.db-wal";
constexpr GroupId kOther{2};

class StateStoreTest : public testing::Test {
 protected:
  OneMachine machine_;
};

TEST_F(StateStoreTest, EveryEntryGivesTheResultAndTheStateOfTheModel) {
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    StateModel model(kTokens);
    Numbers numbers(1);
    while (model.label().index < raft::LogIndex(600)) {
      const auto entries = next_entries(*store, 1, 1 + numbers.below(20));
      const auto results = store->apply(entries);
      ASSERT_TRUE(results.has_value()) << results.error().message;
      ASSERT_EQ(results->size(), entries.size());
      for (std::size_t i = 0; i < entries.size(); ++i) {
        EXPECT_EQ((*results)[i], model.apply(entries[i].entry)) << entries[i].entry.index.value;
      }
      EXPECT_EQ(store->digest(kGroup), model.store().digest());
      EXPECT_TRUE(store->label(kGroup) == model.label());
    }
    expect_model(*store, 1);
    for (int i = 0; i < 12; ++i) {
      const Bytes key = "key/" + std::to_string(i);
      const auto value = values_of(*store, kGroup, {key});
      if (!value) {  // A prepared transaction has locked it.
        ASSERT_EQ(value.error().code, ErrorCode::unavailable);
        continue;
      }
      const VersionedValue* const expected = model.store().find(key);
      ASSERT_EQ((*value)[0].has_value(), expected != nullptr);
      if (expected == nullptr) continue;
      EXPECT_EQ((*value)[0]->value, expected->value);
      EXPECT_EQ((*value)[0]->version, expected->version);
    }
  });
}

TEST_F(StateStoreTest, GroupsAreApart) {
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    for (int round = 0; round < 10; ++round) {
      auto entries = next_entries(*store, 1, 5);
      for (auto& entry : next_entries(*store, 2, 3, kOther)) entries.push_back(std::move(entry));
      ASSERT_TRUE(store->apply(entries));
    }
    expect_model(*store, 1);
    expect_model(*store, 2, kOther);
    EXPECT_EQ(store->label(kOther).index, raft::LogIndex(30));
    EXPECT_TRUE(store->label(GroupId(9)) == raft::StateLabel{});
    EXPECT_FALSE((*values_of(*store, GroupId(9), {"key/1"}))[0].has_value());
  });
}

TEST_F(StateStoreTest, ARestartFindsEverythingThatWasSaved) {
  for (int round = 0; round < 10; ++round) {
    machine_.run([&](Env& env) {
      const auto store = opened(env);
      expect_model(*store, 1);
      ASSERT_EQ(store->label(kGroup).index.value, static_cast<std::uint64_t>(round) * 30);
      ASSERT_TRUE(store->apply(next_entries(*store, 1, 17)));
      if (round % 3 == 0) {
        ASSERT_TRUE(store->make_durable());
      }
      ASSERT_TRUE(store->apply(next_entries(*store, 1, 13)));
      ASSERT_TRUE(store->make_durable());
      // Not saved: the log has it.
      ASSERT_TRUE(store->apply(next_entries(*store, 1, 5)));
    });
  }
}

TEST_F(StateStoreTest, WhatWasMadeDurableSurvivesTheLossOfAllElse) {
  machine_.lose_all_unsynced();
  machine_.begin([&](Env& env) {
    const auto store = opened(env);
    ASSERT_TRUE(store->apply(next_entries(*store, 1, 40)));
    const auto labels = store->make_durable();
    ASSERT_TRUE(labels.has_value());
    ASSERT_EQ(labels->size(), 1u);
    EXPECT_EQ((*labels)[0].first, kGroup);
    EXPECT_EQ((*labels)[0].second.index, raft::LogIndex(40));
    EXPECT_EQ((*labels)[0].second.term, entry_of(1, 40).term);
    ASSERT_TRUE(store->apply(next_entries(*store, 1, 40)));
    (void)env.stop_requested.wait(Deadline::never());
  }, 1s);
  machine_.lose_power();
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    EXPECT_EQ(store->label(kGroup).index, raft::LogIndex(40));
    expect_model(*store, 1);
  });
}

// Whenever power is lost, what is found is the state at some label, not before the last that was
// said to be durable and not beyond what was applied.
TEST(StateStorePowerLossTest, ALossOfPowerTakesASuffixOfWhatWasApplied) {
  std::uint64_t suffixes_lost = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    OneMachine machine(seed);
    Numbers numbers(seed);
    std::uint64_t durable = 0;
    std::uint64_t applied = 0;
    StateStoreOptions options = small_options();
    if (seed % 2 == 0) options.unsaved_bytes_limit = 1'000;  // Saved beside the applying.
    for (int crash = 0; crash < 25; ++crash) {
      machine.set_losses({.lose_all_per_million = 300'000,
                          .lose_write_per_million = 300'000,
                          .tear_write_per_million = 300'000,
                          .lose_entry_per_million = 500'000});
      auto conditions = machine.disk().conditions();
      conditions.write_latency = 20us;
      machine.disk().set_conditions(conditions);
      machine.begin([&](Env& env) {
        const auto store = opened(env, options);
        expect_model(*store, seed);
        const std::uint64_t found = store->label(kGroup).index.value;
        EXPECT_GE(found, durable);
        EXPECT_LE(found, applied);
        if (found < applied) ++suffixes_lost;
        applied = found;
        env.scheduler.spawn("checkpoints", [&] {
          while (true) {
            env.scheduler.sleep_for(Duration(numbers.below(2'000'000)));
            const auto labels = store->make_durable();
            CHECK(labels.has_value());
            if (!labels->empty()) durable = std::max(durable, (*labels)[0].second.index.value);
          }
        });
        while (true) {
          const auto entries = next_entries(*store, seed, 1 + numbers.below(10));
          applied = entries.back().entry.index.value;  // From here on it may survive.
          CHECK(store->apply(entries).has_value());
          env.scheduler.sleep_for(Duration(numbers.below(300'000)));
        }
      }, Duration(numbers.below(12'000'000)));
      machine.lose_power();
    }
    EXPECT_GT(durable, 50u);
  }
  EXPECT_GT(suffixes_lost, 20u);
}

TEST_F(StateStoreTest, TheWalFileStaysBoundedUnderALoadThatNeverPauses) {
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    bool is_over = false;
    env.scheduler.spawn("checkpoints", [&] {
      while (!is_over) {
        CHECK(store->make_durable().has_value());
        env.scheduler.sleep_for(50us);
      }
      is_over = false;
    });
    for (int i = 0; i < 400; ++i) {
      ASSERT_TRUE(store->apply(next_entries(*store, 1, 4)));
      env.scheduler.sleep_for(100us);
    }
    EXPECT_LT(store->sizes().wal_bytes, 1'000'000u);
    EXPECT_GT(env.marks.counts().at("kv: a checkpoint that saving waits for"), 0u);
    is_over = true;
    while (is_over) env.scheduler.sleep_for(1ms);
    expect_model(*store, 1);
  });
}

// --- a failing disk ---

TEST_F(StateStoreTest, WithoutSpaceNothingIsAppliedAndTheSameMayBeTriedAgain) {
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    std::uint64_t refusals = 0;
    for (int round = 0; round < 40; ++round) {
      const auto entries = next_entries(*store, 1, 10);
      machine_.disk().leave_free(static_cast<std::uint64_t>(round) * 1'000);
      const auto results = store->apply(entries);
      machine_.disk().set_capacity(std::nullopt);
      if (results) continue;
      ++refusals;
      EXPECT_EQ(results.error().code, ErrorCode::no_space);
      expect_model(*store, 1);
      ASSERT_TRUE(store->apply(entries));
      expect_model(*store, 1);
    }
    EXPECT_GT(refusals, 2u);
    ASSERT_TRUE(store->make_durable());
  });
  machine_.run([&](Env& env) { expect_model(*opened(env), 1); });
}

TEST_F(StateStoreTest, WithoutSpaceForACheckpointWhatWasAppliedIsDurableAllTheSame) {
  machine_.lose_all_unsynced();
  machine_.begin([&](Env& env) {
    const auto store = opened(env);
    ASSERT_TRUE(store->apply(next_entries(*store, 1, 60)));
    // In the -wal file, and more than the database has room for.
    const GroupId other(2);
    const Batch batch{.token = {}, .conditions = {}, .mutations = {{"large", Bytes(50'000, 'x')}}};
    ASSERT_TRUE(store->apply({{other, {.term = raft::Term(1), .index = raft::LogIndex(1),
                                       .data = stamped(batch, 1)}}}));
    ASSERT_TRUE(store->content_digest(kGroup));
    machine_.disk().leave_free(0);
    EXPECT_TRUE(store->make_durable());
    EXPECT_EQ(env.marks.counts().at("kv: no space for a checkpoint"), 1u);
    (void)env.stop_requested.wait(Deadline::never());
  }, 1s);
  machine_.lose_power();
  machine_.disk().set_capacity(std::nullopt);
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    EXPECT_EQ(store->label(kGroup).index, raft::LogIndex(60));
    expect_model(*store, 1);
  });
}

TEST_F(StateStoreTest, AfterAFailedSyncNothingIsApplied) {
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    ASSERT_TRUE(store->apply(next_entries(*store, 1, 5)));
    machine_.disk().fail_next(DiskOperation::sync);
    EXPECT_EQ(store->make_durable().error().code, ErrorCode::io_error);
    EXPECT_EQ(store->make_durable().error().code, ErrorCode::io_error);
    EXPECT_EQ(store->apply(next_entries(*store, 1, 5)).error().code, ErrorCode::io_error);
  });
}

TEST_F(StateStoreTest, AHarmedDatabaseIsRefusedWithItsPlaceAndSetAside) {
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    ASSERT_TRUE(store->apply(next_entries(*store, 1, 60)));
    ASSERT_TRUE(store->make_durable());
    ASSERT_TRUE(store->apply(next_entries(*store, 1, 1)));  // Begins the -wal file anew.
    ASSERT_TRUE(store->make_durable());
  });
  for (std::uint64_t page = 0; page < 6; ++page) {
    ASSERT_TRUE(machine_.disk().harm_at(HarmKind::flipped_bits, kDatabase, page * 4096 + 50, 1));
  }
  machine_.run([&](Env& env) {
    const auto store = StateStore::open(env, small_options(), Deadline::never());
    ASSERT_FALSE(store.has_value());
    EXPECT_EQ(store.error().code, ErrorCode::corrupt);
    EXPECT_NE(store.error().message.find("state/state.db: page "), std::string::npos);
    EXPECT_NE(store.error().message.find(" at offset "), std::string::npos);
    ASSERT_TRUE(StateStore::set_aside(env, small_options(), Deadline::never()));
    const auto empty = opened(env);
    EXPECT_TRUE(empty->label(kGroup) == raft::StateLabel{});
    ASSERT_TRUE(empty->apply(next_entries(*empty, 1, 30)));
    expect_model(*empty, 1);
  });
  EXPECT_TRUE(machine_.disk().read_visible("state/state.db.damaged").has_value());
  EXPECT_TRUE(machine_.disk().read_visible("state/state.db-wal.damaged").has_value());
}

TEST_F(StateStoreTest, AnOpenStoreThatMeetsDamageSetsItselfAside) {
  machine_.run([&](Env& env) {
    {
      const auto store = opened(env);
      ASSERT_TRUE(store->apply(next_entries(*store, 1, 60)));
      ASSERT_TRUE(store->set_aside());
      EXPECT_FALSE(store->apply(next_entries(*store, 1, 1)));
    }
    EXPECT_TRUE(opened(env)->label(kGroup) == raft::StateLabel{});
  });
}

TEST_F(StateStoreTest, ADatabaseWithoutItsWalFileIsDamaged) {
  machine_.run([&](Env& env) {
    ASSERT_TRUE(opened(env)->apply({{kGroup, entry_of(1, 1)}}));
    ASSERT_TRUE(env.disk.remove(kWal, Deadline::never()));
    EXPECT_EQ(StateStore::open(env, small_options(), Deadline::never()).error().code,
              ErrorCode::corrupt);
  });
}

// --- the making of the database ---

TEST(StateStoreBirthTest, PowerMayBeLostAtAnyMomentOfTheFirstStart) {
  for (Duration at{}; at < 4ms; at += 83us) {
    OneMachine machine;
    machine.lose_all_unsynced();
    auto conditions = machine.disk().conditions();
    conditions.write_latency = 20us;
    machine.disk().set_conditions(conditions);
    machine.begin([](Env& env) {
      (void)opened(env);
      (void)env.stop_requested.wait(Deadline::never());
    }, at);
    machine.lose_power();
    machine.run([](Env& env) {
      const auto store = opened(env);
      EXPECT_TRUE(store->label(kGroup) == raft::StateLabel{});
      EXPECT_TRUE(store->apply(next_entries(*store, 1, 3)));
    });
  }
}

TEST_F(StateStoreTest, ABatchLargerThanTheCacheAndLargeValuesWork) {
  machine_.run([&](Env& env) {
    const auto store = opened(env);
    std::vector<raft::Committed> entries;
    for (std::uint64_t i = 1; i <= 5; ++i) {
      const Batch batch{.token = {},
                        .conditions = {},
                        .mutations = {{"large/" + std::to_string(i % 2),
                                       Bytes(1 << 20, static_cast<char>('a' + i))}}};
      entries.push_back({kGroup, {.term = raft::Term(1), .index = raft::LogIndex(i),
                                  .data = stamped(batch, i)}});
    }
    ASSERT_TRUE(store->apply(entries));
    ASSERT_TRUE(store->make_durable());
  });
  machine_.run([&](Env& env) {
    const auto values = values_of(*opened(env), kGroup, {"large/0", "large/1", "large/2"});
    ASSERT_TRUE(values.has_value());
    EXPECT_TRUE((*values)[0]->value == Bytes(1 << 20, 'e'));
    EXPECT_TRUE((*values)[1]->value == Bytes(1 << 20, 'f'));
    EXPECT_EQ((*values)[1]->version, timestamp_of(50).value);
    EXPECT_FALSE((*values)[2].has_value());
  });
}

TEST(StateStoreDeterminismTest, TheSameLogGivesTheSameBytesOnDisk) {
  const auto bytes = [] {
    OneMachine machine;
    machine.run([](Env& env) {
      const auto store = opened(env);
      for (int i = 0; i < 50; ++i) {
        CHECK(store->apply(next_entries(*store, 1, 10)).has_value());
        if (i % 10 == 0) CHECK(store->make_durable().has_value());
      }
    });
    return std::pair(machine.disk().read_visible(kDatabase), machine.disk().read_visible(kWal));
  };
  EXPECT_TRUE(bytes() == bytes());
}

}  // namespace
}  // namespace keelson::kv
