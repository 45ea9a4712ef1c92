// Every fault of the network has its effect, and is counted when it had one.
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/network_fixture.h"

namespace keelson::sim {
namespace {

using namespace std::chrono_literals;

class NetworkFaultsTest : public NetworkTest {
 protected:
  // n2 says something to n1 at each of these times; notes when n1 hears it.
  void talk_at(const std::vector<Duration>& times) {
    serve(n1_, [this](Env&, Connection& peer) {
      char byte;
      while (true) {
        const auto size = peer.read(std::span(&byte, 1), Deadline::never());
        if (!size.has_value() || *size == 0) return;
        heard_ += byte;
        heard_at_.push_back(world_.now() - TrueTime{});
      }
    });
    call(n2_, n1_, [times](Env& env, Connection& peer) {
      char letter = 'a';
      for (const Duration time : times) {
        env.scheduler.sleep_until(Instant{} + time);
        if (!peer.write(std::string(1, letter++), Deadline::never()).has_value()) return;
      }
      idle(env);
    });
  }

  std::string heard_;
  std::vector<Duration> heard_at_;
};

TEST_F(NetworkFaultsTest, ACutStallsWhatIsInFlightAndHealingDeliversIt) {
  talk_at({1s, 2s});
  world_.run_until(TrueTime{} + 1s);  // It has left and not arrived.
  network().cut(n2_, n1_);
  EXPECT_EQ(count("net.cut_one_way").effective, 0u);
  world_.run_until(TrueTime{} + 5s);
  EXPECT_EQ(heard_, "");
  network().heal(n2_, n1_);
  world_.run_until(TrueTime{} + 5s + 1ms);
  EXPECT_EQ(heard_, "ab");
  EXPECT_GE(heard_at_.front(), 5s + 100us);
  EXPECT_TRUE(had_effect("net.cut_one_way"));
  EXPECT_EQ(count("net.partition").injected, 0u);
}

TEST_F(NetworkFaultsTest, AOneWayCutLeavesTheOtherDirectionAlone) {
  std::string heard_by_client;
  std::string heard_by_server;
  serve(n1_, [&](Env& env, Connection& peer) {
    env.scheduler.sleep_until(Instant{} + 2s);
    write(peer, "news");
    heard_by_server = read_all(peer);
  });
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    env.scheduler.sleep_until(Instant{} + 1s);
    write(peer, "question");
    peer.shutdown_write();
    heard_by_client = read_all(peer);
  });
  world_.run_for(500ms);
  network().cut(n2_, n1_);
  world_.run_for(3s);
  EXPECT_EQ(heard_by_server, "");
  network().heal(n2_, n1_);
  world_.run_for(1s);
  EXPECT_EQ(heard_by_server, "question");
  EXPECT_EQ(heard_by_client, "news");
}

TEST_F(NetworkFaultsTest, AWriterGivesUpOnACutLinkAndTheReaderIsLeftHalfOpen) {
  bool writer_broke = false, reader_broke = false, reader_returned = false;
  serve(n1_, [&](Env& env, Connection& peer) {
    char buffer[8];
    reader_returned = peer.read(buffer, Deadline::in(env.clock, 60s)).has_value();
    write(peer, "are you still there?");
    read_all(peer, &reader_broke);
  });
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    env.scheduler.sleep_until(Instant{} + 1s);
    write(peer, "hello");
    read_all(peer, &writer_broke);
    EXPECT_GE(world_.now() - TrueTime{}, 16s);
    EXPECT_LE(world_.now() - TrueTime{}, 16s + 1ms);
  });
  world_.run_for(500ms);
  network().cut(n2_, n1_);
  world_.run_until(TrueTime{} + 17s);
  EXPECT_TRUE(writer_broke);
  network().heal(n2_, n1_);
  world_.run_until(TrueTime{} + 59s);
  EXPECT_FALSE(reader_broke);
  world_.run_until(TrueTime{} + 62s);
  EXPECT_FALSE(reader_returned);
  EXPECT_TRUE(reader_broke);
  EXPECT_EQ(network().wires_in_use(), 0u);
}

