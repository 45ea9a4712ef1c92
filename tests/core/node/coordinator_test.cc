#include "core/kv/coordinator.h"

#include <gtest/gtest.h>

#include "tests/core/node/world_of_nodes.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

kv::Batch put(const Bytes& key, const Bytes& value, const Bytes& token = {}) {
  return {.token = token, .conditions = {}, .mutations = {{.key = key, .value = value}}};
}

class CoordinatorTest : public testing::Test {
 protected:
  Deadline in(std::size_t number, Duration span) {
    return Deadline::in(nodes_.cluster().machine(number).clock(), span);
  }
  Result<kv::BatchOutcome> execute(std::size_t number, kv::Batch batch, Duration span = 5s) {
    return nodes_.on(number, [&](Node& node) {
      return node.coordinator().execute(std::move(batch), in(number, span));
    });
  }
  Result<std::vector<std::optional<kv::VersionedValue>>> get(std::size_t number, const Bytes& key,
                                                             Duration span = 5s) {
    return nodes_.on(number, [&](Node& node) {
      return node.coordinator().get({key}, in(number, span));
    });
  }
  std::size_t other_than(std::size_t number) const { return number == 1 ? 2 : 1; }
  void cut_off(std::size_t number) {
    nodes_.world().network().isolate(nodes_.cluster().machine(number));
  }

  WorldOfNodes nodes_;
};

TEST_F(CoordinatorTest, AWriteOnAnyNodeIsReadOnEveryNode) {
  nodes_.elect();
  for (std::size_t writer = 1; writer <= 3; ++writer) {
    const Bytes value = "from " + std::to_string(writer);
    const auto outcome = execute(writer, put("key", value));
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
    EXPECT_TRUE(outcome->applied);
    for (std::size_t reader = 1; reader <= 3; ++reader) {
      const auto values = get(reader, "key");
      ASSERT_TRUE(values.has_value()) << values.error().message;
      ASSERT_TRUE((*values)[0].has_value());
      EXPECT_EQ((*values)[0]->value, value);
      EXPECT_EQ((*values)[0]->version, outcome->version);
    }
  }
}

TEST_F(CoordinatorTest, AConditionIsDecidedInTheLog) {
  const std::size_t leader = nodes_.elect();
  kv::Batch create = put("key", "first");
  create.conditions = {{.key = "key", .kind = kv::Condition::Kind::absent}};
  ASSERT_TRUE(execute(leader, create)->applied);
  const auto second = execute(other_than(leader), create);
  ASSERT_TRUE(second.has_value());
  EXPECT_FALSE(second->applied);
  EXPECT_EQ(second->failed_condition, 0u);
}

TEST_F(CoordinatorTest, ATokenIsAppliedOnceWhicheverNodeIsAsked) {
  const std::size_t leader = nodes_.elect();
  const auto first = execute(leader, put("key", "value", "token-0123456789"));
  const auto again = execute(other_than(leader), put("key", "other", "token-0123456789"));
  ASSERT_TRUE(first.has_value() && again.has_value());
  EXPECT_EQ(first->version, again->version);
  EXPECT_EQ((*get(leader, "key"))[0]->value, "value");
}

TEST_F(CoordinatorTest, ANodeCutOffSaysUnknownForAWriteItTookAsLeaderAndNeverAcknowledges) {
  const std::size_t leader = nodes_.elect();
  ASSERT_TRUE(execute(leader, put("key", "kept")));  // It has a ceiling for its timestamps.
  cut_off(leader);
  const auto outcome = execute(leader, put("key", "lost?"), 3s);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::timed_out);
}

TEST_F(CoordinatorTest, AWriteThatWasNeverTakenIsUnavailable) {
  const std::size_t leader = nodes_.elect();
  const std::size_t follower = other_than(leader);
  cut_off(follower);
  nodes_.run_for(5s);  // Until it has given its connections and its leader up.
  const auto outcome = execute(follower, put("key", "never"), 1s);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
}

