#include "scenarios/checker/queue_rules.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <set>
#include <string>

#include "scenarios/checker/check_history.h"
#include "tests/scenarios/checker/generated_histories.h"
#include "tests/scenarios/checker/naive_checker.h"
#include "tests/properties/promise.h"

namespace keelson::checker {
namespace {

using properties::holds;

std::optional<LinearizabilityResult> refute(const History& history) {
  return refute_queue(history, [&](std::size_t op) { return describe(history.operations[op]); });
}

struct Tally {
  std::size_t by_rule = 0;
  std::size_t by_search_alone = 0;
};

History drawn_history(std::uint32_t values, std::uint32_t unknown_one_in) {
  Choices choices(*rc::gen::resize(160, rc::gen::arbitrary<std::vector<std::uint32_t>>()));
  GenerationOptions options;
  options.model = ModelKind::queues;
  options.operations = 1 + choices.below(8);
  options.processes = 1 + choices.below(4);
  options.values = values;
  options.unknown_one_in = unknown_one_in;
  History history = correct_history(choices, options);
  const std::uint32_t changes = choices.below(5);
  for (std::uint32_t i = 0; i < changes; ++i) mutate(choices, history);
  RC_LOG() << text_of(history);
  return history;
}

void compare(const History& history, Tally& tally) {
  const auto refuted = refute(history);
  const bool expected = some_order_explains(history, ModelKind::queues);
  if (refuted) RC_LOG() << refuted->message;
  RC_ASSERT(!(refuted && expected));
  if (!expected) ++(refuted ? tally.by_rule : tally.by_search_alone);
}

TEST(QueueRulesTest, NothingThatSomeOrderExplainsIsRefuted) {
  Tally tally;
  EXPECT_TRUE(holds("what breaks a rule is explained by no order", 20'000, [&] {
    compare(drawn_history(*rc::gen::inRange(0u, 4u), *rc::gen::inRange(2u, 8u)), tally);
  }));
  if (!properties::is_reproducing()) { EXPECT_GT(tally.by_rule, 1'000u); }
}

// Then the rules are complete (Henzinger et al.), as far as tiny histories tell.
TEST(QueueRulesTest, WhatIsKnownInFullAndNamesEachValueOnceIsRefutedByRule) {
  Tally tally;
  EXPECT_TRUE(holds("what no order explains breaks a rule", 30'000, [&] {
    History history = drawn_history(0, 1'000'000);
    std::set<std::string> enqueued;
    for (const Operation& operation : history.operations) {
      if (operation.outcome != Outcome::ok) return;
      if (operation.kind != Kind::enqueue) continue;
      if (!enqueued.insert(*operation.value).second) return;
    }
    const std::size_t before = tally.by_search_alone;
    compare(history, tally);
    RC_ASSERT(tally.by_search_alone == before);
  }));
  if (!properties::is_reproducing()) { EXPECT_GT(tally.by_rule, 800u); }
}

// --- one for each rule ---

class QueueRuleTest : public testing::Test {
 protected:
  std::size_t call(Kind kind, std::optional<std::string> value) {
    Operation operation;
    operation.kind = kind;
    operation.value = std::move(value);
    history_.events.push_back({history_.operations.size(), false});
    history_.operations.push_back(std::move(operation));
    return history_.operations.size() - 1;
  }
  void ok(std::size_t op) {
    history_.operations[op].outcome = Outcome::ok;
    history_.events.push_back({op, true});
  }
  std::size_t perform(Kind kind, std::optional<std::string> value) {
    const std::size_t op = call(kind, std::move(value));
    ok(op);
    return op;
  }
  void expect_refuted(std::size_t op, const std::string& why) {
    const auto refuted = refute(history_);
    ASSERT_TRUE(refuted.has_value());
    EXPECT_EQ(refuted->op, op);
    EXPECT_NE(refuted->message.find(why), std::string::npos) << refuted->message;
    EXPECT_FALSE(some_order_explains(history_, ModelKind::queues));
  }

  History history_;
};

TEST_F(QueueRuleTest, AValueDoesNotLeaveMoreOftenThanItCame) {
  perform(Kind::enqueue, "a");
  perform(Kind::dequeue, "a");
  const std::size_t again = perform(Kind::dequeue, "a");
  perform(Kind::enqueue, "a");
  expect_refuted(again, "had not been enqueued so often");
}

TEST_F(QueueRuleTest, WhatCameStrictlyEarlierDoesNotLeaveStrictlyLater) {
  perform(Kind::enqueue, "a");
  perform(Kind::enqueue, "b");
  perform(Kind::dequeue, "b");
  expect_refuted(perform(Kind::dequeue, "a"), "had taken what came later");
}

TEST_F(QueueRuleTest, WhatCameEarlierDoesNotStayUnlessSomebodyMayHaveTakenIt) {
  perform(Kind::enqueue, "a");
  perform(Kind::enqueue, "b");
  perform(Kind::enqueue, "c");
  call(Kind::dequeue, {});  // Of a or of b, but not of both.
  expect_refuted(perform(Kind::dequeue, "c"), "nobody took it");
  history_.operations.pop_back();
  history_.events.resize(history_.events.size() - 2);
  perform(Kind::dequeue, "b");
  EXPECT_FALSE(refute(history_).has_value());
}

TEST_F(QueueRuleTest, NothingIsNotFoundWhileSomethingWasThereAllTheTime) {
  perform(Kind::enqueue, "a");
  const std::size_t empty = call(Kind::dequeue, {});
  perform(Kind::enqueue, "b");
  perform(Kind::dequeue, "a");
  ok(empty);
  perform(Kind::dequeue, "b");
  expect_refuted(empty, "something was there all the time");
}

// --- and what they are for ---

// A search may keep very many configurations for such a history; no step of it is needed.
TEST(QueueRulesTest, AWrongAnswerAtTheEndOfALongHistoryIsFoundWithoutASearch) {
  std::vector<std::uint32_t> numbers;
  std::uint64_t state = 7;
  for (std::size_t i = 0; i < 400'000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    numbers.push_back(static_cast<std::uint32_t>(state >> 33));
  }
  Choices choices(std::move(numbers));
  GenerationOptions options;
  options.model = ModelKind::queues;
  options.operations = 20'000;
  options.processes = 10;
  options.values = 0;
  options.unknown_one_in = 200;
  options.fail_one_in = 1'000'000;
  History history = correct_history(choices, options);
  const auto is_taken = [](const Operation& operation) {
    return operation.kind == Kind::dequeue && operation.outcome == Outcome::ok && operation.value;
  };
  const auto first =
      std::find_if(history.operations.begin(), history.operations.end(), is_taken);
  const auto last =
      std::find_if(history.operations.rbegin(), history.operations.rend(), is_taken);
  last->value = first->value;
  Budget budget;
  budget.steps = 0;
  const LinearizabilityResult result =
      check_object(history, {.model = ModelKind::queues}, budget,
                   [&](std::size_t op) { return describe(history.operations[op]); });
  EXPECT_EQ(result.verdict, Verdict::not_linearizable);
}

}  // namespace
}  // namespace keelson::checker
