#include "core/raft/transport.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "sim/choices.h"
#include "sim/machine.h"
#include "sim/sim_network.h"
#include "sim/world.h"

namespace keelson::raft {
namespace {

using namespace std::chrono_literals;

// --- frames ---

TEST(FrameTest, AFrameIsReadBackWhereItEnds) {
  Bytes stream;
  append_frame(stream, FrameKind::request, "head", "body");
  append_frame(stream, FrameKind::ping, {}, {});
  std::size_t consumed = 0;
  const auto first = parse_frame(stream, 1024, consumed);
  ASSERT_TRUE(first.has_value() && first->has_value());
  EXPECT_EQ((*first)->kind, FrameKind::request);
  EXPECT_EQ((*first)->body, "headbody");
  const auto second = parse_frame(BytesView(stream).substr(consumed), 1024, consumed);
  ASSERT_TRUE(second.has_value() && second->has_value());
  EXPECT_EQ((*second)->kind, FrameKind::ping);
}

TEST(FrameTest, ABeginningOfAFrameIsNotYetAFrame) {
  Bytes frame;
  append_frame(frame, FrameKind::reply, {}, "body");
  for (std::size_t size = 0; size < frame.size(); ++size) {
    std::size_t consumed = 0;
    const auto parsed = parse_frame(BytesView(frame).substr(0, size), 1024, consumed);
    ASSERT_TRUE(parsed.has_value());
    EXPECT_FALSE(parsed->has_value());
    EXPECT_EQ(consumed, 0u);
  }
}

TEST(FrameTest, AFlippedOctetAnywhereIsNeverTakenForTheFrame) {
  Bytes frame;
  append_frame(frame, FrameKind::reply, {}, "body");
  for (std::size_t at = 0; at < frame.size(); ++at) {
    Bytes damaged = frame;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::size_t consumed = 0;
    const auto parsed = parse_frame(damaged, 1024, consumed);
    EXPECT_FALSE(parsed.has_value() && parsed->has_value()) << "octet " << at;
  }
}

TEST(FrameTest, ALengthBeyondTheLimitIsRefusedBeforeItsOctetsAreAwaited) {
  Bytes stream;
  append_u32(stream, 1 << 30);
  append_u64(stream, 0);
  std::size_t consumed = 0;
  EXPECT_EQ(parse_frame(stream, 1024, consumed).error().code, ErrorCode::corrupt);
}

// --- connections ---

struct Received {
  NodeId from;
  GroupId group;
  Message message;
};

// A node that has a transport and nothing else: it keeps messages and answers calls in upper case.
class Endpoint : public TransportHandler {
 public:
  Endpoint(Env& env, TransportOptions options, const Address& listen)
      : env_(env), transport(env, std::move(options), *this) {
    CHECK(transport.start(listen).has_value());
  }

  void on_message(NodeId from, Incarnation, GroupId group, const Message& message) override {
    received.push_back({from, group, message});
  }
  Bytes on_call(NodeId, Bytes request) override {
    if (request == "slow") env_.scheduler.sleep_for(2s);
    for (char& c : request) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    return request;
  }

 private:
  Env& env_;

 public:
  std::vector<Received> received;
  Transport transport;
};

class TransportTest : public testing::Test {
 protected:
  TransportTest() : choices_(1), world_(choices_) {
    for (std::size_t number = 1; number <= 2; ++number) add(number, "cluster");
  }
  ~TransportTest() override {
    for (const auto& machine : world_.machines()) machine->kill();
  }

  void add(std::size_t number, const std::string& cluster_id) {
    sim::Machine& machine = world_.add_machine("n" + std::to_string(number));
    machine.start([this, number, cluster_id](Env& env) {
      TransportOptions options;
      options.self = NodeId(number);
      options.cluster_id = cluster_id;
      for (std::size_t peer = 1; peer <= 2; ++peer) {
        if (peer != number) options.peers[NodeId(peer)] = address(peer);
      }
      Endpoint endpoint(env, std::move(options), address(number));
      struct Place {
        Endpoint*& place;
        ~Place() { place = nullptr; }
      } place{endpoints_[number - 1]};
      place.place = &endpoint;
      (void)env.stop_requested.wait(Deadline::never());
    });
  }
  static Address address(std::size_t number) { return "n" + std::to_string(number) + ":7000"; }
  // On a fiber of the node's own process, as a node's loop would.
  void set_peer(std::size_t on, std::size_t peer, const Address& where) {
    machine(on).spawn("set peer", [this, on, peer, where](Env&) {
      endpoint(on).transport.set_peer(NodeId(peer), where);
    });
  }
  void forget_peer(std::size_t on, std::size_t peer) {
    machine(on).spawn("forget peer", [this, on, peer](Env&) {
      endpoint(on).transport.forget_peer(NodeId(peer));
    });
  }
  Endpoint& endpoint(std::size_t number) { return *endpoints_.at(number - 1); }
  sim::Machine& machine(std::size_t number) {
    return world_.machine("n" + std::to_string(number));
  }
  bool connected(std::size_t from, std::size_t to) {
    return endpoints_[from - 1] != nullptr && endpoint(from).transport.is_connected(NodeId(to));
  }
  bool connect() {
    return world_.run_until([this] { return connected(1, 2) && connected(2, 1); },
                            world_.now() + 10s);
  }
  Message ping() const { return RequestVoteReply{.term = Term(7), .vote_granted = true}; }

