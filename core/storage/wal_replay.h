// Replay: what the batches of a write-ahead log, read in their order, say of the groups. The
// grammar is at the head of wal.h.
#pragma once

#include <map>
#include <vector>

#include "core/storage/byte_reader.h"
#include "core/storage/group_log.h"
#include "core/storage/wal.h"

namespace keelson::storage {

class Replay {
 public:
  struct Group {
    GroupLog log;
    // Those that were read: from first_present on. Before the segment that was read first there may
    // have been others, which must turn out not to be needed.
    std::vector<raft::Entry> entries;
    raft::LogIndex first_present{1};
  };

  // The next batch, in the order of the log. Errors: corrupt (the message says why).
  Result<void> read_batch(BytesView payload, std::uint32_t segment);
  // After the last batch. Errors: corrupt: the log needs entries that were not there.
  Result<void> check_complete() const;

  bool has_read() const { return segment_ != 0; }
  // Whether the batch that was read last says anything that those before do not.
  bool last_had_records() const { return last_had_records_; }
  std::uint32_t oldest_segment() const { return oldest_segment_; }
  std::map<GroupId, Group>& groups() { return groups_; }

 private:
  Result<void> read_state(ByteReader& reader, BytesView payload, std::uint32_t segment);
  Result<void> check_state(const std::map<GroupId, GroupLog::Summary>& stated) const;
  Result<void> begin_with(const std::map<GroupId, GroupLog::Summary>& stated,
                          std::uint32_t segment);
  Result<void> read_record(ByteReader& reader);
  Result<void> read_oldest_segment(ByteReader& reader, GroupId group);
  Result<void> read_group_record(ByteReader& reader, std::uint8_t kind, Group& group);
  Result<void> read_entries(ByteReader& reader, Group& group);
  static Result<void> add(raft::Entry entry, std::uint32_t segment, Group& group);
  Result<void> read_cut(ByteReader& reader, Group& group);
  Result<void> read_restart(ByteReader& reader, Group& group);

  std::map<GroupId, Group> groups_;
  std::uint32_t segment_ = 0;  // That of the last batch.
  std::uint32_t oldest_segment_ = 0;
  bool last_had_records_ = false;
};

}  // namespace keelson::storage
