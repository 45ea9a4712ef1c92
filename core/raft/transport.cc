// Tested by tests/core/node/transport_test.cc.
#include "core/raft/transport.h"

#include <fmt/format.h>

#include "core/base/check.h"
#include "core/raft/outbox.h"
#include "core/runtime/sync.h"

namespace keelson::raft {

namespace {

constexpr std::size_t kReadChunk = 64 * 1024;

// Whoever has a certificate of this cluster's must not speak for another node.
Result<void> check_certificate(const TlsConnection* secured, NodeId id) {
  if (secured == nullptr || secured->certifies(id)) return {};
  return Error{ErrorCode::invalid_argument,
               fmt::format("its certificate does not name {}", to_string(id))};
}

Outbox::Lane lane_of(const Message& message) {
  if (std::holds_alternative<InstallSnapshot>(message)) return Outbox::Lane::snapshot;
  const auto* append = std::get_if<AppendEntries>(&message);
  return append != nullptr && !append->entries.empty() ? Outbox::Lane::log : Outbox::Lane::control;
}

// The body of a call or its reply.
Bytes numbered(std::uint64_t request_id, BytesView bytes) {
  Bytes body;
  body.reserve(8 + bytes.size());
  append_u64(body, request_id);
  body.append(bytes);
  return body;
}

}  // namespace

Result<GroupMessage> parse_raft_body(BytesView body) {
  if (body.size() < 8) return Error{ErrorCode::corrupt, "raft frame without a group"};
  TRY(Message message, decode(body.substr(8)));
  return GroupMessage{GroupId(read_u64(body)), std::move(message)};
}

struct Transport::Peer {
  Peer(Scheduler& scheduler, NodeId peer_id, Address peer_address)
      : id(peer_id), address(std::move(peer_address)), address_changed(scheduler),
        outgoing_changed(scheduler), session(scheduler) {}

  const NodeId id;
  Address address;  // Empty while no configuration names it: it may dial, and is not dialled.
  WaitQueue address_changed;
  // The session in use; a newer one takes its place. Null when not connected.
  Connection* connection = nullptr;
  Incarnation incarnation;     // That the peer speaks for in this session.
  std::uint32_t version = 0;   // Agreed for it.
  std::uint64_t session_number = 0;  // Counts connections used.
  Outbox outgoing;  // Not yet handed to the connection.
  WaitQueue outgoing_changed;
  TaskGroup session;  // The fiber of an accepted connection.
};

struct Transport::PendingCall {
  PendingCall(Transport& owner, NodeId callee)
      : transport(owner), id(owner.next_request_id_++), peer(callee),
        changed(owner.env_.scheduler) {
    transport.pending_calls_.emplace(id, this);
  }
  ~PendingCall() { transport.pending_calls_.erase(id); }

