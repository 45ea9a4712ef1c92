// Wal: the one write-ahead log of a node, shared by all its Raft groups, so that one sync makes the
// promises of many groups durable (group commit).
//
// On disk: the segments wal/00000001.log, wal/00000002.log, ... without a gap. Integers are
// little-endian; wal_format.h has the codec.
//
//   log     = segment+
//   segment = header batch*
//   header  = magic:u64 version:u32 segment:u32 salt:u64 first_sequence:u64 checksum:u64
//   batch   = header_check:u32 length:u32 sequence:u64 checksum:u64 payload
//   payload = record+
//   record  = group:u64 kind:u8 (hard_state | entries)
//   hard_state (kind 1) = current_term:u64 voted_for:u64                  ; 0 is nobody
//   entries    (kind 2) = count:u32 entry+
//   entry   = term:u64 index:u64 kind:u8 length:u32 data                  ; replaces all entries of
//                                                                         ; its index and above
//
// A batch is everything that was written between two syncs. Its checksum covers the payload, the
// sequence, the segment, the position in it, and the log's salt (drawn once, in every header), so
// bytes that are right elsewhere, or were chosen by a client, are not taken for a batch here. The
// header_check covers all of these but the payload.
//
// What makes recovery decidable: batch k+1 is not written, and no segment is begun, before the sync
// of batch k has returned. However a loss of power reorders, tears or drops unsynced writes, it can
// only harm the last batch of the last segment: that is a torn tail, and it is cut. A harmed batch
// with a valid one anywhere after it, or in a segment that is not the last, or a harmed header of a
// segment in use, was durable once: that is corruption, it is refused and never cut.
//
// A batch that recovery can read may still not be durable: a process that was killed, or whose sync
// failed, leaves it in the page cache alone. Hence open() writes the last batch again and syncs it.
//
// What cannot be told apart: rot in the very last batch looks like a tear.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/raft/types.h"
#include "core/runtime/env.h"

namespace keelson::storage {

// What the log says of one group.
struct RecoveredGroup {
  raft::HardState hard_state;
  std::vector<raft::Entry> entries;  // From index 1, without a gap.

  bool operator==(const RecoveredGroup&) const = default;
};

struct WalOptions {
  // A segment that has reached this size is followed by a new one; a batch is never split.
  std::uint64_t segment_bytes = 64 << 20;
  // Refuses (corrupt) a directory without a log: set once the node may have promised something.
  bool must_exist = false;
};

class Wal {
 public:
  // Opens the log, or begins one; cuts a torn tail. `env` outlives the log. Errors: corrupt (the
  // message names segment and offset; nothing was changed), io_error, no_space, timed_out.
  static Result<std::unique_ptr<Wal>> open(Env& env, const WalOptions& options, Deadline deadline);

  ~Wal();
  Wal(const Wal&) = delete;
  Wal& operator=(const Wal&) = delete;

  // Moves out what open() found of a group (an empty state for a group the log does not know); the
  // log keeps no copy. Once per group.
  RecoveredGroup take_recovered(GroupId group);

  // Adds one group's writes to the batch that comes next. Never suspends, promises nothing.
  // REQUIRES: entries continue the group's log, or replace its suffix, without a gap.
  void append(GroupId group, const std::optional<raft::HardState>& hard_state,
              const std::vector<raft::Entry>& entries);

  // Makes all that was appended before this call durable, with whatever other groups have appended
  // by then: calls share a write and a sync. Returns at once when there is nothing to do.
  //
  // Errors: no_space: not durable; all is kept, and the next call tries again. timed_out, io_error:
  // it may or may not be durable, now or after a restart, and the log takes no more: the node must
  // end. (A call that only waits for another's sync returns timed_out without harm to the log.)
  Result<void> write_and_sync(Deadline deadline);

  // For metrics and tests.
  std::uint64_t batches_synced() const { return next_sequence_ - 1; }
  std::uint32_t segment_number() const { return segment_; }

 private:
  class Turn;

  Wal(Env& env, const WalOptions& options);
  Result<void> write_batch(Deadline deadline);
  Result<void> write_batch_in_turn(Deadline deadline);
  Result<void> begin_segment(std::uint32_t segment, Deadline deadline);

  Env& env_;
  const WalOptions options_;
  std::map<GroupId, RecoveredGroup> recovered_;

  // The last segment, open for writing: where the next batch goes.
  std::unique_ptr<File> file_;
  std::uint64_t salt_ = 0;
  std::uint32_t segment_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t next_sequence_ = 1;

  // The batch being gathered and the one being written. Each is kept with room for the frame in
  // front, and holds no record exactly when it has nothing but that room.
  Bytes gathered_;
  Bytes writing_;

  // Calls of append(): how many there were, and how many of them are durable.
  std::uint64_t appended_ = 0;
  std::uint64_t durable_ = 0;

  bool turn_taken_ = false;  // A fiber is inside write_batch().
  bool failed_ = false;      // A write or sync has an unknown outcome: nothing more is taken.
  WaitQueue turn_ended_;

  // The last index of each group's log as written, for the check that there is no gap.
  std::map<GroupId, raft::LogIndex> last_indexes_;
};

}  // namespace keelson::storage
