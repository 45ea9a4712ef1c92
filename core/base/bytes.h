// Bytes: owned and borrowed runs of octets, and the one hash Keelson uses for checksums of records
// and frames and for trace digests (XXH3, 64 bits, of libxxhash).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keelson {

// std::string carries octets as well as text, and every library we stand on takes it.
using Bytes = std::string;
using BytesView = std::string_view;

// Deterministic across machines, compilers and runs. Not cryptographic.
std::uint64_t hash64(BytesView bytes, std::uint64_t seed = 0);

// Two hex digits an octet, lower case.
std::string to_hex(BytesView bytes);

// Little-endian fixed-width integers, as frames and records have them.
void append_u32(Bytes& out, std::uint32_t value);
void append_u64(Bytes& out, std::uint64_t value);
// REQUIRES: bytes.size() >= 4 (8).
std::uint32_t read_u32(BytesView bytes);
std::uint64_t read_u64(BytesView bytes);

}  // namespace keelson