  Transport& transport;
  const std::uint64_t id;
  const NodeId peer;
  bool lost = false;
  std::optional<Bytes> reply;
  WaitQueue changed;
};

Transport::Transport(Env& env, TransportOptions options, TransportHandler& handler)
    : env_(env), options_(std::move(options)), handler_(handler),
      refusals_(env.log, env.clock), calls_(env.scheduler), greetings_(env.scheduler),
      fibers_(env.scheduler) {
  CHECK(!options_.peers.contains(options_.self));
  for (const auto& [id, address] : options_.peers) {
    peers_.emplace(id, std::make_unique<Peer>(env.scheduler, id, address));
  }
}

Transport::~Transport() { stop(); }

Result<void> Transport::start(const Address& listen_address) {
  TRY(listener_, env_.network.listen(listen_address));
  fibers_.spawn("peer listener", [this] { accept_loop(); });
  for (const auto& [id, peer] : peers_) start_dialling(*peer);
  return {};
}

void Transport::start_dialling(Peer& peer) {
  fibers_.spawn("peer dialler", [this, &peer] { dial_loop(peer); });
}

void Transport::stop() {
  calls_.stop();
  fibers_.stop();
  greetings_.stop();
  for (const auto& [id, peer] : peers_) peer->session.stop();
}

Transport::Peer* Transport::find(NodeId id) const {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : found->second.get();
}

bool Transport::is_connected(NodeId id) const {
  const Peer* const peer = find(id);
  return peer != nullptr && peer->connection != nullptr;
}

std::optional<std::uint32_t> Transport::version_of(NodeId id) const {
  return is_connected(id) ? std::optional(find(id)->version) : std::nullopt;
}

// --- who the peers are ---

void Transport::set_peer(NodeId id, const Address& address) {
  CHECK(!address.empty());
  if (id == options_.self) return;
  Peer& peer = find_or_add(id);
  if (peer.address == address) return;
  const bool has_moved = !peer.address.empty();
  if (has_moved) {
    env_.log.event("transport", fmt::format("{} is at {} now", to_string(id), address));
  }
  peer.address = address;
  peer.address_changed.notify_all();
  // A peer that moved and dials ends the older connection itself, by dialling again.
  if (has_moved && options_.self < id && peer.connection != nullptr) peer.connection->reset();
}

Transport::Peer& Transport::find_or_add(NodeId id) {
  auto& peer = peers_[id];
  if (peer == nullptr) {
    peer = std::make_unique<Peer>(env_.scheduler, id, Address());
    if (listener_ != nullptr) start_dialling(*peer);
  }
  return *peer;
}

void Transport::forget_peer(NodeId id) {
  const auto named = options_.peers.find(id);
  if (named != options_.peers.end()) return set_peer(id, named->second);
  Peer* const peer = find(id);
  if (peer == nullptr || peer->address.empty()) return;
  env_.log.event("transport", fmt::format("{} is a peer no more", to_string(id)));
  peer->address.clear();
  if (peer->connection != nullptr) peer->connection->reset();
}

// --- sending ---

void Transport::send(NodeId to, GroupId group, const Message& message) {
  Peer* const peer = find(to);
  if (peer == nullptr || peer->connection == nullptr) return;
  if (peer->outgoing.bytes() >= options_.outgoing_bytes_max) {
    SOMETIMES(env_.marks, "transport: message dropped, queue full");
    return;
  }
  if (peer->version >= kVersionOfHeartbeatFrames && is_heartbeat(message)) {
    peer->outgoing.put_beat(group, message);
  } else {
    Bytes body = u64_head(group.value);
    encode(message, body);
    peer->outgoing.put(lane_of(message), FrameKind::raft, std::move(body));
  }
  peer->outgoing_changed.notify_one();
}

Result<Bytes> Transport::call(NodeId to, BytesView request, Deadline deadline) {
  Peer* const peer = find(to);
  if (peer == nullptr || peer->connection == nullptr) {
    return Error{ErrorCode::unavailable, fmt::format("no connection to {}", to_string(to))};
  }
  if (peer->outgoing.bytes() >= options_.outgoing_bytes_max) {
    return Error{ErrorCode::unavailable, fmt::format("too much queued to {}", to_string(to))};
  }
  PendingCall pending(*this, to);
  peer->outgoing.put(Outbox::Lane::log, FrameKind::request, numbered(pending.id, request));
  peer->outgoing_changed.notify_one();
  while (!pending.reply && !pending.lost) {
    if (!pending.changed.wait(deadline) && !pending.reply && !pending.lost) {
      return Error{ErrorCode::timed_out, fmt::format("no reply from {}", to_string(to))};
    }
  }
  if (pending.reply) return std::move(*pending.reply);
  return Error{ErrorCode::connection_lost, fmt::format("lost {} in a call", to_string(to))};
}

// --- connections ---

void Transport::accept_loop() {
  while (true) {
    auto accepted = listener_->accept(Deadline::never());
    if (!accepted) {
      env_.log.event("transport", accepted.error().message);
      env_.scheduler.sleep_for(options_.redial_interval);
      continue;
    }
    if (greetings_.size() >= options_.greetings_max) continue;  // Closed without a word.
    greetings_.spawn("peer greeting", [this, connection = *std::move(accepted)]() mutable {
      greet(std::move(connection));
    });
  }
}

Hello Transport::make_hello() {
  return {.version_max = options_.version_max,
          .id = options_.self,
          .incarnation = options_.incarnation,
          .has_secret = !options_.secret.empty(),
          .nonce = env_.random.identifier(),
          .cluster_id = options_.cluster_id};
}

Result<void> Transport::check_dialling_peer(NodeId id) const {
  if (id == options_.self) {
    return Error{ErrorCode::invalid_argument, fmt::format("{} is this node", to_string(id))};
  }
  const Peer* const peer = find(id);
  if (peer == nullptr && peers_.size() >= options_.peers_max) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} is no peer, and too many nodes are known", to_string(id))};
  }
  if (peer != nullptr && peer->connection != nullptr && options_.self < id) {
    return Error{ErrorCode::unavailable, fmt::format("{} is connected", to_string(id))};
  }
  return {};
}

