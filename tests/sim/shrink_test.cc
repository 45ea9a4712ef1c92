#include "sim/shrink.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "core/base/bytes.h"

namespace keelson::sim {
namespace {

using Predicate = std::function<bool(const ChoicesByStream&)>;

std::vector<DrawnChoice> listed(const ChoicesByStream& choices) {
  std::vector<DrawnChoice> list;
  for (const auto& [stream, each] : choices) {
    for (const Choice& choice : each) {
      list.push_back({stream, choice, TrueTime{static_cast<std::int64_t>(choice.nth)}});
    }
  }
  std::stable_sort(list.begin(), list.end(),
                   [](const DrawnChoice& a, const DrawnChoice& b) { return a.at < b.at; });
  return list;
}

// Runs a predicate, which says whether the choices fail; all of them are asked for.
class PredicateTrials : public Trials {
 public:
  explicit PredicateTrials(Predicate fails, std::size_t budget = SIZE_MAX)
      : fails_(std::move(fails)), budget_(budget) {}

  std::optional<Found> first_failing(const Candidates& candidate) override {
    for (std::size_t number = 0; !is_over(); ++number) {
      const auto choices = candidate(number);
      if (!choices) return std::nullopt;
      ++runs;
      if (fails_(*choices)) return Found{.number = number, .choices = listed(*choices)};
    }
    return std::nullopt;
  }
  bool is_over() const override { return runs >= budget_; }

  std::size_t runs = 0;

