#include "scenarios/serializability.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keelson::scenarios {
namespace {

using Id = TransactionHistory::Id;
using Values = std::vector<std::uint64_t>;
using Step = TransactionStep;
using sim::TrueTime;

Step read(std::string key, Values list = {}) {
  return {.kind = Step::Kind::read, .key = std::move(key), .value = 0, .list = std::move(list)};
}
Step append(std::string key, std::uint64_t value) {
  return {.kind = Step::Kind::append, .key = std::move(key), .value = value, .list = {}};
}

// A history told by hand, one moment a line.
class SerializabilityTest : public testing::Test {
 protected:
  Id invoke(std::vector<Step> steps) {
    const auto client = static_cast<std::uint32_t>(lists_.size() + 1);
    lists_.emplace_back();
    for (Step& step : steps) {
      if (step.kind == Step::Kind::read) lists_.back().push_back(std::exchange(step.list, {}));
    }
    return history_.invoke(client, std::move(steps), "n1", tick());
  }
  void ok(Id id) { history_.ok(id, lists_[id], tick()); }
  // All of these at the same time.
  void together(std::vector<std::vector<Step>> transactions) {
    const Id first = lists_.size();
    for (auto& steps : transactions) invoke(std::move(steps));
    for (Id id = first; id < lists_.size(); ++id) ok(id);
  }
  // One after another.
  void in_turn(std::vector<std::vector<Step>> transactions) {
    for (auto& steps : transactions) ok(invoke(std::move(steps)));
  }
  void expect(Anomaly anomaly, Readers readers = Readers::in_real_time) {
    const auto report = check_serializability(history_, readers);
    ASSERT_EQ(report.findings.size(), 1u) << (report.holds() ? "" : report.findings[0].message);
    EXPECT_EQ(name_of(report.findings[0].anomaly), name_of(anomaly)) << report.findings[0].message;
  }
  void expect_holds(Readers readers = Readers::in_real_time) {
    const auto report = check_serializability(history_, readers);
    EXPECT_TRUE(report.holds()) << report.findings[0].message;
  }
  TrueTime tick() { return TrueTime{++now_ * 1'000'000}; }

