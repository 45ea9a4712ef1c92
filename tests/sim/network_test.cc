// How streams behave in a healthy network, and how they end. Faults: network_faults_test.cc.
#include "sim/sim_network.h"

#include "tests/sim/network_fixture.h"

namespace keelson::sim {
namespace {

using namespace std::chrono_literals;

TEST_F(NetworkTest, BytesArriveInOrderAfterTheDelayOfTheirLink) {
  std::string heard;
  TrueTime said_at, heard_at;
  serve(n1_, [&](Env&, Connection& peer) {
    char buffer[8];
    ASSERT_EQ(*peer.read(buffer, Deadline::never()), 5u);
    heard_at = world_.now();
    heard = std::string(buffer, 5) + read_all(peer);
  });
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    said_at = world_.now();
    write(peer, "hel");
    write(peer, "lo");
    env.scheduler.sleep_for(1s);
    write(peer, ", world");
  });
  world_.run_for(5s);
  EXPECT_EQ(heard, "hello, world");
  EXPECT_GE(heard_at - said_at, 100us);
  EXPECT_LE(heard_at - said_at, 500us);
}

TEST_F(NetworkTest, WritesThatArriveTogetherAreOneSegment) {
  serve(n1_, [&](Env&, Connection& peer) { read_all(peer); });
  call(n2_, n1_, [&](Env&, Connection& peer) {
    for (int i = 0; i < 10; ++i) write(peer, "0123456789");
  });
  world_.run_for(1s);
  EXPECT_EQ(network().sent(n2_, n1_).messages, 10u);
  EXPECT_EQ(network().sent(n2_, n1_).bytes, 100u);
  EXPECT_EQ(network().sent(n2_, n1_).segments, 1u);
  EXPECT_EQ(network().sent(n1_, n2_).messages, 0u);
}

TEST_F(NetworkTest, AHalfClosedStreamStillCarriesTheOtherDirection) {
  std::string question, answer;
  serve(n1_, [&](Env&, Connection& peer) {
    question = read_all(peer);
    write(peer, "42");
  });
  call(n2_, n1_, [&](Env&, Connection& peer) {
    write(peer, "what is six times seven?");
    peer.shutdown_write();
    EXPECT_EQ(peer.write("more", Deadline::never()).error().code, ErrorCode::connection_lost);
    answer = read_all(peer);
  });
  world_.run_for(1s);
  EXPECT_EQ(question, "what is six times seven?");
  EXPECT_EQ(answer, "42");
}

TEST_F(NetworkTest, AWriterSuspendsWhenTheWindowIsUsedUpAndGoesOnWhenThePeerReads) {
  LinkConditions small;
  small.window_bytes = 100;
  network().set_conditions(small);
  const std::string text(1000, 'x');
  bool was_written = false;
  std::string heard;
  serve(n1_, [&](Env& env, Connection& peer) {
    env.scheduler.sleep_for(1s);
    heard = read_all(peer);
  });
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    write(peer, text.substr(0, 50));
    const auto in_time = peer.write(text.substr(50), Deadline::in(env.clock, 500ms));
    ASSERT_FALSE(in_time.has_value());
    EXPECT_EQ(in_time.error().code, ErrorCode::timed_out);
    EXPECT_EQ(network().sent(n2_, n1_).bytes, 100u);
    write(peer, text.substr(100));
    was_written = true;
  });
  world_.run_for(900ms);
  EXPECT_FALSE(was_written);
  world_.run_for(10s);
  EXPECT_TRUE(was_written);
  EXPECT_EQ(heard, text);
}

TEST_F(NetworkTest, ALongStreamThroughASmallWindowKeepsItsContent) {
  LinkConditions small;
  small.window_bytes = 37;
  small.tail_per_million = 300'000;
  network().set_conditions(small);
  std::string text, heard;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i);
  serve(n1_, [&](Env&, Connection& peer) { heard = read_all(peer); });
  call(n2_, n1_, [&](Env&, Connection& peer) { write(peer, text); });
  world_.run_for(100s);
  EXPECT_EQ(heard, text);
}

TEST_F(NetworkTest, AReadEndsAtItsDeadlineAndConsumesNothing) {
  std::string heard;
  serve(n1_, [&](Env& env, Connection& peer) {
    char buffer[8];
    const auto size = peer.read(buffer, Deadline::in(env.clock, 10ms));
    ASSERT_FALSE(size.has_value());
    EXPECT_EQ(size.error().code, ErrorCode::timed_out);
    heard = read_all(peer);
  });
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    env.scheduler.sleep_for(1s);
    write(peer, "late");
  });
  world_.run_for(2s);
  EXPECT_EQ(heard, "late");
}

