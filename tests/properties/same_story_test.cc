// What may not make a difference: properties that compare two runs of one story.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>
#include <vector>

#include "core/runtime/fiber.h"
#include "tests/properties/promise.h"
#include "tests/properties/stories.h"

namespace keelson::properties {
namespace {

using namespace std::chrono_literals;

struct Line {
  sim::TrueTime at;
  std::string text;
  bool operator==(const Line&) const = default;
};

bool is_of_nodes_and_clients(const sim::TraceEvent& event) {
  switch (event.kind) {
    case sim::Kind::respond:  // Has the number of an event among all: net events say the same.
    case sim::Kind::note:
    case sim::Kind::clock:
    case sim::Kind::net_fault:
    case sim::Kind::disk_fault: return false;
    default: return true;
  }
}

class SameStoryTest : public testing::Test {
 protected:
  // Every message, write and line of the log that the nodes and clients of the story made.
  Seen play_and_listen(const Story& story, std::vector<Line>& lines) {
    PlayOptions options{.safety_span = 2s, .s3_interval = 100ms, .only_the_storm = true};
    options.stacks = &stacks_;
    options.detail = sim::Trace::Detail::all;
    options.listener = [&](const sim::TraceEvent& event) {
      if (is_of_nodes_and_clients(event)) lines.push_back({event.at, to_line(event)});
    };
    return play(story, options);
  }
  // The first line before `end` at which they part; empty if there is none.
  static std::string parting(const std::vector<Line>& a, const std::vector<Line>& b,
                             sim::TrueTime end) {
    for (std::size_t i = 0;; ++i) {
      const Line* const left = i < a.size() && a[i].at < end ? &a[i] : nullptr;
      const Line* const right = i < b.size() && b[i].at < end ? &b[i] : nullptr;
      if (left == nullptr && right == nullptr) return {};
      if (left != nullptr && right != nullptr && *left == *right) continue;
      return (left != nullptr ? left->text : "(nothing)") + "\nor " +
             (right != nullptr ? right->text : "(nothing)");
    }
  }
  StackPool stacks_;
};

const StoryBounds kShort{.safety_span = 2s, .s3_clients_most = 2};

TEST_F(SameStoryTest, TheSamePlanAndChoicesGiveTheSameDigest) {
  EXPECT_TRUE(holds("the same plan and choices give the same digest", 50, [&] {
    const Story story = *stories(kShort).as("a story");
    const Seen once = play(story, {.safety_span = 2s, .stacks = &stacks_});
    const Seen again = play(story, {.safety_span = 2s});  // On stacks of its own.
    RC_ASSERT(once.digest == again.digest);
    RC_ASSERT(once.events == again.events);
    RC_ASSERT(once.counts == again.counts);
  }));
}

TEST_F(SameStoryTest, WhoListensIsNotNoticed) {
  EXPECT_TRUE(holds("a listener has no effect on the run", 20, [&] {
    const Story story = *stories(kShort).as("a story");
    std::vector<Line> lines;
    const Seen heard = play_and_listen(story, lines);
    const Seen unheard = play(story, {.safety_span = 2s, .s3_interval = 100ms,
                                      .only_the_storm = true, .stacks = &stacks_});
    RC_ASSERT(heard.digest == unheard.digest);
  }));
}

// What makes shrinking work: to leave out an action changes nothing before it.
TEST_F(SameStoryTest, WhatGoesWrongLaterChangesNothingBefore) {
  int shortened = 0;
  EXPECT_TRUE(holds("what goes wrong later changes nothing before", 50, [&] {
    const Story whole = *stories(kShort).as("a story");
    if (whole.plan.actions.empty()) return;
    const std::size_t kept =
        *rc::gen::inRange<std::size_t>(0, whole.plan.actions.size()).as("actions that are kept");
    Story shorter = whole;
    shorter.plan.actions.resize(kept);
    std::vector<Line> lines;
    const Seen seen = play_and_listen(whole, lines);
    std::vector<Line> lines_of_shorter;
    (void)play_and_listen(shorter, lines_of_shorter);
    const auto end = seen.plan_began + whole.plan.actions[kept].at;
    const std::string difference = parting(lines, lines_of_shorter, end);
    if (!difference.empty()) RC_FAIL(difference);
    ++shortened;
  }));
  if (is_reproducing()) return;
  EXPECT_GT(shortened, 25);
}

TEST_F(SameStoryTest, AFaultOfNoStrengthChangesNothing) {
  EXPECT_TRUE(holds("a fault of no strength changes nothing", 50, [&] {
    const Story story = *stories(kShort).as("a story");
    FaultAction nothing;
    nothing.kind = *rc::gen::element(FaultKind::slow_machine, FaultKind::slow_disk,
                                     FaultKind::clog, FaultKind::step_wall_clock);
    nothing.duration = 100ms;
    nothing.targets = {0};
    if (nothing.kind == FaultKind::clog) nothing.targets = {0, 1};
    Story with_nothing = story;
    // When another of its kind is under way it would end it.
    std::erase_if(with_nothing.plan.actions,
                  [&](const FaultAction& action) { return action.kind == nothing.kind; });
    const Story without = with_nothing;
    with_nothing.plan.actions.insert(with_nothing.plan.actions.begin(), nothing);
    std::vector<Line> lines;
    (void)play_and_listen(without, lines);
    std::vector<Line> lines_with_nothing;
    (void)play_and_listen(with_nothing, lines_with_nothing);
    const std::string difference =
        parting(lines, lines_with_nothing, sim::TrueTime::end());
    if (!difference.empty()) RC_FAIL(difference);
  }));
}

}  // namespace
}  // namespace keelson::properties