TEST_F(NetworkFaultsTest, NewsOfRoomDoesNotCrossACutEither) {
  LinkConditions small;
  small.window_bytes = 10;
  network().set_conditions(small);
  bool was_written = false;
  serve(n1_, [](Env& env, Connection& peer) {
    env.scheduler.sleep_until(Instant{} + 1s);
    read_all(peer);
  });
  call(n2_, n1_, [&](Env&, Connection& peer) {
    write(peer, "more than the window holds");
    was_written = true;
  });
  world_.run_for(500ms);
  network().cut(n1_, n2_);
  world_.run_for(3s);
  EXPECT_FALSE(was_written);
  network().heal(n1_, n2_);
  world_.run_for(1s);
  EXPECT_TRUE(was_written);
}

TEST_F(NetworkFaultsTest, AResetAcrossACutIsLostAndThePeerFindsOutWhenItWrites) {
  bool broke = false;
  serve(n1_, [&](Env& env, Connection& peer) {
    env.scheduler.sleep_until(Instant{} + 10s);
    EXPECT_TRUE(peer.write("hello?", Deadline::never()).has_value());
    read_all(peer, &broke);
  });
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    env.scheduler.sleep_until(Instant{} + 1s);
    peer.reset();
  });
  world_.run_for(500ms);
  network().cut(n2_, n1_);
  world_.run_for(5s);
  network().heal(n2_, n1_);
  world_.run_until(TrueTime{} + 10s);
  EXPECT_FALSE(broke);
  world_.run_for(10ms);
  EXPECT_TRUE(broke);
}

TEST_F(NetworkFaultsTest, ConnectsAcrossACutTimeOutAndAfterHealingOneThatWaitsSucceeds) {
  std::vector<ErrorCode> errors;
  bool connected = false;
  serve(n1_, [](Env& env, Connection&) { idle(env); });
  network().cut(n2_, n1_);
  n2_.start([&](Env& env) {
    errors.push_back(env.network.connect("n1:80", Deadline::in(env.clock, 1s)).error().code);
    connected = env.network.connect("n1:80", Deadline::never()).has_value();
    idle(env);
  });
  world_.run_for(3s);
  EXPECT_EQ(errors, std::vector{ErrorCode::timed_out});
  EXPECT_FALSE(connected);
  network().heal_all();
  world_.run_for(1s);
  EXPECT_TRUE(connected);
}

TEST_F(NetworkFaultsTest, HeldBytesArriveAfterTheirSenderHasClosedAndReconnected) {
  std::vector<std::string> heard;
  serve(n1_, [&](Env&, Connection& peer) { heard.push_back(read_all(peer)); });
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    env.scheduler.sleep_until(Instant{} + 1s);
    write(peer, "first try");
  });
  world_.run_for(500ms);
  network().hold(n2_, n1_);
  world_.run_for(1s);
  call(n2_, n1_, [&](Env&, Connection& peer) { write(peer, "second try"); });
  world_.run_for(20s);  // Held bytes are given up by nobody.
  EXPECT_EQ(heard, (std::vector<std::string>{"second try"}));
  network().release(n2_, n1_);
  world_.run_for(1s);
  EXPECT_EQ(heard, (std::vector<std::string>{"second try", "first try"}));
  EXPECT_TRUE(had_effect("net.hold"));
  EXPECT_EQ(network().wires_in_use(), 0u);
}

