#include "sim/explore/search.h"

#include <gtest/gtest.h>

#include "sim/explore/schedule.h"
#include "tests/sim/explore/toys.h"

namespace keelson::sim {
namespace {

bool always(const SearchTotals&) { return true; }

SearchTotals exhaust(const MakeSystem& make, std::uint32_t depth = Search::kUnbounded) {
  Search search(make, depth);
  EXPECT_EQ(search.run(always), Search::End::exhausted);
  return search.totals();
}

MakeSystem counters(std::size_t machines, std::uint64_t limit, Offers offers = {}) {
  return [=] { return std::make_unique<Counters>(machines, limit, offers); };
}
MakeSystem adders(std::size_t adding, std::size_t sleeping, Offers offers = {}) {
  return [=] { return std::make_unique<Adders>(adding, sleeping, offers); };
}

TEST(SearchTest, WithoutIndependenceAndHashesEveryInterleavingIsASchedule) {
  const SearchTotals totals =
      exhaust(counters(2, 4, {.independence = false, .hashes = false}));
  EXPECT_EQ(totals.complete, 70u);  // 8 over 4.
  EXPECT_EQ(totals.schedules, 70u);
  EXPECT_EQ(totals.deepest, 8u);
  EXPECT_EQ(totals.cut, 0u);
}

TEST(SearchTest, SleepSetsCutTheInterleavingsOfIndependentMachinesToOne) {
  for (const std::size_t machines : {2, 3, 4}) {
    EXPECT_EQ(exhaust(counters(machines, 3, {.hashes = false})).complete, 1u) << machines;
  }
}

TEST(SearchTest, SleepSetsSpareNoState) {
  for (const bool independence : {true, false}) {
    const SearchTotals totals = exhaust(counters(3, 4, {.independence = independence}));
    EXPECT_EQ(totals.states, 125u);  // 5 cubed.
    EXPECT_EQ(totals.complete, 1u);
    // One into each state but the first, or every edge of the cube.
    EXPECT_EQ(totals.transitions, independence ? 124u : 300u);
  }
}

TEST(SearchTest, ALostUpdateIsFoundByEachOfTheWays) {
  for (int ways = 0; ways < 8; ++ways) {
    const Offers offers{.independence = (ways & 1) != 0,
                        .hashes = (ways & 2) != 0,
                        .copies = (ways & 4) != 0};
    Search search(adders(2, 2, offers));
    ASSERT_EQ(search.run(always), Search::End::violated);
    EXPECT_EQ(search.violation()->oracle, "lost update");
    const auto broken = execute(adders(2, 2), search.schedule(), nullptr);
    EXPECT_EQ(broken, search.violation());
  }
}

TEST(SearchTest, OneAdderLosesNothing) {
  const SearchTotals totals = exhaust(adders(1, 3));
  EXPECT_EQ(totals.states, 24u);  // 3 of the adder, 2 of each sleeper.
}

TEST(SearchTest, ADepthCutsAndSeesAllUpToIt) {
  // Of two counters, the states with a sum of up to 5.
  const SearchTotals totals = exhaust(counters(2, 10), 5);
  EXPECT_EQ(totals.states, 21u);
  EXPECT_EQ(totals.deepest, 5u);
  EXPECT_GT(totals.cut, 0u);
  EXPECT_EQ(totals.complete, 0u);
}

// 0 to 1 to 2 ... to 9 one by one, and a short cut from 0 to 5.
class ShortCut : public System {
 public:
  std::vector<Event> events() const override {
    if (at_ == 9) return {};
    if (at_ == 0) return {{.kind = 1, .machine = 0, .detail = 0}, {.kind = 5}};
    return {{.kind = 1, .machine = 0, .detail = 0}};
  }
  std::optional<Violation> take(const Event& event) override {
    at_ += event.kind;
    return std::nullopt;
  }
  bool are_independent(const Event&, const Event&) const override { return false; }
  std::optional<std::uint64_t> hash() const override { return at_; }
  std::unique_ptr<System> copy() const override { return std::make_unique<ShortCut>(*this); }
  std::string describe(const Event&) const override { return {}; }
  std::string describe_machine(std::uint32_t) const override { return {}; }

