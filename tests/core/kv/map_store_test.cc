#include "tests/core/kv/map_store.h"

#include <gtest/gtest.h>

namespace keelson::kv {
namespace {

Batch put(const Bytes& key, const Bytes& value, const Bytes& token = {}) {
  return {.token = token, .conditions = {}, .mutations = {{key, value}}};
}
Batch remove(const Bytes& key) {
  return {.token = {}, .conditions = {}, .mutations = {{key, std::nullopt}}};
}
Batch with(Condition condition, Batch batch) {
  batch.conditions.push_back(std::move(condition));
  return batch;
}

class MapStoreTest : public testing::Test {
 protected:
  BatchOutcome apply(const Batch& batch) {
    return store_.apply(store_.last_applied().next(), batch);
  }
  // "value@version" or "absent".
  std::string show(const Bytes& key) const {
    const auto value = store_.get(key);
    return value ? value->value + "@" + std::to_string(value->version) : "absent";
  }
  std::uint64_t reached(std::string_view mark) const {
    const auto found = marks_.counts().find(mark);
    return found == marks_.counts().end() ? 0 : found->second;
  }

  Marks marks_;
  MapStore store_{marks_, 3};
};

TEST_F(MapStoreTest, TheVersionOfAKeyIsTheIndexOfTheEntryThatWroteIt) {
  EXPECT_EQ(apply(put("a", "1")).version, 1u);
  store_.apply_no_op(raft::LogIndex(2));
  const BatchOutcome outcome = apply(put("b", "2"));
  EXPECT_TRUE(outcome.applied);
  EXPECT_EQ(outcome.version, 3u);
  EXPECT_EQ(store_.last_applied(), raft::LogIndex(3));
  EXPECT_EQ(show("a"), "1@1");
  EXPECT_EQ(show("b"), "2@3");
  EXPECT_EQ(show("c"), "absent");
}

TEST_F(MapStoreTest, MutationsTakeEffectInOrder) {
  apply({.token = {}, .conditions = {}, .mutations = {{"a", "1"}, {"a", "2"}, {"b", "1"},
                                                      {"b", std::nullopt}, {"c", std::nullopt}}});
  EXPECT_EQ(show("a"), "2@1");
  EXPECT_EQ(show("b"), "absent");
  EXPECT_EQ(store_.size(), 1u);
}

TEST_F(MapStoreTest, ConditionsDecideWhetherAnythingIsWritten) {
  using Kind = Condition::Kind;
  apply(put("here", "x"));  // Version 1.
  EXPECT_TRUE(apply(with({"here", Kind::exists, 0}, put("out", "1"))).applied);
  EXPECT_FALSE(apply(with({"gone", Kind::exists, 0}, put("out", "2"))).applied);
  EXPECT_TRUE(apply(with({"gone", Kind::absent, 0}, put("out", "3"))).applied);
  EXPECT_FALSE(apply(with({"here", Kind::absent, 0}, put("out", "4"))).applied);
  EXPECT_TRUE(apply(with({"here", Kind::version_is, 1}, put("out", "5"))).applied);
  EXPECT_FALSE(apply(with({"here", Kind::version_is, 2}, put("out", "6"))).applied);
  EXPECT_FALSE(apply(with({"gone", Kind::version_is, 0}, put("out", "7"))).applied);
  EXPECT_EQ(show("out"), "5@6");
  EXPECT_EQ(reached("kv: condition failed"), 4u);
}

TEST_F(MapStoreTest, TheFirstConditionThatDoesNotHoldIsNamedAndNothingIsWritten) {
  using Kind = Condition::Kind;
  apply(put("a", "1"));
  const BatchOutcome outcome = apply({.token = {},
                                      .conditions = {{"a", Kind::exists, 0},
                                                     {"b", Kind::exists, 0},
                                                     {"c", Kind::exists, 0}},
                                      .mutations = {{"a", "2"}, {"d", "2"}}});
  EXPECT_FALSE(outcome.applied);
  EXPECT_EQ(outcome.failed_condition, 1u);
  EXPECT_EQ(show("a"), "1@1");
  EXPECT_EQ(show("d"), "absent");
  EXPECT_EQ(store_.last_applied(), raft::LogIndex(2));
}

TEST_F(MapStoreTest, ConditionsLookAtTheStateBeforeTheBatch) {
  const Batch create = with({"a", Condition::Kind::absent, 0}, put("a", "1"));
  EXPECT_TRUE(apply(create).applied);
  EXPECT_FALSE(apply(create).applied);
  apply(remove("a"));
  EXPECT_TRUE(apply(create).applied);
  EXPECT_EQ(show("a"), "1@4");
}

TEST_F(MapStoreTest, ARetriedTokenChangesNothingAndGetsTheFirstOutcome) {
  const Batch create = with({"a", Condition::Kind::absent, 0}, put("a", "mine", "t1"));
  EXPECT_EQ(apply(create).version, 1u);
  apply(put("a", "theirs"));
  const BatchOutcome retried = apply(create);
  EXPECT_TRUE(retried.applied);
  EXPECT_EQ(retried.version, 1u);
  EXPECT_EQ(show("a"), "theirs@2");
  EXPECT_EQ(reached("kv: retried token answered from memory"), 1u);
}

TEST_F(MapStoreTest, ARetryOfABatchThatWasRefusedIsRefusedAgain) {
  const Batch update = with({"a", Condition::Kind::exists, 0}, put("a", "late", "t1"));
  EXPECT_FALSE(apply(update).applied);
  apply(put("a", "1"));
  EXPECT_FALSE(apply(update).applied);
  EXPECT_EQ(show("a"), "1@2");
}

TEST_F(MapStoreTest, BatchesWithoutATokenAreNotRemembered) {
  apply(put("a", "1"));
  EXPECT_EQ(apply(put("a", "1")).version, 2u);
  EXPECT_EQ(store_.tokens_remembered(), 0u);
}

TEST_F(MapStoreTest, TheOldestTokenIsForgottenFirst) {
  for (const char* token : {"t1", "t2", "t3"}) apply(put(token, "1", token));
  apply(put("t1", "1", "t1"));  // Answering a retry does not make a token younger.
  EXPECT_EQ(show("t1"), "1@1");
  apply(put("t4", "1", "t4"));
  EXPECT_EQ(store_.tokens_remembered(), 3u);
  EXPECT_EQ(apply(put("t2", "2", "t2")).version, 2u);
  EXPECT_EQ(apply(put("t1", "2", "t1")).version, 7u);  // Forgotten: applied anew.
  EXPECT_EQ(apply(put("t2", "3", "t2")).version, 8u);
  EXPECT_EQ(store_.tokens_remembered(), 3u);
}

TEST_F(MapStoreTest, EntriesAreAppliedInTheOrderOfTheLogOrNotAtAll) {
  apply(put("a", "1"));
  EXPECT_DEATH(store_.apply(raft::LogIndex(1), put("a", "1")), "CHECK failed");
  EXPECT_DEATH(store_.apply(raft::LogIndex(3), put("a", "1")), "CHECK failed");
  EXPECT_DEATH(store_.apply_no_op(raft::LogIndex(3)), "CHECK failed");
}

// The digest of a store that has applied these batches; an empty key stands for a no-op.
std::uint64_t digest_of(const std::vector<Batch>& batches) {
  Marks marks;
  MapStore store(marks);
  for (const Batch& batch : batches) {
    if (batch.mutations.empty()) {
      store.apply_no_op(store.last_applied().next());
    } else {
      store.apply(store.last_applied().next(), batch);
    }
  }
  return store.digest();
}

TEST(MapStoreDigestTest, EqualLogsGiveEqualDigestsAndAnyDifferenceAnother) {
  const Batch no_op;
  const std::vector<Batch> log = {put("ab", "c"), no_op, put("d", "e", "t")};
  EXPECT_EQ(digest_of(log), digest_of(log));
  const std::vector<std::vector<Batch>> others = {
      {},
      {put("ab", "c"), no_op},
      {put("ab", "c"), put("d", "e", "t"), no_op},
      {put("a", "bc"), no_op, put("d", "e", "t")},
      {put("ab", "c"), no_op, put("d", "e", "T")},
      {put("ab", "c"), no_op, put("d", "e")},
      {put("ab", "c"), no_op, with({"ab", Condition::Kind::exists, 0}, put("d", "e", "t"))},
      {put("ab", "c"), no_op, with({"ab", Condition::Kind::version_is, 1}, put("d", "e", "t"))},
  };
  for (std::size_t i = 0; i < others.size(); ++i) {
    EXPECT_NE(digest_of(others[i]), digest_of(log)) << i;
  }
}

TEST_F(MapStoreTest, TheContentDigestKnowsKeysValuesAndVersions) {
  const auto content_after = [](const std::vector<Batch>& batches) {
    Marks marks;
    MapStore store(marks);
    for (const Batch& batch : batches) store.apply(store.last_applied().next(), batch);
    return store.content_digest();
  };
  const std::uint64_t expected = content_after({put("x", "1"), put("a", "1")});
  // The way there does not matter, unlike for digest().
  EXPECT_EQ(content_after({put("x", "1", "token"), put("a", "1")}), expected);
  // Time has gone on, though.
  EXPECT_NE(content_after({put("x", "1"), put("a", "1"), remove("none")}), expected);
  EXPECT_NE(content_after({put("x", "2"), put("a", "1")}), expected);
  EXPECT_NE(content_after({put("x1", ""), put("a", "1")}), expected);
  EXPECT_NE(content_after({remove("x"), put("x", "1"), put("a", "1")}), expected);  // Versions.
  EXPECT_NE(content_after({put("x", "1")}), expected);
}

}  // namespace
}  // namespace keelson::kv