TEST_F(NetworkFaultsTest, HeldBytesArriveEvenIfTheirSenderHasResetOrLostPower) {
  for (const bool power_is_lost : {false, true}) {
    std::string heard;
    bool broke = false;
    serve(n1_, [&](Env&, Connection& peer) { heard = read_all(peer, &broke); });
    call(n2_, n1_, [&](Env& env, Connection& peer) {
      env.scheduler.sleep_for(1s);
      write(peer, "delayed request");
      env.scheduler.sleep_for(1s);
      peer.reset();
    });
    world_.run_for(500ms);
    network().hold(n2_, n1_);
    world_.run_for(1s);
    if (power_is_lost) n2_.crash();
    world_.run_for(1s);
    EXPECT_EQ(heard, "");
    network().release(n2_, n1_);
    world_.run_for(1s);
    if (power_is_lost) {
      n1_.kill();  // The server still waits for a peer that is no more.
    } else {
      EXPECT_EQ(heard, "delayed request");
      EXPECT_TRUE(broke);
      n1_.kill();
      n2_.kill();
    }
    EXPECT_EQ(network().sent(n2_, n1_).segments, power_is_lost ? 2u : 1u);
  }
}

TEST_F(NetworkFaultsTest, AClogDelaysWhatIsWrittenWhileItLasts) {
  talk_at({1s, 2s, 3s});
  network().clog(n2_, n1_, 300ms);
  world_.run_until(TrueTime{} + 2500ms);
  network().clog(n2_, n1_, 0ms);
  world_.run_until(TrueTime{} + 4s);
  ASSERT_EQ(heard_, "abc");
  EXPECT_GE(heard_at_[0], 1300ms);
  EXPECT_GE(heard_at_[1], 2300ms);
  EXPECT_LE(heard_at_[2], 3001ms);
  EXPECT_TRUE(had_effect("net.clog"));
}

TEST_F(NetworkFaultsTest, ALongTailDelaysSomeWritesAndKeepsTheirOrder) {
  LinkConditions conditions;
  conditions.tail_per_million = 500'000;
  network().set_conditions(n2_, n1_, conditions);
  std::vector<Duration> times;
  for (int i = 1; i <= 20; ++i) times.push_back(i * 1s);
  talk_at(times);
  world_.run_for(100s);
  ASSERT_EQ(heard_, "abcdefghijklmnopqrst");
  int late = 0;
  for (std::size_t i = 0; i < times.size(); ++i) late += heard_at_[i] - times[i] > 501us;
  EXPECT_GT(late, 0);
  EXPECT_LT(late, 20);
  EXPECT_TRUE(had_effect("net.delay_tail"));
}

TEST_F(NetworkFaultsTest, ALostWriteStallsItsStreamUntilItIsSentAgain) {
  talk_at({1s, 1s + 1ms, 5s});
  world_.run_for(500ms);
  LinkConditions conditions;
  conditions.loss_per_million = 1'000'000;
  network().set_conditions(n2_, n1_, conditions);
  world_.run_until(TrueTime{} + 1s);
  network().set_conditions(n2_, n1_, LinkConditions{});
  world_.run_for(10s);
  ASSERT_EQ(heard_, "abc");
  EXPECT_GE(heard_at_[0], 1200ms);
  EXPECT_GE(heard_at_[1], heard_at_[0]);
  EXPECT_LE(heard_at_[2], 5001ms);
  EXPECT_EQ(count("net.loss").injected, 1u);
  EXPECT_EQ(count("net.loss").effective, 1u);
}

TEST_F(NetworkFaultsTest, LimitedBandwidthMakesBytesWaitForThoseBeforeThem) {
  LinkConditions conditions;
  conditions.bytes_per_second = 1000;
  network().set_conditions(n2_, n1_, conditions);
  TrueTime done_at;
  serve(n1_, [&](Env&, Connection& peer) {
    EXPECT_EQ(read_all(peer).size(), 3000u);
    done_at = world_.now();
  });
  call(n2_, n1_, [](Env&, Connection& peer) {
    for (int i = 0; i < 30; ++i) write(peer, std::string(100, 'x'));
  });
  world_.run_for(10s);
  EXPECT_GE(done_at - TrueTime{}, 3s);
  EXPECT_LE(done_at - TrueTime{}, 3100ms);
  EXPECT_TRUE(had_effect("net.bandwidth"));
}

