// What core/runtime/network.h promises about breaks, and about fibers that are killed, in every
// world.
#include <gtest/gtest.h>

#include <array>

#include "core/runtime/task_group.h"
#include "tests/conformance/network_programs.h"

namespace keelson::conformance {
namespace {

using namespace std::chrono_literals;

// --- reset ---

TEST_P(NetworkConformance, AResetIsSeenByAReaderThatWaits) {
  Handover<Address> where;
  run(joined(
      where, [&](Host& host, Connection& connection) { expect_break(host, connection); },
      [&](Host& host, Connection& connection) {
        host.env.scheduler.sleep_for(10ms);
        connection.reset();
      }));
}

TEST_P(NetworkConformance, AResetIsSeenByAWriterThatWaits) {
  Handover<Address> where;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        EXPECT_EQ(code_of(connection.write(pattern(kMoreThanBuffersHold), patience(host))),
                  ErrorCode::connection_lost);
      },
      [&](Host& host, Connection& connection) {
        host.env.scheduler.sleep_for(20ms);
        connection.reset();
      }));
}

TEST_P(NetworkConformance, AResetDiscardsWhatWasNotRead) {
  Handover<Address> where;
  Handover<bool> is_broken;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        connection.set_on_break([&] { is_broken.give(true); });
        is_broken.await(host);
        std::array<char, 16> into;
        for (int i = 0; i < 2; ++i) {
          EXPECT_EQ(code_of(connection.read(into, patience(host))), ErrorCode::connection_lost);
          EXPECT_EQ(code_of(connection.write("x", patience(host))), ErrorCode::connection_lost);
        }
      },
      [&](Host& host, Connection& connection) {
        expect_success(connection.write("never read", patience(host)));
        host.env.scheduler.sleep_for(10ms);
        connection.reset();
      }));
}

TEST_P(NetworkConformance, AResetNeverLooksLikeTheEndOfTheStream) {
  Handover<Address> where;
  const Bytes sent = pattern(100'000);
  run(joined(
      where, [&](Host& host, Connection& connection) { expect_break(host, connection, sent); },
      [&](Host& host, Connection& connection) {
        expect_success(connection.write(sent, patience(host)));
        connection.reset();
      }));
}

TEST_P(NetworkConformance, CallsThatWaitReturnWhenTheirOwnSideResets) {
  Handover<Address> where;
  Handover<bool> is_over;
  run(joined(
      where, [&](Host& host, Connection&) { is_over.await(host); },
      [&](Host& host, Connection& connection) {
        int returned = 0;
        TaskGroup group(host.env.scheduler);
        group.spawn("reader", [&] {
          std::array<char, 16> into;
          EXPECT_EQ(code_of(connection.read(into, patience(host))), ErrorCode::connection_lost);
          ++returned;
        });
        group.spawn("writer", [&] {
          EXPECT_EQ(code_of(connection.write(pattern(kMoreThanBuffersHold), patience(host))),
                    ErrorCode::connection_lost);
          ++returned;
        });
        host.env.scheduler.sleep_for(20ms);
        EXPECT_EQ(returned, 0);
        connection.reset();
        connection.reset();
        EXPECT_TRUE(group.join(patience(host)));
        EXPECT_EQ(returned, 2);
        is_over.give(true);
      }));
}

// --- on_break ---

TEST_P(NetworkConformance, ABreakIsToldOnceAndOutsideAnyFiberThoughNobodyReads) {
  Handover<Address> where;
  int told = 0;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        connection.set_on_break([&] {
          EXPECT_EQ(Fiber::current(), nullptr);
          ++told;
        });
        const Deadline deadline = patience(host);
        while (told == 0 && host.env.clock.now() < deadline.at) host.env.scheduler.sleep_for(1ms);
        expect_break(host, connection);
        host.env.scheduler.sleep_for(10ms);
        EXPECT_EQ(told, 1);
      },
      [&](Host& host, Connection& connection) {
        host.env.scheduler.sleep_for(10ms);
        connection.reset();
      }));
}

TEST_P(NetworkConformance, ABreakIsToldToTheOneWhoReadsAsWell) {
  Handover<Address> where;
  bool is_told = false;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        connection.set_on_break([&] { is_told = true; });
        expect_break(host, connection);
        host.env.scheduler.sleep_for(10ms);
        EXPECT_TRUE(is_told);
      },
      [&](Host& host, Connection& connection) {
        host.env.scheduler.sleep_for(10ms);
        connection.reset();
      }));
}

TEST_P(NetworkConformance, AHalfCloseIsNoBreak) {
  Handover<Address> where;
  Handover<bool> is_over;
  bool is_told = false;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        connection.set_on_break([&] { is_told = true; });
        expect_end(host, connection);
        connection.shutdown_write();  // Now both halves are closed, in good order.
        host.env.scheduler.sleep_for(20ms);
        EXPECT_FALSE(is_told);
        is_over.give(true);
      },
      [&](Host& host, Connection& connection) {
        connection.set_on_break([&] { is_told = true; });
        connection.shutdown_write();
        expect_end(host, connection);
        is_over.await(host);
      }));
}

