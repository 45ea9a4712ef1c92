#include "core/founding.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "admin/run_node.h"
#include "core/raft/transport.h"
#include "scenarios/cluster.h"
#include "sim/choices.h"
#include "sim/machine.h"
#include "sim/sim_network.h"
#include "sim/world.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

// What a data directory keeps of a node, from one process to the next.
struct Directory {
  Incarnation incarnation;
  Founders founders;
};

// A node that founds or joins a cluster, and does nothing else.
class FoundingNode : public raft::TransportHandler, public kv::PeerCaller {
 public:
  FoundingNode(Env& env, raft::TransportOptions options, Directory& directory)
      : env_(env), directory_(directory),
        founding_(env, *this, options.self, directory.incarnation, directory.founders),
        transport_(env, std::move(options), *this) {}

  void run(const Address& listen, const std::vector<NodeId>& others, bool may_convene) {
    CHECK(transport_.start(listen).has_value());
    if (directory_.founders.empty()) {
      auto founders = founding_.agree(others, may_convene);
      if (!founders) return;
      directory_.founders = *std::move(founders);
      founding_.set_founders(directory_.founders);
    }
    (void)env_.stop_requested.wait(Deadline::never());
  }

  void on_message(NodeId, Incarnation, GroupId, const raft::Message&) override {}
  Bytes on_call(NodeId, Bytes) override { return founding_.answer(); }
  Result<Bytes> call(NodeId to, BytesView request, Deadline deadline) override {
    return transport_.call(to, request, deadline);
  }

 private:
  Env& env_;
  Directory& directory_;
  Founding founding_;
  raft::Transport transport_;
};

class FoundingTest : public testing::Test {
 protected:
  FoundingTest() : choices_(1), world_(choices_) {
    for (std::size_t number = 1; number <= 3; ++number) {
      world_.add_machine(name(number));
      directories_[number].incarnation = Incarnation(100 + number);
    }
    world_.trace().set_listener([this](const sim::TraceEvent& event) {
      if (event.component == "founding") lines_[event.machine].emplace_back(event.detail);
    });
  }
  ~FoundingTest() override {
    for (const auto& machine : world_.machines()) machine->kill();
  }

  static std::string name(std::size_t number) { return "n" + std::to_string(number); }
  sim::Machine& machine(std::size_t number) { return world_.machine(name(number)); }
  const Founders& founders(std::size_t number) { return directories_[number].founders; }

  void start(std::size_t number, bool may_convene) {
    machine(number).start([this, number, may_convene](Env& env) {
      raft::TransportOptions options;
      options.self = NodeId(number);
      options.incarnation = directories_[number].incarnation;
      options.cluster_id = "cluster";
      std::vector<NodeId> others;
      for (std::size_t other = 1; other <= 3; ++other) {
        if (other == number) continue;
        options.peers[NodeId(other)] = name(other) + ":7000";
        others.emplace_back(other);
      }
      FoundingNode(env, std::move(options), directories_[number])
          .run(name(number) + ":7000", others, may_convene);
    });
  }
  // The process ends and its directory is lost.
  void wipe(std::size_t number) {
    machine(number).kill();
    directories_[number] = {.incarnation = Incarnation(200 + number), .founders = {}};
  }
  bool all_know() {
    return !founders(1).empty() && !founders(2).empty() && !founders(3).empty();
  }
  bool run_until_all_know() {
    return world_.run_until([this] { return all_know(); }, world_.now() + 10s);
  }
  bool nobody_knows() {
    return founders(1).empty() && founders(2).empty() && founders(3).empty();
  }
  // How many lines of the node have all of `parts` in them.
  std::size_t lines_with(std::size_t number, const std::vector<std::string>& parts) {
    std::size_t count = 0;
    for (const std::string& line : lines_[number]) {
      bool has_all = true;
      for (const std::string& part : parts) has_all = has_all && line.find(part) != line.npos;
      count += has_all ? 1 : 0;
    }
    return count;
  }
  // How long the process lives on after it is asked to stop.
  sim::Duration time_to_stop(std::size_t number) {
    const sim::TrueTime asked = world_.now();
    machine(number).request_stop();
    EXPECT_TRUE(world_.run_until([&] { return !machine(number).is_running(); }, asked + 30s));
    return world_.now() - asked;
  }

  sim::Choices choices_;
  sim::World world_;
  std::map<std::size_t, Directory> directories_;
  std::map<std::size_t, std::vector<std::string>> lines_;
};

const Founders kAllThree = {{NodeId(1), Incarnation(101)},
                            {NodeId(2), Incarnation(102)},
                            {NodeId(3), Incarnation(103)}};

TEST_F(FoundingTest, ThreeNewDirectoriesAgreeOnTheThree) {
  for (std::size_t number = 1; number <= 3; ++number) start(number, true);
  ASSERT_TRUE(run_until_all_know());
  for (std::size_t number = 1; number <= 3; ++number) EXPECT_EQ(founders(number), kAllThree);
  EXPECT_EQ(lines_with(1, {"founds a cluster of 3"}), 1u);
  EXPECT_EQ(lines_with(2, {"founds"}) + lines_with(3, {"founds"}), 0u);
}

