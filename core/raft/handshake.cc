// Tested by tests/core/node/handshake_test.cc and tests/core/node/transport_test.cc.
#include "core/raft/handshake.h"

#include <fmt/format.h>

#include <algorithm>

namespace keelson::raft {

namespace {

constexpr std::size_t kHandshakeFrameMax = 1024;
constexpr std::size_t kNonceSize = 16;
constexpr std::size_t kHelloFixedSize = 4 + 4 + 8 + 8 + 1 + kNonceSize + 4;

struct Greeting {
  Hello hello;
  Bytes body;  // As it came, for the keys.
};

struct SessionKeys {
  Bytes dialler;
  Bytes acceptor;
};

SessionKeys make_keys(BytesView secret, BytesView dialler_hello, BytesView acceptor_hello) {
  const Bytes session = hmac_sha256(
      secret, "keelson peer session" + sha256(dialler_hello) + sha256(acceptor_hello));
  return {hmac_sha256(session, "dialler"), hmac_sha256(session, "acceptor")};
}

// The next frame, in a copy: its kind is the first octet.
Result<Bytes> read_payload(Connection& connection, Bytes& received, FrameSeal* seal,
                           Deadline deadline) {
  char chunk[kHandshakeFrameMax];
  while (true) {
    std::size_t consumed = 0;
    TRY(const auto frame, parse_frame(received, kHandshakeFrameMax, consumed, seal));
    if (frame) {
      Bytes payload(1, static_cast<char>(frame->kind));
      payload += frame->body;
      received.erase(0, consumed);
      return payload;
    }
    TRY(const std::size_t count, connection.read(chunk, deadline));
    if (count == 0) return Error{ErrorCode::connection_lost, "it closed in the handshake"};
    received.append(chunk, count);
  }
}

bool is_kind(BytesView payload, FrameKind kind) {
  return static_cast<FrameKind>(payload.front()) == kind;
}

Result<Greeting> read_hello(Connection& connection, Bytes& received, Deadline deadline) {
  TRY(const Bytes payload, read_payload(connection, received, nullptr, deadline));
  if (!is_kind(payload, FrameKind::hello)) {
    return Error{ErrorCode::corrupt, "the first frame is not a hello"};
  }
  Greeting greeting{.hello = {}, .body = payload.substr(1)};
  TRY(greeting.hello, decode_hello(greeting.body));
  return greeting;
}

Result<void> write_frame(Connection& connection, FrameKind kind, BytesView body, FrameSeal* seal,
                         Deadline deadline) {
  Bytes frame;
  append_frame(frame, kind, {}, body, seal);
  return connection.write(frame, deadline);
}

Result<void> check_identity(const Hello& ours, const Hello& theirs, const PeerCheck& check) {
  if (theirs.cluster_id != ours.cluster_id) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} belongs to cluster '{}', this is '{}'", to_string(theirs.id),
                             theirs.cluster_id, ours.cluster_id)};
  }
  return check(theirs.id);
}

// What both sides find out alike, each from the other's hello.
Result<std::uint32_t> come_to_terms(const Hello& ours, const Hello& theirs) {
  if (theirs.has_secret != ours.has_secret) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} has {} cluster secret, and this node has {}", to_string(theirs.id),
                             theirs.has_secret ? "a" : "no", ours.has_secret ? "one" : "none")};
  }
  return agree_on_version(ours, theirs);
}

Result<void> read_proof(Session& session, Deadline deadline) {
  auto proof = read_payload(*session.connection, session.received, session.receiving.get(),
                            deadline);
  if (!proof && proof.error().code == ErrorCode::corrupt) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} does not prove that it knows the cluster's secret",
                             to_string(session.peer))};
  }
  if (!proof) return proof.error();
  if (!is_kind(*proof, FrameKind::proof)) {
    return Error{ErrorCode::corrupt, "the first sealed frame is not a proof"};
  }
  return {};
}

}  // namespace