TEST_F(NetworkTest, AResetBreaksBothEndsAndTellsTheWatcherOfThePeerOnly) {
  bool reader_broke = false;
  int told_here = 0, told_there = 0;
  serve(n1_, [&](Env&, Connection& peer) {
    peer.set_on_break([&] {
      EXPECT_EQ(Fiber::current(), nullptr);
      ++told_there;
    });
    read_all(peer, &reader_broke);
    EXPECT_EQ(peer.write("x", Deadline::never()).error().code, ErrorCode::connection_lost);
  });
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    peer.set_on_break([&] { ++told_here; });
    env.scheduler.sleep_for(1s);
    peer.reset();
    EXPECT_EQ(peer.write("x", Deadline::never()).error().code, ErrorCode::connection_lost);
  });
  world_.run_for(900ms);
  EXPECT_FALSE(reader_broke);
  world_.run_for(1s);
  EXPECT_TRUE(reader_broke);
  EXPECT_EQ(told_there, 1);
  EXPECT_EQ(told_here, 0);
}

TEST_F(NetworkTest, AWatcherMayDestroyTheConnectionThatBroke) {
  std::unique_ptr<Connection> kept;
  n1_.start([&](Env& env) {
    auto listener = env.network.listen("n1:80");
    kept = *(*listener)->accept(Deadline::never());
    kept->set_on_break([&] { kept.reset(); });
    idle(env);
  });
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    env.scheduler.sleep_for(1s);
    peer.reset();
  });
  world_.run_for(900ms);
  EXPECT_NE(kept, nullptr);
  world_.run_for(1s);
  EXPECT_EQ(kept, nullptr);
  EXPECT_EQ(network().wires_in_use(), 0u);
}

TEST_F(NetworkTest, AWatcherSetAfterTheBreakIsToldToo) {
  bool was_told = false;
  n1_.start([&](Env& env) {
    auto listener = env.network.listen("n1:80");
    env.scheduler.sleep_for(1s);  // The peer resets meanwhile.
    auto peer = *(*listener)->accept(Deadline::never());
    peer->set_on_break([&] { was_told = true; });
    idle(env);
  });
  call(n2_, n1_, [](Env&, Connection& peer) { peer.reset(); });
  world_.run_for(2s);
  EXPECT_TRUE(was_told);
}

TEST_F(NetworkTest, APausedProcessLearnsOfABreakOnlyWhenItGoesOn) {
  bool was_told = false;
  serve(n1_, [&](Env& env, Connection& peer) {
    peer.set_on_break([&] { was_told = true; });
    idle(env);
  });
  call(n2_, n1_, [](Env& env, Connection& peer) {
    env.scheduler.sleep_for(1s);
    peer.reset();
  });
  world_.run_for(500ms);
  n1_.pause();
  world_.run_for(5s);
  EXPECT_FALSE(was_told);
  n1_.resume();
  world_.run_for(10ms);
  EXPECT_TRUE(was_told);
}

TEST_F(NetworkTest, ClosingWithoutHavingReadEverythingIsAReset) {
  bool broke = false;
  serve(n1_, [&](Env& env, Connection&) { env.scheduler.sleep_for(1s); });
  call(n2_, n1_, [&](Env&, Connection& peer) {
    write(peer, "never read");
    read_all(peer, &broke);
  });
  world_.run_for(5s);
  EXPECT_TRUE(broke);
}

TEST_F(NetworkTest, WritingToAPeerThatHasClosedIsAnsweredByAReset) {
  bool saw_end = false;
  TrueTime wrote_at, broke_at;
  serve(n1_, [](Env&, Connection&) {});
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    char buffer[8];
    saw_end = *peer.read(buffer, Deadline::never()) == 0;
    peer.set_on_break([&] { broke_at = world_.now(); });
    wrote_at = world_.now();
    write(peer, "is anybody there?");
    EXPECT_EQ(*peer.read(buffer, Deadline::never()), 0u);  // The end of the stream stays.
    env.scheduler.sleep_for(1s);
    EXPECT_EQ(peer.write("?", Deadline::never()).error().code, ErrorCode::connection_lost);
  });
  world_.run_for(5s);
  EXPECT_TRUE(saw_end);
  EXPECT_GE(broke_at - wrote_at, 200us);
  EXPECT_LE(broke_at - wrote_at, 1010us);
}

TEST_F(NetworkTest, ConnectingWhereNobodyListensIsRefusedAfterARoundTrip) {
  n1_.start(idle);
  TrueTime refused_at;
  n2_.start([&](Env& env) {
    const auto connection = env.network.connect("n1:81", Deadline::never());
    ASSERT_FALSE(connection.has_value());
    EXPECT_EQ(connection.error().code, ErrorCode::unavailable);
    refused_at = world_.now();
    idle(env);
  });
  world_.run_for(1s);
  EXPECT_GE(refused_at - TrueTime{}, 200us);
  EXPECT_LE(refused_at - TrueTime{}, 1010us);
  EXPECT_EQ(network().wires_in_use(), 0u);
}