 private:
  std::uint64_t at_ = 0;
};

TEST(SearchTest, AStateThatIsMetAgainByAShorterWayIsSeenFurtherFrom) {
  // Up to 5 one by one, then from 5 by the short cut: 4 more events lead to 9.
  EXPECT_EQ(exhaust([] { return std::make_unique<ShortCut>(); }, 5).states, 10u);
}

TEST(SearchTest, ASystemThatCannotBeCopiedIsExecutedAnewToTheSameTotals) {
  EXPECT_EQ(exhaust(counters(3, 3)), exhaust(counters(3, 3, {.copies = false})));
  EXPECT_EQ(exhaust(adders(1, 3)), exhaust(adders(1, 3, {.copies = false})));
}

TEST(SearchTest, TwoSearchesAreOne) { EXPECT_EQ(exhaust(counters(4, 5)), exhaust(counters(4, 5))); }

TEST(SearchTest, OneThatIsStoppedAndResumedByFileComesToTheSameTotals) {
  for (const bool copies : {true, false}) {
    const MakeSystem make = counters(4, 8, {.independence = false, .copies = copies});
    const SearchTotals expected = exhaust(make);
    Bytes saved = Search(make).save("counters");  // Not begun.
    int parts = 0;
    for (;;) {
      Search search(make);
      ASSERT_TRUE(search.load(saved, "counters"));
      const auto end = search.run([](const SearchTotals&) { return false; });
      ++parts;
      saved = search.save("counters");
      if (end == Search::End::stopped) continue;
      EXPECT_EQ(end, Search::End::exhausted);
      EXPECT_EQ(search.totals(), expected);
      break;
    }
    EXPECT_GT(parts, 3);
  }
}

TEST(SearchTest, AnExhaustedSearchIsLoadedAsThat) {
  Search first(counters(2, 3));
  (void)first.run(always);
  Search second(counters(2, 3));
  ASSERT_TRUE(second.load(first.save("counters"), "counters"));
  EXPECT_EQ(second.run(always), Search::End::exhausted);
  EXPECT_EQ(second.totals(), first.totals());
}

TEST(SearchTest, WhatIsNoFileOfThisSearchIsRefused) {
  const MakeSystem make = counters(4, 8, {.independence = false});
  Search search(make);
  ASSERT_EQ(search.run([](const SearchTotals&) { return false; }), Search::End::stopped);
  const Bytes saved = search.save("counters");
  ASSERT_TRUE(Search(make).load(saved, "counters"));
  EXPECT_EQ(Search(make).load(saved, "adders").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(Search(make, 5).load(saved, "counters").error().code, ErrorCode::invalid_argument);
  // The program counts otherwise today.
  EXPECT_EQ(Search(counters(3, 8)).load(saved, "counters").error().code,
            ErrorCode::invalid_argument);
  for (const std::size_t kept : {std::size_t{0}, std::size_t{7}, std::size_t{100},
                                 saved.size() - 1}) {
    EXPECT_EQ(Search(make).load(saved.substr(0, kept), "counters").error().code,
              ErrorCode::corrupt);
  }
  Bytes harmed = saved;
  harmed[harmed.size() / 2] ^= 1;
  EXPECT_EQ(Search(make).load(harmed, "counters").error().code, ErrorCode::corrupt);
}

TEST(ScheduleTest, AViolationIsShortenedToWhatItNeeds) {
  const MakeSystem make = adders(2, 3);
  // By hand, with the sleepers first.
  Schedule schedule;
  for (const std::uint32_t sleeper : {2, 3, 4}) schedule.push_back({.kind = 0, .machine = sleeper});
  for (const std::uint32_t step : {0, 1}) {
    for (const std::uint32_t adder : {0, 1}) schedule.push_back({.kind = step, .machine = adder});
  }
  ASSERT_TRUE(execute(make, schedule, nullptr));
  const Schedule shortest = shorten(make, schedule);
  EXPECT_EQ(shortest, Schedule(schedule.begin() + 3, schedule.end()));
}

TEST(ScheduleTest, NumbersRepeatItStepByStep) {
  const MakeSystem make = adders(2, 1);
  Search search(make);
  ASSERT_EQ(search.run(always), Search::End::violated);
  const Schedule shortest = shorten(make, search.schedule());
  const auto again = schedule_from_text(make, to_text(make, shortest));
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, shortest);
  std::vector<std::string> lines;
  const auto broken = execute(make, *again, [&](Told what, const std::string& line) {
    lines.push_back((what == Told::event ? "" : "-> ") + line);
  });
  EXPECT_EQ(broken->message, "the number is 1");
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_EQ(lines[0], "machine 0 reads");
  EXPECT_EQ(lines[1], "-> step 1");
}

TEST(ScheduleTest, WhatIsNoScheduleIsRefused) {
  const MakeSystem make = adders(2, 0);
  EXPECT_TRUE(schedule_from_text(make, ""));
  EXPECT_TRUE(schedule_from_text(make, "0.1.0.0"));
  for (const char* text : {"x", "0.", ".0", "0..1", "0 1", "2", "0.1.0.0.0", "-1"}) {
    EXPECT_FALSE(schedule_from_text(make, text)) << text;
  }
}

}  // namespace
}  // namespace keelson::sim