Bytes encode(const Hello& hello) {
  CHECK(hello.nonce.size() == kNonceSize);
  Bytes body;
  append_u32(body, hello.version_min);
  append_u32(body, hello.version_max);
  append_u64(body, hello.id.value);
  append_u64(body, hello.incarnation.value);
  body.push_back(hello.has_secret ? '\1' : '\0');
  body += hello.nonce;
  append_u32(body, static_cast<std::uint32_t>(hello.cluster_id.size()));
  body += hello.cluster_id;
  return body;
}

Result<Hello> decode_hello(BytesView body) {
  const Error corrupt{ErrorCode::corrupt, "a hello that is none"};
  if (body.size() < kHelloFixedSize) return corrupt;
  Hello hello;
  hello.version_min = read_u32(body);
  hello.version_max = read_u32(body.substr(4));
  hello.id = NodeId(read_u64(body.substr(8)));
  hello.incarnation = Incarnation(read_u64(body.substr(16)));
  if (body[24] != '\0' && body[24] != '\1') return corrupt;
  hello.has_secret = body[24] == '\1';
  hello.nonce = body.substr(25, kNonceSize);
  const std::size_t cluster_size = read_u32(body.substr(25 + kNonceSize));
  if (cluster_size > body.size() - kHelloFixedSize) return corrupt;
  hello.cluster_id = body.substr(kHelloFixedSize, cluster_size);
  if (hello.version_min > hello.version_max || hello.id.value == 0) return corrupt;
  return hello;
}

Result<std::uint32_t> agree_on_version(const Hello& ours, const Hello& theirs) {
  const std::uint32_t highest = std::min(ours.version_max, theirs.version_max);
  if (highest >= std::max(ours.version_min, theirs.version_min)) return highest;
  return Error{ErrorCode::invalid_argument,
               fmt::format("{} speaks versions {} to {} of the protocol, and this node {} to {}",
                           to_string(theirs.id), theirs.version_min, theirs.version_max,
                           ours.version_min, ours.version_max)};
}

Result<Session> dial_session(std::unique_ptr<Connection> connection, const Hello& ours,
                             BytesView secret, const PeerCheck& check, Deadline deadline) {
  const Bytes our_body = encode(ours);
  Session session;
  session.connection = std::move(connection);
  TRY(write_frame(*session.connection, FrameKind::hello, our_body, nullptr, deadline));
  TRY(const Greeting theirs, read_hello(*session.connection, session.received, deadline));
  session.peer = theirs.hello.id;
  session.incarnation = theirs.hello.incarnation;
  TRY(check_identity(ours, theirs.hello, check));
  TRY(session.version, come_to_terms(ours, theirs.hello));
  if (secret.empty()) return session;

  const SessionKeys keys = make_keys(secret, our_body, theirs.body);
  session.sending = std::make_unique<FrameSeal>(keys.dialler);
  session.receiving = std::make_unique<FrameSeal>(keys.acceptor);
  // Both prove without waiting for the other: whoever does not know the secret learns nothing of it
  // from a proof.
  TRY(write_frame(*session.connection, FrameKind::proof, {}, session.sending.get(), deadline));
  TRY(read_proof(session, deadline));
  return session;
}

Result<Session> accept_session(std::unique_ptr<Connection> connection, const Hello& ours,
                               BytesView secret, const PeerCheck& check, Deadline deadline) {
  const Bytes our_body = encode(ours);
  Session session;
  session.connection = std::move(connection);
  TRY(const Greeting theirs, read_hello(*session.connection, session.received, deadline));
  session.peer = theirs.hello.id;
  session.incarnation = theirs.hello.incarnation;
  // A stranger is not told whose door this is; a peer is, and finds out what else is wrong.
  TRY(check_identity(ours, theirs.hello, check));
  TRY(write_frame(*session.connection, FrameKind::hello, our_body, nullptr, deadline));
  TRY(session.version, come_to_terms(ours, theirs.hello));
  if (secret.empty()) return session;

  const SessionKeys keys = make_keys(secret, theirs.body, our_body);
  session.sending = std::make_unique<FrameSeal>(keys.acceptor);
  session.receiving = std::make_unique<FrameSeal>(keys.dialler);
  TRY(write_frame(*session.connection, FrameKind::proof, {}, session.sending.get(), deadline));
  TRY(read_proof(session, deadline));
  return session;
}

}  // namespace keelson::raft
