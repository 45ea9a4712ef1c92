#include "net/real_env.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "core/runtime/task_group.h"
#include "tests/net/temporary_directory.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

class RealEnvTest : public testing::Test {
 protected:
  std::unique_ptr<RealEnv> open(const std::string& node) {
    auto opened = RealEnv::open(reactor_, {.node = node, .data_directory = directory_ / node});
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    return *std::move(opened);
  }

  TemporaryDirectory directory_;
  Reactor reactor_;
};

TEST_F(RealEnvTest, ThreeNodesOfOneProcessTalkThroughOneReactor) {
  std::vector<std::unique_ptr<RealEnv>> nodes;
  std::unique_ptr<Listener> listener;
  int answers = 0;
  for (const char* name : {"n1", "n2", "n3"}) nodes.push_back(open(name));
  listener = *nodes[0]->env().network.listen("127.0.0.1:0");
  nodes[0]->scheduler().spawn("server", [&] {
    Env& env = nodes[0]->env();
    for (int i = 0; i < 2; ++i) {
      auto connection = *listener->accept(Deadline::in(env.clock, 20s));
      ASSERT_TRUE(connection->write("!", Deadline::in(env.clock, 20s)).has_value());
    }
  });
  for (int i = 1; i < 3; ++i) {
    nodes[i]->scheduler().spawn("client", [&, i] {
      Env& env = nodes[i]->env();
      auto connection = *env.network.connect(listener->address(), Deadline::in(env.clock, 20s));
      char answer;
      EXPECT_EQ(*connection->read(std::span(&answer, 1), Deadline::in(env.clock, 20s)), 1u);
      if (++answers == 2) reactor_.stop();
    });
  }
  reactor_.run();
  EXPECT_EQ(answers, 2);
}

TEST_F(RealEnvTest, ANodesFibersUnwindWhenItGoes) {
  struct Note {
    ~Note() { *unwound = true; }
    bool* unwound;
  };
  bool unwound = false;
  auto node = open("n1");
  node->scheduler().spawn("fiber", [&] {
    const Note note{&unwound};
    auto listener = *node->env().network.listen("127.0.0.1:0");
    reactor_.stop();
    (void)listener->accept(Deadline::never());
  });
  reactor_.run();
  EXPECT_FALSE(unwound);
  node.reset();
  EXPECT_TRUE(unwound);
}

TEST_F(RealEnvTest, ADirectoryInUseIsAnErrorAndNoNode) {
  const auto node = open("n1");
  const auto twin =
      RealEnv::open(reactor_, {.node = "twin", .data_directory = directory_ / "n1"});
  ASSERT_FALSE(twin.has_value());
  EXPECT_EQ(twin.error().code, ErrorCode::invalid_argument);
}

TEST_F(RealEnvTest, ASignalAsksTheNodeToStop) {
  auto node = open("n1");
  bool was_asked = false;
  reactor_.on_signal(SIGTERM, [&] { node->stop_requested().set(); });
  node->scheduler().spawn("node", [&] {
    ASSERT_EQ(kill(getpid(), SIGTERM), 0);
    was_asked = node->env().stop_requested.wait(Deadline::in(node->env().clock, 20s));
    reactor_.stop();
  });
  reactor_.run();
  EXPECT_TRUE(was_asked);
}

using RealEnvDeathTest = RealEnvTest;

TEST_F(RealEnvDeathTest, FailStopEndsTheProcessWithItsReason) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        auto node = open("n1");
        node->scheduler().spawn("fiber", [&] { node->env().process.fail_stop("a sync failed"); });
        reactor_.run();
      },
      testing::ExitedWithCode(70), "n1 process: ends at once: a sync failed");
}

}  // namespace
}  // namespace keelson
