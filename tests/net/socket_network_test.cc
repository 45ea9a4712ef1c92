// What only sockets have. What every network promises is tests/conformance/network_properties.cc.
#include "net/socket_network.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "core/runtime/sync.h"
#include "core/runtime/task_group.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

class SocketNetworkTest : public testing::Test {
 protected:
  SocketNetworkTest() { reactor_.add(scheduler_); }
  ~SocketNetworkTest() override {
    reactor_.remove(scheduler_);
    scheduler_.kill_all();
  }

  void run(std::function<void()> body) {
    scheduler_.spawn("test", [this, body = std::move(body)] {
      body();
      reactor_.stop();
    });
    reactor_.run();
  }

  Deadline patience() { return Deadline::in(reactor_.clock(), 20s); }

  struct Pair {
    std::unique_ptr<Connection> connector;
    std::unique_ptr<Connection> acceptor;
  };
  Pair connect_pair(Listener& listener) {
    Pair pair;
    pair.connector = *network_.connect(listener.address(), patience());
    pair.acceptor = *listener.accept(patience());
    return pair;
  }

  Reactor reactor_;
  StackPool stacks_;
  Scheduler scheduler_{reactor_.clock(), stacks_};
  SocketNetwork network_{reactor_, scheduler_};
};

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

TEST_F(SocketNetworkTest, DescriptorsAreNotLeakedHoweverAConnectionEnds) {
  run([&] {
    auto listener = *network_.listen("127.0.0.1:0");
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 300; ++i) {
      Pair pair = connect_pair(*listener);
      if (i % 4 == 1) pair.connector->reset();
      if (i % 4 == 2) pair.connector->shutdown_write();
      if (i % 4 == 3) scheduler_.yield();
    }
    for (int i = 0; i < 50; ++i) {
      TaskGroup group(scheduler_);
      group.spawn("killed", [&] { (void)network_.connect(listener->address(), patience()); });
      scheduler_.yield();
      group.stop();
    }
    const Address address = listener->address();
    listener.reset();
    for (int i = 0; i < 50; ++i) EXPECT_FALSE(network_.connect(address, patience()).has_value());
    EXPECT_EQ(open_descriptors() + 1, before) << "the listener's own is gone too";
  });
}

TEST_F(SocketNetworkTest, AnEndIsReadWheneverItComes) {
  // Before the bytes ahead of it were read, after, and between two turns of the loop.
  for (const auto pause : {0ms, 5ms}) {
    for (const bool ends_before_reading : {true, false}) {
      run([&] {
        auto listener = *network_.listen("127.0.0.1:0");
        Pair pair = connect_pair(*listener);
        ASSERT_TRUE(pair.connector->write("last words", patience()).has_value());
        if (ends_before_reading) pair.connector->shutdown_write();
        if (pause > 0ms) scheduler_.sleep_for(pause);
        std::array<char, 64> buffer;
        ASSERT_EQ(*pair.acceptor->read(buffer, patience()), 10u);
        if (!ends_before_reading) pair.connector->shutdown_write();
        if (pause > 0ms) scheduler_.sleep_for(pause);
        EXPECT_EQ(*pair.acceptor->read(buffer, patience()), 0u);
        EXPECT_EQ(*pair.acceptor->read(buffer, patience()), 0u);
      });
    }
  }
}

TEST_F(SocketNetworkTest, AnAcceptWithoutDescriptorsFailsAndSucceedsWhenThereAreSome) {
  run([&] {
    auto listener = *network_.listen("127.0.0.1:0");
    auto connector = *network_.connect(listener->address(), patience());
    const int next_descriptor = dup(0);
    ASSERT_GE(next_descriptor, 0);
    close(next_descriptor);
    rlimit before;
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(next_descriptor);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto refused = listener->accept(patience());
    const auto not_connected = network_.connect(listener->address(), patience());
    const auto not_listening = network_.listen("127.0.0.1:0");
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::io_error);
    ASSERT_FALSE(not_connected.has_value());
    EXPECT_EQ(not_connected.error().code, ErrorCode::unavailable);
    EXPECT_FALSE(not_listening.has_value());
    EXPECT_TRUE(listener->accept(patience()).has_value());
  });
}

