#include "scenarios/checker/linearizability.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "scenarios/checker/check_history.h"
#include "tests/scenarios/checker/generated_histories.h"
#include "tests/scenarios/checker/naive_checker.h"
#include "tests/properties/promise.h"

namespace keelson::checker {
namespace {

using properties::holds;

LinearizabilityResult check(const History& history, ModelKind model,
                            std::uint64_t steps = 1'000'000) {
  Budget budget;
  budget.steps = steps;
  return check_object(history, {.model = model}, budget,
                      [&](std::size_t op) { return describe(history.operations[op]); });
}

Choices drawn(int most) {
  return Choices(*rc::gen::resize(most, rc::gen::arbitrary<std::vector<std::uint32_t>>()));
}

// True if `order` respects the calls and returns and has every answered operation in it, and each
// answer is right: nothing is taken from the search's word.
bool is_witness(const History& history, ModelKind model, const std::vector<std::size_t>& order) {
  History sequential;
  std::vector<std::size_t> place(history.operations.size(), SIZE_MAX);
  for (const std::size_t op : order) {
    if (place[op] != SIZE_MAX) return false;
    place[op] = sequential.operations.size();
    sequential.operations.push_back(history.operations[op]);
    // What is in the order has happened.
    Operation& operation = sequential.operations.back();
    const bool shows = operation.kind == Kind::read || operation.kind == Kind::dequeue;
    sequential.events.push_back({place[op], false});
    if (operation.outcome == Outcome::ok) sequential.events.push_back({place[op], true});
    else if (operation.outcome == Outcome::fail) return false;
    if (operation.outcome == Outcome::unknown && shows) operation.value.reset();
  }
  for (std::size_t op = 0; op < place.size(); ++op) {
    if (history.operations[op].outcome == Outcome::ok && place[op] == SIZE_MAX) return false;
  }
  std::vector<std::size_t> returned;
  for (const HistoryEvent& event : history.events) {
    if (event.is_return && place[event.op] != SIZE_MAX) returned.push_back(place[event.op]);
    if (event.is_return || place[event.op] == SIZE_MAX) continue;
    for (const std::size_t before : returned) {
      if (before > place[event.op]) return false;
    }
  }
  return some_order_explains(sequential, model);
}

struct Tally {
  std::size_t linearizable = 0;
  std::size_t refuted = 0;
  std::size_t with_unknowns = 0;
};

// The comparison is worth something only if both answers are common, and unknown outcomes are, too.
void expect_variety(const Tally& tally, std::size_t least) {
  EXPECT_GT(tally.linearizable, least);
  EXPECT_GT(tally.refuted, least);
  EXPECT_GT(tally.with_unknowns, least);
}

// One history: correct, or with up to six things changed in it.
void compare_one(ModelKind model, Tally& tally) {
  Choices choices = drawn(160);
  GenerationOptions options;
  options.model = model;
  options.operations = 1 + choices.below(7);
  options.processes = 1 + choices.below(4);
  options.values = choices.below(4);
  History history = correct_history(choices, options);
  const std::uint32_t changes = choices.below(7);
  for (std::uint32_t i = 0; i < changes; ++i) mutate(choices, history);

  const bool expected = some_order_explains(history, model);
  const LinearizabilityResult result = check(history, model);
  RC_LOG() << text_of(history) << result.message;
  RC_ASSERT(result.verdict == (expected ? Verdict::linearizable : Verdict::not_linearizable));
  RC_ASSERT(expected || changes > 0u);  // The generator itself is correct.
  if (expected) RC_ASSERT(is_witness(history, model, result.order));

  ++(expected ? tally.linearizable : tally.refuted);
  for (const Operation& operation : history.operations) {
    if (operation.outcome != Outcome::unknown) continue;
    ++tally.with_unknowns;
    break;
  }
}

TEST(LinearizabilityTest, AgreesWithEveryOrderOfTinyHistoriesOfObjects) {
  Tally tally;
  EXPECT_TRUE(holds("the search says of an object what every order says", 10'000,
                    [&] { compare_one(ModelKind::objects, tally); }));
  if (!properties::is_reproducing()) expect_variety(tally, 900);
}

TEST(LinearizabilityTest, AgreesWithEveryOrderOfTinyHistoriesOfQueues) {
  Tally tally;
  EXPECT_TRUE(holds("the search says of a queue what every order says", 10'000,
                    [&] { compare_one(ModelKind::queues, tally); }));
  if (!properties::is_reproducing()) expect_variety(tally, 900);
}

TEST(LinearizabilityTest, ASpentBudgetIsNeverAYes) {
  History bad;
  for (const char* value : {"old", "new", "old"}) {
    Operation operation;
    operation.kind = bad.operations.size() == 2 ? Kind::read : Kind::write;
    operation.outcome = Outcome::ok;
    operation.value = value;
    bad.events.push_back({bad.operations.size(), false});
    bad.events.push_back({bad.operations.size(), true});
    bad.operations.push_back(std::move(operation));
  }
  EXPECT_EQ(check(bad, ModelKind::objects).verdict, Verdict::not_linearizable);
  EXPECT_EQ(check(bad, ModelKind::objects, 0).verdict, Verdict::undecided);
}

// Longer than every order could be tried: those that are correct by construction are found to be
// so, with a witness, whatever the concurrency and the number of unknown outcomes.
void check_long_correct_one(ModelKind model) {
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  std::vector<std::uint32_t> numbers;
  std::uint64_t state = seed;
  for (std::size_t i = 0; i < 6'000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    numbers.push_back(static_cast<std::uint32_t>(state >> 33));
  }
  Choices choices(std::move(numbers));
  GenerationOptions options;
  options.model = model;
  options.operations = 300;
  options.processes = 2 + choices.below(12);
  // Equal values in a queue leave the search nothing but to try; in an object it copes.
  const bool repeats = model == ModelKind::objects && choices.below(3) == 0;
  options.values = repeats ? 5 : 0;
  options.unknown_one_in = 10 + choices.below(100);
  options.is_conditional = choices.below(2) == 1;
  const History history = correct_history(choices, options);
  const LinearizabilityResult result = check(history, model, 50'000'000);
  RC_LOG() << result.message;
  RC_ASSERT(result.verdict == Verdict::linearizable);
}

TEST(LinearizabilityTest, FindsAnOrderForLongCorrectHistoriesOfObjects) {
  EXPECT_TRUE(holds("a correct object is linearizable", 100,
                    [] { check_long_correct_one(ModelKind::objects); }));
}

TEST(LinearizabilityTest, FindsAnOrderForLongCorrectHistoriesOfQueues) {
  EXPECT_TRUE(holds("a correct queue is linearizable", 100,
                    [] { check_long_correct_one(ModelKind::queues); }));
}

}  // namespace
}  // namespace keelson::checker
