// Transport: one connection to each peer, shared by all Raft groups and by forwarded requests.
//
// Of two nodes the one with the smaller id dials, or the other if it does not in time. Peers are
// those named at start and those that configurations name while it runs (set_peer). A session
// begins with a handshake (handshake.h) and is given up when nothing was heard for `idle_timeout`;
// each side pings when it has nothing else to say. Raft messages are sent if they can be and
// dropped if they cannot: Raft repeats what matters. What waits to be written waits in lanes
// (outbox.h), so that a large message does not hold up a small one, whichever of them was there
// before.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "core/raft/handshake.h"
#include "core/raft/heartbeats.h"
#include "core/raft/message_sender.h"
#include "core/raft/peer_tls.h"
#include "core/raft/refusal_log.h"
#include "core/raft/types.h"
#include "core/runtime/env.h"
#include "core/runtime/task_group.h"

namespace keelson::raft {

// A raft frame's body. Errors: corrupt.
Result<GroupMessage> parse_raft_body(BytesView body);

struct TransportOptions {
  NodeId self;
  Incarnation incarnation;  // Of this node's data directory.
  std::string cluster_id;
  std::map<NodeId, Address> peers;  // Named by the operator; never forgotten. Without `self`.
  TlsContext* tls = nullptr;  // Outlives the transport; null: streams are not encrypted.
  Bytes secret;  // Of the cluster; empty when it has none.
  std::uint32_t version_max = kProtocolVersionMax;  // Less, to be as an older node.
  Duration ping_interval = std::chrono::seconds(1);
  Duration idle_timeout = std::chrono::seconds(4);
  Duration redial_interval = std::chrono::milliseconds(100);
  std::size_t frame_bytes_max = 16 << 20;
  std::size_t outgoing_bytes_max = 32 << 20;  // Queued to one peer; beyond, messages are dropped.
  std::size_t greetings_max = 64;           // Connections that have not said who they are.
  std::size_t incoming_calls_max = 256;       // Served at once; beyond, refused.
  std::size_t peers_max = 1000;               // Nodes of the cluster that have ever been known.
};

// What arrives. Both are called on the transport's fibers.
class TransportHandler {
 public:
  virtual ~TransportHandler() = default;

  // Must not suspend. The peer speaks for this data directory of its.
  virtual void on_message(NodeId from, Incarnation incarnation, GroupId group,
                          const Message& message) = 0;
  // May suspend; runs on a fiber of its own. The reply goes back to the caller.
  virtual Bytes on_call(NodeId from, Bytes request) = 0;
};

class Transport : public MessageSender {
 public:
  // `env` and `handler` outlive this object.
  Transport(Env& env, TransportOptions options, TransportHandler& handler);
  ~Transport() override;

  // Listens and dials until stop(). Errors: invalid_argument (address).
  Result<void> start(const Address& listen_address);
  // Ends every connection and call at once.
  void stop();

  void send(NodeId to, GroupId group, const Message& message) override;
  void set_peer(NodeId id, const Address& address) override;
  void forget_peer(NodeId id) override;
  std::optional<std::uint32_t> version_of(NodeId peer) const override;

  // Asks a peer and waits for its reply. Errors: unavailable (nothing was sent), timed_out and
  // connection_lost (it may have been carried out).
  Result<Bytes> call(NodeId to, BytesView request, Deadline deadline);

  bool is_connected(NodeId peer) const;
  // Where it listens. REQUIRES: started.
  Address address() const { return listener_->address(); }

 private:
  struct Peer;
  struct PendingCall;

  void accept_loop();
  void dial_loop(Peer& peer);
  void dial(Peer& peer);
  void greet(std::unique_ptr<Connection> connection);
  void run_session(Peer& peer, Session session);
  void read_loop(Peer& peer, Session& session);
  void write_loop(Peer& peer, Session& session);
  Result<void> dispatch(Peer& peer, const Frame& frame);
  Result<void> on_heartbeats(Peer& peer, BytesView body);
  void on_request(Peer& peer, BytesView body);
  void serve_call(Peer& peer, std::uint64_t request_id, Bytes request);
  void on_reply(BytesView body);
  Hello make_hello();
  Result<Session> begin_dialled(const Peer& peer, Deadline deadline);
  Result<Session> begin_accepted(std::unique_ptr<Connection> connection, Deadline deadline);
  Result<void> check_dialling_peer(NodeId id) const;
  void start_dialling(Peer& peer);
  // Nothing when it was never heard of.
  Peer* find(NodeId id) const;
  Peer& find_or_add(NodeId id);

  Env& env_;
  const TransportOptions options_;
  TransportHandler& handler_;
  std::unique_ptr<Listener> listener_;
  std::map<NodeId, std::unique_ptr<Peer>> peers_;  // One that was known once stays here.

  // Calls that wait for a reply, by request id; each lives on its caller's stack.
  std::map<std::uint64_t, PendingCall*> pending_calls_;
  std::uint64_t next_request_id_ = 1;

  RefusalLog refusals_;
  TaskGroup calls_;      // Incoming calls being served.
  TaskGroup greetings_;  // Accepted connections whose hello is awaited.
  TaskGroup fibers_;     // Accepting, dialling, the sessions dialled.
};

}  // namespace keelson::raft
