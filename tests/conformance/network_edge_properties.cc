// What core/runtime/network.h promises at its edges: half-closes, who may be addressed, deadlines
// that have passed, listeners that go, and how much is on the way; in every world.
#include <gtest/gtest.h>

#include <array>

#include "core/runtime/task_group.h"
#include "sim/choices.h"
#include "tests/conformance/network_programs.h"

namespace keelson::conformance {
namespace {

using namespace std::chrono_literals;

// --- half-closes ---

TEST_P(NetworkConformance, WritingAfterTheHalfCloseIsLostAndReadingGoesOn) {
  Handover<Address> where;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        expect_bytes(read_all(host, connection), "all of it");
        expect_success(connection.write("the answer", patience(host)));
        connection.shutdown_write();
      },
      [&](Host& host, Connection& connection) {
        expect_success(connection.write("all of it", patience(host)));
        connection.shutdown_write();
        for (int i = 0; i < 3; ++i) {
          EXPECT_EQ(code_of(connection.write("more", patience(host))), ErrorCode::connection_lost);
          expect_success(connection.write("", patience(host)));
        }
        expect_bytes(read_all(host, connection), "the answer");
      }));
}

TEST_P(NetworkConformance, AStreamWithoutAByteEndsInBothDirections) {
  Handover<Address> where;
  const Ended end = [](Host& host, Connection& connection) {
    connection.shutdown_write();
    expect_end(host, connection);
  };
  run(joined(where, end, end));
}

TEST_P(NetworkConformance, AHalfCloseIsSeenByAReaderThatWaits) {
  Handover<Address> where;
  Handover<bool> is_over;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        expect_end(host, connection);
        is_over.give(true);
      },
      [&](Host& host, Connection& connection) {
        host.env.scheduler.sleep_for(20ms);
        connection.shutdown_write();
        is_over.await(host);
      }));
}

TEST_P(NetworkConformance, AResetBreaksAStreamThatWasHalfClosed) {
  Handover<Address> where;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        expect_end(host, connection);
        connection.reset();
      },
      [&](Host& host, Connection& connection) {
        connection.shutdown_write();
        expect_break(host, connection);
        EXPECT_EQ(code_of(connection.write("x", patience(host))), ErrorCode::connection_lost);
      }));
}

TEST_P(NetworkConformance, AfterAResetAHalfCloseAndAnotherResetDoNothing) {
  Handover<Address> where;
  run(joined(
      where, [&](Host& host, Connection& connection) { expect_break(host, connection); },
      [&](Host& host, Connection& connection) {
        connection.reset();
        connection.shutdown_write();
        connection.reset();
        std::array<char, 4> into;
        EXPECT_EQ(code_of(connection.read(into, patience(host))), ErrorCode::connection_lost);
        EXPECT_EQ(code_of(connection.write("x", patience(host))), ErrorCode::connection_lost);
      }));
}

TEST_P(NetworkConformance, AResetIsSeenByAReaderAndAWriterThatWaitOnOneStream) {
  Handover<Address> where;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        TaskGroup group(host.env.scheduler);
        group.spawn("reader", [&] {
          std::array<char, 16> into;
          EXPECT_EQ(code_of(connection.read(into, patience(host))), ErrorCode::connection_lost);
        });
        EXPECT_EQ(code_of(connection.write(pattern(kMoreThanBuffersHold), patience(host))),
                  ErrorCode::connection_lost);
        EXPECT_TRUE(group.join(patience(host)));
      },
      [&](Host& host, Connection& connection) {
        host.env.scheduler.sleep_for(20ms);
        connection.reset();
      }));
}

TEST_P(NetworkConformance, AnEndThatGoesWithBytesUnreadBreaksAWriterThatWaits) {
  Handover<Address> where;
  run(joined(
      where, [&](Host& host, Connection&) { host.env.scheduler.sleep_for(50ms); },
      [&](Host& host, Connection& connection) {
        EXPECT_EQ(code_of(connection.write(pattern(kMoreThanBuffersHold), patience(host))),
                  ErrorCode::connection_lost);
      }));
}