TEST_F(CoordinatorTest, VerifyLeaderHoldsOnTheLeaderOnly) {
  const std::size_t leader = nodes_.elect();
  for (std::size_t number = 1; number <= 3; ++number) {
    const auto verified = nodes_.on(number, [&](Node& node) {
      return node.coordinator().verify_leader(in(number, 1s));
    });
    EXPECT_EQ(verified.has_value(), number == leader);
  }
}

TEST_F(CoordinatorTest, ALeaderCutOffFromItsPeersCannotVerify) {
  const std::size_t leader = nodes_.elect();
  cut_off(leader);
  const auto verified = nodes_.on(leader, [&](Node& node) {
    EXPECT_TRUE(node.coordinator().is_leader());
    return node.coordinator().verify_leader(in(leader, 1s));
  });
  EXPECT_FALSE(verified.has_value());
}

TEST_F(CoordinatorTest, ConcurrentVerificationsShareRounds) {
  const std::size_t leader = nodes_.elect();
  nodes_.run_for(1s);
  const std::size_t follower = other_than(leader);
  auto& network = nodes_.world().network();
  auto& from = nodes_.cluster().machine(leader);
  auto& to = nodes_.cluster().machine(follower);
  const auto before = network.sent(from, to).messages;
  int verified = 0;
  for (int i = 0; i < 200; ++i) {
    nodes_.begin_on(leader, [&, leader](Node& node) {
      if (node.coordinator().verify_leader(in(leader, 1s))) ++verified;
    });
  }
  nodes_.run_for(20ms);
  EXPECT_EQ(verified, 200);
  EXPECT_LE(network.sent(from, to).messages - before, 4u);
}

TEST_F(CoordinatorTest, AFollowerRefusesToVerifyWithoutSendingAnything) {
  const std::size_t leader = nodes_.elect();
  const std::size_t follower = other_than(leader);
  auto& network = nodes_.world().network();
  auto& from = nodes_.cluster().machine(follower);
  auto& to = nodes_.cluster().machine(leader);
  nodes_.run_for(1s);
  const auto idle_before = network.sent(from, to).messages;
  nodes_.run_for(1s);
  const auto idle = network.sent(from, to).messages - idle_before;
  const auto before = network.sent(from, to).messages;
  for (int i = 0; i < 100; ++i) {
    nodes_.begin_on(follower, [&, follower](Node& node) {
      EXPECT_FALSE(node.coordinator().verify_leader(in(follower, 1s)));
    });
  }
  nodes_.run_for(1s);
  EXPECT_LE(network.sent(from, to).messages - before, idle + 1);
}

TEST_F(CoordinatorTest, VerificationsFailWhenTheDrainBegins) {
  const std::size_t leader = nodes_.elect();
  cut_off(leader);
  std::optional<bool> verified;
  nodes_.begin_on(leader, [&, leader](Node& node) {
    verified = node.coordinator().verify_leader(in(leader, 1s)).has_value();
  });
  nodes_.run_for(10ms);
  nodes_.cluster().machine(leader).request_stop();
  nodes_.run_for(3s);
  // Killed with its process, or answered with an error: in no case with a yes.
  EXPECT_FALSE(verified.value_or(false));
  EXPECT_FALSE(nodes_.cluster().machine(leader).is_running());
}

TEST_F(CoordinatorTest, AcknowledgedWritesSurviveAPowerLossOfAllNodes) {
  nodes_.elect();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(execute(1, put("key" + std::to_string(i), "value"))->applied);
  }
  for (std::size_t number = 1; number <= 3; ++number) nodes_.cluster().machine(number).crash();
  for (std::size_t number = 1; number <= 3; ++number) nodes_.cluster().machine(number).restart();
  nodes_.run_for(100ms);
  nodes_.elect();
  for (int i = 0; i < 20; ++i) {
    const auto values = get(2, "key" + std::to_string(i));
    ASSERT_TRUE(values.has_value());
    EXPECT_TRUE((*values)[0].has_value());
  }
}

}  // namespace
}  // namespace keelson
