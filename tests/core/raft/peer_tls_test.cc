// On real sockets: OpenSSL draws its randomness from the machine.
#include "core/raft/peer_tls.h"

#include <gtest/gtest.h>

#include "core/raft/transport.h"
#include "net/real_env.h"
#include "tests/core/raft/certificates.h"
#include "tests/net/temporary_directory.h"

namespace keelson::raft {
namespace {

using namespace std::chrono_literals;

class PeerTlsTest : public testing::Test {
 protected:
  PeerTlsTest() {
    for (const char* name : {"n1", "n2"}) {
      auto opened = RealEnv::open(reactor_, {.node = name, .data_directory = directory_ / name});
      EXPECT_TRUE(opened.has_value()) << opened.error().message;
      envs_.push_back(*std::move(opened));
    }
  }

  TlsMaterial material(const SignedPair& pair) const {
    return {.certificate = pair.certificate, .key = pair.key,
            .authorities = authority_.certificate()};
  }
  std::unique_ptr<TlsContext> context(const SignedPair& pair) {
    auto made = TlsContext::make(material(pair), envs_[0]->env().clock);
    CHECK(made.has_value());
    return *std::move(made);
  }

  // Runs one side each on a fiber of its own until both have ended.
  void run(std::function<void(Env&, std::unique_ptr<Connection>)> accepting,
           std::function<void(Env&, std::unique_ptr<Connection>)> dialling) {
    auto listener = *envs_[0]->env().network.listen("127.0.0.1:0");
    int ended = 0;
    const auto end = [this, &ended] {
      if (++ended == 2) reactor_.stop();
    };
    envs_[0]->scheduler().spawn("acceptor", [&] {
      Env& env = envs_[0]->env();
      accepting(env, *listener->accept(Deadline::in(env.clock, 20s)));
      end();
    });
    envs_[1]->scheduler().spawn("dialler", [&] {
      Env& env = envs_[1]->env();
      dialling(env, *env.network.connect(listener->address(), Deadline::in(env.clock, 20s)));
      end();
    });
    reactor_.run();
    EXPECT_EQ(ended, 2);
  }

  // How a handshake of these two ends for the one that accepts.
  Result<void> handshake(const SignedPair& acceptor, const SignedPair& dialler) {
    const auto ours = context(acceptor);
    const auto theirs = context(dialler);
    Result<void> result;
    run(
        [&](Env& env, auto stream) {
          const auto done = ours->accept(std::move(stream), Deadline::in(env.clock, 20s));
          if (!done) result = done.error();
        },
        [&](Env& env, auto stream) {
          (void)theirs->dial(std::move(stream), Deadline::in(env.clock, 20s));
        });
    return result;
  }

