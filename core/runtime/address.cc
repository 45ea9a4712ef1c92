// Tested by tests/core/runtime/address_test.cc and tests/net/socket_address_test.cc.
#include "core/runtime/address.h"

#include <charconv>

namespace keelson {

Result<HostAndPort> split_address(const Address& address) {
  const auto bad = [&address](const char* why) {
    return Error{ErrorCode::invalid_argument, "\"" + address + "\" is not an address: " + why};
  };
  const std::size_t colon = address.rfind(':');
  if (colon == Address::npos || colon == 0) return bad("expected host:port");
  HostAndPort parts{.host = address.substr(0, colon), .port = 0};
  const char* const end = address.data() + address.size();
  const auto [stop, trouble] = std::from_chars(address.data() + colon + 1, end, parts.port);
  if (trouble != std::errc() || stop != end) {
    return bad("the port is not a number from 0 to 65535");
  }
  return parts;
}

bool is_loopback(const HostAndPort& address) {
  // Of digits and dots only: "127.example.org" is a name like any other.
  const bool is_number = address.host.find_first_not_of("0123456789.") == std::string::npos;
  return address.host == "localhost" || address.host == "[::1]" ||
         (is_number && address.host.starts_with("127."));
}

}  // namespace keelson