  TransactionHistory history_;
  std::vector<std::vector<Values>> lists_;
  std::int64_t now_ = 0;
};

TEST_F(SerializabilityTest, AnEmptyHistoryHolds) { expect_holds(); }

TEST_F(SerializabilityTest, ASerialHistoryHolds) {
  in_turn({{append("x", 1), append("y", 1)},
           {read("x", {1}), append("x", 2), read("x", {1, 2})},
           {read("y", {1}), read("x", {1, 2})}});
  expect_holds();
  const auto report = check_serializability(history_);
  EXPECT_EQ(report.committed, 3u);
  EXPECT_EQ(report.lists_read, 4u);
  EXPECT_GT(report.dependencies, 0u);
}

// --- single reads ---

TEST_F(SerializabilityTest, AReadOfWhatNobodyWroteIsSeen) {
  in_turn({{append("x", 1)}, {read("x", {1, 7})}});
  expect(Anomaly::unwritten_read);
}

TEST_F(SerializabilityTest, AnAbortedReadIsSeen) {
  history_.abort(invoke({append("x", 1)}), tick());
  in_turn({{read("x", {1})}});
  expect(Anomaly::aborted_read);
}

TEST_F(SerializabilityTest, WhatAnAbortedTransactionReadIsNoEvidence) {
  in_turn({{append("x", 1)}});
  history_.abort(invoke({read("x", {})}), tick());
  in_turn({{read("x", {1})}});
  expect_holds();
}

TEST_F(SerializabilityTest, AnIntermediateReadIsSeen) {
  together({{append("x", 1), append("x", 2)}, {read("x", {1})}});
  expect(Anomaly::intermediate_read);
}

TEST_F(SerializabilityTest, ATransactionSeesItsOwnAppendsAtOnce) {
  in_turn({{append("x", 1), read("x", {1}), append("x", 2), read("x", {1, 2})}});
  expect_holds();
}

TEST_F(SerializabilityTest, ATransactionThatMissesItsOwnAppendIsSeen) {
  in_turn({{append("x", 1), read("x", {})}});
  expect(Anomaly::internal);
}

TEST_F(SerializabilityTest, ATransactionThatReadsTwoVersionsOfAListIsSeen) {
  together({{read("x", {}), read("x", {1})}, {append("x", 1)}});
  expect(Anomaly::internal);
}

TEST_F(SerializabilityTest, ATransactionThatReadsItsAppendBeforeItIsMadeIsSeen) {
  in_turn({{read("x", {1}), append("x", 1)}});
  expect(Anomaly::internal);
}

TEST_F(SerializabilityTest, ADuplicateAppendIsSeen) {
  in_turn({{append("x", 1)}, {read("x", {1, 1})}});
  expect(Anomaly::duplicate_append);
}

TEST_F(SerializabilityTest, IncompatibleOrdersAreSeen) {
  together({{append("x", 1)}, {append("x", 2)}, {read("x", {1, 2})}, {read("x", {2, 1})}});
  expect(Anomaly::incompatible_orders);
}

TEST_F(SerializabilityTest, TheAppendsOfATransactionInAnotherOrderAreSeen) {
  in_turn({{append("x", 1), append("x", 2)}, {append("x", 3)}, {read("x", {2, 1, 3})}});
  expect(Anomaly::incompatible_orders);
}

TEST_F(SerializabilityTest, ALaterAppendWithoutTheEarlierOneIsSeen) {
  in_turn({{append("x", 1), append("x", 2)}, {read("x", {2})}});
  expect(Anomaly::incompatible_orders);
}

// --- circles ---

TEST_F(SerializabilityTest, DirtyWritesAreSeen) {
  together({{append("x", 1), append("y", 1)},
            {append("x", 2), append("y", 2)},
            {read("x", {1, 2})},
            {read("y", {2, 1})}});
  expect(Anomaly::dirty_write);
}

TEST_F(SerializabilityTest, CircularInformationFlowIsSeen) {
  together({{append("x", 1), read("y", {1})}, {append("y", 1), read("x", {1})}});
  expect(Anomaly::circular_information);
}

TEST_F(SerializabilityTest, ALostUpdateIsSeen) {
  together({{read("x", {}), append("x", 1)}, {read("x", {}), append("x", 2)}});
  in_turn({{read("x", {1, 2})}});
  expect(Anomaly::lost_update);
}

TEST_F(SerializabilityTest, ReadSkewIsSeen) {
  together({{append("x", 1), append("y", 1)}, {read("x", {}), read("y", {1})}});
  expect(Anomaly::read_skew);
}

TEST_F(SerializabilityTest, WriteSkewIsSeen) {
  together({{read("x", {}), append("y", 1)}, {read("y", {}), append("x", 1)}});
  expect(Anomaly::write_skew);
}

TEST_F(SerializabilityTest, AReadThatMissesWhatHadReturnedIsSeen) {
  in_turn({{append("x", 1)}, {read("x", {})}});
  expect(Anomaly::stale_read);
}

TEST_F(SerializabilityTest, AReadAtTheSameTimeMayMissIt) {
  together({{append("x", 1)}, {read("x", {})}});
  expect_holds();
}

TEST_F(SerializabilityTest, ALostAppendIsSeenEvenIfOthersFollowed) {
  in_turn({{append("x", 1)}, {append("x", 2)}, {read("x", {2})}});
  expect(Anomaly::real_time_order);
}

TEST_F(SerializabilityTest, AppendsInAnOrderAgainstTimeAreSeen) {
  in_turn({{append("x", 1)}, {append("x", 2)}, {read("x", {2, 1})}});
  expect(Anomaly::real_time_order);
}

TEST_F(SerializabilityTest, TwoStaleReadsThatNoneOfThemAloneWouldBeAreSeen) {
  // T2 reads before T0, T3 before T1; T2 was called after T1 and T3 after T0 had returned.
  const Id a = invoke({append("x", 1)});
  const Id b = invoke({append("y", 1)});
  ok(a);
  const Id reads_y = invoke({read("y", {})});
  ok(b);
  const Id reads_x = invoke({read("x", {})});
  ok(reads_y);
  ok(reads_x);
  expect(Anomaly::stale_read);
}

TEST_F(SerializabilityTest, LongForksAreSeen) {
  together({{append("x", 1)},
            {append("y", 1)},
            {read("x", {1}), read("y", {})},
            {read("x", {}), read("y", {1})}});
  expect(Anomaly::write_skew);
}

TEST_F(SerializabilityTest, TheSmallestCircleIsTold) {
  together({{read("x", {}), append("y", 1)},
            {read("y", {}), append("z", 1)},
            {read("z", {}), append("x", 1)},
            {read("u", {}), append("v", 1)},
            {read("v", {}), append("u", 1)}});
  const auto report = check_serializability(history_);
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].transactions, (std::vector<Id>{3, 4}));
  EXPECT_EQ(report.findings[0].message,
            "No order of these 2 explains them:\n"
            "  T3 before T4: T3 read u without 1, which T4 appended\n"
            "  T4 before T3: T4 read v without 1, which T3 appended\n"
            "  T3 = c4: read u [], append v 1 at n1 (0.004s to 0.009s): ok\n"
            "  T4 = c5: read v [], append u 1 at n1 (0.005s to 0.010s): ok");
}

