#include "scenarios/store_models.h"

#include <gtest/gtest.h>

#include <string>

namespace keelson::scenarios {
namespace {

using sim::TrueTime;
using Kind = Call::Kind;

class ObjectHistoryTest : public testing::Test {
 protected:
  History::Id call(Kind kind, Bytes value = {}, Bytes expected = {}) {
    return history_.call(next_client_++, "x", {kind, std::move(value), std::move(expected)}, "n1",
                         TrueTime{++now_});
  }
  void ok(History::Id id, Answer answer = {}) {
    history_.ok(id, std::move(answer), TrueTime{++now_});
  }
  void put(const Bytes& value) { ok(call(Kind::put, value)); }
  void get(std::optional<Bytes> value) {
    ok(call(Kind::get), {.value = std::move(value), .condition_held = true});
  }
  Verdict verdict() { return check_objects(history_).verdict; }

  History history_;
  std::int64_t now_ = 0;
  std::uint32_t next_client_ = 1;
};

TEST_F(ObjectHistoryTest, AReadOfAnOverwrittenValueIsRefutedInWords) {
  put("a");
  put("b");
  get("a");
  const HistoryVerdict verdict = check_objects(history_);
  EXPECT_EQ(verdict.verdict, Verdict::not_linearizable);
  EXPECT_EQ(verdict.key, "x");
  EXPECT_NE(verdict.message.find("nothing explains c3 get x at n1"), std::string::npos)
      << verdict.message;
  EXPECT_NE(verdict.message.find("the state was 'b'"), std::string::npos) << verdict.message;
}

TEST_F(ObjectHistoryTest, AReadThatOverlapsAPutMaySeeItOrNotButNotThenUnsee) {
  put("a");
  const History::Id pending = call(Kind::put, "b");
  get("b");
  EXPECT_EQ(verdict(), Verdict::linearizable);
  get("a");
  EXPECT_EQ(verdict(), Verdict::not_linearizable);
  ok(pending);
  EXPECT_EQ(verdict(), Verdict::not_linearizable);
}

TEST_F(ObjectHistoryTest, APutOfUnknownOutcomeMayTakeEffectLongAfterTheClientGaveUp) {
  put("a");
  const History::Id lost = call(Kind::put, "b");
  history_.unknown(lost, TrueTime{++now_});
  get("a");
  get("a");
  get("b");
  EXPECT_EQ(verdict(), Verdict::linearizable);
  get("a");
  EXPECT_EQ(verdict(), Verdict::not_linearizable);
}

TEST_F(ObjectHistoryTest, APutThatSurelyFailedMustNotBeSeen) {
  put("a");
  const History::Id failed = call(Kind::put, "b");
  history_.fail(failed, TrueTime{++now_});
  get("b");
  EXPECT_EQ(verdict(), Verdict::not_linearizable);
}

TEST_F(ObjectHistoryTest, TwoPutsIfAbsentCannotBothSucceed) {
  const History::Id one = call(Kind::put_if_absent, "a");
  const History::Id two = call(Kind::put_if_absent, "b");
  ok(one);
  History refused = history_;
  refused.ok(two, {.value = {}, .condition_held = false}, TrueTime{++now_});
  ok(two);
  EXPECT_EQ(verdict(), Verdict::not_linearizable);
  EXPECT_EQ(check_objects(refused).verdict, Verdict::linearizable);
}

TEST_F(ObjectHistoryTest, APutIfMatchOfAValueThatIsGoneCannotSucceed) {
  put("a");
  put("b");
  ok(call(Kind::put_if_match, "c", "a"));
  EXPECT_EQ(verdict(), Verdict::not_linearizable);
}

TEST_F(ObjectHistoryTest, OneLostAcknowledgedPutIsSeen) {
  put("a");
  get(std::nullopt);
  EXPECT_EQ(verdict(), Verdict::not_linearizable);
}

TEST_F(ObjectHistoryTest, KeysAreIndependent) {
  put("a");
  ok(history_.call(9, "y", {Kind::get, {}, {}}, "n1", TrueTime{++now_}));
  const HistoryVerdict verdict = check_objects(history_);
  EXPECT_EQ(verdict.verdict, Verdict::linearizable);
  EXPECT_EQ(verdict.keys, 2u);
}

TEST_F(ObjectHistoryTest, ASpentBudgetIsUndecidedAndNeverAYes) {
  for (int i = 0; i < 12; ++i) {
    (void)call(Kind::put, "v" + std::to_string(i));
  }
  for (int i = 0; i < 12; ++i) get("v" + std::to_string(i));
  EXPECT_EQ(verdict(), Verdict::linearizable);
  EXPECT_EQ(check_objects(history_, 20).verdict, Verdict::undecided);
  get("never written");
  EXPECT_EQ(check_objects(history_, 20).verdict, Verdict::undecided);
  EXPECT_EQ(verdict(), Verdict::not_linearizable);
}

TEST_F(ObjectHistoryTest, ManyUnknownPutsDoNotExplode) {
  for (int round = 0; round < 60; ++round) {
    (void)call(Kind::put, "u" + std::to_string(round));
    put("p" + std::to_string(round));
    get(round % 7 == 3 ? "u" + std::to_string(round - 1) : "p" + std::to_string(round));
    if (round % 7 == 3) put("q" + std::to_string(round));
  }
  const HistoryVerdict verdict = check_objects(history_, 100'000);
  EXPECT_EQ(verdict.verdict, Verdict::linearizable) << verdict.message;
  EXPECT_LT(verdict.steps, 50'000u);
}

TEST_F(ObjectHistoryTest, LongHistoriesCostByConcurrencyNotByLength) {
  for (int i = 0; i < 20'000; ++i) {
    put("a" + std::to_string(i));
    get("a" + std::to_string(i));
  }
  const HistoryVerdict verdict = check_objects(history_, 200'000);
  EXPECT_EQ(verdict.verdict, Verdict::linearizable) << verdict.message;
}

}  // namespace
}  // namespace keelson::scenarios
