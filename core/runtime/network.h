// The network, as a node is allowed to see it: ordered byte streams that may break.
//
// Production: net/socket_network.h (TCP). Simulation: sim/sim_network.h. What both promise is
// tests/conformance/network_properties.cc.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/runtime/clock.h"

namespace keelson {

// "host:port", as a person writes it. A literal IPv4 address or a name that the world knows: the
// real one knows "localhost" only and asks nobody else, the simulated one knows its machines. Port
// 0 in listen() lets the world choose.
using Address = std::string;

// One end of a stream. The destructor closes it without suspending; bytes already accepted by
// write() may still arrive. At most one fiber reads and at most one writes at a time.
class Connection {
 public:
  virtual ~Connection() = default;

  // Suspends until at least one byte, the end of the stream (0), or the deadline. Errors: timed_out
  // (nothing was consumed), connection_lost.
  virtual Result<std::size_t> read(std::span<char> into, Deadline deadline) = 0;

  // Suspends while the transport's buffer is full (back-pressure); on success every byte has been
  // accepted in order, which says nothing about arrival. Errors: timed_out (some bytes may have
  // been accepted: only reset() is left to do), connection_lost.
  virtual Result<void> write(BytesView bytes, Deadline deadline) = 0;

  // Half-close: the peer reads what was written and then the end of the stream. A later write of at
  // least one byte is connection_lost; reading goes on. Twice is once.
  virtual void shutdown_write() = 0;

  // Breaks the stream at once, at both ends; waiting calls here return connection_lost.
  virtual void reset() = 0;

  // `on_break` is called once, outside any fiber, when the stream breaks (a reset by the peer, a
  // failed link): a half-close is no break. It is the last thing the world does with this object in
  // that turn, so it may destroy it. Replaces an earlier one; an empty function watches no more.
  virtual void set_on_break(std::function<void()> on_break) = 0;

  // The address of the other end.
  virtual Address peer() const = 0;
};

class Listener {
 public:
  virtual ~Listener() = default;

  // Errors: timed_out, io_error (out of descriptors: back off and try again).
  virtual Result<std::unique_ptr<Connection>> accept(Deadline deadline) = 0;

  // Where it listens, with the port that was chosen.
  virtual Address address() const = 0;
};

class Network {
 public:
  virtual ~Network() = default;

  // Errors: invalid_argument (not an address, not one of this machine, or in use; the message says
  // which).
  virtual Result<std::unique_ptr<Listener>> listen(const Address& address) = 0;

  // Errors: timed_out, unavailable (refused), invalid_argument (not an address, or of a host that
  // the world does not know: at once, as nothing is sent).
  virtual Result<std::unique_ptr<Connection>> connect(const Address& address,
                                                      Deadline deadline) = 0;
};

}  // namespace keelson
