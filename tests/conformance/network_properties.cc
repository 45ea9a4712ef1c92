// What core/runtime/network.h promises, in every world.
#include <gtest/gtest.h>

#include <array>

#include "core/runtime/task_group.h"
#include "tests/conformance/network_programs.h"

namespace keelson::conformance {
namespace {

using namespace std::chrono_literals;

// --- bytes ---

TEST_P(NetworkConformance, BytesArriveInTheOrderTheyWereWritten) {
  Handover<Address> where;
  const Bytes sent = pattern(200'000);
  run(joined(
      where,
      [&](Host& host, Connection& connection) { expect_bytes(read_all(host, connection), sent); },
      [&](Host& host, Connection& connection) {
        BytesView rest = sent;
        for (std::size_t size = 1; !rest.empty(); size = size * 5 % 2003) {
          expect_success(connection.write(rest.substr(0, size), patience(host)));
          rest.remove_prefix(std::min(size, rest.size()));
        }
        connection.shutdown_write();
      }));
}

TEST_P(NetworkConformance, ReadsOfOneByteLoseNothing) {
  Handover<Address> where;
  const Bytes sent = pattern(5000);
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        expect_bytes(read_bytes(host, connection, sent.size(), 1), sent);
        expect_end(host, connection);
      },
      [&](Host& host, Connection& connection) {
        expect_success(connection.write(sent, patience(host)));
      }));
}

TEST_P(NetworkConformance, WritingNothingSucceedsAndSendsNothing) {
  Handover<Address> where;
  run(joined(
      where,
      [&](Host& host, Connection& connection) { expect_bytes(read_all(host, connection), "ab"); },
      [&](Host& host, Connection& connection) {
        for (const char* piece : {"", "a", "", "b", ""}) {
          expect_success(connection.write(piece, patience(host)));
        }
        connection.shutdown_write();
      }));
}

TEST_P(NetworkConformance, ManySmallQuestionsGetTheirAnswersOnOneStream) {
  Handover<Address> where;
  constexpr int kRounds = 300;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        for (int i = 0; i < kRounds; ++i) {
          const auto question = read_bytes(host, connection, 8);
          ASSERT_TRUE(question.has_value());
          expect_success(connection.write(*question, patience(host)));
        }
      },
      [&](Host& host, Connection& connection) {
        for (int i = 0; i < kRounds; ++i) {
          const Bytes question = pattern(8, i);
          expect_success(connection.write(question, patience(host)));
          expect_bytes(read_bytes(host, connection, 8), question);
        }
      }));
}

// --- back-pressure ---

TEST_P(NetworkConformance, AWriterWaitsForASlowReaderAndNothingIsLost) {
  Handover<Address> where;
  const Bytes sent = pattern(kMoreThanBuffersHold);
  bool is_written = false;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        host.env.scheduler.sleep_for(100ms);
        EXPECT_FALSE(is_written) << "accepted without end";
        expect_bytes(read_all(host, connection), sent);
      },
      [&](Host& host, Connection& connection) {
        expect_success(connection.write(sent, patience(host)));
        is_written = true;
        connection.shutdown_write();
      }));
}

TEST_P(NetworkConformance, BothDirectionsFlowAtOnceEachWithItsOwnBackPressure) {
  Handover<Address> where;
  const Bytes one_way = pattern(kMoreThanBuffersHold, 1);
  const Bytes other_way = pattern(kMoreThanBuffersHold, 2);
  const auto exchange = [](Host& host, Connection& connection, const Bytes& sent,
                           const Bytes& expected) {
    TaskGroup writer(host.env.scheduler);
    writer.spawn("writer", [&] {
      expect_success(connection.write(sent, patience(host)));
      connection.shutdown_write();
    });
    expect_bytes(read_all(host, connection), expected);
    EXPECT_TRUE(writer.join(patience(host)));
  };
  run(joined(
      where, [&](Host& host, Connection& c) { exchange(host, c, one_way, other_way); },
      [&](Host& host, Connection& c) { exchange(host, c, other_way, one_way); }));
}

