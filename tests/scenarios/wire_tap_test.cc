#include "scenarios/wire_tap.h"

#include <gtest/gtest.h>

#include "core/raft/transport.h"
#include "scenarios/scenario.h"
#include "sim/machine.h"

namespace keelson::scenarios {
namespace {

constexpr GroupId kDefault{0};

class WireTapTest : public testing::Test {
 protected:
  WireTapTest() {
    tap_.add_node(n1_, NodeId(1));
    tap_.add_node(n2_, NodeId(2));
  }

  static Bytes hello() {
    Bytes frame;
    raft::append_frame(frame, raft::FrameKind::hello, "", raft::encode(whose()));
    return frame;
  }
  static raft::Hello whose() {
    return {.id = NodeId(1), .incarnation = Incarnation(1), .has_secret = false,
            .nonce = Bytes(16, 'n'), .cluster_id = "c"};
  }
  static Bytes frame(GroupId group, const raft::Message& message) {
    Bytes head;
    append_u64(head, group.value);
    Bytes body;
    raft::encode(message, body);
    Bytes out;
    raft::append_frame(out, raft::FrameKind::raft, head, body);
    return out;
  }
  static raft::AppendEntries append(std::uint64_t term) {
    raft::AppendEntries append;
    append.term = raft::Term(term);
    return append;
  }

  sim::Choices choices_{1};
  sim::World world_{choices_};
  sim::Machine& n1_ = world_.add_machine("n1");
  sim::Machine& n2_ = world_.add_machine("n2");
  sim::Machine& c1_ = world_.add_machine("c1");
  Report report_;
  RaftChecks checks_{report_};
  ProbeClaim claim_;
  WireTap tap_{world_, kDefault, checks_, claim_, report_};
};

TEST_F(WireTapTest, SealedFramesAndFramesOfHeartbeatsAreHeardToo) {
  raft::Hello with_secret = whose();
  with_secret.has_secret = true;
  raft::FrameSeal seal("key");
  Bytes beats;
  raft::append_beat(beats, kDefault, append(3));
  raft::append_beat(beats, GroupId(1), append(4));
  Bytes stream;
  raft::append_frame(stream, raft::FrameKind::hello, {}, raft::encode(with_secret));
  raft::append_frame(stream, raft::FrameKind::proof, {}, {}, &seal);
  raft::append_frame(stream, raft::FrameKind::heartbeats, {}, beats, &seal);
  tap_.on_write(n1_, n2_, 1, stream);
  EXPECT_EQ(tap_.raft_messages(), 2U);
  EXPECT_FALSE(report_.failed());
}

TEST_F(WireTapTest, FramesArePutTogetherHoweverTheyWereWritten) {
  const Bytes stream = hello() + frame(kDefault, append(3)) + frame(kDefault, append(4));
  for (std::size_t piece : {std::size_t{1}, std::size_t{5}, std::size_t{13}, stream.size()}) {
    const std::uint64_t before = tap_.raft_messages();
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      tap_.on_write(n1_, n2_, piece, BytesView(stream).substr(at, piece));
    }
    EXPECT_EQ(tap_.raft_messages(), before + 2);
  }
  ASSERT_EQ(claim_.reigns().size(), 2u);
  EXPECT_EQ(claim_.reigns()[1].term, raft::Term(4));
  EXPECT_FALSE(report_.failed());
}

TEST_F(WireTapTest, DirectionsAndConnectionsAreKeptApart) {
  const Bytes stream = hello() + frame(kDefault, append(3));
  tap_.on_write(n1_, n2_, 1, BytesView(stream).substr(0, 20));
  tap_.on_write(n2_, n1_, 1, hello());
  tap_.on_write(n1_, n2_, 2, hello());
  tap_.on_write(n1_, n2_, 1, BytesView(stream).substr(20));
  EXPECT_EQ(claim_.reigns().size(), 1u);
  EXPECT_EQ(tap_.frames(), 4u);
}

TEST_F(WireTapTest, LeadingAnotherGroupIsNoClaimOnTheDefaultGroup) {
  tap_.on_write(n1_, n2_, 1, hello() + frame(GroupId(5), append(9)));
  EXPECT_TRUE(claim_.reigns().empty());
  EXPECT_EQ(checks_.seen().appends, 1u);
}

TEST_F(WireTapTest, TwoLeadersOnTheWireAreSeen) {
  tap_.on_write(n1_, n2_, 1, hello() + frame(kDefault, append(9)));
  tap_.on_write(n2_, n1_, 1, hello() + frame(kDefault, append(9)));
  ASSERT_TRUE(report_.failed());
  EXPECT_EQ(report_.failure()->oracle, "election safety");
}

TEST_F(WireTapTest, OtherProtocolsAndOtherMachinesAreLeftAlone) {
  tap_.on_write(n1_, n2_, 1, "GET / HTTP/1.1\r\nHost: n2\r\n\r\n");
  tap_.on_write(n1_, n2_, 1, frame(kDefault, append(9)));
  tap_.on_write(c1_, n2_, 2, hello() + frame(kDefault, append(9)));
  EXPECT_EQ(tap_.frames(), 0u);
  EXPECT_FALSE(report_.failed());
}

TEST_F(WireTapTest, ABrokenFrameAfterTheHelloIsAViolation) {
  Bytes broken = frame(kDefault, append(9));
  broken.back() ^= 1;
  tap_.on_write(n1_, n2_, 1, hello() + broken);
  ASSERT_TRUE(report_.failed());
  EXPECT_EQ(report_.failure()->fingerprint, "peer protocol/broken frame");
}

}  // namespace
}  // namespace keelson::scenarios
