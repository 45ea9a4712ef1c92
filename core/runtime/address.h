// The text of an Address, "host:port", taken apart. What a host may be is the world's to say.
#pragma once

#include "core/base/result.h"
#include "core/runtime/network.h"

namespace keelson {

struct HostAndPort {
  std::string host;  // As written: "127.0.0.1", "[::1]", "localhost", "n1".
  std::uint16_t port = 0;
};

// Errors: invalid_argument, with a message that quotes the address.
Result<HostAndPort> split_address(const Address& address);

// Whether what is sent there stays on its machine: 127.0.0.0/8, [::1] and localhost.
bool is_loopback(const HostAndPort& address);

}  // namespace keelson