// --- bytes on the way ---

TEST_P(NetworkConformance, OnlySoMuchIsAcceptedWhileNobodyReads) {
  Handover<Address> where;
  Handover<std::size_t> accepted;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        const std::size_t size = accepted.await(host);
        EXPECT_GE(size, 4096u);
        EXPECT_LT(size, kMoreThanBuffersHold);
        const auto got = read_all(host, connection);
        ASSERT_TRUE(got.has_value());
        // The last write, which gave up, may have been accepted in part.
        EXPECT_GE(got->size(), size);
        EXPECT_LT(got->size(), size + 1000);
        EXPECT_TRUE(*got == pattern(got->size()));
      },
      [&](Host& host, Connection& connection) {
        const Bytes bytes = pattern(kMoreThanBuffersHold);
        std::size_t size = 0;
        while (size + 1000 <= bytes.size()) {
          const auto written = connection.write(BytesView(bytes).substr(size, 1000),
                                                Deadline::in(host.env.clock, 200ms));
          if (!written.has_value()) {
            EXPECT_EQ(written.error().code, ErrorCode::timed_out);
            break;
          }
          size += 1000;
        }
        accepted.give(size);
        connection.shutdown_write();
        expect_end(host, connection);
      }));
}

TEST_P(NetworkConformance, AfterAWriteThatTimedOutThereIsAPrefixAndThenTheBreak) {
  Handover<Address> where;
  Handover<bool> has_timed_out;
  const Bytes sent = pattern(kMoreThanBuffersHold);
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        has_timed_out.await(host);
        Bytes got;
        std::vector<char> piece(1 << 16);
        while (true) {
          const auto read = connection.read(piece, patience(host));
          if (!read.has_value()) {
            EXPECT_EQ(read.error().code, ErrorCode::connection_lost);
            break;
          }
          ASSERT_GT(*read, 0u) << "a break looks like the end";
          got.append(piece.data(), *read);
        }
        EXPECT_LT(got.size(), sent.size());
        EXPECT_TRUE(got == BytesView(sent).substr(0, got.size()));
      },
      [&](Host& host, Connection& connection) {
        EXPECT_EQ(code_of(connection.write(sent, Deadline::in(host.env.clock, 30ms))),
                  ErrorCode::timed_out);
        has_timed_out.give(true);
        connection.reset();
      }));
}

TEST_P(NetworkConformance, ManyWritesOfOneByteArriveAsOneStream) {
  Handover<Address> where;
  const Bytes sent = pattern(3000);
  run(joined(
      where,
      [&](Host& host, Connection& connection) { expect_bytes(read_all(host, connection), sent); },
      [&](Host& host, Connection& connection) {
        for (const char& each : sent) {
          expect_success(connection.write(BytesView(&each, 1), patience(host)));
        }
        connection.shutdown_write();
      }));
}

TEST_P(NetworkConformance, AWrittenBufferMayBeUsedAgainAtOnce) {
  Handover<Address> where;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        expect_bytes(read_all(host, connection), Bytes(5000, 'a') + Bytes(5000, 'b'));
      },
      [&](Host& host, Connection& connection) {
        Bytes buffer(5000, 'a');
        expect_success(connection.write(buffer, patience(host)));
        buffer.assign(5000, 'b');
        expect_success(connection.write(buffer, patience(host)));
        buffer.assign(5000, 'c');
        connection.shutdown_write();
      }));
}

// --- deadlines that have passed ---

TEST_P(NetworkConformance, AReadWhoseDeadlineHasPassedDoesNotWait) {
  Handover<Address> where;
  Handover<bool> is_over;
  run(joined(
      where,
      [&](Host& host, Connection& connection) {
        std::array<char, 4> into;
        const Instant now = host.env.clock.now();
        for (const Duration ago : {0s, 1s}) {
          EXPECT_EQ(code_of(connection.read(into, Deadline{now - ago})), ErrorCode::timed_out);
        }
        EXPECT_EQ(host.env.clock.now(), now);
        is_over.give(true);
      },
      [&](Host& host, Connection&) { is_over.await(host); }));
}