Result<Session> Transport::begin_accepted(std::unique_ptr<Connection> connection,
                                          Deadline deadline) {
  const TlsConnection* secured = nullptr;
  if (options_.tls != nullptr) {
    TRY(auto under_tls, options_.tls->accept(std::move(connection), deadline));
    secured = under_tls.get();
    connection = std::move(under_tls);
  }
  const auto check = [this, secured](NodeId id) -> Result<void> {
    TRY(check_dialling_peer(id));
    return check_certificate(secured, id);
  };
  return accept_session(std::move(connection), make_hello(), options_.secret, check, deadline);
}

void Transport::greet(std::unique_ptr<Connection> connection) {
  auto session =
      begin_accepted(std::move(connection), Deadline::in(env_.clock, options_.idle_timeout));
  if (!session) {
    refusals_.refused("refuses a peer: " + session.error().message);
    return;
  }
  Peer& peer = find_or_add(session->peer);
  // The peer dialled again, so it has given the older connection up.
  peer.session.stop();
  peer.session.spawn("peer session", [this, &peer, session = *std::move(session)]() mutable {
    run_session(peer, std::move(session));
  });
}

// The node with the larger id gives the other one time to dial. It must not wait for ever: the
// other may not know of it, if it was no member when this one became one.
void Transport::dial_loop(Peer& peer) {
  const bool is_first_to_dial = options_.self < peer.id;
  bool was_connected = true;
  while (true) {
    if (peer.address.empty()) {
      (void)peer.address_changed.wait(Deadline::never());
      continue;
    }
    const bool is_connected = peer.connection != nullptr;
    if (!is_connected && (is_first_to_dial || !was_connected)) dial(peer);
    was_connected = is_connected;
    (void)peer.address_changed.wait(Deadline::in(
        env_.clock, is_first_to_dial ? options_.redial_interval : options_.idle_timeout));
  }
}

// One attempt, and the session if it succeeds.
void Transport::dial(Peer& peer) {
  const Address address = peer.address;
  auto session = begin_dialled(peer, Deadline::in(env_.clock, options_.idle_timeout));
  if (!session) {
    refusals_.refused(fmt::format("no session with {} at {}: {}", to_string(peer.id), address,
                                  session.error().message));
    return;
  }
  // It may have moved meanwhile, or have dialled.
  if (peer.address == address && peer.connection == nullptr) run_session(peer, *std::move(session));
}

Result<Session> Transport::begin_dialled(const Peer& peer, Deadline deadline) {
  TRY(auto connection, env_.network.connect(peer.address, deadline));
  const TlsConnection* secured = nullptr;
  if (options_.tls != nullptr) {
    TRY(auto under_tls, options_.tls->dial(std::move(connection), deadline));
    secured = under_tls.get();
    connection = std::move(under_tls);
  }
  const auto check = [&peer, secured](NodeId found) -> Result<void> {
    if (found == peer.id) return check_certificate(secured, found);
    return Error{ErrorCode::invalid_argument,
                 fmt::format("expected {}, found {}", to_string(peer.id), to_string(found))};
  };
  return dial_session(std::move(connection), make_hello(), options_.secret, check, deadline);
}

void Transport::run_session(Peer& peer, Session session) {
  // Leaves the peer unconnected however the session ends.
  struct InUse {
    Transport& transport;
    Peer& peer;
    Connection& connection;
    InUse(Transport& t, Peer& p, Connection& c) : transport(t), peer(p), connection(c) {
      if (peer.connection != nullptr) peer.connection->reset();  // Both have dialled.
      peer.outgoing.clear();
      peer.connection = &connection;
      ++peer.session_number;
    }
    ~InUse() {
      if (peer.connection != &connection) return;
      peer.connection = nullptr;
      peer.outgoing.clear();
      for (const auto& [id, call] : transport.pending_calls_) {
        if (call->peer != peer.id) continue;
        call->lost = true;
        call->changed.notify_all();
      }
    }
  };
  env_.log.event("transport", fmt::format("connected to {}", to_string(peer.id)));
  {
    peer.incarnation = session.incarnation;
    peer.version = session.version;
    const InUse in_use(*this, peer, *session.connection);
    TaskGroup writer(env_.scheduler);
    writer.spawn("peer writer", [&] { write_loop(peer, session); });
    read_loop(peer, session);
  }
  env_.log.event("transport", fmt::format("disconnected from {}", to_string(peer.id)));
}

