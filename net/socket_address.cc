// Tested by tests/net/socket_address_test.cc.
#include "net/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <cstring>

#include "core/base/check.h"
#include "core/runtime/address.h"

namespace keelson {

namespace {

Error bad_address(const Address& address, const char* why) {
  return {ErrorCode::invalid_argument, "\"" + address + "\" is not an address: " + why};
}

}  // namespace

std::uint16_t SocketAddress::port() const {
  if (storage.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

Result<SocketAddress> parse_address(const Address& address) {
  TRY(const HostAndPort parts, split_address(address));
  const std::uint16_t port = parts.port;
  std::string host = parts.host;
  if (host == "localhost") host = "127.0.0.1";
  SocketAddress parsed;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6.sin6_addr) != 1) {
      return bad_address(address, "expected a literal IPv6 address in the brackets");
    }
    std::memcpy(&parsed.storage, &v6, sizeof v6);
    parsed.size = sizeof v6;
    return parsed;
  }
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1) {
    return bad_address(address,
                       "expected a literal IPv4 address, a literal IPv6 address in brackets, or "
                       "localhost before the port; other names are not resolved");
  }
  std::memcpy(&parsed.storage, &v4, sizeof v4);
  parsed.size = sizeof v4;
  return parsed;
}

Address print_address(const SocketAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> host{};
  const std::string port = ":" + std::to_string(address.port());
  if (address.storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address.storage);
    CHECK(inet_ntop(AF_INET6, &v6.sin6_addr, host.data(), host.size()) != nullptr);
    return "[" + std::string(host.data()) + "]" + port;
  }
  CHECK(address.storage.ss_family == AF_INET);
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address.storage);
  CHECK(inet_ntop(AF_INET, &v4.sin_addr, host.data(), host.size()) != nullptr);
  return host.data() + port;
}

SocketAddress local_address(int descriptor) {
  SocketAddress address;
  CHECK(getsockname(descriptor, address.get(), &address.size) == 0);
  return address;
}

}  // namespace keelson