TEST_F(NetworkFaultsTest, SegmentationAndShortReadsKeepTheContent) {
  LinkConditions conditions;
  conditions.segment_per_million = conditions.short_read_per_million = 800'000;
  network().set_conditions(conditions);
  std::string text, heard;
  for (int i = 0; i < 1000; ++i) text += std::to_string(i);
  std::size_t reads = 0;
  serve(n1_, [&](Env&, Connection& peer) {
    std::vector<char> buffer(text.size());
    while (true) {
      const auto size = peer.read(buffer, Deadline::never());
      if (*size == 0) return;
      ++reads;
      heard.append(buffer.data(), *size);
    }
  });
  call(n2_, n1_, [&](Env&, Connection& peer) { write(peer, text); });
  world_.run_for(1s);
  EXPECT_EQ(heard, text);
  EXPECT_GT(reads, network().sent(n2_, n1_).segments);
  EXPECT_GT(network().sent(n2_, n1_).segments, 1u);
  EXPECT_TRUE(had_effect("net.segment"));
}

TEST_F(NetworkFaultsTest, AConnectMayBeRefusedAlthoughSomeoneListens) {
  LinkConditions conditions;
  conditions.refuse_per_million = 1'000'000;
  network().set_conditions(n2_, n1_, conditions);
  serve(n1_, [](Env& env, Connection&) { idle(env); });
  n2_.start([](Env& env) {
    EXPECT_EQ(env.network.connect("n1:80", Deadline::never()).error().code,
              ErrorCode::unavailable);
    idle(env);
  });
  world_.run_for(1s);
  EXPECT_TRUE(had_effect("net.refuse"));
}

TEST_F(NetworkFaultsTest, ConnectionsOfALinkCanBeResetAtBothEndsOrAtOne) {
  bool server_broke = false, client_broke = false;
  serve(n1_, [&](Env&, Connection& peer) { read_all(peer, &server_broke); });
  const Talk listen_only = [&](Env&, Connection& peer) { read_all(peer, &client_broke); };
  call(n2_, n1_, listen_only);
  world_.run_for(1s);
  EXPECT_EQ(network().reset_connections(n1_, n3_, 1'000'000), 0u);
  EXPECT_EQ(network().reset_connections(n1_, n2_, 0), 0u);
  EXPECT_EQ(network().reset_connections(n1_, n2_, 1'000'000), 1u);
  EXPECT_FALSE(server_broke);  // Nodes act on it in an event of its own.
  world_.run_for(1us);
  EXPECT_TRUE(server_broke);
  EXPECT_TRUE(client_broke);
  EXPECT_TRUE(had_effect("net.reset"));

  server_broke = client_broke = false;
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    env.scheduler.sleep_for(5s);
    write(peer, "anybody?");
    read_all(peer, &client_broke);
  });
  world_.run_for(1s);
  EXPECT_EQ(network().reset_one_side(n1_, n2_, 1'000'000), 1u);
  world_.run_for(2s);
  EXPECT_TRUE(server_broke);
  EXPECT_FALSE(client_broke);
  world_.run_for(5s);
  EXPECT_TRUE(client_broke);
  EXPECT_TRUE(had_effect("net.reset_one_side"));
}

// Which machines hear which, as "1>2 1>3 ...", when each tries to connect to each other.
class CutsTest : public NetworkTest {
 protected:
  CutsTest() {
    for (Machine* const each : machines_) serve(*each, [](Env&, Connection&) {});
    world_.run_for(1ms);
  }

  std::string who_reaches_whom() {
    std::string reached;
    for (Machine* const from : machines_) {
      for (Machine* const to : machines_) {
        if (from == to) continue;
        from->spawn("try", [&, from, to](Env& env) {
          const auto connection =
              env.network.connect(to->name() + ":80", Deadline::in(env.clock, 100ms));
          if (connection.has_value()) reached += from->name() + ">" + to->name() + " ";
        });
        world_.run_for(200ms);
      }
    }
    return reached;
  }