TEST_F(SerializabilityTest, ACircleThroughTimeSaysWhen) {
  in_turn({{append("x", 1)}, {append("y", 1)}, {read("x", {})}});
  const auto report = check_serializability(history_);
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].message,
            "No order of these 2 explains them:\n"
            "  T2 before T0: T2 read x without 1, which T0 appended\n"
            "  T0 before T2: T0 had returned at 0.002s, and T2 was called at 0.005s\n"
            "  T2 = c3: read x [] at n1 (0.005s to 0.006s): ok\n"
            "  T0 = c1: append x 1 at n1 (0.001s to 0.002s): ok");
}

// --- unknown outcomes ---

TEST_F(SerializabilityTest, WhatIsUnknownMayBeSeenOrNot) {
  history_.unknown(invoke({append("x", 1)}), tick());
  history_.unknown(invoke({append("x", 2)}), tick());
  in_turn({{read("x", {})}, {read("x", {2})}, {read("x", {2})}});
  expect_holds();
}

TEST_F(SerializabilityTest, WhatIsUnknownAndWasSeenStays) {
  history_.unknown(invoke({append("x", 1)}), tick());
  in_turn({{read("x", {1})}, {read("x", {})}});
  expect(Anomaly::stale_read);
}

TEST_F(SerializabilityTest, WhatIsUnknownAndWasSeenIsThereAltogether) {
  history_.unknown(invoke({append("x", 1), append("y", 1)}), tick());
  in_turn({{read("x", {1}), read("y", {})}});
  expect(Anomaly::read_skew);
}

TEST_F(SerializabilityTest, WhatIsUnknownMayTakeEffectLongAfterwards) {
  history_.unknown(invoke({append("x", 1)}), tick());
  in_turn({{append("x", 2)}, {read("x", {2})}, {append("x", 3)}, {read("x", {2, 3, 1})}});
  expect_holds();
}

TEST_F(SerializabilityTest, WhatNeverReturnedIsUnknown) {
  invoke({append("x", 1)});
  in_turn({{read("x", {})}, {read("x", {1})}});
  expect_holds();
}

// --- transactions that only read, list by list ---

TEST_F(SerializabilityTest, AReaderMayMissTheEarlierOfTwoWritersThatItOverlaps) {
  const Id reader = invoke({read("x"), read("y", {2})});
  in_turn({{append("x", 1)}, {append("y", 2)}});
  ok(reader);
  expect_holds(Readers::list_by_list);
  expect(Anomaly::stale_read);
}

