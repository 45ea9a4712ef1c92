#include "scenarios/linearizability.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "scenarios/store_models.h"

namespace keelson::scenarios {
namespace {

using sim::TrueTime;
using Kind = Call::Kind;

// A generator of our own, so that a failing seed means the same everywhere.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t below(std::uint64_t bound) {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % bound;
  }

 private:
  std::uint64_t state_;
};

// A random history of one key: mostly what a register could have answered, with some answers wrong.
History random_history(Dice& dice, std::size_t operations) {
  History history;
  std::vector<std::optional<History::Id>> running(1 + dice.below(3));
  std::int64_t now = 0;
  std::size_t begun = 0;
  const auto some_value = [&] { return std::string(1, static_cast<char>('a' + dice.below(4))); };
  while (begun < operations ||
         std::any_of(running.begin(), running.end(), [](auto& id) { return id.has_value(); })) {
    const std::size_t client = dice.below(running.size());
    ++now;
    if (!running[client]) {
      if (begun++ >= operations) continue;
      Call call;
      call.kind = static_cast<Kind>(dice.below(5));
      call.value = some_value();
      call.expected = some_value();
      running[client] = history.call(static_cast<std::uint32_t>(client), "k", call, "n1",
                                     TrueTime{now});
      continue;
    }
    const History::Id id = *running[client];
    running[client].reset();
    const std::uint64_t outcome = dice.below(10);
    if (outcome == 0) {
      history.fail(id, TrueTime{now});
    } else if (outcome <= 2) {
      history.unknown(id, TrueTime{now});
    } else {
      Answer answer;
      const Kind kind = history.operations()[id].call.kind;
      if (kind == Kind::put_if_absent || kind == Kind::put_if_match) {
        answer.condition_held = dice.below(2) == 0;
      } else if (kind == Kind::get && dice.below(3) != 0) {
        answer.value = some_value();
      }
      history.ok(id, answer, TrueTime{now});
    }
  }
  return history;
}

// The oracle of the oracle: tries every order of every subset that contains what was answered.
bool some_order_explains(const History& history) {
  std::vector<std::size_t> candidates;
  std::vector<std::int64_t> called_at(history.operations().size());
  std::vector<std::int64_t> returned_at(history.operations().size(), INT64_MAX);
  for (std::size_t position = 0; position < history.events().size(); ++position) {
    const History::Event& event = history.events()[position];
    const bool answered = history.operations()[event.op].outcome == Outcome::ok;
    if (!event.is_return) called_at[event.op] = static_cast<std::int64_t>(position);
    if (event.is_return && answered) returned_at[event.op] = static_cast<std::int64_t>(position);
  }
  std::vector<const Operation*> operations;
  for (std::size_t op = 0; op < history.operations().size(); ++op) {
    operations.push_back(&history.operations()[op]);
    if (history.operations()[op].outcome != Outcome::fail) candidates.push_back(op);
  }
  ObjectModel model(operations);
  const std::size_t subsets = std::size_t{1} << candidates.size();
  for (std::size_t subset = 0; subset < subsets; ++subset) {
    std::vector<std::size_t> order;
    bool misses_an_answer = false;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (subset >> i & 1) {
        order.push_back(candidates[i]);
      } else if (history.operations()[candidates[i]].outcome == Outcome::ok) {
        misses_an_answer = true;
      }
    }
    if (misses_an_answer) continue;
    do {
      bool explains = true;
      Model::State state = model.initial();
      for (std::size_t i = 0; explains && i < order.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          if (returned_at[order[i]] < called_at[order[j]]) explains = false;
        }
        const auto next = explains ? model.step(state, order[i]) : std::nullopt;
        if (!next) explains = false;
        else state = *next;
      }
      if (explains) return true;
    } while (std::next_permutation(order.begin(), order.end()));
  }
  return false;
}

TEST(LinearizabilityTest, AgreesWithEveryPermutationOnRandomSmallHistories) {
  std::size_t linearizable = 0;
  std::size_t refuted = 0;
  for (std::uint64_t seed = 0; seed < 6000; ++seed) {
    Dice dice(seed);
    const History history = random_history(dice, 1 + dice.below(6));
    const bool expected = some_order_explains(history);
    const HistoryVerdict verdict = check_objects(history);
    ASSERT_NE(verdict.verdict, Verdict::undecided);
    std::string text;
    for (const Operation& operation : history.operations()) text += describe(operation) + "\n";
    ASSERT_EQ(verdict.verdict == Verdict::linearizable, expected)
        << "seed " << seed << "\n" << text << verdict.message;
    ++(expected ? linearizable : refuted);
  }
  // The comparison is worth something only if both answers are common.
  EXPECT_GT(linearizable, 600u);
  EXPECT_GT(refuted, 600u);
}

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