  // Sends as a node does: on a fiber of its own process.
  void send(std::size_t from, std::size_t to, GroupId group) {
    machine(from).spawn("sender", [this, from, to, group](Env&) {
      endpoint(from).transport.send(NodeId(to), group, ping());
    });
  }

  // Calls n2 from a fiber of n1; the result is there when the call has returned.
  void call(Bytes request, Duration patience, std::optional<Result<Bytes>>& result) {
    machine(1).spawn("caller", [this, request, patience, &result](Env& env) {
      result = endpoint(1).transport.call(NodeId(2), request, Deadline::in(env.clock, patience));
    });
  }

  sim::Choices choices_;
  sim::World world_;
  std::array<Endpoint*, 3> endpoints_{};
};

TEST_F(TransportTest, TwoNodesShareOneConnectionInBothDirections) {
  ASSERT_TRUE(connect());
  send(1, 2, GroupId(3));
  send(2, 1, GroupId(0));
  world_.run_for(10ms);
  ASSERT_EQ(endpoint(2).received.size(), 1u);
  EXPECT_EQ(endpoint(2).received[0].from, NodeId(1));
  EXPECT_EQ(endpoint(2).received[0].group, GroupId(3));
  EXPECT_EQ(endpoint(2).received[0].message, ping());
  ASSERT_EQ(endpoint(1).received.size(), 1u);
  EXPECT_EQ(world_.network().live_connections(machine(1)), 1u);
  EXPECT_EQ(world_.network().live_connections(machine(2)), 1u);
}

TEST_F(TransportTest, AnIdleConnectionStaysUpByPings) {
  ASSERT_TRUE(connect());
  world_.run_for(60s);
  EXPECT_TRUE(connected(1, 2) && connected(2, 1));
}

TEST_F(TransportTest, APeerThatHasFallenSilentIsGivenUpAndFoundAgain) {
  ASSERT_TRUE(connect());
  world_.network().cut(machine(2), machine(1));
  world_.run_for(10s);
  EXPECT_FALSE(connected(1, 2));
  world_.network().heal(machine(2), machine(1));
  EXPECT_TRUE(connect());
}

TEST_F(TransportTest, ARestartedPeerTakesTheOldConnectionsPlace) {
  ASSERT_TRUE(connect());
  for (const std::size_t victim : {1, 2}) {
    machine(victim).crash();
    machine(victim).restart();
    ASSERT_TRUE(world_.run_until(
        [&] { return endpoints_[victim - 1] != nullptr && connected(victim, 3 - victim); },
        world_.now() + 20s));
    send(victim, 3 - victim, GroupId(0));
    ASSERT_TRUE(world_.run_until([&] { return !endpoint(3 - victim).received.empty(); },
                                 world_.now() + 1s));
    endpoint(3 - victim).received.clear();
  }
}

TEST_F(TransportTest, ACallIsAnswered) {
  ASSERT_TRUE(connect());
  std::optional<Result<Bytes>> result;
  call("question", 1s, result);
  world_.run_for(100ms);
  ASSERT_TRUE(result && result->has_value());
  EXPECT_EQ(**result, "QUESTION");
}

TEST_F(TransportTest, ACallBeforeThereIsAConnectionSurelyDidNotHappen) {
  machine(2).kill();
  world_.run_for(1s);
  std::optional<Result<Bytes>> result;
  call("question", 1s, result);
  world_.run_for(2s);
  ASSERT_TRUE(result && !result->has_value());
  EXPECT_EQ(result->error().code, ErrorCode::unavailable);
}

TEST_F(TransportTest, ACallWhosePeerDiesMayHaveHappened) {
  ASSERT_TRUE(connect());
  std::optional<Result<Bytes>> result;
  call("slow", 30s, result);
  world_.run_for(100ms);
  machine(2).kill();
  world_.run_for(1s);
  ASSERT_TRUE(result && !result->has_value());
  EXPECT_EQ(result->error().code, ErrorCode::connection_lost);
}

TEST_F(TransportTest, ACallThatTakesTooLongTimesOut) {
  ASSERT_TRUE(connect());
  std::optional<Result<Bytes>> result;
  call("slow", 1s, result);
  world_.run_for(1100ms);
  ASSERT_TRUE(result && !result->has_value());
  EXPECT_EQ(result->error().code, ErrorCode::timed_out);
}

TEST_F(TransportTest, APeerOfAnotherClusterIsRefused) {
  machine(2).kill();
  world_.run_for(1s);
  machine(2).start([](Env& env) {
    const auto connection = env.network.connect("n1:7000", Deadline::in(env.clock, 1s));
    CHECK(connection.has_value());
    Bytes hello;
    append_u32(hello, kTransportVersion);
    append_u64(hello, 2);
    append_u64(hello, 22);
    hello += "another";
    Bytes frame;
    append_frame(frame, FrameKind::hello, {}, hello);
    CHECK((*connection)->write(frame, Deadline::in(env.clock, 1s)).has_value());
    char answer[64];
    const auto count = (*connection)->read(answer, Deadline::in(env.clock, 5s));
    CHECK(!count.has_value() || *count == 0);  // Closed without a hello.
    env.log.event("test", "refused");
  });
  world_.run_for(3s);
  EXPECT_FALSE(machine(2).is_running());  // It came to its end: it was refused.
  EXPECT_FALSE(connected(1, 2));
}

// --- peers that come, move and go ---

TEST_F(TransportTest, APeerNamedWhileItRunsIsDialledOrAccepted) {
  ASSERT_TRUE(connect());
  add(3, "cluster");  // It was told of n1 and n2 at its start; they were not told of it.
  world_.run_for(2s);
  EXPECT_FALSE(connected(1, 3) || connected(3, 1) || connected(3, 2));
  for (const std::size_t old : {1, 2}) set_peer(old, 3, address(3));
  ASSERT_TRUE(world_.run_until([this] { return connected(1, 3) && connected(2, 3); },
                               world_.now() + 5s));
  send(1, 3, GroupId(1));
  world_.run_for(10ms);
  EXPECT_EQ(endpoint(3).received.size(), 1u);
}

TEST_F(TransportTest, APeerWithANewAddressIsDialledThere) {
  ASSERT_TRUE(connect());
  sim::Machine& elsewhere = world_.add_machine("elsewhere");
  bool was_dialled = false;
  elsewhere.start([&was_dialled](Env& env) {
    const auto listener = env.network.listen("elsewhere:7000");
    CHECK(listener.has_value());
    was_dialled = (*listener)->accept(Deadline::never()).has_value();
  });
  set_peer(1, 2, "elsewhere:7000");
  EXPECT_TRUE(world_.run_until([&was_dialled] { return was_dialled; }, world_.now() + 1s));
  world_.run_for(5s);
  EXPECT_FALSE(connected(1, 2));
  set_peer(1, 2, address(2));
  EXPECT_TRUE(world_.run_until([this] { return connected(1, 2); }, world_.now() + 5s));
}

TEST_F(TransportTest, AForgottenPeerIsDisconnectedAndRefusedUntilItIsNamedAgain) {
  add(3, "cluster");
  for (const std::size_t old : {1, 2}) set_peer(old, 3, address(3));
  ASSERT_TRUE(world_.run_until([this] { return connected(1, 3) && connected(2, 3); },
                               world_.now() + 5s));
  forget_peer(1, 3);  // n1 dials it,
  forget_peer(3, 1);  // which has n1 from its operator and keeps it.
  world_.run_for(5s);
  EXPECT_FALSE(connected(1, 3) || connected(3, 1));
  set_peer(1, 3, address(3));
  EXPECT_TRUE(world_.run_until([this] { return connected(1, 3) && connected(3, 1); },
                               world_.now() + 5s));
}

TEST_F(TransportTest, ForgettingWhatAConfigurationSaidOfAStaticPeerLeavesWhatTheOperatorSaid) {
  ASSERT_TRUE(connect());
  set_peer(1, 2, "nowhere:7000");
  world_.run_for(5s);
  EXPECT_FALSE(connected(1, 2));
  forget_peer(1, 2);
  EXPECT_TRUE(world_.run_until([this] { return connected(1, 2); }, world_.now() + 5s));
}

}  // namespace
}  // namespace keelson::raft
