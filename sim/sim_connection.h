// What a node sees of the simulated network: its connections, its listeners and the endpoint that
// makes them. All of them may outlive the incarnation they were made for, as harmless shells.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/runtime/network.h"
#include "core/runtime/sync.h"
#include "sim/wire.h"

namespace keelson::sim {

class SimNetwork;
struct Host;

class SimConnection : public Connection {
 public:
  // Holds that end of the wire. REQUIRES: nobody holds it yet.
  SimConnection(Wire& wire, std::size_t end, Scheduler& scheduler);
  ~SimConnection() override;

  Result<std::size_t> read(std::span<char> into, Deadline deadline) override;
  Result<void> write(BytesView bytes, Deadline deadline) override;
  void shutdown_write() override;
  void reset() override;
  void set_on_break(std::function<void()> on_break) override;
  Address peer() const override { return peer_; }

  // Suspends until the handshake is over. Errors: timed_out, unavailable (refused).
  Result<void> finish_opening(Deadline deadline);

  // --- for Wire, outside any fiber ---

  void on_readable();
  void on_room();
  void on_broken();
  // Calls on_break, once.
  void tell_break();
  // The incarnation is gone: whatever is called from now on does nothing.
  void detach();

 private:
  Wire::End& end() { return wire_->end(end_); }
  Host& other_host() { return *wire_->end(1 - end_).host; }
  Error lost() const;
  std::size_t accept_some(BytesView bytes);

  Wire* wire_;  // Null once detached.
  const std::size_t end_;
  const Address peer_;
  bool is_broken_ = false;
  bool break_is_told_ = false;
  std::function<void()> on_break_;
  WaitQueue readable_;
  WaitQueue writable_;
};

class SimListener : public Listener {
 public:
  SimListener(SimNetwork& network, Host& host, std::uint16_t port, Scheduler& scheduler);
  ~SimListener() override;

  Result<std::unique_ptr<Connection>> accept(Deadline deadline) override;
  Address address() const override { return address_; }

  // --- for Wire and SimNetwork, outside any fiber ---

  bool is_full() const;
  // REQUIRES: !is_full().
  void on_connect(Wire& wire);
  void detach();

 private:
  SimNetwork& network_;
  Host* host_;  // Null once detached.
  const std::uint16_t port_;
  const Address address_;
  Scheduler& scheduler_;
  std::deque<Wire*> queue_;
  WaitQueue queued_;
};

class SimEndpoint : public Network {
 public:
  SimEndpoint(SimNetwork& network, Host& host) : network_(network), host_(host) {}

  Result<std::unique_ptr<Listener>> listen(const Address& address) override;
  Result<std::unique_ptr<Connection>> connect(const Address& address, Deadline deadline) override;

 private:
  SimNetwork& network_;
  Host& host_;
};

}  // namespace keelson::sim
