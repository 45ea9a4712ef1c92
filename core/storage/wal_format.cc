// Tested by tests/core/storage/wal_test.cc and wal_format_test.cc.
#include "core/storage/wal_format.h"

#include <fmt/format.h>

#include <array>

namespace keelson::storage::wal_format {

namespace {

constexpr std::uint64_t kSegmentMagic = 0x0a4c'4157'4c45'454b;  // "KEELWAL\n" on disk.
constexpr std::uint32_t kVersion = 1;

enum class RecordKind : unsigned char { hard_state = 1, entries = 2 };

Error corrupt(std::string message) { return Error{ErrorCode::corrupt, std::move(message)}; }

// Reads fields one after the other; one that is not there in full leaves the reader failed and
// gives zero.
class Reader {
 public:
  explicit Reader(BytesView bytes) : rest_(bytes) {}

  std::uint8_t u8() {
    const BytesView field = take(1);
    return field.empty() ? 0 : static_cast<std::uint8_t>(field[0]);
  }
  std::uint32_t u32() {
    const BytesView field = take(4);
    return field.empty() ? 0 : read_u32(field);
  }
  std::uint64_t u64() {
    const BytesView field = take(8);
    return field.empty() ? 0 : read_u64(field);
  }
  BytesView take(std::size_t size) {
    if (failed_ || size > rest_.size()) {
      failed_ = true;
      return {};
    }
    const BytesView field = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return field;
  }

  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }

 private:
  BytesView rest_;
  bool failed_ = false;
};

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

Result<void> replay_hard_state(Reader& reader, GroupId group, RecoveredGroup& state) {
  const raft::Term term(reader.u64());
  const NodeId voted_for(reader.u64());
  if (reader.failed()) return corrupt("a hard state that is cut short");
  if (term < state.hard_state.current_term) {
    return corrupt(fmt::format("{}: the term goes back from {} to {}", to_string(group),
                               state.hard_state.current_term.value, term.value));
  }
  state.hard_state.current_term = term;
  state.hard_state.voted_for.reset();
  if (voted_for.value != 0) state.hard_state.voted_for = voted_for;
  return {};
}

Result<raft::Entry> read_entry(Reader& reader) {
  raft::Entry entry;
  entry.term = raft::Term(reader.u64());
  entry.index = raft::LogIndex(reader.u64());
  const std::uint8_t kind = reader.u8();
  const std::uint32_t length = reader.u32();
  const BytesView data = reader.take(length);
  if (reader.failed()) return corrupt("an entry that is cut short");
  if (kind > static_cast<std::uint8_t>(raft::EntryKind::no_op)) {
    return corrupt(fmt::format("an entry of unknown kind {}", kind));
  }
  entry.kind = static_cast<raft::EntryKind>(kind);
  entry.data = Bytes(data);
  return entry;
}

Result<void> replay_entries(Reader& reader, GroupId group, RecoveredGroup& state) {
  std::vector<raft::Entry>& log = state.entries;
  const std::uint32_t count = reader.u32();
  if (count == 0) return corrupt("a record of no entries, or one that is cut short");
  for (std::uint32_t i = 0; i < count; ++i) {
    TRY(raft::Entry entry, read_entry(reader));
    const std::uint64_t index = entry.index.value;
    if (index == 0 || index > log.size() + 1) {
      return corrupt(fmt::format("{}: entry {} after entry {}", to_string(group), index,
                                 log.size()));
    }
    log.resize(index - 1);
    if (!log.empty() && entry.term < log.back().term) {
      return corrupt(fmt::format("{}: entry {} is of term {}, the one before of term {}",
                                 to_string(group), index, entry.term.value,
                                 log.back().term.value));
    }
    log.push_back(std::move(entry));
  }
  return {};
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
  Reader reader(bytes);
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
  CHECK(frame.size() > kBatchHeaderBytes);
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
  Reader reader(bytes);
  const std::uint32_t header_check = reader.u32();
  const std::uint32_t length = reader.u32();
  const std::uint64_t sequence = reader.u64();
  const std::uint64_t checksum = reader.u64();
  const BytesView payload = reader.take(length);
  if (reader.failed() || payload.empty()) return std::nullopt;
  const std::uint64_t mixed = mix_header(place, length, sequence);
  if (header_check != static_cast<std::uint32_t>(mixed)) return std::nullopt;
  if (checksum != hash64(payload, mixed)) return std::nullopt;
  return BatchView{sequence, payload};
}

void append_hard_state(Bytes& payload, GroupId group, const raft::HardState& hard_state) {
  append_u64(payload, group.value);
  payload.push_back(static_cast<char>(RecordKind::hard_state));
  append_u64(payload, hard_state.current_term.value);
  CHECK(!hard_state.voted_for || hard_state.voted_for->value != 0);
  append_u64(payload, hard_state.voted_for.value_or(NodeId(0)).value);
}

void append_entries(Bytes& payload, GroupId group, const std::vector<raft::Entry>& entries) {
  CHECK(!entries.empty());
  CHECK(entries.size() <= UINT32_MAX);
  append_u64(payload, group.value);
  payload.push_back(static_cast<char>(RecordKind::entries));
  append_u32(payload, static_cast<std::uint32_t>(entries.size()));
  for (const raft::Entry& entry : entries) {
    CHECK(entry.data.size() <= kPayloadBytesMax);
    append_u64(payload, entry.term.value);
    append_u64(payload, entry.index.value);
    payload.push_back(static_cast<char>(entry.kind));
    append_u32(payload, static_cast<std::uint32_t>(entry.data.size()));
    payload += entry.data;
  }
}

Result<void> replay(BytesView payload, std::map<GroupId, RecoveredGroup>& groups) {
  Reader reader(payload);
  while (!reader.at_end()) {
    const GroupId group(reader.u64());
    const std::uint8_t kind = reader.u8();
    if (reader.failed()) return corrupt("a record that is cut short");
    switch (static_cast<RecordKind>(kind)) {
      case RecordKind::hard_state: TRY(replay_hard_state(reader, group, groups[group])); break;
      case RecordKind::entries: TRY(replay_entries(reader, group, groups[group])); break;
      default: return corrupt(fmt::format("a record of unknown kind {}", kind));
    }
  }
  return {};
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
  return segment;
}

}  // namespace keelson::storage::wal_format
