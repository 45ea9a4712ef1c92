#include "core/base/bytes.h"

#include <xxhash.h>

#include <bit>
#include <cstring>

#include "core/base/check.h"

namespace keelson {

namespace {

// Every machine we build for is little-endian; elsewhere the two functions would swap.
static_assert(std::endian::native == std::endian::little);

template <typename Int>
void append_little_endian(Bytes& out, Int value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename Int>
Int read_little_endian(BytesView bytes) {
  CHECK(bytes.size() >= sizeof(Int));
  Int value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace

std::uint64_t hash64(BytesView bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::string to_hex(BytesView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex(bytes.size() * 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto octet = static_cast<unsigned char>(bytes[i]);
    hex[2 * i] = kDigits[octet >> 4];
    hex[2 * i + 1] = kDigits[octet & 15];
  }
  return hex;
}

void append_u32(Bytes& out, std::uint32_t value) { append_little_endian(out, value); }
void append_u64(Bytes& out, std::uint64_t value) { append_little_endian(out, value); }
std::uint32_t read_u32(BytesView bytes) { return read_little_endian<std::uint32_t>(bytes); }
std::uint64_t read_u64(BytesView bytes) { return read_little_endian<std::uint64_t>(bytes); }

}  // namespace keelson
