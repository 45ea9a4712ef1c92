// Tested by tests/core/storage/wal_test.cc, wal_damage_test.cc.
#include "core/storage/wal_recovery.h"

#include <fmt/format.h>

#include "core/storage/wal_format.h"

namespace keelson::storage {

namespace {

using wal_format::BatchPlace;
using wal_format::kBatchHeaderBytes;
using wal_format::kSegmentHeaderBytes;

Error corrupt_at(std::uint32_t segment, std::uint64_t offset, std::string_view what) {
  return Error{ErrorCode::corrupt, fmt::format("write-ahead log: segment {} offset {}: {}", segment,
                                               offset, what)};
}

// The numbers of the segments in the directory: 1, 2, ... without a gap. Other names are let be.
Result<std::vector<std::uint32_t>> list_segments(Disk& disk, Deadline deadline) {
  TRY(const auto names, disk.list("wal", deadline));
  std::vector<std::uint32_t> segments;
  for (const std::string& name : names) {
    const std::optional<std::uint32_t> segment = wal_format::segment_of(name);
    if (!segment) continue;
    const auto expected = static_cast<std::uint32_t>(segments.size() + 1);
    if (*segment != expected) return corrupt_at(expected, 0, "the segment is missing");
    segments.push_back(*segment);
  }
  return segments;
}

Result<Bytes> read_all(File& file, Deadline deadline) {
  TRY(const std::uint64_t size, file.size());
  Bytes content(size, '\0');
  TRY(const std::size_t read, file.pread(std::span(content.data(), content.size()), 0, deadline));
  content.resize(read);
  return content;
}

// Whether a whole batch begins at any octet from `from` on.
bool has_batch_from(BytesView content, BatchPlace place, std::uint64_t from) {
  for (place.position = from; place.position + kBatchHeaderBytes < content.size();
       ++place.position) {
    if (wal_format::read_batch(content.substr(place.position), place)) return true;
  }
  return false;
}

class LogReader {
 public:
  LogReader(Env& env, Deadline deadline) : env_(env), deadline_(deadline) {}

  Result<std::optional<RecoveredLog>> read() {
    std::optional<RecoveredLog> none;
    TRY(const std::vector<std::uint32_t> segments, list_segments(env_.disk, deadline_));
    for (const std::uint32_t segment : segments) {
      TRY(read_segment(segment, segment == segments.back()));
    }
    if (log_.file == nullptr) return none;
    TRY(make_durable());
    return std::optional(std::move(log_));
  }

 private:
  Result<void> read_segment(std::uint32_t segment, bool is_last) {
    const std::string path = wal_format::segment_path(segment);
    TRY(auto file, env_.disk.open(path, OpenMode::existing, deadline_));
    TRY(const Bytes content, read_all(*file, deadline_));
    TRY(const auto header, wal_format::decode_segment_header(content));
    if (!header) {
      // Nothing follows a header before it is durable: only what is no longer than a header can be
      // a segment that was being begun when the node died.
      if (!is_last || content.size() > kSegmentHeaderBytes) {
        return corrupt_at(segment, 0, "the header of the segment fails its checksum");
      }
      return remove_unfinished(segment);
    }
    TRY(check_header(*header, segment));
    log_.file = std::move(file);
    log_.segment = segment;
    log_.salt = header->salt;
    TRY(read_batches(content));
    if (log_.position < content.size()) TRY(on_harmed_batch(content, is_last));
    last_written_ = content.substr(last_position_, log_.position - last_position_);
    return {};
  }

  Result<void> check_header(const wal_format::SegmentHeader& header, std::uint32_t segment) const {
    if (header.segment != segment) {
      return corrupt_at(segment, 0, fmt::format("the header is that of segment {}",
                                                header.segment));
    }
    if (segment > 1 && header.salt != log_.salt) {
      return corrupt_at(segment, 0, "the segment is of another log");
    }
    if (header.first_sequence != log_.next_sequence) {
      return corrupt_at(segment, 0, fmt::format("begins with batch {}, expected {}",
                                                header.first_sequence, log_.next_sequence));
    }
    return {};
  }

  // Replays batches up to the first that is harmed or the end; log_.position is where that is.
  Result<void> read_batches(BytesView content) {
    last_position_ = 0;
    log_.position = kSegmentHeaderBytes;
    while (const auto batch = wal_format::read_batch(content.substr(log_.position), place())) {
      if (batch->sequence != log_.next_sequence) {
        return corrupt_at(log_.segment, log_.position,
                          fmt::format("batch {} where {} is expected", batch->sequence,
                                      log_.next_sequence));
      }
      if (auto replayed = wal_format::replay(batch->payload, log_.groups); !replayed) {
        return corrupt_at(log_.segment, log_.position, replayed.error().message);
      }
      last_position_ = log_.position;
      log_.position += kBatchHeaderBytes + batch->payload.size();
      ++log_.next_sequence;
    }
    return {};
  }

  // There are octets at log_.position that are no batch: a torn tail, or corruption?
  Result<void> on_harmed_batch(BytesView content, bool is_last) {
    if (!is_last) {
      return corrupt_at(log_.segment, log_.position, "a batch fails its checksum, and a later "
                                                     "segment exists");
    }
    if (has_batch_from(content, place(), log_.position + 1)) {
      return corrupt_at(log_.segment, log_.position, "a batch fails its checksum, and a whole one "
                                                     "comes after it");
    }
    SOMETIMES(env_.marks, "wal: torn tail cut");
    env_.log.event("wal", fmt::format("torn tail cut: segment {} offset {}, {} bytes", log_.segment,
                                      log_.position, content.size() - log_.position));
    return log_.file->truncate(log_.position, deadline_);
  }

  // The segment holds nothing, and the one before it will be written again only if this one is
  // durably gone: what is before the last segment is never torn.
  Result<void> remove_unfinished(std::uint32_t segment) {
    SOMETIMES(env_.marks, "wal: unfinished segment removed");
    TRY(env_.disk.remove(wal_format::segment_path(segment), deadline_));
    return env_.disk.sync_directory("wal", deadline_);
  }

  // Only the last thing written, a batch or the header, may be in the page cache alone. A sync is
  // not enough: after one that failed, what it covered counts as clean and is not written again.
  Result<void> make_durable() {
    TRY(log_.file->pwrite(last_written_, last_position_, deadline_));
    TRY(log_.file->sync(deadline_));
    TRY(env_.disk.sync_directory("wal", deadline_));
    return env_.disk.sync_directory("", deadline_);
  }

  BatchPlace place() const { return {log_.salt, log_.segment, log_.position}; }

  Env& env_;
  const Deadline deadline_;
  RecoveredLog log_;

  // The last batch of the segment that was read last, or its header when it has none.
  std::uint64_t last_position_ = 0;
  Bytes last_written_;
};

}  // namespace

Result<std::optional<RecoveredLog>> recover_log(Env& env, Deadline deadline) {
  return LogReader(env, deadline).read();
}

}  // namespace keelson::storage
