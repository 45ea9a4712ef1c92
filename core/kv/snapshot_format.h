// The bytes of a snapshot of one group, cut anywhere into chunks. For the state store alone.
//
//   stream  = header key* token* end
//   record  = size:u32 body[size]                       (little-endian; size counts the body)
//   header  = 0:u8 version:u8 index:u64 term:u64 digest:u64 tokens:u64 limit:u64 configuration
//   key     = 1:u8 version:u64 key_size:u32 key value   in the order of keys
//   token   = 2:u8 number:u64 outcome[13] token         oldest first
//   end     = 3:u8 checksum:u64                         XXH3 over all records before, chained
//
// `index`, `term` and `configuration` (core/raft/messages.h) are the label; `tokens` is how many
// were ever remembered, `limit` how many are at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "core/base/bytes.h"
#include "core/base/result.h"

namespace keelson::kv::snapshot {

inline constexpr std::uint8_t kVersion = 2;

struct Header {
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  std::uint64_t digest = 0;
  std::uint64_t tokens = 0;
  std::uint64_t limit = 0;
  BytesView configuration;
};
struct Key {
  std::uint64_t version = 0;
  BytesView key;
  BytesView value;
};
struct Token {
  std::uint64_t number = 0;
  BytesView outcome;
  BytesView token;
};
struct End {
  std::uint64_t checksum = 0;
};
using Record = std::variant<Header, Key, Token, End>;

// Appends the record to `out`, and to the running checksum unless it is the end.
void append(Bytes& out, const Record& record, std::uint64_t& checksum);

// Takes a record off the front of `bytes`, into which it refers; nothing if it is not all there.
// Errors: corrupt.
Result<std::optional<Record>> take(BytesView& bytes, std::uint64_t& checksum);

}  // namespace keelson::kv::snapshot