TEST_P(NetworkConformance, AWriteWhoseDeadlineHasPassedIsAcceptedWhereThereIsRoom) {
  Handover<Address> where;
  run(joined(
      where,
      [&](Host& host, Connection& connection) { expect_bytes(read_all(host, connection), "x"); },
      [&](Host& host, Connection& connection) {
        host.env.scheduler.sleep_for(5ms);
        expect_success(connection.write("x", Deadline{host.env.clock.now() - 1s}));
        connection.shutdown_write();
        expect_end(host, connection);
      }));
}

TEST_P(NetworkConformance, AnAcceptWhoseDeadlineHasPassedTakesWhoIsThere) {
  Handover<Address> where;
  Handover<bool> is_connected;
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         const Deadline passed{host.env.clock.now()};
         EXPECT_EQ(code_of(listener->accept(passed)), ErrorCode::timed_out);
         where.give(listener->address());
         is_connected.await(host);
         host.env.scheduler.sleep_for(100ms);
         EXPECT_TRUE(listener->accept(passed).has_value());
         EXPECT_EQ(code_of(listener->accept(passed)), ErrorCode::timed_out);
       },
       [&](Host& host) {
         auto connection = host.env.network.connect(where.await(host), patience(host));
         ASSERT_TRUE(connection.has_value());
         is_connected.give(true);
         std::array<char, 4> into;
         expect_end_or_break((*connection)->read(into, patience(host)));
       }});
}

TEST_P(NetworkConformance, AConnectWhoseDeadlineHasPassedIsLateAndLeavesAtMostAStreamThatEnds) {
  Handover<Address> where;
  Handover<bool> is_over;
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         where.give(listener->address());
         is_over.await(host);
         auto accepted = listener->accept(Deadline::in(host.env.clock, 100ms));
         if (!accepted.has_value()) return;
         std::array<char, 4> into;
         expect_end_or_break((*accepted)->read(into, patience(host)));
       },
       [&](Host& host) {
         const Address address = where.await(host);
         EXPECT_EQ(code_of(host.env.network.connect(address, Deadline{host.env.clock.now()})),
                   ErrorCode::timed_out);
         is_over.give(true);
       }});
}

// --- who may be addressed ---

TEST_P(NetworkConformance, AnUnknownHostIsRefusedAtOnce) {
  run([](Host& host) {
    const Instant start = host.env.clock.now();
    for (const Address unknown : {"nobody-of-this-name:80", "nobody.example:1", "n999:20000"}) {
      EXPECT_EQ(code_of(host.env.network.connect(unknown, patience(host))),
                ErrorCode::invalid_argument)
          << unknown;
    }
    EXPECT_EQ(host.env.clock.now(), start);
  });
}

TEST_P(NetworkConformance, OneListensOnlyOnOneself) {
  run([](Host& host) {
    for (const Address& other : {Address("nobody-of-this-name:0"), Address("192.0.2.1:0")}) {
      EXPECT_EQ(code_of(host.env.network.listen(other)), ErrorCode::invalid_argument) << other;
    }
  });
}

TEST_P(NetworkConformance, AnAddressIsWrittenAsItIsRead) {
  run([](Host& host) {
    const auto listener = *host.env.network.listen(host.any_port());
    const Address address = listener->address();
    EXPECT_EQ(address.substr(0, host.name.size() + 1), host.name + ":");
    const std::string port = address.substr(host.name.size() + 1);
    EXPECT_EQ(port, std::to_string(std::stoi(port))) << "digits only, none of them in vain";
    EXPECT_TRUE(host.env.network.connect(address, patience(host)).has_value());
  });
}

// --- listeners ---

