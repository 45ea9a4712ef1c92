// Metamorphic relations: what must not change for clients when the cluster changes in a way that is
// none of their business. Each was seen to fail for a bug of its kind: a vote that goes by the
// candidate's id, a pause of a constant length before a write, a learner that counts for a quorum.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "tests/scenarios/metamorphic_story.h"

namespace keelson::scenarios {
namespace {

using sim::Choices;

constexpr std::uint64_t kSeeds = 50;

StoryShape shape_of(std::uint64_t seed) {
  StoryShape shape;
  shape.nodes = seed % 2 == 0 ? 3 : 5;
  return shape;
}

std::string differences(const Telling& one, const Telling& other) {
  std::size_t i = 0;
  const std::size_t common = std::min(one.history.size(), other.history.size());
  while (i < common && one.history[i] == other.history[i]) ++i;
  if (i == common) return one.history.size() == other.history.size() ? "" : "one ends earlier";
  const auto line = [i](const Telling& telling) {
    return std::to_string(telling.history[i].at.ns) + " " + telling.history[i].text;
  };
  return "line " + std::to_string(i) + " is\n  " + line(one) + "\nand then\n  " + line(other);
}

// Nodes are told apart by their names alone: not one that is the identity.
std::vector<std::size_t> permutation(std::uint64_t seed, std::size_t nodes) {
  Choices choices(seed);
  sim::ChoiceStream& chance = choices.stream("permutation");
  std::vector<std::size_t> images(nodes);
  std::iota(images.begin(), images.end(), 1);
  while (std::is_sorted(images.begin(), images.end())) {
    for (std::size_t i = nodes; i > 1; --i) std::swap(images[i - 1], images[chance.choose(i)]);
  }
  return images;
}

TEST(MetamorphicTest, ClientsDoNotSeeTheNamesOfNodes) {
  std::uint64_t terms = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const StoryShape shape = shape_of(seed);
    Choices choices(seed, Choices::Recording::on);
    const Telling original = tell(shape, plain_world(shape), choices);
    StoryWorld world = plain_world(shape);
    world.images = permutation(seed, shape.nodes);
    Choices images(renamed(original.choices, world.images));
    const Telling image = tell(shape, world, images);
    ASSERT_EQ(differences(original, image), "") << "seed " << seed;
    EXPECT_EQ(images.matched(), images.fixed_count()) << "seed " << seed;
    EXPECT_GT(original.answered, original.unanswered);
    terms += original.terms;
  }
  EXPECT_GT(terms, kSeeds / 4);  // The lead did change.
}

// Exact in a world without faults: how soon a node asks again for a leader is not to be set.
TEST(MetamorphicTest, ClientsSeeTheScaleOfAllTimesOnlyInTimes) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    StoryShape shape = shape_of(seed);
    shape.blows = 0;
    shape.sync_latency = {};
    Choices choices(seed, Choices::Recording::on);
    const Telling original = tell(shape, plain_world(shape), choices);
    StoryWorld world = plain_world(shape);
    world.scale = 2 + static_cast<std::int64_t>(seed % 4);
    Choices longer(scaled(original.choices, world.scale));
    const Telling image = tell(shape, world, longer);
    ASSERT_EQ(differences(original, image), "") << "seed " << seed;
    EXPECT_EQ(original.unanswered, 0u);
  }
}

TEST(MetamorphicTest, ClientsDoNotSeeALearnerThatNobodyAsks) {
  std::uint64_t terms = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const StoryShape shape = shape_of(seed);
    Choices choices(seed, Choices::Recording::on);
    const Telling original = tell(shape, plain_world(shape), choices);
    StoryWorld world = plain_world(shape);
    world.has_learner = true;
    // Its links, its clock and its chance have streams of their own.
    Choices same(seed, Choices::Recording::on);
    const Telling image = tell(shape, world, same);
    ASSERT_EQ(differences(original, image), "") << "seed " << seed;
    terms += original.terms;
  }
  EXPECT_GT(terms, kSeeds / 4);
}

}  // namespace
}  // namespace keelson::scenarios
