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

// --- connections ---

AppendEntries beat(std::uint64_t term, std::uint64_t round) {
  AppendEntries append;
  append.term = Term(term);
  append.round = Round(round);
  return append;
}

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
    for (std::size_t number = 1; number <= 2; ++number) add(number);
  }
  ~TransportTest() override {
    for (const auto& machine : world_.machines()) machine->kill();
  }

  // `given` says what differs from the others.
  void add(std::size_t number, const TransportOptions& given = {}) {
    (void)world_.add_machine("n" + std::to_string(number));
    start(number, given);
  }
  void start(std::size_t number, const TransportOptions& given) {
    machine(number).start([this, number, given](Env& env) {
      TransportOptions options = given;
      options.self = NodeId(number);
      options.cluster_id = "cluster";
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

// --- versions, secrets, strangers ---

class TermsTest : public TransportTest {
 protected:
  TermsTest() {
    world_.trace().set_listener([this](const sim::TraceEvent& event) {
      log_.push_back(std::string(event.detail));
    });
  }
  ~TermsTest() override { world_.trace().set_listener({}); }

  void restart(std::size_t number, const TransportOptions& given) {
    machine(number).kill();
    start(number, given);
  }
  static TransportOptions with_secret(const Bytes& secret) {
    TransportOptions options;
    options.secret = secret;
    return options;
  }
  static TransportOptions up_to_version(std::uint32_t version) {
    TransportOptions options;
    options.version_max = version;
    return options;
  }
  // How many lines of the logs hold the text.
  std::size_t logged(const std::string& text) const {
    std::size_t count = 0;
    for (const std::string& line : log_) count += line.find(text) != std::string::npos;
    return count;
  }

  std::vector<std::string> log_;
};

TEST_F(TermsTest, BothUseTheHighestVersionThatBothSpeak) {
  ASSERT_TRUE(connect());
  EXPECT_EQ(endpoint(1).transport.version_of(NodeId(2)), kProtocolVersionMax);
  restart(2, up_to_version(1));
  world_.run_for(100ms);
  ASSERT_TRUE(connect());
  EXPECT_EQ(endpoint(1).transport.version_of(NodeId(2)), 1U);
  EXPECT_EQ(endpoint(2).transport.version_of(NodeId(1)), 1U);
  machine(1).spawn("sender", [this](Env&) {
    endpoint(1).transport.send(NodeId(2), GroupId(4),
                               beat(1, 1));
  });
  world_.run_for(100ms);
  ASSERT_EQ(endpoint(2).received.size(), 1U);  // In a frame that version 1 knows.
  EXPECT_EQ(endpoint(2).received[0].group, GroupId(4));
}

TEST_F(TermsTest, AHeartbeatAndItsAnswerTravelInFramesOfMany) {
  ASSERT_TRUE(connect());
  machine(1).spawn("sender", [this](Env&) {
    for (std::uint64_t group = 0; group < 100; ++group) {
      endpoint(1).transport.send(NodeId(2), GroupId(group),
                                 beat(1, group));
    }
  });
  const auto bytes_before = world_.network().sent(machine(1), machine(2)).bytes;
  world_.run_for(100ms);
  ASSERT_EQ(endpoint(2).received.size(), 100U);
  EXPECT_EQ(std::get<AppendEntries>(endpoint(2).received[99].message).round, Round(99));
  EXPECT_LT(world_.network().sent(machine(1), machine(2)).bytes - bytes_before, 1000U);
}

TEST_F(TermsTest, NodesWithOneSecretFindEachOtherAndSealWhatTheySay) {
  for (const std::size_t number : {1, 2}) restart(number, with_secret("sixteen octets and more"));
  world_.run_for(100ms);
  ASSERT_TRUE(connect());
  for (int i = 0; i < 3; ++i) send(1, 2, GroupId(3));
  send(2, 1, GroupId(0));
  world_.run_for(10ms);
  EXPECT_EQ(endpoint(2).received.size(), 3U);
  EXPECT_EQ(endpoint(1).received.size(), 1U);
}

TEST_F(TermsTest, AnotherSecretIsRefusedByBothAndNotSaidAtEveryAttempt) {
  restart(1, with_secret("sixteen octets and more"));
  restart(2, with_secret("sixteen octets and other"));
  world_.run_for(30s);  // Some hundred attempts.
  EXPECT_FALSE(connected(1, 2) || connected(2, 1));
  // Once by who dialled and once by who was dialled, of each.
  EXPECT_EQ(logged("n2 does not prove that it knows the cluster's secret"), 2U);
  EXPECT_EQ(logged("n1 does not prove that it knows the cluster's secret"), 2U);
}

TEST_F(TermsTest, ASecretOnOneSideOnlyIsRefused) {
  restart(2, with_secret("sixteen octets and more"));
  world_.run_for(10s);
  EXPECT_FALSE(connected(1, 2) || connected(2, 1));
  EXPECT_EQ(logged("n1 has no cluster secret, and this node has one"), 2U);
  EXPECT_EQ(logged("n2 has a cluster secret, and this node has none"), 2U);
}

// Somebody in the place of n2, which says what the test wants it to say.
class StrangerTest : public TermsTest {
 protected:
  StrangerTest() {
    machine(2).kill();
    world_.run_for(1s);
  }

  static Hello hello_of_n2() {
    return {.id = NodeId(2), .incarnation = Incarnation(22), .has_secret = false,
            .nonce = Bytes(16, 'n'), .cluster_id = "cluster"};
  }
  // Answers whatever n1 dials with these octets; n1 sends `reply` after that.
  void answer_with(const Bytes& octets) {
    machine(2).start([octets, this](Env& env) {
      const auto listener = env.network.listen(address(2));
      CHECK(listener.has_value());
      while (true) {
        const auto connection = (*listener)->accept(Deadline::never());
        if (!connection) continue;
        const auto deadline = Deadline::in(env.clock, 2s);
        (void)(*connection)->write(octets, deadline);
        char chunk[256];
        while (true) {
          const auto count = (*connection)->read(chunk, deadline);
          if (!count || *count == 0) break;
        }
        ++refusals_;
      }
    });
    world_.run_for(1s);
  }
  static Bytes greeting(const Hello& hello) {
    Bytes frame;
    append_frame(frame, FrameKind::hello, {}, encode(hello));
    return frame;
  }

  int refusals_ = 0;
};

TEST_F(StrangerTest, APeerOfTheRightNameIsSpokenTo) {
  answer_with(greeting(hello_of_n2()));
  EXPECT_TRUE(connected(1, 2));
}

TEST_F(StrangerTest, AnotherClusterOrNameIsRefused) {
  Hello hello = hello_of_n2();
  hello.cluster_id = "another";
  answer_with(greeting(hello));
  EXPECT_FALSE(connected(1, 2));
  EXPECT_EQ(logged("n2 belongs to cluster 'another', this is 'cluster'"), 1U);
  machine(2).kill();
  hello = hello_of_n2();
  hello.id = NodeId(7);
  answer_with(greeting(hello));
  EXPECT_FALSE(connected(1, 2));
  EXPECT_EQ(logged("expected n2, found n7"), 1U);
  EXPECT_GT(refusals_, 1);
}

TEST_F(StrangerTest, NoCommonVersionIsRefusedNamingBoth) {
  Hello hello = hello_of_n2();
  hello.version_min = kProtocolVersionMax + 1;
  hello.version_max = kProtocolVersionMax + 4;
  answer_with(greeting(hello));
  EXPECT_FALSE(connected(1, 2));
  EXPECT_EQ(logged("n2 speaks versions " + std::to_string(kProtocolVersionMax + 1) + " to " +
                   std::to_string(kProtocolVersionMax + 4) + " of the protocol, and this node 1 " +
                   "to " + std::to_string(kProtocolVersionMax)),
            1U);
}

TEST_F(StrangerTest, ANewerPeerMayAppendToItsHelloAndSendWhatMayBePassedOver) {
  Hello hello = hello_of_n2();
  hello.version_max = kProtocolVersionMax + 1;
  Bytes octets;
  append_frame(octets, FrameKind::hello, {}, encode(hello) + "what is to come");
  append_frame(octets, static_cast<FrameKind>(kIgnorableKind), {}, "what is to come");
  answer_with(octets);
  EXPECT_TRUE(connected(1, 2));
}

TEST_F(StrangerTest, AKindOfFrameThatMayNotBePassedOverEndsTheSession) {
  Bytes octets = greeting(hello_of_n2());
  append_frame(octets, static_cast<FrameKind>(kIgnorableKind - 1), {}, "what is to come");
  answer_with(octets);
  EXPECT_FALSE(connected(1, 2));
  EXPECT_EQ(logged("n2 sent a frame of kind 127"), 1U);
}

TEST_F(StrangerTest, AHelloCutShortOrWithAFlippedOctetIsRefused) {
  const Bytes sound = greeting(hello_of_n2());
  for (std::size_t at = 0; at < sound.size(); at += 7) {
    Bytes damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    answer_with(damaged);
    EXPECT_FALSE(connected(1, 2)) << "octet " << at;
    machine(2).kill();
    answer_with(sound.substr(0, at));
    EXPECT_FALSE(connected(1, 2)) << "cut at " << at;
    machine(2).kill();
  }
}

// Keeps what n2 said in a session with n1, and says it again to another n1.
TEST_F(TermsTest, ASessionThatWasListenedToCannotBeSaidAgain) {
  struct Ear : sim::NetworkTap {
    void on_write(const sim::Machine& from, const sim::Machine& to, std::uint64_t,
                  BytesView bytes) override {
      if (from.name() == "n1" && to.name() == "n2") heard += bytes;
    }
    void on_read(const sim::Machine&, const sim::Machine&, std::uint64_t, BytesView) override {}
    Bytes heard;
  } ear;
  world_.network().set_tap(&ear);
  for (const std::size_t number : {1, 2}) restart(number, with_secret("sixteen octets and more"));
  world_.run_for(100ms);
  ASSERT_TRUE(connect());
  send(1, 2, GroupId(3));
  world_.run_for(100ms);
  ASSERT_EQ(endpoint(2).received.size(), 1U);
  endpoint(2).received.clear();
  machine(1).kill();
  world_.run_for(10s);
  const Bytes heard = ear.heard;
  machine(1).start([heard](Env& env) {
    auto connection = env.network.connect(address(2), Deadline::in(env.clock, 1s));
    CHECK(connection.has_value());
    CHECK((*connection)->write(heard, Deadline::in(env.clock, 1s)).has_value());
    char chunk[256];
    while (true) {
      const auto count = (*connection)->read(chunk, Deadline::in(env.clock, 30s));
      if (!count || *count == 0) break;
    }
  });
  world_.run_for(20s);
  EXPECT_FALSE(machine(1).is_running());  // Its connection was closed.
  EXPECT_TRUE(endpoint(2).received.empty());
  EXPECT_FALSE(connected(2, 1));
  EXPECT_EQ(logged("n1 does not prove that it knows the cluster's secret"), 1U);
  world_.network().set_tap(nullptr);
}

TEST_F(TransportTest, AHeartbeatWaitsForNoMoreThanTheFrameThatIsBeingWritten) {
  sim::LinkConditions slow;
  slow.bytes_per_second = 1'000'000;
  world_.network().set_conditions(slow);
  ASSERT_TRUE(connect());
  constexpr std::size_t kFrame = 200'000;  // A fifth of a second on this link.
  machine(1).spawn("sender", [this](Env& env) {
    InstallSnapshot install;
    install.term = Term(1);
    install.id = {.number = 1, .index = LogIndex(1), .term = Term(1)};
    install.chunk.data = Bytes(kFrame, 'x');
    for (int i = 0; i < 20; ++i) endpoint(1).transport.send(NodeId(2), GroupId(0), install);
    for (int i = 1; i <= 10; ++i) {
      env.scheduler.sleep_for(100ms);
      endpoint(1).transport.send(NodeId(2), GroupId(0), beat(1, static_cast<std::uint64_t>(i)));
    }
  });
  // Each came after one frame and what the connection's window holds, and not after all twenty.
  world_.run_for(1000ms + 500ms);
  std::size_t beats = 0;
  for (const Received& each : endpoint(2).received) beats += is_heartbeat(each.message);
  EXPECT_EQ(beats, 10u);
  EXPECT_LT(endpoint(2).received.size(), 10u + 9u);
  world_.run_for(5s);
  EXPECT_EQ(endpoint(2).received.size(), 30u);  // Nothing was lost.
}

// --- peers that come, move and go ---

TEST_F(TransportTest, APeerNamedWhileItRunsIsDialled) {
  ASSERT_TRUE(connect());
  add(3);  // It was told of n1 and n2 at its start; they were not told of it.
  world_.run_for(100ms);
  EXPECT_FALSE(connected(1, 3) || connected(3, 1) || connected(3, 2));
  for (const std::size_t old : {1, 2}) set_peer(old, 3, address(3));
  ASSERT_TRUE(world_.run_until([this] { return connected(1, 3) && connected(2, 3); },
                               world_.now() + 1s));
  send(1, 3, GroupId(1));
  world_.run_for(10ms);
  EXPECT_EQ(endpoint(3).received.size(), 1u);
}

// Two nodes of which the first has never been told about the second, as when it was no member when
// the second became one.
TEST_F(TransportTest, ANodeThatIsNotDialledByTheOtherDialsItself) {
  ASSERT_TRUE(connect());
  add(3);
  ASSERT_TRUE(world_.run_until([this] { return connected(1, 3) && connected(3, 1); },
                               world_.now() + 15s));
  send(1, 3, GroupId(1));
  send(3, 1, GroupId(1));
  world_.run_for(10ms);
  EXPECT_EQ(endpoint(3).received.size(), 1u);
  EXPECT_EQ(endpoint(1).received.size(), 1u);
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
  EXPECT_FALSE(connected(1, 2));
  set_peer(1, 2, address(2));
  EXPECT_TRUE(world_.run_until([this] { return connected(1, 2); }, world_.now() + 5s));
}

TEST_F(TransportTest, AForgottenPeerIsDisconnectedAndNotDialledUntilItIsNamedAgain) {
  add(3);
  for (const std::size_t old : {1, 2}) set_peer(old, 3, address(3));
  ASSERT_TRUE(world_.run_until([this] { return connected(1, 3) && connected(2, 3); },
                               world_.now() + 5s));
  forget_peer(1, 3);
  world_.run_for(500ms);  // n3, which has n1 from its operator, may dial later.
  EXPECT_FALSE(connected(1, 3) || connected(3, 1));
  set_peer(1, 3, address(3));
  EXPECT_TRUE(world_.run_until([this] { return connected(1, 3) && connected(3, 1); },
                               world_.now() + 1s));
}

TEST_F(TransportTest, ForgettingWhatAConfigurationSaidOfAStaticPeerLeavesWhatTheOperatorSaid) {
  ASSERT_TRUE(connect());
  set_peer(1, 2, "nowhere:7000");
  world_.run_for(500ms);
  EXPECT_FALSE(connected(1, 2));
  forget_peer(1, 2);
  EXPECT_TRUE(world_.run_until([this] { return connected(1, 2); }, world_.now() + 1s));
}

}  // namespace
}  // namespace keelson::raft
