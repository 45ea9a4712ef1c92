// A small world for tests of the simulated network: three machines, and words for what they do.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/runtime/env.h"
#include "core/runtime/task_group.h"
#include "sim/choices.h"
#include "sim/machine.h"
#include "sim/sim_network.h"
#include "sim/world.h"

namespace keelson::sim {

inline constexpr WorldOptions kPlainWorld{.shuffle_fibers = false,
                                          .uptime_limit = Duration::zero()};

class NetworkTest : public testing::Test {
 protected:
  using Talk = std::function<void(Env&, Connection&)>;

  // Runs until its incarnation ends, doing nothing by itself.
  static void idle(Env& env) { (void)env.stop_requested.wait(Deadline::never()); }

  // `machine` accepts at port 80 and talks to each peer in a fiber of its own; the connection
  // closes when the talk is over.
  static void serve(Machine& machine, const Talk& talk) {
    machine.start([talk, name = machine.name()](Env& env) {
      auto listener = env.network.listen(name + ":80");
      ASSERT_TRUE(listener.has_value());
      TaskGroup talks(env.scheduler);
      while (true) {
        auto connection = (*listener)->accept(Deadline::never());
        ASSERT_TRUE(connection.has_value());
        talks.spawn("talk", [&env, talk, peer = std::move(*connection)] { talk(env, *peer); });
      }
    });
  }

  // `machine` connects to port 80 of `server`, talks, closes, and idles.
  static void call(Machine& machine, const Machine& server, const Talk& talk) {
    const auto program = [talk, to = server.name() + ":80"](Env& env) {
      auto connection = env.network.connect(to, Deadline::never());
      ASSERT_TRUE(connection.has_value()) << connection.error().message;
      talk(env, **connection);
      connection->reset();
      idle(env);
    };
    if (machine.is_running()) {
      machine.spawn("caller", program);
    } else {
      machine.start(program);
    }
  }

  // Everything up to the end of the stream, or up to the break that `broke` tells of.
  static std::string read_all(Connection& connection, bool* broke = nullptr) {
    std::string all;
    char buffer[64];
    while (true) {
      const auto size = connection.read(buffer, Deadline::never());
      EXPECT_TRUE(size.has_value() || size.error().code == ErrorCode::connection_lost);
      if (broke != nullptr) *broke = !size.has_value();
      if (!size.has_value() || *size == 0) return all;
      all.append(buffer, *size);
    }
  }

  static void write(Connection& connection, BytesView bytes) {
    EXPECT_TRUE(connection.write(bytes, Deadline::never()).has_value());
  }

  SimNetwork& network() { return world_.network(); }
  FaultLedger::Count count(std::string_view kind) {
    const auto found = world_.ledger().counts().find(kind);
    return found == world_.ledger().counts().end() ? FaultLedger::Count{} : found->second;
  }
  // The fault was injected, and had an effect.
  bool had_effect(std::string_view kind) {
    return count(kind).injected > 0 && count(kind).effective > 0;
  }

  Choices choices_{7};
  World world_{choices_, kPlainWorld};
  Machine& n1_ = world_.add_machine("n1");
  Machine& n2_ = world_.add_machine("n2");
  Machine& n3_ = world_.add_machine("n3");
};

}  // namespace keelson::sim
