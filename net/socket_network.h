// Network of the real world: TCP on a reactor.
//
// Every call first tries at once and waits only when the kernel has nothing for it, so that most
// reads and writes cost one system call. Descriptors are registered once, edge-triggered, for
// everything; a connection that others would have to wait for too long ends its turn by itself.
#pragma once

#include "core/runtime/network.h"
#include "core/runtime/scheduler.h"
#include "net/reactor.h"

namespace keelson {

// The network of one node. Outlives its listeners and connections.
class SocketNetwork final : public Network {
 public:
  // `scheduler` runs the fibers that will read and write.
  SocketNetwork(Reactor& reactor, Scheduler& scheduler)
      : reactor_(reactor), scheduler_(scheduler) {}

  Result<std::unique_ptr<Listener>> listen(const Address& address) override;
  Result<std::unique_ptr<Connection>> connect(const Address& address, Deadline deadline) override;

 private:
  Reactor& reactor_;
  Scheduler& scheduler_;
};

}  // namespace keelson
