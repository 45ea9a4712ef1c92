// What the properties of the network have in common: two programs joined by a stream, and what they
// expect of it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <span>

#include "tests/conformance/conformance.h"

namespace keelson::conformance {

// More than any world's buffers hold between two ends.
inline constexpr std::size_t kMoreThanBuffersHold = 24 << 20;

using Ended = std::function<void(Host& host, Connection& connection)>;

// The one that waits for a connection and the one that makes it. Each end is destroyed when its
// function returns.
inline std::vector<Program> joined(Handover<Address>& where, Ended acceptor, Ended connector) {
  return {[&where, acceptor](Host& host) {
            auto listener = host.env.network.listen(host.any_port());
            ASSERT_TRUE(listener.has_value()) << listener.error().message;
            where.give((*listener)->address());
            auto accepted = (*listener)->accept(patience(host));
            ASSERT_TRUE(accepted.has_value()) << accepted.error().message;
            acceptor(host, **accepted);
          },
          [&where, connector](Host& host) {
            auto made = host.env.network.connect(where.await(host), patience(host));
            ASSERT_TRUE(made.has_value()) << made.error().message;
            connector(host, **made);
          }};
}

inline Result<Bytes> read_bytes(Host& host, Connection& from, std::size_t size,
                         std::size_t piece_most = 64 << 10) {
  Bytes bytes;
  std::vector<char> piece(piece_most);
  while (bytes.size() < size) {
    const auto into = std::span(piece).first(std::min(piece.size(), size - bytes.size()));
    TRY(const std::size_t got, from.read(into, patience(host)));
    if (got == 0) break;
    EXPECT_LE(got, into.size());
    bytes.append(piece.data(), got);
  }
  return bytes;
}

// Until the end of the stream.
inline Result<Bytes> read_all(Host& host, Connection& from) {
  return read_bytes(host, from, SIZE_MAX);
}

inline void expect_bytes(const Result<Bytes>& got, BytesView expected) {
  ASSERT_TRUE(got.has_value()) << got.error().message;
  EXPECT_EQ(got->size(), expected.size());
  EXPECT_TRUE(*got == expected) << "the bytes differ";
}

inline void expect_success(const Result<void>& result) {
  EXPECT_TRUE(result.has_value()) << result.error().message;
}

inline void expect_end(Host& host, Connection& connection) {
  std::array<char, 16> into;
  const auto got = connection.read(into, patience(host));
  ASSERT_TRUE(got.has_value()) << got.error().message;
  EXPECT_EQ(*got, 0u);
}

inline void expect_end_or_break(const Result<std::size_t>& read) {
  if (read.has_value()) {
    EXPECT_EQ(*read, 0u);
  } else {
    EXPECT_EQ(read.error().code, ErrorCode::connection_lost);
  }
}

// Reads on until the stream breaks. What comes before must have been written.
inline void expect_break(Host& host, Connection& connection, BytesView written = {}) {
  const auto got = read_bytes(host, connection, written.size() + 1);
  if (got.has_value()) {
    ADD_FAILURE() << "no break after " << got->size() << " bytes";
    return;
  }
  EXPECT_EQ(got.error().code, ErrorCode::connection_lost) << got.error().message;
}

}  // namespace keelson::conformance
