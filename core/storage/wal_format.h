// The bytes of the write-ahead log; the grammar is at the head of wal.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/raft/types.h"
#include "core/storage/group_log.h"

namespace keelson::storage::wal_format {

constexpr std::size_t kSegmentHeaderBytes = 40;
constexpr std::size_t kBatchHeaderBytes = 24;
// Of one batch; what is buffered between two syncs stays far below it.
constexpr std::uint64_t kPayloadBytesMax = std::uint64_t{1} << 30;

struct SegmentHeader {
  std::uint32_t segment = 0;
  std::uint64_t salt = 0;
  std::uint64_t first_sequence = 0;

  bool operator==(const SegmentHeader&) const = default;
};

Bytes encode(const SegmentHeader& header);
// Nothing unless `bytes` begin with a header whose checksum holds. Errors: invalid_argument (a
// version of the format that this program does not know).
Result<std::optional<SegmentHeader>> decode_segment_header(BytesView bytes);

// Where a batch is, in the log and on disk; all of it is under the batch's checksum.
struct BatchPlace {
  std::uint64_t salt = 0;
  std::uint32_t segment = 0;
  std::uint64_t position = 0;
};

enum class RecordKind : unsigned char {
  hard_state = 1,
  entries = 2,
  cut = 3,
  restart = 4,
  oldest_segment = 5,
  group_state = 6,
};

// Fills in the first kBatchHeaderBytes of `frame`, which were left free before the payload.
void seal_batch(Bytes& frame, const BatchPlace& place, std::uint64_t sequence);

struct BatchView {
  std::uint64_t sequence = 0;
  BytesView payload;
};
// The batch that `bytes` begin with; nothing unless it is whole and its checksum holds. `bytes`
// reach to the end of the segment.
std::optional<BatchView> read_batch(BytesView bytes, const BatchPlace& place);

// Whether it is worth asking read_batch(): false only if `bytes` surely do not begin with a batch
// of this sequence or one that follows it in the same segment. Costs next to nothing.
bool may_be_batch(BytesView bytes, std::uint64_t first_sequence);

void append_hard_state(Bytes& payload, GroupId group, const raft::HardState& hard_state);
// REQUIRES: entries is not empty.
void append_entries(Bytes& payload, GroupId group, const std::vector<raft::Entry>& entries);

void append_cut(Bytes& payload, GroupId group, const raft::LogStart& start);
void append_restart(Bytes& payload, GroupId group, const raft::LogStart& start);
void append_oldest_segment(Bytes& payload, std::uint32_t segment);
void append_group_state(Bytes& payload, GroupId group, const GroupLog::Summary& summary);

std::string segment_path(std::uint32_t segment);
// The number of a segment's file name; nothing for other names.
std::optional<std::uint32_t> segment_of(std::string_view file_name);

}  // namespace keelson::storage::wal_format
