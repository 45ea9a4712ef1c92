#include "scenarios/nemesis.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "core/runtime/env.h"
#include "core/runtime/task_group.h"
#include "scenarios/scenario.h"
#include "sim/sim_network.h"

namespace keelson::scenarios {
namespace {

using namespace std::chrono_literals;
using sim::TrueTime;

// Nodes that greet each other all the time, by connections of their own.
class NemesisTest : public testing::Test {
 protected:
  explicit NemesisTest(std::uint64_t seed = 3) : choices_(seed), world_(choices_) {
    for (int number = 1; number <= 5; ++number) {
      sim::Machine& machine = world_.add_machine("n" + std::to_string(number));
      machine.start([this, number](Env& env) { live(env, number); });
      targets_.nodes.push_back(&machine);
    }
    targets_.clients.push_back(&world_.add_machine("c1"));
    targets_.before_restart = [this](std::size_t node) { restarted_.insert(node); };
  }
  ~NemesisTest() override { stop_machines(world_); }

  void live(Env& env, int number) {
    TaskGroup fibers(env.scheduler);
    fibers.spawn("listener", [&] { hear(env, number); });
    for (int peer = 1; peer <= 5; ++peer) {
      if (peer != number) fibers.spawn("greeter", [&, peer] { greet(env, number, peer); });
    }
    (void)env.stop_requested.wait(Deadline::never());
    fibers.stop();
  }
  void hear(Env& env, int number) {
    const auto listener = env.network.listen("n" + std::to_string(number) + ":1");
    ASSERT_TRUE(listener.has_value());
    while (true) {
      auto connection = (*listener)->accept(Deadline::never());
      if (!connection) return;
      std::array<char, 1> from;
      if ((*connection)->read(from, Deadline::in(env.clock, 20ms)).has_value()) {
        heard_[{from[0], number}] = world_.now();
      }
    }
  }
  void greet(Env& env, int number, int peer) {
    const char self = static_cast<char>(number);
    while (true) {
      env.scheduler.sleep_for(10ms);
      auto connection = env.network.connect("n" + std::to_string(peer) + ":1",
                                            Deadline::in(env.clock, 20ms));
      if (!connection) continue;
      (void)(*connection)->write(BytesView(&self, 1), Deadline::in(env.clock, 20ms));
    }
  }
  bool heard_lately(int from, int at) {
    return world_.now() - heard_[{from, at}] < Duration(60ms);
  }
  Nemesis& nemesis(std::vector<FaultAction> actions) {
    FaultPlan plan;
    plan.actions = std::move(actions);
    nemesis_.emplace(world_, targets_, plan);
    nemesis_->start();
    return *nemesis_;
  }
  static FaultAction action(FaultKind kind, Duration at, Duration duration,
                            std::vector<std::size_t> targets, std::size_t others = 1) {
    FaultAction action;
    action.kind = kind;
    action.at = at;
    action.duration = duration;
    action.targets = std::move(targets);
    action.others = others;
    return action;
  }