TEST_F(FoundingTest, NobodyFoundsAClusterWhileAPeerIsMissingAndTheLogNamesIt) {
  start(1, true);
  start(2, true);
  world_.run_for(36s);
  EXPECT_TRUE(nobody_knows());
  for (const std::size_t number : {1, 2}) {
    EXPECT_EQ(lines_with(number, {"no answer from n3"}), 7u) << number;  // After 2 s, then every 5.
    EXPECT_EQ(lines_with(number, {"no answer from n1"}), 0u);
    EXPECT_EQ(lines_with(number, {"no answer from n2"}), 0u);
  }
  EXPECT_EQ(lines_with(1, {"founds the cluster when all peers have answered"}), 7u);
  EXPECT_EQ(lines_with(2, {"waits for a cluster to join, or for n1"}), 7u);
  start(3, true);
  ASSERT_TRUE(run_until_all_know());
  EXPECT_EQ(founders(3), kAllThree);
}

TEST_F(FoundingTest, OnlyTheLowestConvenesHoweverWillingTheOthersAre) {
  start(1, false);
  start(2, true);
  start(3, true);
  world_.run_for(20s);
  EXPECT_TRUE(nobody_knows());
  EXPECT_GE(lines_with(1, {"start this node with --bootstrap", "all peers answer"}), 3u);
  EXPECT_GE(lines_with(2, {"n1, started with --bootstrap", "all peers answer"}), 3u);
  machine(1).kill();
  start(1, true);
  ASSERT_TRUE(run_until_all_know());
  EXPECT_EQ(founders(2), kAllThree);
}

TEST_F(FoundingTest, TwoNodesThatCannotHearEachOtherDoNotFoundTwoClusters) {
  for (std::size_t number = 1; number <= 3; ++number) start(number, true);
  world_.network().cut(machine(1), machine(2));
  world_.network().cut(machine(2), machine(1));
  world_.run_for(20s);
  EXPECT_TRUE(nobody_knows());
  EXPECT_GE(lines_with(1, {"no answer from n2"}), 3u);
  world_.network().heal_all();
  ASSERT_TRUE(run_until_all_know());
  EXPECT_EQ(founders(2), kAllThree);
}

TEST_F(FoundingTest, AWipedNodeIsToldThatItIsNoFounder) {
  for (std::size_t number = 1; number <= 3; ++number) start(number, true);
  ASSERT_TRUE(run_until_all_know());
  wipe(3);
  start(3, true);
  ASSERT_TRUE(run_until_all_know());
  EXPECT_EQ(founders(3), kAllThree);
  EXPECT_EQ(lines_with(3, {"founded without this directory"}), 1u);
  EXPECT_EQ(machine(3).marks().counts().at("node: came back without its disk"), 1u);
}

TEST_F(FoundingTest, AWipedConvenerJoinsTheClusterThatAnyPeerIsIn) {
  for (std::size_t number = 1; number <= 3; ++number) start(number, true);
  ASSERT_TRUE(run_until_all_know());
  machine(2).kill();
  wipe(1);
  start(1, true);
  ASSERT_TRUE(run_until_all_know());
  EXPECT_EQ(founders(1), kAllThree);
  EXPECT_EQ(lines_with(1, {"founds a cluster"}), 1u);  // The first time.
}

TEST_F(FoundingTest, AConvenerThatLostItsDirectoryBeforeAnybodyWasToldFoundsAnew) {
  start(1, true);
  start(2, true);
  start(3, true);
  ASSERT_TRUE(world_.run_until([this] { return !founders(1).empty(); }, world_.now() + 10s));
  machine(2).kill();
  machine(3).kill();
  wipe(1);
  // A founder's answer may have been on its way; whoever has taken it is asked here, too.
  const bool somebody_knows = !founders(2).empty() || !founders(3).empty();
  for (std::size_t number = 1; number <= 3; ++number) start(number, true);
  ASSERT_TRUE(run_until_all_know());
  EXPECT_EQ(founders(1), founders(2));
  EXPECT_EQ(founders(1), founders(3));
  EXPECT_EQ(founders(1).at(NodeId(1)), Incarnation(somebody_knows ? 101 : 201));
}

TEST_F(FoundingTest, AStopEndsTheWaitAtOnce) {
  start(1, true);
  start(2, true);
  world_.run_for(3s);
  EXPECT_LT(time_to_stop(1), 100ms);
  EXPECT_LT(time_to_stop(2), 100ms);
  EXPECT_TRUE(nobody_knows());
}

TEST_F(FoundingTest, AStopWhileAPeerIsSilentIsBoundByOneQuestion) {
  for (std::size_t number = 1; number <= 3; ++number) start(number, false);
  world_.run_for(1s);
  // Connected, and answers no more: each question takes its whole time.
  machine(2).pause();
  machine(3).pause();
  world_.run_for(100ms);
  EXPECT_LT(time_to_stop(1), 600ms);
}

