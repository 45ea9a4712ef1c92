// The generators, without any world: what they make is valid, reaches everything, and shrinks to
// something a person can read.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <set>

#include "tests/properties/promise.h"
#include "tests/properties/stories.h"

namespace keelson::properties {
namespace {

using namespace std::chrono_literals;

bool has(const Story& story, FaultKind kind) {
  return std::any_of(story.plan.actions.begin(), story.plan.actions.end(),
                     [&](const FaultAction& action) { return action.kind == kind; });
}

TEST(GeneratorsTest, EveryActionIsValidInOrderAndEndsInTime) {
  std::set<FaultKind> seen;
  std::set<std::size_t> sizes;
  EXPECT_TRUE(holds("every generated plan is one that the nemesis takes", 400, [&] {
    const Story story = *stories();
    Duration previous = 0ms;
    for (const FaultAction& action : story.plan.actions) {
      RC_ASSERT(is_valid(action, story.shape.nodes));
      RC_ASSERT(action.at >= previous);
      RC_ASSERT(action.at + action.duration <= Duration(3s));
      previous = action.at;
      seen.insert(action.kind);
    }
    RC_ASSERT(!story.shape.leases || !has(story, FaultKind::freeze_clock));
    sizes.insert(story.plan.actions.size());
  }));
  if (is_reproducing()) return;
  EXPECT_EQ(seen.size(), scenarios::kFaultKinds);
  EXPECT_GE(*sizes.rbegin(), 10u);
}

TEST(GeneratorsTest, APlanAboutOneVictimTouchesNoLinkBetweenTheOthers) {
  std::set<std::size_t> victims;
  EXPECT_TRUE(holds("every action is about the victim", 200, [&] {
    const Story story = *stories({.one_victim = true, .nodes = 3});
    std::set<std::size_t> common{0, 1, 2};
    for (const FaultAction& action : story.plan.actions) {
      RC_ASSERT(!action.aims_at_leader);
      RC_ASSERT(action.kind != FaultKind::crash_all);
      std::set<std::size_t> named(action.targets.begin(), action.targets.end());
      if (named.size() == 3) named = {action.targets[0]};  // partition, swizzle: the first.
      if (action.kind == FaultKind::partition) RC_ASSERT(action.others == 1u);
      std::erase_if(common, [&](std::size_t node) { return !named.contains(node); });
    }
    RC_ASSERT(!common.empty());
    if (common.size() == 1) victims.insert(*common.begin());
  }));
  if (is_reproducing()) return;
  EXPECT_EQ(victims.size(), 3u);
}

// A promise that any crash together with any isolation breaks: everything else must go. No world
// is involved, so the text cannot change with the node.
TEST(GeneratorsTest, WhatIsLeftOfAPlanIsOnlyWhatMatters) {
  const auto broken = falsify(1, [] {
    const Story story = *stories();
    RC_ASSERT(!(has(story, FaultKind::crash) && has(story, FaultKind::isolate)));
  });
  ASSERT_TRUE(broken.has_value());
  std::string told = broken->counterexample;
  const std::size_t seed = told.find("seed ");  // It is not shrunk.
  told.replace(seed, told.find('\n') - seed, "seed S");
  EXPECT_EQ(told,
            "3 nodes, 1 group, election timeout 250ms, no leases, log segments of 65536 KiB, "
            "1 S3 client, seed S\n"
            "at a loss of power what is not synced is kept\n"
            "links: 100us to 500us, tail 0 ppm of 200us, loss 0 ppm; "
            "disks: sync 500us, tail 0 ppm of 1ms\n"
            "0.000s: crash n1 for 10ms\n"
            "0.000s: isolate n1 for 10ms\n");
}

}  // namespace
}  // namespace keelson::properties