TEST_P(NetworkConformance, ConnectionsOutliveTheirListener) {
  Handover<Address> where;
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         where.give(listener->address());
         auto accepted = listener->accept(patience(host));
         ASSERT_TRUE(accepted.has_value());
         listener.reset();
         expect_bytes(read_all(host, **accepted), "still here");
         expect_success((*accepted)->write("so am I", patience(host)));
       },
       [&](Host& host) {
         auto connection = host.env.network.connect(where.await(host), patience(host));
         ASSERT_TRUE(connection.has_value());
         host.env.scheduler.sleep_for(20ms);
         expect_success((*connection)->write("still here", patience(host)));
         (*connection)->shutdown_write();
         expect_bytes(read_all(host, **connection), "so am I");
       }});
}

TEST_P(NetworkConformance, AListenerThatGoesBreaksThoseThatItNeverAccepted) {
  Handover<Address> where;
  Handover<bool> is_connected;
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         where.give(listener->address());
         is_connected.await(host);
         host.env.scheduler.sleep_for(20ms);
         listener.reset();
         host.env.scheduler.sleep_for(20ms);
       },
       [&](Host& host) {
         auto connection = host.env.network.connect(where.await(host), patience(host));
         ASSERT_TRUE(connection.has_value());
         is_connected.give(true);
         expect_break(host, **connection);
       }});
}

TEST_P(NetworkConformance, APortIsFreeForANewListenerWhileOldConnectionsLive) {
  Handover<Address> where;
  Handover<bool> is_over;
  run({[&](Host& host) {
         auto listener = *host.env.network.listen(host.any_port());
         const Address address = listener->address();
         where.give(address);
         auto first = listener->accept(patience(host));
         ASSERT_TRUE(first.has_value());
         listener.reset();
         auto again = host.env.network.listen(address);
         ASSERT_TRUE(again.has_value()) << again.error().message;
         expect_success((*first)->write("old", patience(host)));
         auto second = (*again)->accept(patience(host));
         ASSERT_TRUE(second.has_value());
         expect_success((*second)->write("new", patience(host)));
         is_over.await(host);
       },
       [&](Host& host) {
         auto first = host.env.network.connect(where.await(host), patience(host));
         ASSERT_TRUE(first.has_value());
         expect_bytes(read_bytes(host, **first, 3), "old");
         auto second = host.env.network.connect(where.await(host), patience(host));
         ASSERT_TRUE(second.has_value());
         expect_bytes(read_bytes(host, **second, 3), "new");
         is_over.give(true);
       }});
}

TEST_P(NetworkConformance, EachListenerGetsItsOwnConnections) {
  Handover<std::pair<Address, Address>> where;
  Handover<bool> is_over;
  run({[&](Host& host) {
         auto one = *host.env.network.listen(host.any_port());
         auto other = *host.env.network.listen(host.any_port());
         where.give({one->address(), other->address()});
         auto to_other = other->accept(patience(host));
         auto to_one = one->accept(patience(host));
         ASSERT_TRUE(to_one.has_value() && to_other.has_value());
         expect_bytes(read_bytes(host, **to_one, 3), "one");
         expect_bytes(read_bytes(host, **to_other, 5), "other");
         is_over.give(true);
       },
       [&](Host& host) {
         const auto [one, other] = where.await(host);
         auto to_one = host.env.network.connect(one, patience(host));
         auto to_other = host.env.network.connect(other, patience(host));
         ASSERT_TRUE(to_one.has_value() && to_other.has_value());
         expect_success((*to_one)->write("one", patience(host)));
         expect_success((*to_other)->write("other", patience(host)));
         is_over.await(host);
       }});
}

// --- any sequence ---

// Two ends take turns by a drawn script; what they see is decided by the script alone.
class DrawnDialogue {
 public:
  explicit DrawnDialogue(std::uint64_t seed)
      : choices_(seed), draw_(choices_.stream("dialogue")) {
    const std::uint64_t steps = 5 + draw_.choose(25);
    for (std::uint64_t i = 0; i < steps; ++i) {
      Step step;
      step.end = draw_.choose(2);
      step.what = draw_.choose(10);
      step.size = 1 + draw_.choose(3000);
      steps_.push_back(step);
    }
  }