TEST_F(SerializabilityTest, AWriterMayNotMissIt) {
  const Id reader = invoke({read("x"), read("y", {2}), append("z", 3)});
  in_turn({{append("x", 1)}, {append("y", 2)}});
  ok(reader);
  expect(Anomaly::stale_read, Readers::list_by_list);
}

TEST_F(SerializabilityTest, AReaderMayNotMissWhatHadReturned) {
  in_turn({{append("x", 1)}, {append("y", 2)}, {read("x"), read("y", {2})}});
  expect(Anomaly::stale_read, Readers::list_by_list);
}

TEST_F(SerializabilityTest, AReaderMayNotSeeHalfOfATransaction) {
  together({{append("x", 1), append("y", 2)}, {read("x", {1}), read("y")}, {read("y", {2})}});
  expect(Anomaly::read_skew, Readers::list_by_list);
}

TEST_F(SerializabilityTest, ReadersMayNotDifferAboutTheOrderOfWriters) {
  together({{append("x", 1)},
            {append("y", 2)},
            {read("x", {1}), read("y")},
            {read("x"), read("y", {2})}});
  expect(Anomaly::write_skew, Readers::list_by_list);
}

TEST_F(SerializabilityTest, AnAppendThatIsLostIsSeenByAReaderOfSeveralLists) {
  in_turn({{append("x", 1), append("y", 2)}, {read("x"), read("y")}});
  expect(Anomaly::stale_read, Readers::list_by_list);
}

// --- against a search through all orders ---

// What a database that is nothing but a map would answer to these steps.
bool is_explained(const Transaction& transaction, std::map<std::string, Values>& lists) {
  for (const Step& step : transaction.steps) {
    if (step.kind == Step::Kind::append) {
      lists[step.key].push_back(step.value);
    } else if (transaction.outcome == Outcome::ok && lists[step.key] != step.list) {
      return false;
    }
  }
  return true;
}

// Whether some order explains all that is left. SHOULD NEVER BE USED FOR MORE THAN A FEW.
bool some_order_holds(const std::vector<Transaction>& all,
                      const std::vector<std::pair<Id, Id>>& before, std::vector<Id> left,
                      const std::map<std::string, Values>& lists) {
  const bool may_end = std::all_of(left.begin(), left.end(),
                                   [&](Id id) { return all[id].outcome != Outcome::ok; });
  if (may_end) return true;
  for (const Id next : left) {
    const bool must_wait = std::any_of(before.begin(), before.end(), [&](const auto& pair) {
      return pair.second == next && std::find(left.begin(), left.end(), pair.first) != left.end();
    });
    if (must_wait) continue;
    std::map<std::string, Values> after = lists;
    if (!is_explained(all[next], after)) continue;
    std::vector<Id> rest = left;
    std::erase(rest, next);
    if (some_order_holds(all, before, std::move(rest), after)) return true;
  }
  return false;
}

bool some_order_holds(const TransactionHistory& history, bool in_real_time) {
  std::vector<Id> left;
  std::vector<std::pair<Id, Id>> before;
  std::vector<Id> returned;
  for (const auto& event : history.events()) {
    const Outcome outcome = history.transactions()[event.id].outcome;
    if (outcome == Outcome::fail) continue;
    if (!event.is_return) {
      left.push_back(event.id);
      if (!in_real_time) continue;
      for (const Id earlier : returned) before.emplace_back(earlier, event.id);
    } else if (outcome == Outcome::ok) {
      returned.push_back(event.id);
    }
  }
  return some_order_holds(history.transactions(), before, left, {});
}