  Machine& n4_ = world_.add_machine("n4");
  const std::vector<Machine*> machines_{&n1_, &n2_, &n3_, &n4_};
};

TEST_F(CutsTest, APartitionCutsTwoSetsFromEachOther) {
  network().partition(std::vector{&n1_, &n2_}, std::vector{&n3_, &n4_});
  EXPECT_EQ(who_reaches_whom(), "n1>n2 n2>n1 n3>n4 n4>n3 ");
  EXPECT_TRUE(had_effect("net.partition"));
  EXPECT_EQ(count("net.cut_one_way").injected, 0u);
}

TEST_F(CutsTest, AnIsolatedMachineReachesNobodyNotEvenMachinesThatCameLater) {
  network().isolate(n4_);
  EXPECT_EQ(who_reaches_whom(), "n1>n2 n1>n3 n2>n1 n2>n3 n3>n1 n3>n2 ");
  Machine& n5 = world_.add_machine("n5");
  bool failed = false;
  n5.start([&](Env& env) {
    failed = !env.network.connect("n4:80", Deadline::in(env.clock, 1s)).has_value();
    EXPECT_TRUE(env.network.connect("n3:80", Deadline::in(env.clock, 1s)).has_value());
  });
  world_.run_for(2s);
  EXPECT_TRUE(failed);
}

TEST_F(CutsTest, InARingEachMachineHearsItsTwoNeighbours) {
  network().ring(machines_);
  EXPECT_EQ(who_reaches_whom(), "n1>n2 n1>n4 n2>n1 n2>n3 n3>n2 n3>n4 n4>n1 n4>n3 ");
}

TEST_F(CutsTest, ABridgeHearsBothSidesThatDoNotHearEachOther) {
  network().bridge(std::vector{&n1_, &n2_}, n3_, std::vector{&n4_});
  EXPECT_EQ(who_reaches_whom(), "n1>n2 n1>n3 n2>n1 n2>n3 n3>n1 n3>n2 n3>n4 n4>n3 ");
}

TEST_F(CutsTest, HealAllUndoesEverything) {
  network().isolate(n1_);
  network().ring(machines_);
  network().cut(n2_, n3_);
  LinkConditions bad;
  bad.refuse_per_million = 1'000'000;
  bad.window_bytes = 99;
  network().set_conditions(bad);
  network().clog(n3_, n2_, 10s);
  EXPECT_EQ(who_reaches_whom(), "");
  network().heal_all();
  world_.run_for(30s);
  EXPECT_EQ(who_reaches_whom(),
            "n1>n2 n1>n3 n1>n4 n2>n1 n2>n3 n2>n4 n3>n1 n3>n2 n3>n4 n4>n1 n4>n2 n4>n3 ");
  EXPECT_EQ(network().conditions(n1_, n2_).window_bytes, 99u);
}

// A storm of faults over streams that carry numbered text, for any seed.
class Storm {
 public:
  explicit Storm(std::uint64_t seed) : choices_(seed), world_(choices_) {
    LinkConditions bad;
    bad.tail_per_million = 100'000;
    bad.loss_per_million = 20'000;
    bad.segment_per_million = 200'000;
    bad.short_read_per_million = 200'000;
    bad.refuse_per_million = 50'000;
    bad.window_bytes = 20 + faults_.choose(500);
    world_.network().set_conditions(bad);
    server_.start([this](Env& env) { serve(env); });
    for (Machine* const client : {&client_a_, &client_b_}) {
      client->start([this](Env& env) { call_for_ever(env); });
    }
    disturb();
  }

  // Returns the digest of the run.
  std::uint64_t run() {
    world_.run_for(15s);
    is_over_ = true;
    world_.network().heal_all();
    for (Machine* const each : {&server_, &client_a_, &client_b_}) {
      if (!each->is_running()) each->restart();
    }
    const std::uint64_t heard = bytes_heard_;
    world_.run_for(20s);
    EXPECT_GT(bytes_heard_, heard);  // A healed network carries streams again.
    return world_.trace().digest();
  }

