#include "sim/choices.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "sim/sim_random.h"

namespace keelson::sim {
namespace {

std::vector<std::uint64_t> draw(ChoiceStream& stream, int count, std::uint64_t bound) {
  std::vector<std::uint64_t> values;
  for (int i = 0; i < count; ++i) values.push_back(stream.choose(bound));
  return values;
}

TEST(ChoicesTest, ASeedMeansTheSameDrawsWithEveryCompilerAndForever) {
  Choices choices(42);
  EXPECT_EQ(draw(choices.stream("net/n1>n2/delay"), 4, 1000),
            (std::vector<std::uint64_t>{190, 853, 773, 472}));
}

TEST(ChoicesTest, ADrawInOneStreamDoesNotDisturbAnother) {
  Choices alone(7);
  Choices crowded(7);
  std::vector<std::uint64_t> expected = draw(alone.stream("a"), 10, 100);
  std::vector<std::uint64_t> got;
  for (int i = 0; i < 10; ++i) {
    crowded.stream("b").choose(100);
    got.push_back(crowded.stream("a").choose(100));
  }
  EXPECT_EQ(got, expected);
  EXPECT_NE(draw(alone.stream("b"), 10, 100), expected);
}

TEST(ChoicesTest, OtherSeedsDrawOtherwise) {
  Choices one(1);
  Choices two(2);
  EXPECT_NE(draw(one.stream("a"), 10, 1000), draw(two.stream("a"), 10, 1000));
}

TEST(ChoicesTest, DrawsStayBelowTheirBoundAndReachAllOfIt) {
  Choices choices(3);
  ChoiceStream& stream = choices.stream("a");
  std::vector<int> counts(10);
  for (int i = 0; i < 10'000; ++i) ++counts.at(stream.choose(10));
  for (const int count : counts) {
    EXPECT_GT(count, 850);
    EXPECT_LT(count, 1150);
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(stream.choose(1), 0u);
  bool is_large = false;
  for (int i = 0; i < 100; ++i) is_large = is_large || stream.choose(UINT64_MAX) > UINT64_MAX / 2;
  EXPECT_TRUE(is_large);
}

TEST(ChoicesTest, ChancesAndRareDeparturesComeAsOftenAsAsked) {
  Choices choices(4);
  ChoiceStream& stream = choices.stream("a");
  int true_count = 0;
  int departures = 0;
  for (int i = 0; i < 100'000; ++i) {
    true_count += stream.chance(250'000) ? 1 : 0;
    const std::uint64_t value = stream.rarely(10'000, 5);
    EXPECT_LT(value, 5u);
    departures += value != 0 ? 1 : 0;
  }
  EXPECT_NEAR(true_count, 25'000, 1'000);
  EXPECT_NEAR(departures, 1'000, 200);
  EXPECT_FALSE(stream.chance(0));
  EXPECT_TRUE(stream.chance(1'000'000));
  EXPECT_EQ(stream.rarely(0, 5), 0u);
  EXPECT_EQ(stream.rarely(1'000'000, 1), 0u);
  EXPECT_GT(stream.rarely(1'000'000, 5), 0u);
}

// All kinds of draws, in a pattern of their own.
std::vector<std::uint64_t> mixed_draws(Choices& choices) {
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 200; ++i) {
    values.push_back(choices.stream("a").choose(3));
    values.push_back(choices.stream("a").chance(300'000) ? 1 : 0);
    values.push_back(choices.stream("b c").rarely(100'000, 1000));
  }
  return values;
}

TEST(ChoicesTest, WhatWasRecordedReplaysToTheSameDraws) {
  Choices first(5, Choices::Recording::on);
  const auto values = mixed_draws(first);
  Choices second(first.recorded());
  EXPECT_EQ(mixed_draws(second), values);
  EXPECT_EQ(second.matched(), second.fixed_count());
  EXPECT_GT(second.matched(), 100u);
  EXPECT_EQ(second.recorded(), first.recorded());
  EXPECT_EQ(second.drawn(), 600u);
}

TEST(ChoicesTest, AReplayAnswersZeroToWhatIsNotFixed) {
  Choices choices({{"a", {{2, 7}}}});
  EXPECT_EQ(draw(choices.stream("a"), 4, 10), (std::vector<std::uint64_t>{0, 0, 7, 0}));
  EXPECT_EQ(draw(choices.stream("b"), 2, 10), (std::vector<std::uint64_t>{0, 0}));
  EXPECT_EQ(choices.matched(), 1u);
}

TEST(ChoicesTest, AFixedChoiceThatIsNotAskedForOrDoesNotFitIsUnmatched) {
  Choices choices({{"a", {{0, 7}, {1, 3}, {9, 1}}}, {"gone", {{0, 1}}}, {"off", {{0, 1}, {1, 2}}}});
  EXPECT_EQ(draw(choices.stream("a"), 2, 7), (std::vector<std::uint64_t>{0, 3}));
  EXPECT_FALSE(choices.stream("off").chance(0));
  EXPECT_EQ(choices.stream("off").rarely(0, 5), 0u);
  EXPECT_EQ(choices.matched(), 1u);
  EXPECT_EQ(choices.fixed_count(), 6u);
}

TEST(ChoicesTest, AMachinesChanceGoesOnWhereItsPurposeLeftOff) {
  Choices choices(6);
  Choices same(6);
  SimRandomSource random(choices, "n1", 1, 1);
  ChoiceStream& expected = same.stream("random/n1/raft/election");
  const std::uint64_t zero = 618;  // What the choice 0 of the first machine stands for.
  for (int i = 0; i < 5; ++i) {
    const std::uint64_t choice = expected.choose(1000);
    EXPECT_EQ(random.stream("raft/election")->below(1000),
              choice == 0 ? zero : choice == zero ? 0 : choice);
  }
}

TEST(ChoicesTest, TheChoiceZeroIsAnotherNumberOnEachMachineAndFarFromTheOthers) {
  Choices choices(ChoicesByStream{});
  std::vector<std::uint64_t> drawn;
  for (std::uint32_t index = 1; index <= 7; ++index) {
    SimRandomSource random(choices, "n" + std::to_string(index), index, 1);
    const auto stream = random.stream("raft/election");
    drawn.push_back(stream->below(1000));
    EXPECT_EQ(stream->below(1000), drawn.back());
    EXPECT_EQ(stream->below(1), 0u);
    EXPECT_LT(stream->below(UINT64_MAX), UINT64_MAX);
  }
  std::sort(drawn.begin(), drawn.end());
  for (std::size_t i = 1; i < drawn.size(); ++i) EXPECT_GT(drawn[i], drawn[i - 1] + 50);
}

TEST(ChoicesTest, IdentifiersDifferBetweenMachinesIncarnationsAndCallsAndAreNoChoices) {
  Choices choices(6, Choices::Recording::on);
  std::set<Bytes> seen;
  for (const char* const machine : {"n1", "n2"}) {
    for (std::uint64_t incarnation = 1; incarnation <= 2; ++incarnation) {
      SimRandomSource random(choices, machine, 1, incarnation);
      for (int i = 0; i < 10; ++i) {
        const Bytes identifier = random.identifier();
        EXPECT_EQ(identifier.size(), 16u);
        EXPECT_TRUE(seen.insert(identifier).second);
      }
    }
  }
  EXPECT_EQ(choices.drawn(), 0u);
}

TEST(ChoicesTest, WeightsSayHowLikelyEachIs) {
  Choices choices(6, Choices::Recording::on);
  ChoiceStream& stream = choices.stream("a");
  std::vector<int> counts(4);
  for (int i = 0; i < 10'000; ++i) ++counts.at(stream.choose_weighted({100, 0, 300, 1}));
  EXPECT_EQ(counts[1], 0);
  EXPECT_GT(counts[0], 2200);
  EXPECT_LT(counts[0], 2800);
  EXPECT_GT(counts[3], 2);
  EXPECT_LT(counts[3], 80);
  Choices again(choices.recorded());
  std::vector<int> counts_again(4);
  for (int i = 0; i < 10'000; ++i) {
    ++counts_again.at(again.stream("a").choose_weighted({100, 0, 300, 1}));
  }
  EXPECT_EQ(counts_again, counts);
}

TEST(ChoicesTest, WhatHasNoWeightStandsForTheNextThatHas) {
  Choices choices(ChoicesByStream{{"a", {{1, 3}}}});
  ChoiceStream& stream = choices.stream("a");
  EXPECT_EQ(stream.choose_weighted({0, 0, 5, 0}), 2u);
  EXPECT_EQ(stream.choose_weighted({0, 1, 5, 0}), 1u);
}

// Two clients whose operations need different numbers of draws.
std::vector<std::uint64_t> draw_items(Choices& choices, int draws_of_first) {
  ChoiceStream& stream = choices.stream("client");
  std::vector<std::uint64_t> values;
  for (int i = 0; i < draws_of_first; ++i) stream.rarely(500'000, 1000);
  for (int item = 0; item < 3; ++item) {
    stream.begin_item();
    values.push_back(stream.choose(1000));
  }
  return values;
}

TEST(ChoicesTest, AnItemHasItsPlacesWhateverTheItemsBeforeItDrew) {
  Choices one(9, Choices::Recording::on);
  Choices other(9);
  EXPECT_EQ(draw_items(one, 3), draw_items(other, 14));
  Choices again(one.recorded());
  Choices changed(one.recorded());
  EXPECT_EQ(draw_items(again, 3), draw_items(changed, 7));
}

TEST(ChoicesTest, AHistoryIsInTheOrderOfTime) {
  Choices choices(5, Choices::Recording::on);
  choices.stream("b").choose(1000);
  choices.time_is({10});
  choices.stream("a").choose(1000);
  choices.time_is({20});
  choices.stream("b").choose(1000);
  const auto history = choices.history();
  ASSERT_EQ(history.size(), 3u);
  EXPECT_EQ(history[0].stream, "b");
  EXPECT_EQ(history[1].stream, "a");
  EXPECT_EQ(history[1].at, TrueTime{10});
  EXPECT_EQ(history[2].choice.nth, 1u);
}

TEST(ChoicesTest, ARunCanBeDrawnAnewFromATimeOn) {
  Choices original(5, Choices::Recording::on);
  const auto before = draw(original.stream("a"), 5, 1000);
  const auto after = draw(original.stream("a"), 5, 1000);
  std::set<std::vector<std::uint64_t>> continuations;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Choices redrawn(original.recorded(), {.from = {100}, .seed = seed});
    EXPECT_EQ(draw(redrawn.stream("a"), 5, 1000), before);
    redrawn.time_is({100});
    continuations.insert(draw(redrawn.stream("a"), 5, 1000));
    EXPECT_NE(draw(redrawn.stream("b"), 5, 1000), std::vector<std::uint64_t>(5));
  }
  EXPECT_EQ(continuations.size(), 20u);
  EXPECT_FALSE(continuations.contains(after));
}

}  // namespace
}  // namespace keelson::sim