// A database that takes a transaction at one moment between its call and its return; unknown ones
// later, or never. Then some of what it answered is changed.
TransactionHistory drawn_history(std::size_t count, std::size_t changes) {
  struct Running {
    std::vector<Step> steps;
    std::vector<Values> answers;
    bool has_happened = false;
  };
  TransactionHistory history;
  std::map<std::string, Values> lists;
  std::vector<Running> all;
  std::vector<std::optional<Id>> clients(3);
  std::uint64_t next_value = 1;
  std::int64_t now = 0;
  const auto happen = [&](Running& running) {
    running.has_happened = true;
    for (const Step& step : running.steps) {
      if (step.kind == Step::Kind::append) lists[step.key].push_back(step.value);
      else running.answers.push_back(lists[step.key]);
    }
  };
  const auto change = [&](std::vector<Values>& answers) {
    if (answers.empty()) return;
    Values& list = answers[*rc::gen::inRange<std::size_t>(0, answers.size())];
    switch (*rc::gen::inRange(0, 5)) {
      case 0: list.push_back(*rc::gen::inRange<std::uint64_t>(1, next_value + 1)); break;
      case 1:
        if (list.size() > 1) std::swap(list[list.size() - 1], list[list.size() - 2]);
        break;
      default:
        if (!list.empty()) list.pop_back();
    }
  };
  while (true) {
    const bool is_idle = std::none_of(clients.begin(), clients.end(),
                                      [](const auto& id) { return id.has_value(); });
    if (is_idle && all.size() == count) return history;
    auto& client = clients[*rc::gen::inRange<std::size_t>(0, clients.size())];
    ++now;
    if (!client) {
      if (all.size() == count) continue;
      Running running;
      for (int steps = *rc::gen::inRange(1, 4); steps > 0; --steps) {
        const std::string key = *rc::gen::element<std::string>("x", "y");
        running.steps.push_back(*rc::gen::arbitrary<bool>() ? append(key, next_value++)
                                                            : read(key));
      }
      client = history.invoke(1, running.steps, "n1", TrueTime{now});
      all.push_back(std::move(running));
      continue;
    }
    Running& running = all[*client];
    if (!running.has_happened && *rc::gen::arbitrary<bool>()) {
      happen(running);
      continue;
    }
    const int outcome = *rc::gen::inRange(0, 8);
    if (outcome == 0) {
      history.unknown(*client, TrueTime{now});  // It may have happened or not.
    } else if (outcome == 1 && !running.has_happened) {
      history.abort(*client, TrueTime{now});
    } else {
      if (!running.has_happened) happen(running);
      std::vector<Values> answers = running.answers;
      if (changes > 0 && *rc::gen::arbitrary<bool>()) {
        --changes;
        change(answers);
      }
      history.ok(*client, std::move(answers), TrueTime{now});
    }
    client.reset();
  }
}

RC_GTEST_PROP(SerializabilityProperty, WhateverASerialDatabaseAnsweredHolds, ()) {
  const TransactionHistory history = drawn_history(*rc::gen::inRange<std::size_t>(0, 30), 0);
  const auto report = check_serializability(history);
  RC_ASSERT(report.holds());
}

RC_GTEST_PROP(SerializabilityProperty, ItSaysWhatASearchThroughAllOrdersSays, ()) {
  const TransactionHistory history = drawn_history(*rc::gen::inRange<std::size_t>(0, 8), 4);
  const auto report = check_serializability(history);
  const bool has_order = some_order_holds(history, true);
  RC_CLASSIFY(has_order);
  if (!report.holds()) RC_TAG(std::string(name_of(report.findings[0].anomaly)));
  RC_ASSERT(report.holds() == has_order);
}

bool only_reads(const Transaction& transaction) {
  return std::all_of(transaction.steps.begin(), transaction.steps.end(),
                     [](const Step& step) { return step.kind == Step::Kind::read; });
}

// What it demands of the readers is between the two.
RC_GTEST_PROP(SerializabilityProperty, ReadersListByListAreBetweenNoTimeAndRealTime, ()) {
  const TransactionHistory history = drawn_history(*rc::gen::inRange<std::size_t>(0, 8), 4);
  const bool holds = check_serializability(history, Readers::list_by_list).holds();
  RC_CLASSIFY(holds);
  if (holds) RC_ASSERT(some_order_holds(history, false));
  if (some_order_holds(history, true)) RC_ASSERT(holds);
  const auto& all = history.transactions();
  if (std::none_of(all.begin(), all.end(), only_reads)) {
    RC_ASSERT(holds == some_order_holds(history, true));
  }
}

}  // namespace
}  // namespace keelson::scenarios