TEST_F(SocketNetworkTest, StreamsRunOverIpv6AsWell) {
  run([&] {
    auto listener = network_.listen("[::1]:0");
    ASSERT_TRUE(listener.has_value()) << listener.error().message;
    Pair pair = connect_pair(**listener);
    EXPECT_EQ(pair.connector->peer(), (*listener)->address());
    ASSERT_TRUE(pair.connector->write("six", patience()).has_value());
    std::array<char, 8> into;
    EXPECT_EQ(*pair.acceptor->read(into, patience()), 3u);
  });
}

TEST_F(SocketNetworkTest, AnAddressThatIsNotOursCannotBeListenedOn) {
  run([&] {
    const auto listener = network_.listen("192.0.2.1:0");  // TEST-NET-1: nobody has it.
    ASSERT_FALSE(listener.has_value());
    EXPECT_EQ(listener.error().code, ErrorCode::invalid_argument);
  });
}

TEST_F(SocketNetworkTest, AStreamThatIsAlwaysReadyDoesNotKeepOthersFromTheirTurn) {
  run([&] {
    auto listener = *network_.listen("127.0.0.1:0");
    Pair pair = connect_pair(*listener);
    TaskGroup group(scheduler_);
    group.spawn("writer", [&] {
      const Bytes bytes(64 << 10, 'x');
      while (pair.connector->write(bytes, Deadline::never()).has_value()) {
      }
    });
    scheduler_.sleep_for(20ms);  // Now the buffers are full: the reader need not wait.
    const std::uint64_t turn = reactor_.turn();
    std::vector<char> into(1000);
    for (int i = 0; i < 600; ++i) ASSERT_TRUE(pair.acceptor->read(into, patience()).has_value());
    EXPECT_GE(reactor_.turn() - turn, 2u);
  });
}

TEST_F(SocketNetworkTest, AFloodOfConnectionsDoesNotKeepOthersFromTheirTurn) {
  run([&] {
    auto listener = *network_.listen("127.0.0.1:0");
    std::vector<std::unique_ptr<Connection>> connectors;
    for (int i = 0; i < 400; ++i) {
      connectors.push_back(*network_.connect(listener->address(), patience()));
    }
    const std::uint64_t turn = reactor_.turn();
    for (int i = 0; i < 400; ++i) ASSERT_TRUE(listener->accept(patience()).has_value());
    EXPECT_GE(reactor_.turn() - turn, 1u);
  });
}

// Both streams break in one turn of the loop; whichever is told first takes the other with it.
TEST_F(SocketNetworkTest, OnBreakMayDestroyAConnectionWhoseOwnBreakWasAlreadyFetched) {
  run([&] {
    auto listener = *network_.listen("127.0.0.1:0");
    Pair pairs[2] = {connect_pair(*listener), connect_pair(*listener)};
    int told = 0;
    for (int i = 0; i < 2; ++i) {
      pairs[i].acceptor->set_on_break([&, i] {
        ++told;
        pairs[1 - i].acceptor.reset();
      });
    }
    for (Pair& pair : pairs) pair.connector->reset();
    scheduler_.sleep_for(20ms);
    EXPECT_EQ(told, 1);
  });
}

TEST_F(SocketNetworkTest, ABreakBeforeAnybodyWatchedIsToldToWhoWatchesLater) {
  run([&] {
    auto listener = *network_.listen("127.0.0.1:0");
    Pair pair = connect_pair(*listener);
    pair.connector->reset();
    scheduler_.sleep_for(10ms);
    int told = 0;
    pair.acceptor->set_on_break([&] { ++told; });
    EXPECT_EQ(told, 0) << "outside any fiber";
    scheduler_.sleep_for(1ms);
    EXPECT_EQ(told, 1);
    pair.acceptor->set_on_break([&] { ++told; });
    scheduler_.sleep_for(1ms);
    EXPECT_EQ(told, 1) << "once";
  });
}

TEST_F(SocketNetworkTest, AConnectGivesUpAtItsDeadline) {
  run([&] {
    // Even on loopback the handshake takes a turn of the loop, and this deadline allows none.
    auto listener = *network_.listen("127.0.0.1:0");
    const auto late = network_.connect(listener->address(), Deadline{reactor_.clock().now()});
    ASSERT_FALSE(late.has_value());
    EXPECT_EQ(late.error().code, ErrorCode::timed_out);
  });
}

}  // namespace
}  // namespace keelson