  const FaultLedger& ledger() { return world_.ledger(); }

 private:
  static std::string text() {
    std::string numbers;
    for (int i = 0; i < 200; ++i) numbers += std::to_string(i) + ",";
    return numbers;
  }

  void serve(Env& env) {
    auto listener = env.network.listen("server:80");
    TaskGroup talks(env.scheduler);
    while (true) {
      auto peer = (*listener)->accept(Deadline::never());
      talks.spawn("talk", [this, &env, peer = std::move(*peer)] {
        const std::string expected = text();
        std::size_t position = 0;
        char buffer[50];
        while (true) {
          const auto size = peer->read(buffer, Deadline::in(env.clock, 60s));
          if (!size.has_value() || *size == 0) return;
          ASSERT_EQ(std::string(buffer, *size), expected.substr(position, *size));
          position += *size;
          bytes_heard_ += *size;
        }
      });
    }
  }

  void call_for_ever(Env& env) {
    auto random = env.random.stream("pace");
    while (true) {
      auto peer = env.network.connect("server:80", Deadline::in(env.clock, 3s));
      if (peer.has_value()) (void)(*peer)->write(text(), Deadline::in(env.clock, 10s));
      env.scheduler.sleep_for(Duration(1'000'000 + random->below(100'000'000)));
    }
  }

  void disturb() {
    if (is_over_) return;
    SimNetwork& network = world_.network();
    Machine& client = faults_.choose(2) == 0 ? client_a_ : client_b_;
    Machine& from = faults_.choose(2) == 0 ? client : server_;
    Machine& to = &from == &client ? server_ : client;
    switch (faults_.choose(12)) {
      case 0: network.cut(from, to); break;
      case 1: network.heal(from, to); break;
      case 2: network.isolate(from); break;
      case 3: network.clog(from, to, Duration(faults_.choose(1'000'000'000))); break;
      case 4: network.hold(from, to); break;
      case 5: network.release(from, to); break;
      case 6: network.reset_connections(from, to, 500'000); break;
      case 7: network.reset_one_side(from, to, 500'000); break;
      case 8: from.crash(); break;
      case 9: from.kill(); break;
      default:
        if (!from.is_running()) from.restart();
        network.heal(from, to);
        network.heal(to, from);
    }
    world_.at(world_.now() + Duration(faults_.choose(400'000'000)), [this] { disturb(); });
  }

  Choices choices_;
  World world_;
  ChoiceStream& faults_ = choices_.stream("faults");
  Machine& server_ = world_.add_machine("server");
  Machine& client_a_ = world_.add_machine("a");
  Machine& client_b_ = world_.add_machine("b");
  bool is_over_ = false;
  std::uint64_t bytes_heard_ = 0;
};

TEST(NetworkStormTest, StreamsCarryABeginningOfWhatWasWrittenWhateverHappens) {
  std::map<std::string_view, FaultLedger::Count> counts;
  for (std::uint64_t seed = 0; seed < 15; ++seed) {
    Storm storm(seed);
    storm.run();
    for (const auto& [kind, count] : storm.ledger().counts()) {
      counts[kind].injected += count.injected;
      counts[kind].effective += count.effective;
    }
  }
  for (const auto& [kind, count] : counts) {
    EXPECT_TRUE(count.injected == 0 || count.effective > 0) << kind;
  }
}

TEST(NetworkStormTest, TheSameSeedGivesTheSameDigestAndAnotherSeedAnotherOne) {
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const std::uint64_t digest = Storm(seed).run();
    EXPECT_EQ(Storm(seed).run(), digest);
    EXPECT_NE(Storm(seed + 100).run(), digest);
  }
}

}  // namespace
}  // namespace keelson::sim
