// How two nodes begin a session: who each is, which version they speak, and, if the cluster has a
// secret, that both know it.
//
//   1. The one that dials sends its hello; the other judges it and answers with its own.
//   2. With a secret, each then proves that it knows it: its first frame is a proof, sealed with a
//      key made of the secret, the direction and both hellos, which carry a nonce of each side. So
//      neither a proof nor any frame after it fits another session, another direction, another pair
//      of nodes, or hellos that somebody has changed. What is sent is authentic, not hidden.
//
//   hello := version_min:u32 version_max:u32 node_id:u64 incarnation:u64
//            has_secret:u8 nonce:16 cluster_size:u32 cluster_id:bytes
//            what later versions append is passed over
#pragma once

#include <functional>
#include <memory>

#include "core/raft/frame.h"
#include "core/raft/protocol_version.h"
#include "core/raft/types.h"
#include "core/runtime/network.h"

namespace keelson::raft {

struct Hello {
  std::uint32_t version_min = kProtocolVersionMin;
  std::uint32_t version_max = kProtocolVersionMax;
  NodeId id;
  Incarnation incarnation;
  bool has_secret = false;
  Bytes nonce;  // 16 octets, never used twice.
  std::string cluster_id;
};

Bytes encode(const Hello& hello);
// Errors: corrupt.
Result<Hello> decode_hello(BytesView body);

// The highest version that both speak. Errors: invalid_argument, naming both.
Result<std::uint32_t> agree_on_version(const Hello& ours, const Hello& theirs);

// Two nodes that have come to terms.
struct Session {
  std::unique_ptr<Connection> connection;
  NodeId peer;
  Incarnation incarnation;  // Of the peer's data directory.
  std::uint32_t version = 0;
  // Null without a secret.
  std::unique_ptr<FrameSeal> sending;
  std::unique_ptr<FrameSeal> receiving;
  Bytes received;  // Behind the handshake, and not looked at yet.
};

// Whether a node may be spoken to on this connection. Errors: invalid_argument, saying why not.
using PeerCheck = std::function<Result<void>(NodeId)>;

// Either side's part. `secret` is empty without one. Suspends. Errors: invalid_argument and corrupt
// (the other is refused, the message says why), connection_lost, timed_out.
Result<Session> dial_session(std::unique_ptr<Connection> connection, const Hello& ours,
                             BytesView secret, const PeerCheck& check, Deadline deadline);
Result<Session> accept_session(std::unique_ptr<Connection> connection, const Hello& ours,
                               BytesView secret, const PeerCheck& check, Deadline deadline);

}  // namespace keelson::raft