 private:
  const Predicate fails_;
  const std::size_t budget_;
};

std::uint64_t value_at(const ChoicesByStream& choices, const std::string& stream,
                       std::uint64_t nth) {
  const auto found = choices.find(stream);
  if (found == choices.end()) return 0;
  for (const Choice& choice : found->second) {
    if (choice.nth == nth) return choice.value;
  }
  return 0;
}

// A run as it is drawn: some streams, each with choices at some of its first places.
rc::Gen<ChoicesByStream> arbitrary_choices() {
  return rc::gen::exec([] {
    constexpr const char* kStreams[] = {"net/a/delay", "net/b/delay", "client/1/op", "plan"};
    ChoicesByStream choices;
    for (const char* const stream : kStreams) {
      for (const auto nth : *rc::gen::container<std::set<std::uint64_t>>(rc::gen::inRange(0, 60))) {
        choices[stream].push_back({nth, *rc::gen::inRange<std::uint64_t>(1, 1000)});
      }
      if (choices[stream].empty()) choices.erase(stream);
    }
    return choices;
  });
}

// Some of the choices, each with the least value that will do.
rc::Gen<std::vector<DrawnChoice>> some_of(const ChoicesByStream& choices) {
  return rc::gen::exec([choices] {
    std::vector<DrawnChoice> some;
    for (DrawnChoice each : listed(choices)) {
      if (*rc::gen::inRange(0, 10) != 0) continue;
      each.choice.value = *rc::gen::inRange<std::uint64_t>(1, each.choice.value + 1);
      some.push_back(each);
    }
    return some;
  });
}

// Fails where all of these are there, and each at least as large.
Predicate needs(const std::vector<DrawnChoice>& needed) {
  return [needed](const ChoicesByStream& choices) {
    return std::all_of(needed.begin(), needed.end(), [&](const DrawnChoice& each) {
      return value_at(choices, each.stream, each.choice.nth) >= each.choice.value;
    });
  };
}

// Fails for no good reason: where a hash says so. Nothing is monotonic here.
Predicate by_chance(std::uint64_t salt, const ChoicesByStream& always) {
  return [salt, always](const ChoicesByStream& choices) {
    if (choices == always) return true;
    std::uint64_t mixed = salt;
    for (const auto& [stream, choice, at] : listed(choices)) {
      mixed = (mixed ^ hash64(stream) ^ choice.nth * 31 ^ choice.value) * 0x9e3779b97f4a7c15;
      mixed ^= mixed >> 29;
    }
    return mixed % 4 == 0;
  };
}

RC_GTEST_PROP(ShrinkTest, WhatIsNeededIsLeftAndNothingElse, ()) {
  const auto choices = *arbitrary_choices();
  const auto needed = *some_of(choices);
  PredicateTrials trials(needs(needed));
  const auto left = shrink(listed(choices), trials);
  RC_ASSERT(by_stream(left) == by_stream(needed));
}

RC_GTEST_PROP(ShrinkTest, WhatIsLeftFailsEvenWhenTheBudgetEndsEarly, (std::uint64_t salt)) {
  const auto choices = *arbitrary_choices();
  const Predicate fails = by_chance(salt, choices);
  PredicateTrials trials(fails, *rc::gen::inRange<std::size_t>(0, 300));
  const auto left = shrink(listed(choices), trials);
  RC_ASSERT(fails(by_stream(left)));
  RC_ASSERT(left.size() <= listed(choices).size());
}

RC_GTEST_PROP(ShrinkTest, NoSingleChoiceCanBeZeroedLoweredOrDeletedAnyMore, (std::uint64_t salt)) {
  const auto choices = *arbitrary_choices();
  const Predicate fails = by_chance(salt, choices);
  PredicateTrials trials(fails);
  const auto left = shrink(listed(choices), trials);
  for (std::size_t i = 0; i < left.size(); ++i) {
    auto zeroed = left;
    zeroed.erase(zeroed.begin() + static_cast<std::ptrdiff_t>(i));
    RC_ASSERT(!fails(by_stream(zeroed)));
    auto deleted = zeroed;
    for (DrawnChoice& each : deleted) {
      const bool is_after =
          each.stream == left[i].stream && each.choice.nth > left[i].choice.nth;
      if (is_after) --each.choice.nth;
    }
    RC_ASSERT(!fails(by_stream(deleted)));
    auto lowered = left;
    if (--lowered[i].choice.value > 0) RC_ASSERT(!fails(by_stream(lowered)));
  }
}

RC_GTEST_PROP(ShrinkTest, TheSameRunShrinksToTheSameChoices, (std::uint64_t salt)) {
  const auto choices = *arbitrary_choices();
  PredicateTrials one(by_chance(salt, choices));
  PredicateTrials other(by_chance(salt, choices));
  RC_ASSERT(shrink(listed(choices), one) == shrink(listed(choices), other));
  RC_ASSERT(one.runs == other.runs);
}

TEST(ShrinkTest, OnlyWhatTheRunAskedForIsKept) {
  // Whatever is after the first three places of the stream comes after the failure.
  class AskingTrials : public PredicateTrials {
   public:
    AskingTrials() : PredicateTrials([](const ChoicesByStream& choices) {
      return value_at(choices, "plan", 2) > 0;
    }) {}
    std::optional<Found> first_failing(const Candidates& candidate) override {
      auto found = PredicateTrials::first_failing(candidate);
      if (found) {
        std::erase_if(found->choices,
                      [](const DrawnChoice& each) { return each.choice.nth > 2; });
      }
      return found;
    }
  };
  ChoicesByStream choices;
  for (std::uint64_t nth = 0; nth < 1000; ++nth) choices["plan"].push_back({nth, 1});
  AskingTrials trials;
  const auto left = shrink(listed(choices), trials);
  EXPECT_EQ(by_stream(left), (ChoicesByStream{{"plan", {{2, 1}}}}));
  EXPECT_LT(trials.runs, 20u);
}

TEST(ShrinkTest, TwoWaitsBecomeOne) {
  // Nothing but the sum matters, and no wait alone is long enough.
  PredicateTrials trials([](const ChoicesByStream& choices) {
    std::uint64_t sum = 0;
    for (const auto& [stream, each] : choices) {
      for (const Choice& choice : each) sum += choice.value;
    }
    return sum >= 70;
  });
  ChoicesByStream choices{{"client/1/op", {{0, 30}, {5, 30}, {9, 30}}}};
  EXPECT_EQ(shrink(listed(choices), trials).size(), 1u);
}

TEST(ShrinkTest, AnOperationIsDeletedWithAllItsDraws) {
  // An operation fails if it is the first, or comes after one that was not idle.
  constexpr std::uint64_t kItem = ChoiceStream::kItem;
  const auto is_bad = [](const ChoicesByStream& choices, std::uint64_t item) {
    return value_at(choices, "client/1/op", item * kItem + 1) == 7 &&
           value_at(choices, "client/1/op", item * kItem + 3) == 9;
  };
  PredicateTrials trials([&](const ChoicesByStream& choices) {
    return is_bad(choices, 0) ||
           (value_at(choices, "client/1/op", 2) == 5 && is_bad(choices, 1));
  });
  const ChoicesByStream choices{
      {"client/1/op", {{2, 5}, {kItem + 1, 7}, {kItem + 3, 9}}}};
  EXPECT_EQ(by_stream(shrink(listed(choices), trials)),
            (ChoicesByStream{{"client/1/op", {{1, 7}, {3, 9}}}}));
}

}  // namespace
}  // namespace keelson::sim
