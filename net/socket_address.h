// "host:port" as the kernel takes it, and back. Only addresses that need no resolver: a literal
// IPv4 address, a literal IPv6 address in brackets, or "localhost".
#pragma once

#include <sys/socket.h>

#include "core/base/result.h"
#include "core/runtime/network.h"

namespace keelson {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  std::uint16_t port() const;
};

// Errors: invalid_argument, with a message that quotes the address.
Result<SocketAddress> parse_address(const Address& address);

// "127.0.0.1:80", "[::1]:80".
Address print_address(const SocketAddress& address);

// The address that a socket is bound to.
SocketAddress local_address(int descriptor);

}  // namespace keelson
