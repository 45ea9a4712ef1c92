// That shrinking works where it matters: on whole clusters. A promise that nobody makes, "no leader
// ever changes", is broken by most stories; what rapidcheck leaves of one is a plan of one action.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <iostream>
#include <optional>

#include "core/runtime/fiber.h"
#include "tests/properties/promise.h"
#include "tests/properties/stories.h"

namespace keelson::properties {
namespace {

using namespace std::chrono_literals;

class ShrinkingTest : public testing::Test {
 protected:
  std::optional<Falsified> falsify_no_leader_ever_changes(std::uint64_t seed) {
    // Healthy conditions: then it takes an action.
    const StoryBounds bounds{.safety_span = 2s, .bad_conditions = false, .s3_clients_most = 2};
    largest_ = played_ = 0;
    return falsify(seed, [&] {
      // Large from the start: there is to be something to shrink.
      const Story story = *rc::gen::resize(100, stories(bounds)).as("a story");
      const Seen seen = play(story, {.safety_span = 2s,
                                     .probe_interval = std::nullopt,
                                     .s3_interval = 200ms,
                                     .only_the_storm = true,
                                     .stacks = &stacks_});
      ++played_;
      if (seen.reigns.size() <= 1) return;
      largest_ = std::max(largest_, story.plan.actions.size());
      smallest_ = story;
      RC_FAIL("a leader changed");
    });
  }

  StackPool stacks_;
  std::optional<Story> smallest_;  // Of those that failed, the last, and so the smallest.
  std::size_t largest_ = 0;        // Actions of the largest.
  int played_ = 0;
};

// Whatever plan it began with; the seed of the story's choices and who happens to lead stay.
TEST_F(ShrinkingTest, ABrokenPromiseShrinksToAPlanOfOneAction) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const auto broken = falsify_no_leader_ever_changes(seed);
    ASSERT_TRUE(broken.has_value());
    std::cout << broken->told << "\n(" << played_ << " stories were played; the largest plan of "
              << "those that failed had " << largest_ << " actions)\n" << std::endl;

    ASSERT_EQ(smallest_->plan.actions.size(), 1u);
    EXPECT_GE(largest_, 2u);
    EXPECT_EQ(smallest_->shape.groups, 1u);
    EXPECT_EQ(smallest_->s3_clients, 1u);
    // The simplest fault that ends a reign, as early and as short as can be.
    EXPECT_THAT(broken->told,
                testing::MatchesRegex(
                    "Falsifiable after [0-9]+ tests and [0-9]+ shrinks\n"
                    "\n"
                    "a story:\n"
                    "[35] nodes, 1 group, election timeout 250ms, no leases, "
                    "log segments of 65536 KiB, 1 S3 client, seed [0-9]+\n"
                    "at a loss of power what is not synced is kept\n"
                    "links: 100us to 500us, tail 0 ppm of 200us, loss 0 ppm; "
                    "disks: sync 500us, tail 0 ppm of 1ms\n"
                    "0\\.000s: [a-z_]+ n[1-5]( \\(or whoever leads\\))? for [0-9]+ms\n"
                    "(.|\n)*a leader changed"));
  }
}

}  // namespace
}  // namespace keelson::properties
