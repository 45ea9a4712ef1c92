#include "scenarios/cycle_ring.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace keelson::scenarios {
namespace {

using Successors = std::vector<std::optional<std::size_t>>;

Successors all_of(const std::vector<std::size_t>& ring) { return {ring.begin(), ring.end()}; }

RingWalk walk_from(const std::vector<std::size_t>& ring, std::size_t first) {
  const std::size_t second = ring[first];
  const std::size_t third = ring[second];
  return {first, second, third, ring[third]};
}

void rotate(std::vector<std::size_t>& ring, const RingWalk& walk) {
  for (const auto& [node, successor] : rotation(walk)) ring[node] = successor;
}

TEST(CycleRingTest, ANewRingIsOne) {
  EXPECT_EQ(why_no_ring(all_of(new_ring(3))), std::nullopt);
  EXPECT_EQ(why_no_ring(all_of(new_ring(20))), std::nullopt);
}

TEST(CycleRingTest, ARotationSwapsTheTwoInTheMiddle) {
  std::vector<std::size_t> ring = new_ring(5);
  rotate(ring, walk_from(ring, 1));
  EXPECT_EQ(ring, (std::vector<std::size_t>{1, 3, 4, 2, 0}));
}

RC_GTEST_PROP(CycleRingProperty, RotationsOneAfterAnotherLeaveOneRing, ()) {
  std::vector<std::size_t> ring = new_ring(*rc::gen::inRange<std::size_t>(3, 12));
  for (int i = *rc::gen::inRange(0, 30); i > 0; --i) {
    rotate(ring, walk_from(ring, *rc::gen::inRange<std::size_t>(0, ring.size())));
    RC_ASSERT(why_no_ring(all_of(ring)) == std::nullopt);
  }
}

TEST(CycleRingTest, TwoRotationsThatDidNotSeeEachOtherAreSeen) {
  std::vector<std::size_t> ring = new_ring(6);
  const RingWalk one = walk_from(ring, 0);
  const RingWalk other = walk_from(ring, 1);
  rotate(ring, one);
  rotate(ring, other);
  EXPECT_EQ(why_no_ring(all_of(ring)), "from node 0 it is back at node 0 after 4 steps of 6");
}

TEST(CycleRingTest, ALostWriteOfARotationIsSeen) {
  for (std::size_t lost = 0; lost < 3; ++lost) {
    std::vector<std::size_t> ring = new_ring(6);
    const auto writes = rotation(walk_from(ring, 2));
    for (std::size_t i = 0; i < writes.size(); ++i) {
      if (i != lost) ring[writes[i].first] = writes[i].second;
    }
    EXPECT_NE(why_no_ring(all_of(ring)), std::nullopt) << lost;
  }
}

TEST(CycleRingTest, AMissingNodeAndAStrangeOneAreSeen) {
  Successors ring = all_of(new_ring(4));
  ring[2] = std::nullopt;
  EXPECT_EQ(why_no_ring(ring), "node 2 has no successor");
  ring[2] = 4;
  EXPECT_EQ(why_no_ring(ring), "the successor of node 2 is 4, and there are 4");
}

TEST(CycleRingTest, TwoRingsAreNotOne) {
  EXPECT_EQ(why_no_ring({1, 0, 3, 2}), "from node 0 it is back at node 0 after 2 steps of 4");
}

}  // namespace
}  // namespace keelson::scenarios
