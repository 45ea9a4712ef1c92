#include "scenarios/checker/smallest.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <iterator>

#include "tests/scenarios/checker/generated_histories.h"
#include "tests/scenarios/checker/naive_checker.h"
#include "tests/properties/promise.h"

namespace keelson::checker {
namespace {

using properties::holds;

LinearizabilityResult check(const History& history, ModelKind model) {
  return check_object(history, {.model = model}, {},
                      [&](std::size_t op) { return describe(history.operations[op]); });
}

SmallestPart smallest(const History& history, ModelKind model,
                      const LinearizabilityResult& refuted) {
  return smallest_part(history, model, refuted,
                       [&](std::size_t op) { return describe(history.operations[op]); }, {});
}

History drawn_history(ModelKind model, std::uint32_t changes_most) {
  Choices choices(*rc::gen::resize(160, rc::gen::arbitrary<std::vector<std::uint32_t>>()));
  GenerationOptions options;
  options.model = model;
  options.operations = 1 + choices.below(7);
  options.values = choices.below(5);
  History history = correct_history(choices, options);
  const std::uint32_t changes = choices.below(changes_most + 1);
  for (std::uint32_t i = 0; i < changes; ++i) mutate(choices, history);
  RC_LOG() << text_of(history);
  return history;
}

std::vector<std::size_t> without(std::size_t operations, const std::vector<std::size_t>& set) {
  std::vector<std::size_t> rest;
  for (std::size_t op = 0; op < operations; ++op) {
    if (std::find(set.begin(), set.end(), op) == set.end()) rest.push_back(op);
  }
  return rest;
}

// What makes a refuted part evidence against the whole.
void leaving_out_a_set_keeps_what_is_linearizable_so(ModelKind model, std::size_t& tried) {
  const History history = drawn_history(model, 2);
  if (!some_order_explains(history, model)) return;
  for (const auto& set : removable_sets(history, model)) {
    ++tried;
    RC_ASSERT(
        some_order_explains(restrict(history, without(history.operations.size(), set)), model));
  }
}

TEST(SmallestPartTest, LeavingOutASetKeepsWhatIsLinearizableSo) {
  for (const ModelKind model : {ModelKind::objects, ModelKind::queues}) {
    std::size_t tried = 0;
    EXPECT_TRUE(holds("leaving out a set keeps what is linearizable so", 3'000, [&] {
      leaving_out_a_set_keeps_what_is_linearizable_so(model, tried);
    }));
    if (!properties::is_reproducing()) { EXPECT_GT(tried, 3'000u); }
  }
}

void the_part_is_refuted_and_no_set_of_it_can_go(ModelKind model, std::size_t& refuted) {
  const History history = drawn_history(model, 5);
  const LinearizabilityResult result = check(history, model);
  if (result.verdict != Verdict::not_linearizable) return;
  ++refuted;
  const SmallestPart part = smallest(history, model, result);
  const History& kept = part.history;
  RC_ASSERT(!some_order_explains(restrict(history, part.operations), model));
  RC_ASSERT(!some_order_explains(kept, model));
  for (const auto& set : removable_sets(kept, model)) {
    RC_ASSERT(some_order_explains(restrict(kept, without(kept.operations.size(), set)), model));
  }
}

TEST(SmallestPartTest, IsRefutedByEveryOrderAndNoSetOfItCanGo) {
  for (const ModelKind model : {ModelKind::objects, ModelKind::queues}) {
    std::size_t refuted = 0;
    EXPECT_TRUE(holds("a smallest part is refuted, and no set of it can go", 3'000, [&] {
      the_part_is_refuted_and_no_set_of_it_can_go(model, refuted);
    }));
    if (!properties::is_reproducing()) { EXPECT_GT(refuted, 200u); }
  }
}

class LongHistoryTest : public testing::Test {
 protected:
  std::size_t perform(Kind kind, std::optional<std::string> value, bool is_conditional = false,
                      std::optional<std::string> expected = {}) {
    Operation operation;
    operation.process = "p";
    operation.kind = kind;
    operation.outcome = Outcome::ok;
    operation.value = std::move(value);
    operation.is_conditional = is_conditional;
    operation.expected = std::move(expected);
    const std::size_t op = history_.operations.size();
    history_.operations.push_back(std::move(operation));
    history_.events.push_back({op, false});
    history_.events.push_back({op, true});
    return op;
  }

  History history_;
};

TEST_F(LongHistoryTest, AStaleReadAmongThousandsIsThreeOperations) {
  std::size_t stale_write = 0, overwrite = 0, stale_read = 0;
  for (int i = 0; i < 4'000; ++i) {
    const std::size_t op = perform(Kind::write, std::to_string(i));
    perform(Kind::read, std::to_string(i));
    if (i == 2'999) stale_write = op;
    if (i == 3'000) overwrite = op, stale_read = perform(Kind::read, "2999");
  }
  const SmallestPart part =
      smallest(history_, ModelKind::objects, check(history_, ModelKind::objects));
  // The write of what was read need not be shown: whatever was there before, it is gone.
  EXPECT_TRUE(part.starts_anywhere);
  EXPECT_EQ(part.operations, (std::vector<std::size_t>{overwrite, stale_read}));
  EXPECT_LT(stale_write, overwrite);
  EXPECT_EQ(part.found.op, stale_read);
}

TEST_F(LongHistoryTest, OfAChainOfConditionsOnlyTheEndIsShown) {
  perform(Kind::write, "0");
  for (int i = 0; i < 1'000; ++i) {
    perform(Kind::write, std::to_string(i + 1), true, std::to_string(i));
  }
  const std::size_t lost = perform(Kind::write, "x", true, "999");
  const SmallestPart part =
      smallest(history_, ModelKind::objects, check(history_, ModelKind::objects));
  EXPECT_TRUE(part.starts_anywhere);
  EXPECT_EQ(part.found.op, lost);
  EXPECT_EQ(part.operations, (std::vector<std::size_t>{lost - 1, lost}));
}

TEST_F(LongHistoryTest, AValueThatLeftBeforeItsElderIsThreeOperations) {
  for (int i = 0; i < 1'000; ++i) {
    perform(Kind::enqueue, std::to_string(i));
    if (i >= 5) perform(Kind::dequeue, std::to_string(i - 5));
  }
  perform(Kind::dequeue, "996");
  perform(Kind::dequeue, "995");
  const SmallestPart part =
      smallest(history_, ModelKind::queues, check(history_, ModelKind::queues));
  ASSERT_EQ(part.operations.size(), 3u);
  const auto value_of = [&](std::size_t i) {
    return *history_.operations[part.operations[i]].value;
  };
  EXPECT_EQ(value_of(0) + " " + value_of(1), "995 996");  // As they came; and yet
  EXPECT_EQ(value_of(2), "996");                          // this was the first to leave.
  EXPECT_EQ(part.found.op, part.operations[2]);
}

}  // namespace
}  // namespace keelson::checker