  TemporaryDirectory directory_;
  Reactor reactor_;
  std::vector<std::unique_ptr<RealEnv>> envs_;
  TestAuthority authority_;
};

TEST_F(PeerTlsTest, WhatIsWrittenIsReadWhateverItsSizeBothWaysAtOnce) {
  const auto n1 = context(authority_.sign("n1"));
  const auto n2 = context(authority_.sign("n2"));
  const Bytes large(3 << 20, 'x');
  const auto exchange = [&large](Env& env, TlsConnection& connection) {
    TaskGroup writer(env.scheduler);
    writer.spawn("writer", [&] {
      EXPECT_TRUE(connection.write(large, Deadline::in(env.clock, 20s)).has_value());
    });
    Bytes read;
    char chunk[10000];
    while (read.size() < large.size()) {
      const auto count = connection.read(chunk, Deadline::in(env.clock, 20s));
      ASSERT_TRUE(count.has_value() && *count > 0);
      read.append(chunk, *count);
    }
    EXPECT_TRUE(read == large);
    EXPECT_TRUE(writer.join(Deadline::in(env.clock, 20s)));
  };
  run(
      [&](Env& env, auto stream) {
        auto connection = n1->accept(std::move(stream), Deadline::in(env.clock, 20s));
        ASSERT_TRUE(connection.has_value()) << connection.error().message;
        EXPECT_TRUE((*connection)->certifies(NodeId(2)));
        EXPECT_FALSE((*connection)->certifies(NodeId(1)));
        exchange(env, **connection);
      },
      [&](Env& env, auto stream) {
        auto connection = n2->dial(std::move(stream), Deadline::in(env.clock, 20s));
        ASSERT_TRUE(connection.has_value()) << connection.error().message;
        EXPECT_TRUE((*connection)->certifies(NodeId(1)));
        exchange(env, **connection);
      });
}

TEST_F(PeerTlsTest, ACertificateOfAnotherAuthorityOrPastItsTimeIsRefused) {
  const SignedPair own = authority_.sign("n1");
  const auto foreign = handshake(own, TestAuthority().sign("n2"));
  ASSERT_FALSE(foreign.has_value());
  EXPECT_EQ(foreign.error().code, ErrorCode::invalid_argument);
  const auto ended = handshake(own, authority_.sign("n2", -60));
  ASSERT_FALSE(ended.has_value());
  EXPECT_NE(ended.error().message.find("expired"), std::string::npos) << ended.error().message;
  const auto sound = handshake(own, authority_.sign("n2"));
  EXPECT_TRUE(sound.has_value()) << sound.error().message;
}

TEST_F(PeerTlsTest, WhoDoesNotSpeakTlsIsRefused) {
  const auto n1 = context(authority_.sign("n1"));
  run(
      [&](Env& env, auto stream) {
        const auto refused = n1->accept(std::move(stream), Deadline::in(env.clock, 20s));
        ASSERT_FALSE(refused.has_value());
        EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
      },
      [&](Env& env, auto stream) {
        (void)stream->write("hello, in the clear", Deadline::in(env.clock, 20s));
        char answer[64];
        (void)stream->read(answer, Deadline::in(env.clock, 20s));
      });
}

TEST_F(PeerTlsTest, MaterialThatDoesNotFitIsRefusedByTheNameOfItsFlag) {
  const TlsMaterial sound = material(authority_.sign("n1"));
  const Clock& clock = envs_[0]->env().clock;
  EXPECT_TRUE(TlsContext::make(sound, clock).has_value());
  const auto refused = [&clock](const TlsMaterial& wrong) {
    const auto made = TlsContext::make(wrong, clock);
    return made ? std::string() : made.error().message.substr(0, made.error().message.find(':'));
  };
  TlsMaterial wrong = sound;
  wrong.certificate = "no certificate";
  EXPECT_EQ(refused(wrong), "peer-cert");
  wrong = sound;
  wrong.key = authority_.sign("n1").key;
  EXPECT_EQ(refused(wrong), "peer-key");
  wrong = sound;
  wrong.authorities = sound.key;
  EXPECT_EQ(refused(wrong), "peer-ca");
}

// --- the transport under TLS ---

class Deaf : public TransportHandler {
 public:
  void on_message(NodeId, Incarnation, GroupId, const Message&) override { ++messages; }
  Bytes on_call(NodeId, Bytes request) override { return request; }
  int messages = 0;
};

class TransportUnderTlsTest : public PeerTlsTest {
 protected:
  // Whether n1 and n2, which shows this certificate, find each other in the time.
  bool connects(const SignedPair& n2_shows, Duration patience) {
    const auto n1_tls = context(authority_.sign("n1"));
    const auto n2_tls = context(n2_shows);
    Deaf n1_handler, n2_handler;
    bool connected = false;
    envs_[0]->scheduler().spawn("test", [&] {
      Env& env = envs_[0]->env();
      TransportOptions options;
      options.cluster_id = "cluster";
      options.secret = "a secret beside the certificates";
      options.self = NodeId(2);
      options.peers = {{NodeId(1), "127.0.0.1:1"}};
      options.tls = n2_tls.get();
      Transport n2(env, options, n2_handler);
      CHECK(n2.start("127.0.0.1:0").has_value());
      options.self = NodeId(1);
      options.peers = {{NodeId(2), n2.address()}};
      options.tls = n1_tls.get();
      Transport n1(env, options, n1_handler);
      CHECK(n1.start("127.0.0.1:0").has_value());
      const Instant end = env.clock.now() + patience;
      while (!connected && env.clock.now() < end) {
        env.scheduler.sleep_for(10ms);
        connected = n1.is_connected(NodeId(2)) && n2.is_connected(NodeId(1));
      }
      if (connected) {
        const auto reply = n1.call(NodeId(2), "question", Deadline::in(env.clock, 10s));
        EXPECT_TRUE(reply.has_value() && *reply == "question");
      }
      n1.stop();
      n2.stop();
      reactor_.stop();
    });
    reactor_.run();
    return connected;
  }
};

TEST_F(TransportUnderTlsTest, NodesWhoseCertificatesNameThemFindEachOther) {
  EXPECT_TRUE(connects(authority_.sign("n2"), 20s));
}

TEST_F(TransportUnderTlsTest, ACertificateOfAnotherNodeIsRefused) {
  EXPECT_FALSE(connects(authority_.sign("n3"), 1s));
}

}  // namespace
}  // namespace keelson::raft