void Transport::write_loop(Peer& peer, Session& session) {
  Bytes sending;
  while (true) {
    if (peer.outgoing.empty()) {
      const auto ping_at = Deadline::in(env_.clock, options_.ping_interval);
      if (!peer.outgoing_changed.wait(ping_at) && peer.outgoing.empty()) {
        peer.outgoing.put(Outbox::Lane::control, FrameKind::ping, {});
      }
      continue;
    }
    sending.clear();
    peer.outgoing.take(sending, session.sending.get());
    if (!session.connection->write(sending, Deadline::in(env_.clock, options_.idle_timeout))) {
      session.connection->reset();  // Wakes the reader, which ends the session.
      return;
    }
  }
}

void Transport::read_loop(Peer& peer, Session& session) {
  Bytes chunk(kReadChunk, '\0');
  Bytes& received = session.received;
  while (true) {
    std::size_t position = 0;
    while (true) {
      std::size_t consumed = 0;
      const auto frame = parse_frame(BytesView(received).substr(position),
                                     options_.frame_bytes_max, consumed, session.receiving.get());
      if (frame && !*frame) break;
      const Result<void> taken = frame ? dispatch(peer, **frame) : frame.error();
      if (!taken) {
        refusals_.refused(fmt::format("{} sent {}", to_string(peer.id), taken.error().message));
        return;
      }
      position += consumed;
    }
    received.erase(0, position);
    const auto count =
        session.connection->read(chunk, Deadline::in(env_.clock, options_.idle_timeout));
    if (!count || *count == 0) return;
    received.append(chunk, 0, *count);
  }
}

Result<void> Transport::dispatch(Peer& peer, const Frame& frame) {
  switch (frame.kind) {
    case FrameKind::raft: {
      TRY(const GroupMessage received, parse_raft_body(frame.body));
      handler_.on_message(peer.id, peer.incarnation, received.group, received.message);
      return {};
    }
    case FrameKind::request:
      on_request(peer, frame.body);
      return {};
    case FrameKind::reply:
      on_reply(frame.body);
      return {};
    case FrameKind::heartbeats:
      if (peer.version < kVersionOfHeartbeatFrames) break;
      return on_heartbeats(peer, frame.body);
    case FrameKind::ping:
      return {};
    case FrameKind::hello:
    case FrameKind::proof:
      break;
  }
  const auto kind = static_cast<std::uint8_t>(frame.kind);
  if (kind >= kIgnorableKind) return {};
  return Error{ErrorCode::corrupt, fmt::format("a frame of kind {}, which has no place here in "
                                               "version {}",
                                               kind, peer.version)};
}

Result<void> Transport::on_heartbeats(Peer& peer, BytesView body) {
  TRY(const auto beats, parse_beats(body));
  for (const GroupMessage& beat : beats) {
    handler_.on_message(peer.id, peer.incarnation, beat.group, beat.message);
  }
  return {};
}

// --- calls ---

void Transport::on_request(Peer& peer, BytesView body) {
  if (body.size() < 8) return;
  if (calls_.size() >= options_.incoming_calls_max) {
    // The caller's deadline tells it; a queue here would only hide the overload.
    SOMETIMES(env_.marks, "transport: call refused, too many");
    return;
  }
  calls_.spawn("peer call", [this, &peer, id = read_u64(body), request = Bytes(body.substr(8))] {
    serve_call(peer, id, request);
  });
}

void Transport::serve_call(Peer& peer, std::uint64_t request_id, Bytes request) {
  const std::uint64_t asked_on = peer.session_number;
  const Bytes reply = handler_.on_call(peer.id, std::move(request));
  // A reply on another connection would find nobody waiting.
  if (peer.connection == nullptr || peer.session_number != asked_on) return;
  peer.outgoing.put(Outbox::Lane::log, FrameKind::reply, numbered(request_id, reply));
  peer.outgoing_changed.notify_one();
}

void Transport::on_reply(BytesView body) {
  if (body.size() < 8) return;
  const auto found = pending_calls_.find(read_u64(body));
  if (found == pending_calls_.end()) return;  // The caller has given up.
  found->second->reply = Bytes(body.substr(8));
  found->second->changed.notify_all();
}

}  // namespace keelson::raft
