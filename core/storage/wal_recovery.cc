// Tested by tests/core/storage/wal_test.cc, wal_damage_test.cc.
#include "core/storage/wal_recovery.h"

#include <fmt/format.h>

#include "core/storage/wal_format.h"
#include "core/storage/wal_replay.h"

namespace keelson::storage {

namespace {

using wal_format::BatchPlace;
using wal_format::kBatchHeaderBytes;
using wal_format::kSegmentHeaderBytes;

Error corrupt_at(std::uint32_t segment, std::uint64_t offset, std::string_view what) {
  return Error{ErrorCode::corrupt, fmt::format("write-ahead log: segment {} offset {}: {}", segment,
                                               offset, what)};
}

// The numbers of the segments in the directory, in order and without a gap. Other names are let be.
Result<std::vector<std::uint32_t>> list_segments(Disk& disk, Deadline deadline) {
  TRY(const auto names, disk.list("wal", deadline));
  std::vector<std::uint32_t> segments;
  for (const std::string& name : names) {
    const std::optional<std::uint32_t> segment = wal_format::segment_of(name);
    if (!segment) continue;
    if (!segments.empty() && *segment != segments.back() + 1) {
      return corrupt_at(segments.back() + 1, 0, "the segment is missing");
    }
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

// Whether a whole batch begins at any octet from `from` on. Looks closer only where the fields of a
// header could be: a batch is no longer than what is left, and in a segment of n octets less than n
// batches follow. So its time is that of reading the octets once.
bool has_batch_from(BytesView content, BatchPlace place, std::uint64_t from,
                    std::uint64_t first_sequence) {
  for (place.position = from; place.position + kBatchHeaderBytes <= content.size();
       ++place.position) {
    const BytesView rest = content.substr(place.position);
    if (wal_format::may_be_batch(rest, first_sequence) && wal_format::read_batch(rest, place)) {
      return true;
    }
  }
  return false;
}

bool is_zero(BytesView bytes) { return bytes.find_first_not_of('\0') == BytesView::npos; }

class LogReader {
 public:
  LogReader(Env& env, Deadline deadline) : env_(env), deadline_(deadline) {}

  Result<std::optional<RecoveredLog>> read() {
    std::optional<RecoveredLog> none;
    TRY(const std::vector<std::uint32_t> segments, list_segments(env_.disk, deadline_));
    for (const std::uint32_t segment : segments) {
      TRY(read_segment(segment, segment == segments.front(), segment == segments.back()));
    }
    if (log_.file != nullptr) TRY(check_begin(segments.front()));
    TRY(repair());
    if (log_.file == nullptr) return none;
    TRY(make_durable());
    take_groups();
    return std::optional(std::move(log_));
  }

 private:
  Result<void> read_segment(std::uint32_t segment, bool is_first, bool is_last) {
    const std::string path = wal_format::segment_path(segment);
    TRY(auto file, env_.disk.open(path, OpenMode::existing, deadline_));
    TRY(const Bytes content, read_all(*file, deadline_));
    TRY(const auto header, wal_format::decode_segment_header(content));
    if (!header) {
      // Nothing follows a header before it is durable: only what is no longer than a header can be
      // a segment that was being begun when the node died. The one before it is still there then.
      if (!is_last || content.size() > kSegmentHeaderBytes || (is_first && segment > 1)) {
        return corrupt_at(segment, 0, "the header of the segment fails its checksum");
      }
      unfinished_ = segment;
      return {};
    }
    TRY(check_header(*header, segment, is_first));
    if (!is_first) log_.closed_segments[log_.segment] = log_.filled_to;
    log_.file = std::move(file);
    log_.segment = segment;
    log_.salt = header->salt;
    log_.next_sequence = header->first_sequence;
    TRY(read_batches(content));
    log_.filled_to = content.size();
    is_torn_ = !is_zero(BytesView(content).substr(log_.position));
    if (is_torn_) TRY(check_torn(content, is_last));
    last_written_ = content.substr(last_position_, log_.position - last_position_);
    return {};
  }

  Result<void> check_header(const wal_format::SegmentHeader& header, std::uint32_t segment,
                            bool is_first) const {
    if (header.segment != segment) {
      return corrupt_at(segment, 0, fmt::format("the header is that of segment {}",
                                                header.segment));
    }
    if (!is_first && header.salt != log_.salt) {
      return corrupt_at(segment, 0, "the segment is of another log");
    }
    if ((!is_first || segment == 1) && header.first_sequence != log_.next_sequence) {
      return corrupt_at(segment, 0, fmt::format("begins with batch {}, expected {}",
                                                header.first_sequence, log_.next_sequence));
    }
    return {};
  }

  // All segments have been read: is the first one that is there where the log begins?
  Result<void> check_begin(std::uint32_t first) {
    const std::uint32_t oldest = replay_.has_read() ? replay_.oldest_segment() : 1;
    if (first > oldest) return corrupt_at(oldest, 0, "the segment is missing");
    if (auto complete = replay_.check_complete(); !complete) {
      return corrupt_at(first, 0, complete.error().message);
    }
    log_.oldest_segment = oldest;
    log_.needs_seal = replay_.has_read() && replay_.last_had_records();
    return {};
  }

  void take_groups() {
    for (auto& [id, group] : replay_.groups()) {
      log_.groups[id] = {group.log.summary().hard_state, group.log.start(),
                         std::move(group.entries)};
      log_.group_logs[id] = std::move(group.log);
    }
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
      if (auto replayed = replay_.read_batch(batch->payload, log_.segment);
          !replayed) {
        return corrupt_at(log_.segment, log_.position, replayed.error().message);
      }
      last_position_ = log_.position;
      log_.position += kBatchHeaderBytes + batch->payload.size();
      ++log_.next_sequence;
    }
    return {};
  }

  // There are octets at log_.position that are no batch: a torn tail, or corruption?
  Result<void> check_torn(BytesView content, bool is_last) const {
    if (!is_last) {
      return corrupt_at(log_.segment, log_.position, "a batch fails its checksum, and a later "
                                                     "segment exists");
    }
    if (has_batch_from(content, place(), log_.position + 1, log_.next_sequence)) {
      return corrupt_at(log_.segment, log_.position, "a batch fails its checksum, and a whole one "
                                                     "comes after it");
    }
    return {};
  }

  // Everything has been read and is as it may be.
  Result<void> repair() {
    if (is_torn_) TRY(cut_torn_tail());
    if (unfinished_) TRY(remove_unfinished(*unfinished_));
    return {};
  }

  Result<void> cut_torn_tail() {
    SOMETIMES(env_.marks, "wal: torn tail cut");
    env_.log.event("wal", fmt::format("torn tail cut: segment {} offset {}, {} bytes", log_.segment,
                                      log_.position, log_.filled_to - log_.position));
    log_.filled_to = log_.position;
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
  Replay replay_;
  bool is_torn_ = false;  // The last segment, after log_.position.
  std::optional<std::uint32_t> unfinished_;

  // The last batch of the segment that was read last, or its header when it has none.
  std::uint64_t last_position_ = 0;
  Bytes last_written_;
};

}  // namespace

Result<std::optional<RecoveredLog>> recover_log(Env& env, Deadline deadline) {
  return LogReader(env, deadline).read();
}

}  // namespace keelson::storage