TEST_P(NetworkConformance, AWriteGivesUpAtItsDeadlineWhenThePeerDoesNotRead) {
  Handover<Address> where;
  Handover<bool> is_over;
  run(joined(
      where, [&](Host& host, Connection&) { is_over.await(host); },
      [&](Host& host, Connection& connection) {
        const Deadline deadline = Deadline::in(host.env.clock, 50ms);
        EXPECT_EQ(code_of(connection.write(pattern(kMoreThanBuffersHold), deadline)),
                  ErrorCode::timed_out);
        EXPECT_GE(host.env.clock.now(), deadline.at);
        is_over.give(true);
      }));
}

TEST_P(NetworkConformance, StreamsDoNotWaitForEachOther) {
  Handover<Address> where;
  Handover<bool> is_over;
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         where.give(listener->address());
         auto unread = listener->accept(patience(host));
         ASSERT_TRUE(unread.has_value());
         auto read = listener->accept(patience(host));
         ASSERT_TRUE(read.has_value());
         expect_bytes(read_bytes(host, **read, 5), "hello");
         is_over.give(true);
       },
       [&](Host& host) {
         auto stuck = host.env.network.connect(where.await(host), patience(host));
         ASSERT_TRUE(stuck.has_value());
         TaskGroup group(host.env.scheduler);
         group.spawn("stuck", [&] {
           (void)(*stuck)->write(pattern(kMoreThanBuffersHold), patience(host));
           EXPECT_TRUE(is_over.is_given());
         });
         host.env.scheduler.sleep_for(20ms);
         auto flowing = host.env.network.connect(where.await(host), patience(host));
         ASSERT_TRUE(flowing.has_value());
         expect_success((*flowing)->write("hello", patience(host)));
         is_over.await(host);
       }});
}

// --- half-close and the end of a stream ---

TEST_P(NetworkConformance, AHalfClosedStreamStillCarriesTheAnswer) {
  Handover<Address> where;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        expect_bytes(read_all(host, connection), "question");
        expect_success(connection.write("answer", patience(host)));
        connection.shutdown_write();
      },
      [&](Host& host, Connection& connection) {
        expect_success(connection.write("question", patience(host)));
        connection.shutdown_write();
        expect_bytes(read_all(host, connection), "answer");
      }));
}

TEST_P(NetworkConformance, TheEndOfAStreamIsZeroBytesAndStaysSo) {
  Handover<Address> where;
  Handover<bool> is_over;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        expect_bytes(read_bytes(host, connection, 3), "end");
        for (int i = 0; i < 3; ++i) expect_end(host, connection);
        host.env.scheduler.sleep_for(5ms);
        expect_end(host, connection);
        is_over.give(true);
      },
      [&](Host& host, Connection& connection) {
        expect_success(connection.write("end", patience(host)));
        connection.shutdown_write();
        connection.shutdown_write();
        is_over.await(host);
      }));
}

TEST_P(NetworkConformance, DestroyingAnEndGivesThePeerTheEndOrABreakAfterAPrefix) {
  Handover<Address> where;
  const Bytes sent = pattern(100'000);
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        Bytes got;
        std::array<char, 4096> piece;
        while (true) {
          const auto read = connection.read(piece, patience(host));
          if (!read.has_value() || *read == 0) {
            expect_end_or_break(read);
            break;
          }
          got.append(piece.data(), *read);
        }
        EXPECT_EQ(got, sent.substr(0, got.size()));
      },
      [&](Host& host, Connection& connection) {
        expect_success(connection.write(sent, patience(host)));
      }));
}

TEST_P(NetworkConformance, WritingToAPeerThatIsGoneFailsInTheEnd) {
  Handover<Address> where;
  run(joined(
      where, [&](Host&, Connection&) {},
      [&](Host& host, Connection& connection) {
        const Deadline deadline = patience(host);
        Result<void> written;
        while (written.has_value() && host.env.clock.now() < deadline.at) {
          written = connection.write("anyone there?", deadline);
          host.env.scheduler.sleep_for(1ms);
        }
        EXPECT_EQ(code_of(written), ErrorCode::connection_lost);
      }));
}

// --- deadlines ---