TEST_P(NetworkConformance, OnBreakMayDestroyTheConnection) {
  Handover<Address> where;
  Handover<bool> is_destroyed;
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         where.give(listener->address());
         auto accepted = listener->accept(patience(host));
         ASSERT_TRUE(accepted.has_value());
         auto connection = *std::move(accepted);
         connection->set_on_break([&] {
           connection.reset();  // The pointer's.
           is_destroyed.give(true);
         });
         is_destroyed.await(host);
         EXPECT_EQ(connection, nullptr);
       },
       [&](Host& host) {
         auto connection = host.env.network.connect(where.await(host), patience(host));
         ASSERT_TRUE(connection.has_value());
         host.env.scheduler.sleep_for(10ms);
         (*connection)->reset();
         is_destroyed.await(host);
       }});
}

TEST_P(NetworkConformance, AnEmptyOnBreakWatchesNoMoreAndALaterOneReplacesAnEarlier) {
  Handover<Address> where;
  std::string told;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        connection.set_on_break([&] { told += "first "; });
        connection.set_on_break([&] { told += "second "; });
        expect_break(host, connection);
        host.env.scheduler.sleep_for(10ms);
        EXPECT_EQ(told, "second ");
      },
      [&](Host& host, Connection& connection) {
        connection.set_on_break([&] { told += "cancelled "; });
        connection.set_on_break({});
        host.env.scheduler.sleep_for(10ms);
        connection.reset();
        host.env.scheduler.sleep_for(10ms);
      }));
}

// --- the death of a fiber ---

TEST_P(NetworkConformance, AStreamOutlivesAFiberThatIsKilledInARead) {
  Handover<Address> where;
  Handover<bool> is_killed;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        TaskGroup group(host.env.scheduler);
        group.spawn("reader", [&] {
          std::array<char, 16> into;
          (void)connection.read(into, Deadline::never());
          ADD_FAILURE() << "not reached";
        });
        host.env.scheduler.sleep_for(5ms);
        group.stop();
        is_killed.give(true);
        expect_bytes(read_all(host, connection), "for the next one");
      },
      [&](Host& host, Connection& connection) {
        is_killed.await(host);
        expect_success(connection.write("for the next one", patience(host)));
        connection.shutdown_write();
      }));
}

TEST_P(NetworkConformance, AFiberKilledInAWriteHasWrittenAPrefix) {
  Handover<Address> where;
  Handover<bool> is_killed;
  const Bytes sent = pattern(kMoreThanBuffersHold);
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        is_killed.await(host);
        const auto got = read_all(host, connection);
        ASSERT_TRUE(got.has_value());
        EXPECT_GT(got->size(), 0u);
        EXPECT_LT(got->size(), sent.size());
        EXPECT_TRUE(*got == BytesView(sent).substr(0, got->size()));
      },
      [&](Host& host, Connection& connection) {
        TaskGroup group(host.env.scheduler);
        group.spawn("writer", [&] { (void)connection.write(sent, Deadline::never()); });
        host.env.scheduler.sleep_for(20ms);
        group.stop();
        is_killed.give(true);
        connection.shutdown_write();
        expect_end(host, connection);
      }));
}

TEST_P(NetworkConformance, AListenerOutlivesAFiberThatIsKilledInAnAccept) {
  Handover<Address> where;
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         TaskGroup group(host.env.scheduler);
         group.spawn("acceptor", [&] { (void)listener->accept(Deadline::never()); });
         host.env.scheduler.sleep_for(5ms);
         group.stop();
         where.give(listener->address());
         EXPECT_TRUE(listener->accept(patience(host)).has_value());
       },
       [&](Host& host) {
         EXPECT_TRUE(host.env.network.connect(where.await(host), patience(host)).has_value());
       }});
}

TEST_P(NetworkConformance, AFiberKilledInAConnectLeavesAtMostAStreamThatEnds) {
  Handover<Address> where;
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         where.give(listener->address());
         auto accepted = listener->accept(Deadline::in(host.env.clock, 100ms));
         if (!accepted.has_value()) {
           EXPECT_EQ(accepted.error().code, ErrorCode::timed_out);
           return;
         }
         std::array<char, 16> into;
         expect_end_or_break((*accepted)->read(into, patience(host)));
       },
       [&](Host& host) {
         const Address address = where.await(host);
         TaskGroup group(host.env.scheduler);
         group.spawn("connector", [&] {
           (void)host.env.network.connect(address, Deadline::never());
           ADD_FAILURE() << "connected without suspending";
         });
         host.env.scheduler.yield();
         group.stop();
         host.env.scheduler.sleep_for(20ms);
       }});
}

TEST_P(NetworkConformance, AFiberThatOwnsItsConnectionClosesItWhenKilled) {
  Handover<Address> where;
  Handover<bool> is_connected;
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         where.give(listener->address());
         auto accepted = listener->accept(patience(host));
         ASSERT_TRUE(accepted.has_value());
         std::array<char, 16> into;
         expect_end_or_break((*accepted)->read(into, patience(host)));
       },
       [&](Host& host) {
         TaskGroup group(host.env.scheduler);
         group.spawn("owner", [&] {
           auto connection = host.env.network.connect(where.await(host), patience(host));
           ASSERT_TRUE(connection.has_value());
           is_connected.give(true);
           std::array<char, 16> into;
           (void)(*connection)->read(into, Deadline::never());
         });
         is_connected.await(host);
         group.stop();
         host.env.scheduler.sleep_for(20ms);
       }});
}

}  // namespace
}  // namespace keelson::conformance