TEST_F(NetworkTest, ConnectingToAMachineWithoutPowerTimesOutAtTheDeadlineOrTheKernelsPatience) {
  std::vector<TrueTime> late_at;
  n2_.start([&](Env& env) {
    for (const Deadline deadline : {Deadline::in(env.clock, 1s), Deadline::never()}) {
      const auto connection = env.network.connect("n1:80", deadline);
      ASSERT_FALSE(connection.has_value());
      EXPECT_EQ(connection.error().code, ErrorCode::timed_out);
      late_at.push_back(world_.now());
    }
    idle(env);
  });
  world_.run_for(30s);
  EXPECT_EQ(late_at, (std::vector<TrueTime>{TrueTime{} + 1s, TrueTime{} + 16s}));
  EXPECT_EQ(network().wires_in_use(), 0u);
}

TEST_F(NetworkTest, WhatIsNoAddressOrInUseOrOfAnotherMachineIsRejected) {
  n1_.start([&](Env& env) {
    for (const char* const wrong : {"", "n1", ":80", "n1:", "n1:eighty", "n1:70000", "n1:80x"}) {
      EXPECT_EQ(env.network.listen(wrong).error().code, ErrorCode::invalid_argument) << wrong;
      EXPECT_EQ(env.network.connect(wrong, Deadline::never()).error().code,
                ErrorCode::invalid_argument)
          << wrong;
    }
    EXPECT_EQ(env.network.listen("n2:80").error().code, ErrorCode::invalid_argument);
    auto first = env.network.listen("n1:80");
    EXPECT_EQ((*first)->address(), "n1:80");
    EXPECT_EQ(env.network.listen("n1:80").error().code, ErrorCode::invalid_argument);
    first->reset();
    EXPECT_TRUE(env.network.listen("n1:80").has_value());
    const auto a = env.network.listen("n1:0");
    const auto b = env.network.listen("n1:0");
    EXPECT_EQ((*a)->address(), "n1:20000");
    EXPECT_EQ((*b)->address(), "n1:20001");
  });
  world_.run_for(1s);
}

TEST_F(NetworkTest, EachEndKnowsTheAddressOfTheOther) {
  Address seen_by_server, seen_by_client;
  serve(n1_, [&](Env&, Connection& peer) { seen_by_server = peer.peer(); });
  call(n2_, n1_, [&](Env&, Connection& peer) { seen_by_client = peer.peer(); });
  world_.run_for(1s);
  EXPECT_EQ(seen_by_client, "n1:80");
  EXPECT_EQ(seen_by_server, "n2:40000");
}

TEST_F(NetworkTest, AListenerWhoseQueueIsFullIsTriedAgainLater) {
  int accepted = 0, connected = 0;
  n1_.start([&](Env& env) {
    auto listener = env.network.listen("n1:80");
    env.scheduler.sleep_for(500ms);
    std::vector<std::unique_ptr<Connection>> peers;
    while (true) {
      peers.push_back(*(*listener)->accept(Deadline::never()));
      ++accepted;
    }
  });
  n2_.start([&](Env& env) {
    TaskGroup callers(env.scheduler);
    for (int i = 0; i < 200; ++i) {
      callers.spawn("caller", [&] {
        const auto connection = env.network.connect("n1:80", Deadline::never());
        if (connection.has_value()) ++connected;
        idle(env);
      });
    }
    idle(env);
  });
  world_.run_for(600ms);
  EXPECT_EQ(accepted, 128);
  world_.run_for(1s);
  EXPECT_EQ(accepted, 200);
  EXPECT_EQ(connected, 200);
}

TEST_F(NetworkTest, AListenerThatClosesResetsWhomItDidNotAccept) {
  bool broke = false;
  n1_.start([&](Env& env) {
    auto listener = env.network.listen("n1:80");
    env.scheduler.sleep_for(1s);
    listener->reset();
    idle(env);
  });
  call(n2_, n1_, [&](Env&, Connection& peer) { read_all(peer, &broke); });
  world_.run_for(2s);
  EXPECT_TRUE(broke);
}

TEST_F(NetworkTest, KillingAProcessResetsItsPeersAndRefusesNewOnes) {
  bool broke = false;
  serve(n1_, [](Env& env, Connection&) { idle(env); });
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    read_all(peer, &broke);
    EXPECT_EQ(env.network.connect("n1:80", Deadline::never()).error().code,
              ErrorCode::unavailable);
  });
  world_.run_for(1s);
  EXPECT_EQ(network().live_connections(n1_), 1u);
  n1_.kill();
  EXPECT_EQ(network().live_connections(n1_), 0u);
  EXPECT_FALSE(broke);
  world_.run_for(10ms);
  EXPECT_TRUE(broke);
}

