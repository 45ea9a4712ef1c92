// What core/runtime/random.h promises, in every world. Nothing here fails by bad luck in a
// lifetime.
#include <gtest/gtest.h>

#include <set>

#include "tests/conformance/conformance.h"

namespace keelson::conformance {
namespace {

std::vector<std::uint64_t> draw(Random& random, std::uint64_t bound, std::size_t count) {
  std::vector<std::uint64_t> drawn;
  for (std::size_t i = 0; i < count; ++i) drawn.push_back(random.below(bound));
  return drawn;
}

TEST_P(RandomConformance, EveryDrawIsBelowItsBound) {
  run([](Host& host) {
    const auto random = host.env.random.stream("test");
    for (const std::uint64_t bound : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3},
                                      std::uint64_t{1000}, std::uint64_t{1} << 32,
                                      (std::uint64_t{1} << 63) + 1, UINT64_MAX}) {
      for (int i = 0; i < 200; ++i) EXPECT_LT(random->below(bound), bound);
    }
  });
}

TEST_P(RandomConformance, EveryValueOfASmallBoundIsDrawnAboutEquallyOften) {
  run([](Host& host) {
    const auto random = host.env.random.stream("test");
    std::vector<int> counts(5);
    for (const std::uint64_t value : draw(*random, 5, 10'000)) ++counts[value];
    for (const int count : counts) {
      EXPECT_GT(count, 1600);  // Ten standard deviations from 2000.
      EXPECT_LT(count, 2400);
    }
  });
}

TEST_P(RandomConformance, TheUpperHalfOfAWideBoundIsDrawnToo) {
  run([](Host& host) {
    const auto random = host.env.random.stream("test");
    const std::uint64_t bound = (std::uint64_t{1} << 63) + (std::uint64_t{1} << 62);
    int upper = 0;
    for (const std::uint64_t value : draw(*random, bound, 1000)) upper += value >= bound / 2;
    EXPECT_GT(upper, 300);
    EXPECT_LT(upper, 700);
  });
}

TEST_P(RandomConformance, NoIdentifierIsHandedOutTwice) {
  run([](Host& host) {
    std::set<Bytes> seen;
    for (int i = 0; i < 1000; ++i) {
      const Bytes identifier = host.env.random.identifier();
      EXPECT_EQ(identifier.size(), 16u);
      EXPECT_TRUE(seen.insert(identifier).second);
    }
  });
}

TEST_P(RandomConformance, AskingTwiceForAPurposeContinuesItsStream) {
  run([](Host& host) {
    const auto once = host.env.random.stream("purpose");
    const auto first = draw(*once, UINT64_MAX, 8);
    const auto again = host.env.random.stream("purpose");
    const auto second = draw(*again, UINT64_MAX, 8);
    const auto third = draw(*once, UINT64_MAX, 8);
    EXPECT_NE(first, second) << "the stream began anew";
    EXPECT_NE(second, third) << "the two objects draw the same numbers";
  });
}

TEST_P(RandomConformance, PurposesHaveStreamsOfTheirOwn) {
  run([](Host& host) {
    std::set<std::vector<std::uint64_t>> drawn;
    for (const char* purpose : {"a", "b", "ab", "raft/1/election", "raft/2/election"}) {
      drawn.insert(draw(*host.env.random.stream(purpose), UINT64_MAX, 4));
    }
    EXPECT_EQ(drawn.size(), 5u);
  });
}

TEST_P(RandomConformance, MachinesHaveStreamsOfTheirOwn) {
  std::vector<std::uint64_t> one, other;
  run({[&](Host& host) { one = draw(*host.env.random.stream("same"), UINT64_MAX, 4); },
       [&](Host& host) { other = draw(*host.env.random.stream("same"), UINT64_MAX, 4); }});
  EXPECT_NE(one, other);
}

}  // namespace
}  // namespace keelson::conformance