  std::string run(ConformanceWorld& world) {
    Handover<Address> where;
    world.run(joined(
        where, [&](Host& host, Connection& c) { take_turns(host, c, 0); },
        [&](Host& host, Connection& c) { take_turns(host, c, 1); }));
    return transcript_;
  }

 private:
  struct Step {
    std::uint64_t end = 0;
    std::uint64_t what = 0;
    std::uint64_t size = 0;
  };

  void take_turns(Host& host, Connection& connection, std::uint64_t end) {
    while (next_ < steps_.size()) {
      const Step& step = steps_[next_];
      if (step.end != end) {
        host.env.scheduler.sleep_for(200us);
        continue;
      }
      transcript_ += std::to_string(end) + " ";
      perform(host, connection, step);
      transcript_ += "\n";
      ++next_;
    }
    // Whoever is through first stays until the other is, too.
    ++through_;
    while (through_ < 2) host.env.scheduler.sleep_for(200us);
  }

  void perform(Host& host, Connection& connection, const Step& step) {
    std::uint64_t& sent = on_the_way_[step.end];
    std::uint64_t& to_come = on_the_way_[1 - step.end];
    bool& is_shut = is_shut_[step.end];
    if (step.what < 4) {
      const auto written = connection.write(pattern(step.size, next_), patience(host));
      transcript_ += "write " + std::to_string(step.size) + outcome(written);
      if (written.has_value()) sent += step.size;
    } else if (step.what < 7 && (to_come > 0 || is_shut_[1 - step.end] || is_broken_)) {
      // Never more than has been written: all of it will come.
      const auto size = static_cast<std::size_t>(std::min(step.size, std::max(to_come, 1ul)));
      const auto got = read_bytes(host, connection, size);
      transcript_ += "read " + std::to_string(size) + outcome(got);
      if (!got.has_value()) return;
      to_come -= got->size();
      transcript_ += " " + std::to_string(got->size()) + " " + to_hex(got->substr(0, 8));
    } else if (step.what == 7) {
      std::array<char, 4> into;
      if (to_come > 0 || is_shut_[1 - step.end] || is_broken_) return;
      transcript_ += "read in vain" +
                     outcome(connection.read(into, Deadline::in(host.env.clock, 1ms)));
    } else if (step.what == 8) {
      connection.shutdown_write();
      transcript_ += "half-close";
      is_shut = true;
    } else if (step.what == 9 && step.size < 600) {
      connection.reset();
      transcript_ += "reset";
      if (is_broken_) return;
      is_broken_ = true;
      // It is deterministic again when the other end has heard of it.
      host.env.scheduler.sleep_for(100ms);
    }
  }

  template <typename T>
  static std::string outcome(const Result<T>& result) {
    if (result.has_value()) return " ok";
    return " error " + std::to_string(static_cast<int>(result.error().code));
  }

  sim::Choices choices_;
  sim::ChoiceStream& draw_;
  std::vector<Step> steps_;
  std::size_t next_ = 0;
  int through_ = 0;
  std::uint64_t on_the_way_[2] = {0, 0};  // Written by this end and not read yet.
  bool is_shut_[2] = {false, false};
  bool is_broken_ = false;
  std::string transcript_;
};

TEST_P(NetworkConformance, AnyDialogueGoesAsItDoesInACalmSimulatedWorld) {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    const std::string expected = DrawnDialogue(seed).run(*make_calm_sim_world(1));
    ASSERT_NE(expected, "");
    ASSERT_EQ(DrawnDialogue(seed).run(*GetParam().make(GetParam().seed)), expected)
        << "dialogue " << seed;
  }
}

}  // namespace
}  // namespace keelson::conformance
