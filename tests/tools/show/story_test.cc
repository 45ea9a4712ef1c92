#include "tools/show/story.h"

#include <gtest/gtest.h>

namespace keelson::show {
namespace {

// n1 leads, is paused, and answers once too often.
Recording a_failure() {
  Recording recording;
  recording.machines = {{"world", false}, {"n1", true}, {"n2", true}, {"p1", false}};
  const auto text = [&](std::string_view words) { return recording.texts.add(words); };
  recording.events = {
      {.at = 0, .machine = 1, .kind = EventKind::start, .text = text("incarnation 1")},
      {.at = 1'000'000, .machine = 1, .kind = EventKind::log, .text = text("raft: chatter")},
      {.at = 2'000'000, .machine = 0, .kind = EventKind::note, .text = text("nemesis: pause n1")},
      {.at = 2'000'000, .machine = 1, .kind = EventKind::pause, .text = text("")},
      {.at = 4'000'000, .machine = 0, .kind = EventKind::note, .text = text("healed")},
      {.at = 5'000'000, .machine = 1, .kind = EventKind::resume, .text = text("")},
      {.at = 6'000'000, .machine = 2, .kind = EventKind::disk_fault, .text = text("rot in a.wal")},
      {.at = 7'000'000, .machine = 3, .kind = EventKind::end, .text = text("killed")}};
  recording.states = {{.at = 500'000, .machine = 1, .role = State::Role::candidate, .term = 1},
                      {.at = 600'000, .machine = 1, .role = State::Role::leader, .term = 1},
                      {.at = 700'000, .machine = 1, .role = State::Role::leader, .term = 1,
                       .commit = 3},
                      {.at = 3'000'000, .machine = 2, .role = State::Role::leader, .term = 2}};
  recording.operations = {
      {.client = 3, .node = 1, .called = 100, .returned = 200, .what = text("GET /early"),
       .outcome = text("ok"), .answer = text("200")},
      {.client = 3, .node = 1, .called = 7'500'000, .returned = 8'000'000,
       .what = text("GET /healthz/leader"), .outcome = text("ok"), .answer = text("200")}};
  recording.violation = {.oracle = "probe claim", .message = "n1 answered", .at = 8'000'000};
  recording.end = 8'000'000;
  return recording;
}

TEST(Story, TellsWhatAFailureNeedsByTime) {
  EXPECT_EQ(to_story(a_failure(), 40),
            "  [  0.000600s] n1: leads g0 in term 1\n"
            "  [  0.002000s] nemesis: pause n1\n"
            "  [  0.002000s] n1: pauses\n"
            "  [  0.003000s] n2: leads g0 in term 2\n"
            "  [  0.005000s] n1: resumes\n"
            "  [  0.006000s] n2: rot in a.wal\n"
            "  [  0.008000s] p1: GET /healthz/leader at n1, asked at 0.007500s: ok 200\n"
            "  [  0.008000s] BROKEN: probe claim: n1 answered\n");
}

TEST(Story, OfALongOneTheEndIsToldAndHowMuchIsLeftOut) {
  EXPECT_EQ(to_story(a_failure(), 2),
            "  6 lines before\n"
            "  [  0.008000s] p1: GET /healthz/leader at n1, asked at 0.007500s: ok 200\n"
            "  [  0.008000s] BROKEN: probe claim: n1 answered\n");
}

TEST(Story, ARunThatHeldHasNoEnd) {
  Recording held = a_failure();
  held.violation.reset();
  EXPECT_EQ(to_story(held, 1), "  5 lines before\n  [  0.006000s] n2: rot in a.wal\n");
}

}  // namespace
}  // namespace keelson::show