TEST_P(NetworkConformance, AReadThatTimesOutConsumesNothing) {
  Handover<Address> where;
  Handover<bool> has_timed_out;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        std::array<char, 16> into;
        const Deadline deadline = Deadline::in(host.env.clock, 20ms);
        EXPECT_EQ(code_of(connection.read(into, deadline)), ErrorCode::timed_out);
        EXPECT_GE(host.env.clock.now(), deadline.at);
        has_timed_out.give(true);
        expect_bytes(read_all(host, connection), "late but whole");
      },
      [&](Host& host, Connection& connection) {
        has_timed_out.await(host);
        expect_success(connection.write("late but whole", patience(host)));
        connection.shutdown_write();
      }));
}

TEST_P(NetworkConformance, ADeadlineInThePastStillTakesWhatHasArrived) {
  Handover<Address> where;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        expect_bytes(read_bytes(host, connection, 1), "a");
        host.env.scheduler.sleep_for(100ms);
        std::array<char, 16> into;
        const auto got = connection.read(into, Deadline{host.env.clock.now()});
        ASSERT_TRUE(got.has_value()) << got.error().message;
        EXPECT_GE(*got, 1u);
        EXPECT_EQ(into[0], 'b');
      },
      [&](Host& host, Connection& connection) {
        expect_success(connection.write("abc", patience(host)));
        host.env.scheduler.sleep_for(200ms);
      }));
}

TEST_P(NetworkConformance, AnAcceptGivesUpAtItsDeadlineAndALaterOneSucceeds) {
  Handover<Address> where;
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         const Deadline deadline = Deadline::in(host.env.clock, 20ms);
         EXPECT_EQ(code_of(listener->accept(deadline)), ErrorCode::timed_out);
         EXPECT_GE(host.env.clock.now(), deadline.at);
         where.give(listener->address());
         EXPECT_TRUE(listener->accept(patience(host)).has_value());
       },
       [&](Host& host) {
         EXPECT_TRUE(host.env.network.connect(where.await(host), patience(host)).has_value());
       }});
}

// --- listening and connecting ---

TEST_P(NetworkConformance, ConnectingWhereNobodyListensIsUnavailable) {
  Handover<Address> where;
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         const Address address = listener->address();
         listener.reset();
         where.give(address);
         host.env.scheduler.sleep_for(20ms);
       },
       [&](Host& host) {
         EXPECT_EQ(code_of(host.env.network.connect(where.await(host), patience(host))),
                   ErrorCode::unavailable);
       }});
}

TEST_P(NetworkConformance, ConnectionsWaitForTheirAcceptWithWhatWasWritten) {
  Handover<Address> where;
  Handover<bool> is_written;
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         where.give(listener->address());
         is_written.await(host);
         auto accepted = listener->accept(patience(host));
         ASSERT_TRUE(accepted.has_value());
         expect_bytes(read_all(host, **accepted), "early");
       },
       [&](Host& host) {
         auto connection = host.env.network.connect(where.await(host), patience(host));
         ASSERT_TRUE(connection.has_value());
         expect_success((*connection)->write("early", patience(host)));
         (*connection)->shutdown_write();
         is_written.give(true);
         expect_end(host, **connection);
       }});
}

TEST_P(NetworkConformance, AnAddressInUseIsRefusedAndFreeAgainWhenItsListenerIsGone) {
  run([](Host& host) {
    auto listener = *host.env.network.listen(host.any_port());
    const Address address = listener->address();
    const auto second = host.env.network.listen(address);
    ASSERT_EQ(code_of(second), ErrorCode::invalid_argument);
    EXPECT_NE(second.error().message.find(address), std::string::npos) << second.error().message;
    listener.reset();
    const auto third = host.env.network.listen(address);
    ASSERT_TRUE(third.has_value()) << third.error().message;
    EXPECT_EQ((*third)->address(), address);
  });
}

TEST_P(NetworkConformance, PortZeroGivesEveryListenerAPortOfItsOwn) {
  run([](Host& host) {
    const auto one = *host.env.network.listen(host.any_port());
    const auto other = *host.env.network.listen(host.any_port());
    EXPECT_NE(one->address(), other->address());
    for (const auto* listener : {&one, &other}) {
      const Address address = (*listener)->address();
      ASSERT_EQ(address.substr(0, host.name.size() + 1), host.name + ":");
      const int port = std::stoi(address.substr(host.name.size() + 1));
      EXPECT_GT(port, 0);
      EXPECT_LT(port, 65536);
    }
  });
}