// --- one node whose peers say what the test wants ---

class ScriptedPeers : public kv::PeerCaller {
 public:
  using Script = std::function<Result<Bytes>(NodeId to, std::size_t number)>;
  explicit ScriptedPeers(Script script) : script_(std::move(script)) {}
  Result<Bytes> call(NodeId to, BytesView, Deadline) override {
    return script_(to, ++asked_[to]);
  }

 private:
  Script script_;
  std::map<NodeId, std::size_t> asked_;
};

class ConvenerTest : public testing::Test {
 protected:
  ConvenerTest() : choices_(1), world_(choices_) { world_.add_machine("n1"); }
  ~ConvenerTest() override { world_.machine("n1").kill(); }

  // An answer of a directory that knows of no cluster, or of one with `founders`.
  static Bytes answer(std::uint64_t incarnation, const Founders& founders = {}) {
    Bytes bytes;
    append_u64(bytes, incarnation);
    append_u32(bytes, static_cast<std::uint32_t>(founders.size()));
    for (const auto& [id, value] : founders) {
      append_u64(bytes, id.value);
      append_u64(bytes, value.value);
    }
    return bytes;
  }
  // What n1 agrees on with n2 and n3 within ten seconds.
  std::optional<Founders> agree(ScriptedPeers::Script script) {
    std::optional<Founders> result;
    world_.machine("n1").start([&](Env& env) {
      ScriptedPeers peers(std::move(script));
      Founding founding(env, peers, NodeId(1), Incarnation(101), {});
      result = founding.agree({NodeId(2), NodeId(3)}, true);
    });
    world_.run_for(10s);
    return result;
  }

  sim::Choices choices_;
  sim::World world_;
};

TEST_F(ConvenerTest, ADirectoryThatWasReplacedBetweenTheTwoQuestionsIsAskedTwiceAgain) {
  std::size_t asked = 0;
  const auto agreed = agree([&](NodeId to, std::size_t number) {
    if (to == NodeId(2)) return answer(102);
    asked = number;
    return answer(number == 1 ? 103 : 203);
  });
  const Founders expected = {{NodeId(1), Incarnation(101)},
                             {NodeId(2), Incarnation(102)},
                             {NodeId(3), Incarnation(203)}};
  EXPECT_EQ(agreed, expected);
  EXPECT_EQ(asked, 4u);
}

TEST_F(ConvenerTest, ADirectoryThatIsReplacedEachTimeKeepsTheClusterFromBeingFounded) {
  EXPECT_EQ(agree([](NodeId to, std::size_t number) { return answer(100 * number + to.value); }),
            std::nullopt);
}

TEST_F(ConvenerTest, AClusterOfWhichTheSecondQuestionTellsIsJoined) {
  const auto agreed = agree([](NodeId to, std::size_t number) {
    return number == 1 ? answer(100 + to.value) : answer(100 + to.value, kAllThree);
  });
  EXPECT_EQ(agreed, kAllThree);
}

TEST_F(ConvenerTest, AnAnswerThatIsNoneCountsAsSilence) {
  const Bytes whole = answer(103);
  const Bytes too_long = answer(103, kAllThree) + "x";
  for (const Bytes& broken : {Bytes(), whole.substr(0, 11), whole + "x", too_long}) {
    EXPECT_EQ(agree([&](NodeId to, std::size_t) { return to == NodeId(2) ? answer(102) : broken; }),
              std::nullopt);
    world_.machine("n1").kill();
  }
}

// --- the whole node ---

TEST(NodeWithoutAClusterTest, AnOrderlyStopWhileItWaitsIsPromptAndNoFailure) {
  sim::Choices choices(1);
  sim::World world(choices);
  scenarios::Cluster cluster(world, scenarios::scenario_config(3, 1));
  sim::Machine& machine = cluster.machine(1);
  std::optional<Result<void>> ended;
  std::optional<sim::EndReason> reason;
  machine.set_on_ended([&](sim::EndReason why, const std::string& left) {
    reason = why;
    EXPECT_EQ(left, "");
  });
  machine.start([&](Env& env) {
    NodeConfig config = scenarios::scenario_config(3, 1);
    config.node_id = NodeId(1);
    config.raft_listen = "n1:7000";
    config.s3_listen = config.dynamodb_listen = config.sqs_listen = config.admin_listen = "n1:0";
    ended = run_node(env, config, {.on_started = [](Node&) { FAIL() << "nobody to start with"; }});
  });
  world.run_for(5s);
  ASSERT_TRUE(machine.is_running());
  const sim::TrueTime asked = world.now();
  machine.request_stop();
  ASSERT_TRUE(world.run_until([&] { return !machine.is_running(); }, asked + 10s));
  EXPECT_LT(world.now() - asked, sim::Duration(100ms));
  EXPECT_EQ(reason, sim::EndReason::returned);
  ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(ended->has_value());
}

}  // namespace
}  // namespace keelson
