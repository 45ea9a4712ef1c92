// Tested by tests/core/kv/state_mark_test.cc.
#include "core/storage/sqlite_wal.h"

#include <array>
#include <cstring>

namespace keelson {

namespace {

// "WAL-Index Header", which begins the shared memory; numbers as the machine has them.
constexpr std::size_t kFramesAt = 16;
constexpr std::size_t kSaltAt = 32;

// The header of the -wal file: its last 8 octets are the checksum of those before.
constexpr std::size_t kHeaderSize = 32;
constexpr std::size_t kHeaderChecked = 24;
constexpr std::uint32_t kMagic = 0x377f'0682;  // The lowest bit: checksums are of big-endian words.

std::uint32_t read_word(const char* bytes, bool is_big_endian) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const int at = is_big_endian ? i : 3 - i;
    value = value << 8 | static_cast<unsigned char>(bytes[at]);
  }
  return value;
}

}  // namespace

WalExtent wal_extent(SqliteFiles& files) {
  const auto& regions = files.shared_memory().regions;
  WalExtent extent;
  if (regions.empty()) return extent;
  std::uint32_t frames = 0;
  std::memcpy(&frames, regions.front().get() + kFramesAt, sizeof frames);
  std::memcpy(&extent.salt, regions.front().get() + kSaltAt, sizeof extent.salt);
  extent.frames = frames;
  return extent;
}

Result<bool> has_wal_header(SqliteFiles& files) {
  std::array<char, kHeaderSize> header;
  TRY(const std::size_t count, files.read_wal(header, 0));
  if (count < kHeaderSize) return false;
  const std::uint32_t magic = read_word(header.data(), true);
  if ((magic & ~1u) != kMagic) return false;
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  for (std::size_t at = 0; at < kHeaderChecked; at += 8) {
    first += read_word(header.data() + at, (magic & 1) != 0) + second;
    second += read_word(header.data() + at + 4, (magic & 1) != 0) + first;
  }
  return read_word(header.data() + kHeaderChecked, true) == first &&
         read_word(header.data() + kHeaderChecked + 4, true) == second;
}

}  // namespace keelson
