// What Keelson promises, of every story: production nodes in a simulated world, under whatever plan
// the generators think of, with every oracle watching.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <iostream>

#include "core/runtime/fiber.h"
#include "scenarios/words.h"
#include "tests/properties/promise.h"
#include "tests/properties/stories.h"

namespace keelson::properties {
namespace {

using namespace std::chrono_literals;

class PromisesTest : public testing::Test {
 protected:
  // Plays the story and fails the case when an oracle fired.
  Seen play_well(const Story& story, PlayOptions options = {}) {
    options.stacks = &stacks_;
    Seen seen = play(story, options);
    if (seen.failure) {
      RC_FAIL(scenarios::say(seen.failure->at) + " " + seen.failure->oracle + ": " +
              seen.failure->message);
    }
    return seen;
  }

 private:
  StackPool stacks_;
};

TEST_F(PromisesTest, AStaleLeaderNeverAnswers200OnALeaderProbe) {
  std::uint64_t answered = 0;
  std::uint64_t contested = 0;
  std::uint64_t changes = 0;
  EXPECT_TRUE(holds("a stale leader never answers 200 on a leader probe", 200, [&] {
    const Story story = *stories({.leader_aim_percent = 80, .s3_clients_most = 1}).as("a story");
    const Seen seen = play_well(
        story, {.probe_interval = 25ms, .s3_interval = 200ms, .only_the_storm = true});
    answered += seen.answered_200;
    contested += seen.contested_200;
    changes += seen.reigns.size() - 1;
  }));
  if (is_reproducing()) return;
  EXPECT_GT(answered, 1'000u);
  EXPECT_GT(changes, 60u);   // Leaders did change under the probes,
  EXPECT_GT(contested, 0u);  // some while a 200 was on its way.
}

TEST_F(PromisesTest, S3ObjectsAreLinearizableThroughAnyFaultPlan) {
  std::uint64_t answered = 0;
  EXPECT_TRUE(holds("S3 objects are linearizable through any fault plan", 100, [&] {
    const Story story = *stories({.s3_clients_most = 4}).as("a story");
    const Seen seen =
        play_well(story, {.probe_interval = std::nullopt, .s3_interval = 25ms});
    answered += seen.counts.at("s3 operations ok");
  }));
  if (is_reproducing()) return;
  EXPECT_GT(answered, 2'000u);
}

TEST_F(PromisesTest, ReadsUnderALeaseAreLinearizableWhileClocksDrift) {
  EXPECT_TRUE(holds("reads under a lease are linearizable while clocks drift by 4 in 100", 80,
                    [&] {
    const Story story = *stories({.drift_ppm_most = 40'000,
                                  .leader_aim_percent = 80,
                                  .leases = true,
                                  .s3_clients_most = 4})
                             .as("a story");
    (void)play_well(story, {.probe_interval = 200ms, .s3_interval = 25ms,
                            .drift_ppm_most = 40'000});
  }));
}

TEST_F(PromisesTest, AHealedMajorityServesWithinItsBoundAndItsReplicasBecomeEqual) {
  Duration longest{};
  EXPECT_TRUE(holds("a healed majority serves within its bound, and its replicas become equal", 100,
                    [&] {
    const Story story = *stories().as("a story");
    // Clients wait for an answer up to 1.5 s; then a few elections may be needed.
    const Duration bound = 2s + 8 * story.shape.election_timeout;
    const Seen seen = play_well(story, {.liveness_bound = bound, .probe_interval = std::nullopt});
    for (const auto& [group, replicas] : seen.replicas) {
      RC_ASSERT(replicas.size() > story.shape.nodes / 2);
      for (const std::string& replica : replicas) RC_ASSERT(replica == replicas.front());
    }
    longest = std::max(longest, seen.served_after);
  }));
  std::cout << "the longest took " << scenarios::say(longest) << std::endl;
}

TEST_F(PromisesTest, WhatDisturbsOneNodeOfThreeHoldsWritesUpOnlyForABoundedTime) {
  Duration longest{};
  EXPECT_TRUE(holds("what disturbs one node of three holds writes up only for a bounded time", 100,
                    [&] {
    const Story story = *stories({.bad_conditions = false,
                                  .one_victim = true,
                                  .nodes = 3,
                                  .groups = 1,
                                  .s3_clients_most = 1})
                             .as("a story");
    const Seen seen = play_well(story, {.probe_interval = std::nullopt,
                                        .s3_interval = 200ms,
                                        .only_the_storm = true,
                                        .writers = true});
    longest = std::max(longest, seen.longest_without_write);
    // The others notice within two election timeouts, may need a second election, and a client
    // that waits for the old leader tries again after half a second.
    const Duration bound = 500ms + 6 * story.shape.election_timeout;
    if (seen.longest_without_write > bound) {
      RC_FAIL("no write succeeded for " + scenarios::say(seen.longest_without_write) +
              ", more than " + scenarios::say(bound));
    }
  }));
  std::cout << "the longest time without a write was " << scenarios::say(longest) << std::endl;
}

}  // namespace
}  // namespace keelson::properties