  sim::Choices choices_;
  sim::World world_;
  NemesisTargets targets_;
  std::optional<Nemesis> nemesis_;
  std::map<std::pair<int, int>, TrueTime> heard_;
  std::set<std::size_t> restarted_;
};

TEST_F(NemesisTest, APartitionSeparatesTheTwoSidesAndIsUndone) {
  nemesis({action(FaultKind::partition, 100ms, 400ms, {0, 1, 2, 3, 4}, 2)});
  world_.run_for(400ms);
  EXPECT_TRUE(heard_lately(1, 2));
  EXPECT_TRUE(heard_lately(4, 3));
  EXPECT_FALSE(heard_lately(1, 3));
  EXPECT_FALSE(heard_lately(5, 2));
  world_.run_for(600ms);
  EXPECT_TRUE(heard_lately(1, 3));
  EXPECT_TRUE(heard_lately(5, 2));
}

TEST_F(NemesisTest, OverlappingCutsOpenALinkOnlyWhenAllAreOver) {
  nemesis({action(FaultKind::isolate, 100ms, 300ms, {0}),
           action(FaultKind::isolate, 200ms, 800ms, {1})});
  world_.run_for(700ms);
  EXPECT_TRUE(heard_lately(1, 3));
  EXPECT_FALSE(heard_lately(1, 2));
  EXPECT_FALSE(heard_lately(2, 1));
}

TEST_F(NemesisTest, AnAimAtTheLeaderIsSettledWhenTheActionBegins) {
  std::size_t leader = 4;
  targets_.leader = [&] { return std::optional(leader); };
  FaultAction aimed = action(FaultKind::crash, 200ms, 300ms, {0});
  aimed.aims_at_leader = true;
  nemesis({aimed});
  world_.run_for(100ms);
  leader = 2;
  world_.run_for(200ms);
  leader = 1;
  EXPECT_FALSE(targets_.nodes[2]->is_running());
  world_.run_for(500ms);
  EXPECT_TRUE(targets_.nodes[2]->is_running());
  EXPECT_EQ(restarted_, std::set<std::size_t>{2});
}

TEST_F(NemesisTest, AMachineStartsAgainWhenNothingKeepsItDown) {
  nemesis({action(FaultKind::crash, 100ms, 200ms, {0}),
           action(FaultKind::stop, 150ms, 800ms, {0})});
  world_.run_for(500ms);
  EXPECT_FALSE(targets_.nodes[0]->is_running());
  EXPECT_TRUE(nemesis_->disturbances().touched("n1", TrueTime{400'000'000}, world_.now()));
  world_.run_for(600ms);
  EXPECT_TRUE(targets_.nodes[0]->is_running());
  EXPECT_FALSE(nemesis_->disturbances().touched("n1", world_.now(), world_.now()));
}

TEST_F(NemesisTest, AnOrderlyStopEndsTheProgramAndItComesBack) {
  int ended = 0;
  targets_.on_ended = [&](std::size_t node, sim::EndReason reason, const std::string& why) {
    EXPECT_EQ(node, 3u);
    EXPECT_EQ(reason, sim::EndReason::returned);
    EXPECT_EQ(why, "");
    ++ended;
    return false;
  };
  nemesis({action(FaultKind::stop, 100ms, 200ms, {3})});
  world_.run_for(1s);
  EXPECT_EQ(ended, 1);
  EXPECT_TRUE(targets_.nodes[3]->is_running());
}

TEST_F(NemesisTest, ACrashLoopCrashesAgainAndAgain) {
  FaultAction loop = action(FaultKind::crash_loop, 100ms, 500ms, {1});
  loop.amount = 40ms;
  nemesis({loop});
  world_.run_for(2s);
  EXPECT_GE(targets_.nodes[1]->incarnation(), 8u);
  EXPECT_TRUE(targets_.nodes[1]->is_running());
}

TEST_F(NemesisTest, HealingInTheMiddleOfEverythingLeavesAllWell) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    FaultProfile profile;
    profile.may_be_calm = false;
    sim::Choices choices(seed);
    FaultPlan plan = draw_fault_plan(choices, 5, 3s, profile);
    nemesis_.reset();
    nemesis_.emplace(world_, targets_, plan);
    nemesis_->start();
    world_.run_for(2s);
    nemesis_->heal_everything();
    world_.run_for(1500ms);
    for (int from = 1; from <= 5; ++from) {
      for (int at = 1; at <= 5; ++at) {
        if (from != at) {
          EXPECT_TRUE(heard_lately(from, at)) << "seed " << seed << ": " << from << ">" << at;
        }
      }
    }
  }
}

TEST_F(NemesisTest, AHealedCoreIsWellAndTheOthersAreDeadForGood) {
  nemesis({action(FaultKind::partition, 100ms, 10s, {0, 1, 2, 3, 4}, 2)});
  world_.run_for(500ms);
  nemesis_->heal_core({0, 2, 4});
  world_.run_for(1s);
  EXPECT_TRUE(heard_lately(1, 3));
  EXPECT_TRUE(heard_lately(5, 1));
  EXPECT_FALSE(targets_.nodes[1]->is_running());
  EXPECT_FALSE(targets_.nodes[3]->is_running());
}

TEST_F(NemesisTest, TwoNodesThatWerePartedHearNothingOfEachOtherUntilAllIsHealedAgain) {
  nemesis({});
  nemesis_->heal_everything();
  nemesis_->part(0, 1);
  world_.run_for(1s);
  EXPECT_FALSE(heard_lately(1, 2));
  EXPECT_FALSE(heard_lately(2, 1));
  EXPECT_TRUE(heard_lately(1, 3));
  EXPECT_TRUE(heard_lately(3, 2));
  nemesis_->heal_everything();
  world_.run_for(1s);
  EXPECT_TRUE(heard_lately(1, 2));
  EXPECT_TRUE(heard_lately(2, 1));
}

}  // namespace
}  // namespace keelson::scenarios
