// Mutual TLS between peers: OpenSSL over memory, on any Connection. Both sides show a certificate
// of the cluster's authority that names their node ("n1") among its DNS names; host names mean
// nothing here, as nodes are found by configuration. TLS 1.2 at least; no renegotiation, no
// resumption.
//
// OpenSSL draws its own randomness, from the machine: a simulated world, which has none, does not
// run this. What it would show there is shown by the cluster's secret (handshake.h), which rests on
// the same transport.
#pragma once

#include <memory>
#include <string>

#include "core/raft/types.h"
#include "core/runtime/network.h"

namespace keelson::raft {

// Texts in PEM.
struct TlsMaterial {
  std::string certificate;  // This node's, followed by those between it and the authority.
  std::string key;
  std::string authorities;  // Who may sign peers' certificates.

  bool empty() const { return certificate.empty() && key.empty() && authorities.empty(); }
};

// A stream under TLS. A half-close is the stream's below: where a message ends, frames say.
class TlsConnection : public Connection {
 public:
  // Whether the peer's certificate names the node.
  virtual bool certifies(NodeId id) const = 0;
};

class TlsContext {
 public:
  // `clock` outlives the context: it says which certificates are valid. Errors: invalid_argument,
  // naming what is wrong with which of the three.
  static Result<std::unique_ptr<TlsContext>> make(const TlsMaterial& material, const Clock& clock);
  ~TlsContext();

  // Either side's part; the context outlives the connection. Suspends. Errors: invalid_argument
  // (the peer's certificate is refused, or it refuses this node's), connection_lost, timed_out.
  Result<std::unique_ptr<TlsConnection>> dial(std::unique_ptr<Connection> stream,
                                              Deadline deadline);
  Result<std::unique_ptr<TlsConnection>> accept(std::unique_ptr<Connection> stream,
                                                Deadline deadline);

 private:
  struct Handle;
  class Secured;

  TlsContext(std::unique_ptr<Handle> handle, const Clock& clock);
  Result<std::unique_ptr<TlsConnection>> begin(std::unique_ptr<Connection> stream, bool dials,
                                               Deadline deadline);

  const std::unique_ptr<Handle> handle_;
  const Clock& clock_;
};

}  // namespace keelson::raft
