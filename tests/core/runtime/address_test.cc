#include "core/runtime/address.h"

#include <gtest/gtest.h>

namespace keelson {
namespace {

TEST(AddressTest, AnAddressIsAHostAndAPort) {
  const auto parts = split_address("[::1]:65535");
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->host, "[::1]");
  EXPECT_EQ(parts->port, 65535);
}

TEST(AddressTest, WhatIsNoneIsQuoted) {
  for (const char* text : {"", "host", ":80", "host:", "host:x", "host:65536", "host:-1", "a:1 "}) {
    const auto parts = split_address(text);
    ASSERT_FALSE(parts.has_value()) << text;
    EXPECT_EQ(parts.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(parts.error().message.find(std::string("\"") + text + "\""), std::string::npos);
  }
}

TEST(AddressTest, OnlyTheMachinesOwnAddressesAreLoopback) {
  for (const char* host : {"127.0.0.1", "127.9.9.9", "localhost", "[::1]"}) {
    EXPECT_TRUE(is_loopback({.host = host, .port = 1})) << host;
  }
  for (const char* host : {"0.0.0.0", "10.0.0.1", "[::]", "n1", "127.example.org", "1127.0.0.1"}) {
    EXPECT_FALSE(is_loopback({.host = host, .port = 1})) << host;
  }
}

}  // namespace
}  // namespace keelson