TEST_P(NetworkConformance, WhatIsNoAddressIsRefused) {
  run([](Host& host) {
    const std::string& name = host.name;
    for (const Address& bad :
         {Address(""), Address(":"), Address(":80"), name, name + ":", name + ":65536",
          name + ":-1", name + ":+1", name + ":80x", name + ": 80", name + ":0x50",
          name + ":99999999999999999999", Address("no such host:80")}) {
      EXPECT_EQ(code_of(host.env.network.listen(bad)), ErrorCode::invalid_argument) << bad;
      EXPECT_EQ(code_of(host.env.network.connect(bad, patience(host))),
                ErrorCode::invalid_argument)
          << bad;
    }
    EXPECT_EQ(code_of(host.env.network.connect(name + ":0", patience(host))),
              ErrorCode::invalid_argument);
  });
}

TEST_P(NetworkConformance, APeerIsNamedByTheAddressOfTheOtherEnd) {
  Handover<Address> where;
  Handover<bool> is_over;
  std::string connectors_name;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        expect_bytes(read_bytes(host, connection, 1), "x");
        EXPECT_EQ(connection.peer().substr(0, connectors_name.size() + 1), connectors_name + ":");
        is_over.give(true);
      },
      [&](Host& host, Connection& connection) {
        connectors_name = host.name;
        EXPECT_EQ(connection.peer(), where.await(host));
        expect_success(connection.write("x", patience(host)));
        is_over.await(host);
        connection.reset();
        EXPECT_EQ(connection.peer(), where.await(host)) << "known also after a break";
      }));
}

TEST_P(NetworkConformance, AMachineCanConnectToItself) {
  run([](Host& host) {
    auto listener = *host.env.network.listen(host.any_port());
    TaskGroup group(host.env.scheduler);
    group.spawn("connector", [&] {
      auto connection = host.env.network.connect(listener->address(), patience(host));
      ASSERT_TRUE(connection.has_value());
      expect_success((*connection)->write("me", patience(host)));
    });
    auto accepted = listener->accept(patience(host));
    ASSERT_TRUE(accepted.has_value());
    expect_bytes(read_bytes(host, **accepted, 2), "me");
    EXPECT_TRUE(group.join(patience(host)));
  });
}

TEST_P(NetworkConformance, ManyConnectionsAtOnceKeepTheirBytesApart) {
  constexpr std::uint64_t kConnections = 100;
  Handover<Address> where;
  const auto echo = [](Host& host, std::unique_ptr<Connection> connection) {
    const auto bytes = read_all(host, *connection);
    ASSERT_TRUE(bytes.has_value());
    expect_success(connection->write(*bytes, patience(host)));
    connection->shutdown_write();
  };
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         where.give(listener->address());
         TaskGroup group(host.env.scheduler);
         for (std::uint64_t i = 0; i < kConnections; ++i) {
           auto accepted = listener->accept(patience(host));
           ASSERT_TRUE(accepted.has_value());
           group.spawn("echo", [&host, &echo, accepted = *std::move(accepted)]() mutable {
             echo(host, std::move(accepted));
           });
         }
         EXPECT_TRUE(group.join(patience(host)));
       },
       [&](Host& host) {
         TaskGroup group(host.env.scheduler);
         for (std::uint64_t i = 0; i < kConnections; ++i) {
           group.spawn("client", [&, i] {
             auto connection = host.env.network.connect(where.await(host), patience(host));
             ASSERT_TRUE(connection.has_value());
             const Bytes bytes = pattern(10'000, i);
             expect_success((*connection)->write(bytes, patience(host)));
             (*connection)->shutdown_write();
             expect_bytes(read_all(host, **connection), bytes);
           });
         }
         EXPECT_TRUE(group.join(patience(host)));
       }});
}

}  // namespace
}  // namespace keelson::conformance