TEST_F(NetworkTest, AfterALossOfPowerThePeerFindsOutOnlyWhenItSendsAndTheMachineIsBack) {
  bool broke = false;
  TrueTime broke_at;
  serve(n1_, [](Env& env, Connection&) { idle(env); });
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    peer.set_on_break([&] { broke_at = world_.now(); });
    env.scheduler.sleep_until(Instant{} + 10s);
    write(peer, "still there?");
    read_all(peer, &broke);
  });
  world_.run_for(1s);
  n1_.crash();
  world_.run_for(1s);
  n1_.restart();
  world_.run_until(TrueTime{} + 10s);
  EXPECT_FALSE(broke);
  world_.run_for(1s);
  EXPECT_TRUE(broke);
  EXPECT_GE(broke_at - TrueTime{}, 10s + 200us);
  EXPECT_LE(broke_at - TrueTime{}, 10s + 1010us);
  EXPECT_TRUE(had_effect("net.half_open"));
}

TEST_F(NetworkTest, AMachineThatStaysWithoutPowerAnswersNothingUntilTheWriterGivesUp) {
  TrueTime broke_at;
  serve(n1_, [](Env& env, Connection&) { idle(env); });
  call(n2_, n1_, [&](Env& env, Connection& peer) {
    env.scheduler.sleep_until(Instant{} + 2s);
    write(peer, "still there?");
    read_all(peer);
    broke_at = world_.now();
  });
  world_.run_for(1s);
  n1_.crash();
  world_.run_for(30s);
  EXPECT_GE(broke_at - TrueTime{}, 17s);
  EXPECT_LE(broke_at - TrueTime{}, 17s + 1ms);
  EXPECT_TRUE(had_effect("net.half_open"));
}

TEST_F(NetworkTest, ConnectionsOfOneMachineToItselfKnowNoFaults) {
  LinkConditions bad;
  bad.loss_per_million = bad.tail_per_million = bad.refuse_per_million = 1'000'000;
  bad.segment_per_million = bad.short_read_per_million = 1'000'000;
  network().set_conditions(bad);
  network().isolate(n1_);
  std::string heard;
  TrueTime heard_at;
  serve(n1_, [&](Env&, Connection& peer) {
    heard = read_all(peer);
    heard_at = world_.now();
  });
  world_.run_for(1ms);
  call(n1_, n1_, [](Env&, Connection& peer) { write(peer, "talking to myself"); });
  world_.run_for(1s);
  EXPECT_EQ(heard, "talking to myself");
  EXPECT_LE(heard_at - TrueTime{}, 2ms);
}

TEST_F(NetworkTest, TheTapSeesWhatIsWrittenAndReadAtTheTrueMoment) {
  struct Tap : NetworkTap {
    void on_write(const Machine& from, const Machine& to, std::uint64_t, BytesView bytes) override {
      seen += from.name() + ">" + to.name() + " writes " + std::string(bytes) + "\n";
    }
    void on_read(const Machine& reader, const Machine& writer, std::uint64_t,
                 BytesView bytes) override {
      seen += reader.name() + "<" + writer.name() + " reads " + std::string(bytes) + "\n";
    }
    std::string seen;
  } tap;
  network().set_tap(&tap);
  serve(n1_, [&](Env&, Connection& peer) {
    char buffer[2];
    while (*peer.read(buffer, Deadline::never()) > 0) {
    }
  });
  call(n2_, n1_, [](Env&, Connection& peer) { write(peer, "abc"); });
  world_.run_for(1s);
  network().set_tap(nullptr);
  EXPECT_EQ(tap.seen, "n2>n1 writes abc\nn1<n2 reads ab\nn1<n2 reads c\n");
}

TEST_F(NetworkTest, NothingIsLeftOfConnectionsThatBothSidesClosed) {
  serve(n1_, [](Env&, Connection& peer) { write(peer, read_all(peer)); });
  n2_.start([&](Env& env) {
    for (int i = 0; i < 1000; ++i) {
      auto peer = env.network.connect("n1:80", Deadline::never());
      write(**peer, "echo");
      (*peer)->shutdown_write();
      EXPECT_EQ(read_all(**peer), "echo");
    }
    idle(env);
  });
  world_.run_for(100s);
  EXPECT_EQ(network().live_connections(n1_), 0u);
  EXPECT_EQ(network().live_connections(n2_), 0u);
  EXPECT_EQ(network().wires_in_use(), 0u);
}

}  // namespace
}  // namespace keelson::sim
