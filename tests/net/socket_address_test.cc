#include "net/socket_address.h"

#include <gtest/gtest.h>

namespace keelson {
namespace {

TEST(SocketAddressTest, LiteralAddressesAreReadAndPrintedBack) {
  for (const char* text : {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:443",
                           "[::]:0", "[2001:db8::1]:7"}) {
    const auto parsed = parse_address(text);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
    EXPECT_EQ(print_address(*parsed), text);
  }
}

TEST(SocketAddressTest, LocalhostIsTheLoopbackAddress) {
  EXPECT_EQ(print_address(*parse_address("localhost:80")), "127.0.0.1:80");
}

TEST(SocketAddressTest, OtherNamesAreRefusedWithTheReason) {
  const auto refused = parse_address("db.example.com:80");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(refused.error().message.find("\"db.example.com:80\""), std::string::npos);
  EXPECT_NE(refused.error().message.find("not resolved"), std::string::npos);
}

TEST(SocketAddressTest, WhatIsNoAddressIsRefused) {
  for (const char* text : {"", ":", "::1:80", "[::1]", "[::1:80", "::1]:80", "[]:80", "[::g]:80",
                           "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
                           "127.0.0.1: 1", "127.0.0.1:1 ", "1.2.3:80", "1.2.3.4.5:80",
                           "[127.0.0.1]:80"}) {
    EXPECT_FALSE(parse_address(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace keelson
