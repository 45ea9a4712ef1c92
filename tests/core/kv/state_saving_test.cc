// The state store saves what was applied while it goes on applying: what is read, decided and left
// behind is the model's all the while.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/kv/state_unsaved.h"
#include "tests/core/kv/state_fixture.h"

namespace keelson::kv {
namespace {

using namespace std::chrono_literals;

constexpr char kBeside[] = "kv: applied while the state was saved";

class StateSavingTest : public testing::Test {
 protected:
  StateSavingTest() {
    options_.unsaved_bytes_limit = 2'000;
    auto conditions = machine_.disk().conditions();
    conditions.write_latency = 300us;
    machine_.disk().set_conditions(conditions);
  }

  OneMachine machine_;
  StateStoreOptions options_ = small_options();
};

TEST_F(StateSavingTest, EveryEntryGivesTheResultAndTheStateOfTheModelBesideASave) {
  machine_.run([&](Env& env) {
    const auto store = opened(env, options_);
    StateModel model(kTokens);
    Numbers numbers(1);
    while (model.label().index < raft::LogIndex(1000)) {
      const auto entries = next_entries(*store, 1, 1 + numbers.below(5));
      const auto results = store->apply(entries);
      ASSERT_TRUE(results.has_value()) << results.error().message;
      for (std::size_t i = 0; i < entries.size(); ++i) {
        EXPECT_EQ((*results)[i], model.apply(entries[i].entry)) << entries[i].entry.index.value;
      }
      EXPECT_EQ(store->digest(kGroup), model.store().digest());
      const Bytes key = "key/" + std::to_string(numbers.below(12));
      const auto value = values_of(*store, kGroup, {key});
      const VersionedValue* const expected = model.store().find(key);
      if (!value) {  // A prepared transaction has locked it.
        ASSERT_EQ(value.error().code, ErrorCode::unavailable);
        continue;
      }
      ASSERT_EQ((*value)[0].has_value(), expected != nullptr);
      if (expected != nullptr) {
        EXPECT_EQ((*value)[0]->value, expected->value);
      }
      env.scheduler.sleep_for(Duration(numbers.below(200'000)));
    }
    EXPECT_GT(env.marks.counts().at(kBeside), 50u);
    expect_model(*store, 1);
  });
}

TEST_F(StateSavingTest, WhatIsMadeDurableWhileItSavesSurvives) {
  machine_.lose_all_unsynced();
  std::uint64_t durable = 0;
  machine_.begin([&](Env& env) {
    const auto store = opened(env, options_);
    while (env.marks.counts().find(kBeside) == env.marks.counts().end()) {
      ASSERT_TRUE(store->apply(next_entries(*store, 1, 5)));
      env.scheduler.sleep_for(50us);
    }
    const std::uint64_t applied = store->label(kGroup).index.value;
    const auto labels = store->make_durable();
    ASSERT_TRUE(labels.has_value());
    durable = labels->at(0).second.index.value;
    EXPECT_GE(durable, applied);
    (void)env.stop_requested.wait(Deadline::never());
  }, 1s);
  machine_.lose_power();
  machine_.run([&](Env& env) {
    const auto store = opened(env, options_);
    EXPECT_EQ(store->label(kGroup).index.value, durable);
    expect_model(*store, 1);
  });
}

TEST_F(StateSavingTest, WithoutSpaceNothingIsAppliedUntilThereIsSomeAgain) {
  machine_.run([&](Env& env) {
    const auto store = opened(env, options_);
    ASSERT_TRUE(store->apply(next_entries(*store, 1, 100)));
    machine_.disk().leave_free(0);
    Result<std::vector<Bytes>> results = std::vector<Bytes>();
    while (results) {
      results = store->apply(next_entries(*store, 1, 5));
      env.scheduler.sleep_for(1ms);
    }
    EXPECT_EQ(results.error().code, ErrorCode::no_space);
    const raft::StateLabel label = store->label(kGroup);
    EXPECT_EQ(store->apply(next_entries(*store, 1, 5)).error().code, ErrorCode::no_space);
    EXPECT_TRUE(store->label(kGroup) == label);
    machine_.disk().set_capacity(std::nullopt);
    while (!store->apply(next_entries(*store, 1, 5))) env.scheduler.sleep_for(1ms);
    expect_model(*store, 1);
    ASSERT_TRUE(store->make_durable());
  });
  machine_.run([&](Env& env) { expect_model(*opened(env, options_), 1); });
}

TEST_F(StateSavingTest, ADiskThatFailsASaveIsToldToWhoeverAppliesNext) {
  machine_.run([&](Env& env) {
    const auto store = opened(env, options_);
    ASSERT_TRUE(store->apply(next_entries(*store, 1, 100)));
    machine_.disk().fail_next(sim::DiskOperation::write);
    Result<std::vector<Bytes>> results = std::vector<Bytes>();
    for (int i = 0; i < 100 && results; ++i) {
      results = store->apply(next_entries(*store, 1, 5));
      env.scheduler.sleep_for(1ms);
    }
    ASSERT_FALSE(results.has_value());
    EXPECT_EQ(results.error().code, ErrorCode::io_error);
  });
}

TEST(VersionCacheTest, ItKnowsWhatItWasToldUntilThatChanges) {
  VersionCache cache;
  EXPECT_EQ(cache.find(1, "a"), nullptr);
  cache.remember(1, "a", 7);
  cache.remember(1, "b", std::nullopt);
  ASSERT_NE(cache.find(1, "a"), nullptr);
  EXPECT_EQ(*cache.find(1, "a"), 7u);
  EXPECT_EQ(*cache.find(1, "b"), std::nullopt);
  EXPECT_EQ(cache.find(2, "a"), nullptr);
  cache.forget(1, "a");
  EXPECT_EQ(cache.find(1, "a"), nullptr);
  for (int i = 0; i < 5000; ++i) cache.remember(1, std::to_string(i), 1);
  int known = 0;
  for (int i = 0; i < 5000; ++i) known += cache.find(1, std::to_string(i)) != nullptr;
  EXPECT_GT(known, 0);
  EXPECT_LE(known, 1000);
}

}  // namespace
}  // namespace keelson::kv
