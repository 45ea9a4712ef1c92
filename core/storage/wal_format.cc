// Tested by tests/core/storage/wal_test.cc and wal_format_test.cc.
#include "core/storage/wal_format.h"

#include <fmt/format.h>

#include <array>

#include "core/storage/byte_reader.h"

namespace keelson::storage::wal_format {

namespace {

constexpr std::uint64_t kSegmentMagic = 0x0a4c'4157'4c45'454b;  // "KEELWAL\n" on disk.
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kEntryHeadBytes = 8 + 8 + 1 + 4;

// What a batch's header and place say, mixed; the checksum of the payload starts from it. Salted,
// so that a search through a client's bytes finds no header in them, whatever the client chose.
std::uint64_t mix_header(const BatchPlace& place, std::uint32_t length, std::uint64_t sequence) {
  std::array<char, 32> fields;
  const auto put = [&](std::size_t at, std::size_t size, std::uint64_t value) {
    for (std::size_t i = 0; i < size; ++i) fields[at + i] = static_cast<char>(value >> (8 * i));
  };
  put(0, 4, place.segment);
  put(4, 4, length);
  put(8, 8, place.position);
  put(16, 8, sequence);
  put(24, 8, place.salt);
  return hash64(BytesView(fields.data(), fields.size()), place.salt);
}

void begin_record(Bytes& payload, GroupId group, RecordKind kind) {
  append_u64(payload, group.value);
  payload.push_back(static_cast<char>(kind));
}

void append_fields(Bytes& payload, const raft::HardState& hard_state) {
  append_u64(payload, hard_state.current_term.value);
  CHECK(!hard_state.voted_for || hard_state.voted_for->value != 0);
  append_u64(payload, hard_state.voted_for.value_or(NodeId(0)).value);
}

void append_fields(Bytes& payload, const raft::LogStart& start) {
  append_u64(payload, start.index.value);
  append_u64(payload, start.term.value);
}

}  // namespace

Bytes encode(const SegmentHeader& header) {
  Bytes bytes;
  append_u64(bytes, kSegmentMagic);
  append_u32(bytes, kVersion);
  append_u32(bytes, header.segment);
  append_u64(bytes, header.salt);
  append_u64(bytes, header.first_sequence);
  append_u64(bytes, hash64(bytes));
  CHECK(bytes.size() == kSegmentHeaderBytes);
  return bytes;
}

Result<std::optional<SegmentHeader>> decode_segment_header(BytesView bytes) {
  const std::optional<SegmentHeader> none;
  if (bytes.size() < kSegmentHeaderBytes) return none;
  const BytesView covered = bytes.substr(0, kSegmentHeaderBytes - 8);
  ByteReader reader(bytes);
  const std::uint64_t magic = reader.u64();
  const std::uint32_t version = reader.u32();
  SegmentHeader header;
  header.segment = reader.u32();
  header.salt = reader.u64();
  header.first_sequence = reader.u64();
  if (magic != kSegmentMagic || reader.u64() != hash64(covered)) return none;
  if (version != kVersion) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("write-ahead log of format {}, this program knows {}", version,
                             kVersion)};
  }
  return std::optional(header);
}

void seal_batch(Bytes& frame, const BatchPlace& place, std::uint64_t sequence) {
  CHECK(frame.size() >= kBatchHeaderBytes);
  const BytesView payload = BytesView(frame).substr(kBatchHeaderBytes);
  CHECK(payload.size() <= kPayloadBytesMax);
  Bytes header;
  const auto length = static_cast<std::uint32_t>(payload.size());
  const std::uint64_t mixed = mix_header(place, length, sequence);
  append_u32(header, static_cast<std::uint32_t>(mixed));
  append_u32(header, length);
  append_u64(header, sequence);
  append_u64(header, hash64(payload, mixed));
  CHECK(header.size() == kBatchHeaderBytes);
  frame.replace(0, kBatchHeaderBytes, header);
}

std::optional<BatchView> read_batch(BytesView bytes, const BatchPlace& place) {
  ByteReader reader(bytes);
  const std::uint32_t header_check = reader.u32();
  const std::uint32_t length = reader.u32();
  const std::uint64_t sequence = reader.u64();
  const std::uint64_t checksum = reader.u64();
  const BytesView payload = reader.take(length);
  if (reader.failed()) return std::nullopt;
  const std::uint64_t mixed = mix_header(place, length, sequence);
  if (header_check != static_cast<std::uint32_t>(mixed)) return std::nullopt;
  if (checksum != hash64(payload, mixed)) return std::nullopt;
  return BatchView{sequence, payload};
}

bool may_be_batch(BytesView bytes, std::uint64_t first_sequence) {
  if (bytes.size() < kBatchHeaderBytes) return false;
  const std::uint64_t sequence = read_u64(bytes.substr(8));
  return sequence >= first_sequence &&
         sequence - first_sequence <= bytes.size() / kBatchHeaderBytes &&
         read_u32(bytes.substr(4)) <= bytes.size() - kBatchHeaderBytes;
}

void append_hard_state(Bytes& payload, GroupId group, const raft::HardState& hard_state) {
  begin_record(payload, group, RecordKind::hard_state);
  append_fields(payload, hard_state);
}

void append_entries(Bytes& payload, GroupId group, const std::vector<raft::Entry>& entries) {
  CHECK(!entries.empty());
  CHECK(entries.size() <= UINT32_MAX);
  begin_record(payload, group, RecordKind::entries);
  append_u32(payload, static_cast<std::uint32_t>(entries.size()));
  std::size_t size = payload.size();
  for (const raft::Entry& entry : entries) size += kEntryHeadBytes + entry.data.size();
  if (size > payload.capacity()) payload.reserve(size);
  for (const raft::Entry& entry : entries) {
    CHECK(entry.data.size() <= kPayloadBytesMax);
    append_u64(payload, entry.term.value);
    append_u64(payload, entry.index.value);
    payload.push_back(static_cast<char>(entry.kind));
    append_u32(payload, static_cast<std::uint32_t>(entry.data.size()));
    payload += entry.data;
  }
}

void append_cut(Bytes& payload, GroupId group, const raft::LogStart& start) {
  begin_record(payload, group, RecordKind::cut);
  append_fields(payload, start);
}

void append_restart(Bytes& payload, GroupId group, const raft::LogStart& start) {
  begin_record(payload, group, RecordKind::restart);
  append_fields(payload, start);
}

void append_oldest_segment(Bytes& payload, std::uint32_t segment) {
  begin_record(payload, GroupId(0), RecordKind::oldest_segment);
  append_u32(payload, segment);
}

void append_group_state(Bytes& payload, GroupId group, const GroupLog::Summary& summary) {
  begin_record(payload, group, RecordKind::group_state);
  append_fields(payload, summary.hard_state);
  append_fields(payload, summary.start);
  append_fields(payload, summary.last);
}

std::string segment_path(std::uint32_t segment) { return fmt::format("wal/{:08}.log", segment); }

std::optional<std::uint32_t> segment_of(std::string_view file_name) {
  constexpr std::string_view kSuffix = ".log";
  if (file_name.size() != 8 + kSuffix.size() || !file_name.ends_with(kSuffix)) return std::nullopt;
  std::uint32_t segment = 0;
  for (const char digit : file_name.substr(0, 8)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    segment = segment * 10 + static_cast<std::uint32_t>(digit - '0');
  }
  if (segment == 0) return std::nullopt;
  return segment;
}

}  // namespace keelson::storage::wal_format
