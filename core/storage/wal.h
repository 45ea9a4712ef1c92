// Wal: the one write-ahead log of a node, shared by all its Raft groups, so that one sync makes the
// promises of many groups durable (group commit).
//
// On disk: the segments wal/00000007.log, wal/00000008.log, ... without a gap. Integers are
// little-endian; wal_format.h has the codec, group_log.h what the records of a group must keep to.
//
//   log     = segment+
//   segment = header batch* zero*
//   header  = magic:u64 version:u32 segment:u32 salt:u64 first_sequence:u64 checksum:u64
//   batch   = header_check:u32 length:u32 sequence:u64 checksum:u64 payload
//   payload = [oldest_segment group_state*] record*        ; the first batch of a segment, and no
//                                                          ; other, has what is in brackets
//   record  = group:u64 kind:u8 (hard_state | entries | cut | restart | oldest_segment)
//   hard_state     (kind 1) = current_term:u64 voted_for:u64             ; 0 is nobody
//   entries        (kind 2) = count:u32 entry+
//   cut            (kind 3) = index:u64 term:u64           ; entries up to there are not needed
//   restart        (kind 4) = index:u64 term:u64           ; no entries; the log begins after that
//   oldest_segment (kind 5) = segment:u32                  ; those before are not needed; group 0
//   group_state    (kind 6) = current_term:u64 voted_for:u64 start:(index:u64 term:u64)
//                             last:(index:u64 term:u64)
//   entry   = term:u64 index:u64 kind:u8 length:u32 data                 ; replaces all entries of
//                                                                        ; its index and above
//
// A batch is everything that was written between two syncs. Its checksum covers the payload, the
// sequence, the segment, the position in it, and the log's salt (drawn once, in every header), so
// bytes that are right elsewhere, or were chosen by a client, are not taken for a batch here. The
// header_check covers all of these but the payload. A batch without any record is a seal.
//
// What makes recovery decidable: batch k+1 is not written, and no segment is begun, before the sync
// of batch k has returned. However a loss of power reorders, tears or drops unsynced writes, it can
// only harm the last batch of the last segment: that is a torn tail, and it is cut. A harmed batch
// with a valid one anywhere after it, or in a segment that is not the last, or a harmed header of a
// segment in use, was durable once: that is corruption, it is refused and never cut. Zeros behind
// the last batch are room that was made ahead of it (preallocate_bytes) and a clean end, in a
// segment that is not the last as well: if they have taken the place of a batch there, the next
// header's first_sequence tells.
//
// A batch that recovery can read may still not be durable: a process that was killed, or whose sync
// failed, leaves it in the page cache alone. Hence open() writes the last batch again and syncs it.
//
// Where the log begins. A segment is needed as long as it holds an entry that is not cut, replaced
// or superseded by a restart; hard states and starts of all groups are said anew at the front of
// every segment. So the segments from k on say everything once no entry before k is needed. That is
// then written down, as oldest_segment = k, and synced; only after that are segments removed, the
// oldest first, each durably before the next. Hence for the first segment f that is there:
// f <= k, and from f on there is no gap. f > k is a segment that was lost: corruption, whatever it
// held. The last word on k is in some segment from k on, so it is read from what must be there. A
// log that begins at f > 1 must have a first batch in f, for one was durable before f - 1 went.
// Segments from f to k - 1 are those that a removal did not come to: they are read, and given back
// with the next. As a second net, recovery starts from the group states of f without their entries,
// and refuses a log whose records leave one of them needed and missing.
//
// What cannot be told apart: rot in the very last batch looks like a tear. Therefore a log that
// rests for seal_after writes a seal: from then on that rot is seen, and only the seal itself,
// which says nothing, could rot unseen. What remains: rot in a last batch that was not sealed yet
// (the node died within seal_after of its sync); rot of a last batch and of its seal together; and
// a disk that takes back what it has synced at the end of the log, whole batches of it, and shows
// the zeros or the shorter file that were there before.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/raft/types.h"
#include "core/runtime/env.h"
#include "core/runtime/task_group.h"
#include "core/storage/group_log.h"

namespace keelson::storage {

// What the log says of one group.
struct RecoveredGroup {
  raft::HardState hard_state;
  raft::LogStart start;
  std::vector<raft::Entry> entries;  // From start.index + 1 on, without a gap.

  bool operator==(const RecoveredGroup&) const = default;
};

struct WalOptions {
  // A segment that has reached this size is followed by a new one; a batch is never split.
  // REQUIRES: more than a segment's header.
  std::uint64_t segment_bytes = 64 << 20;
  // Refuses (corrupt) a directory without a log: set once the node may have promised something.
  bool must_exist = false;
  // About so many bytes behind the last batch are kept zero-filled, and their existence durable:
  // the sync of a batch then need not save a new size of the file as well. Made by a fiber of the
  // log, half of it at a time, never beyond segment_bytes, and not behind a large batch. 0: off.
  std::uint64_t preallocate_bytes = 1 << 20;
  // A log with nothing to write for so long is sealed, once. 0: never.
  Duration seal_after = std::chrono::milliseconds(50);
};

class Wal {
 public:
  // Opens the log, or begins one; cuts a torn tail. `env` outlives the log. Errors: corrupt (the
  // message names segment and offset; nothing was changed), invalid_argument (the log is of a
  // format this program does not know), io_error, no_space, timed_out.
  static Result<std::unique_ptr<Wal>> open(Env& env, const WalOptions& options, Deadline deadline);

  ~Wal();
  Wal(const Wal&) = delete;
  Wal& operator=(const Wal&) = delete;

  // Moves out what open() found of a group (an empty state for a group the log does not know); the
  // log keeps no copy. Once per group.
  RecoveredGroup take_recovered(GroupId group);

  // The next three add to the batch that comes next. They never suspend and promise nothing.

  // Adds one group's writes. REQUIRES: the term does not go back; entries continue the group's log,
  // or replace its suffix, without a gap, and their terms do not go back.
  void append(GroupId group, const std::optional<raft::HardState>& hard_state,
              const std::vector<raft::Entry>& entries);
  // The group's entries up to start.index are not needed any more; those beyond are kept.
  // REQUIRES: the entry `start` is in the group's log, or is where it starts now.
  void cut(GroupId group, raft::LogStart start);
  // The group's log is empty and begins after `start`: a snapshot has replaced it that it did not
  // contain. REQUIRES: `start` is not before the present start.
  void restart(GroupId group, raft::LogStart start);

  // Makes all that was added before this call durable, with whatever other groups have added by
  // then: calls share a write and a sync. Returns at once when there is nothing to do.
  //
  // Errors: no_space: not durable; all is kept, and the next call tries again. timed_out, io_error:
  // it may or may not be durable, now or after a restart, and the log takes no more: the node must
  // end. (A call that only waits for another's sync returns timed_out without harm to the log.)
  Result<void> write_and_sync(Deadline deadline);

  // Gives back the segments that no group needs; makes durable, too, what was added before the
  // call. The segment that is being written stays. Needs a little space itself, on a full disk what
  // is preallocated. Errors: as write_and_sync(); after no_space and timed_out a later call goes
  // on.
  Result<void> remove_unneeded(Deadline deadline);

  // Of all segments, with what is preallocated.
  std::uint64_t bytes() const;
  std::uint64_t segment_count() const { return closed_segments_.size() + 1; }
  // Whose entries keep the oldest segment, as of the last batch. Empty when nothing does: it can be
  // removed, unless it is the one being written.
  std::vector<GroupId> groups_in_oldest_segment() const;

  // For metrics and tests.
  std::uint64_t batches_synced() const { return next_sequence_ - 1; }
  std::uint32_t segment_number() const { return segment_; }
  bool is_sealed() const { return !needs_seal_; }

 private:
  class Turn;
  class Waiting;
  using GroupLogs = std::map<GroupId, GroupLog>;

  // What a batch is written for.
  enum class Purpose { records, seal, removal };

  // What one call has added to the batch, for the books on what is in which segment.
  struct Change {
    enum class Kind { hard_state, entries, cut, restart };
    Kind kind;
    GroupId group;
    raft::HardState hard_state{};
    GroupLog::Run run{};  // Its segment may be a later one: known when the batch is written.
    raft::LogStart start{};
  };

  Wal(Env& env, const WalOptions& options);
  Result<void> begin_or_continue(Deadline deadline);

  // --- batches (wal.cc) ---
  void add(const Change& change);
  static Result<void> apply(const Change& change, GroupLogs& logs);
  bool has_gathered() const;
  void take_gathered(Purpose purpose);
  void give_back_gathered();
  Bytes encode_state() const;
  Result<void> write_batch(Purpose purpose, Deadline deadline);
  Result<void> write_batch_in_turn(Purpose purpose, Deadline deadline);
  Result<void> wait_for_turn(Deadline deadline);
  Result<void> begin_segment(std::uint32_t segment, Deadline deadline);

  // --- upkeep (wal_upkeep.cc) ---
  std::uint32_t oldest_needed_segment() const;
  Result<void> remove_segments(Deadline deadline);
  Result<void> sync_names(Deadline deadline);
  void keep_up();
  void notify_upkeep();
  bool must_preallocate() const;
  Result<void> preallocate();
  Result<void> preallocate_in_turn();

  Env& env_;
  const WalOptions options_;
  std::map<GroupId, RecoveredGroup> recovered_;

  // The last segment, open for writing: where the next batch goes, and how far zeros reach that are
  // durable (or the end of the last batch).
  std::unique_ptr<File> file_;
  std::uint64_t salt_ = 0;
  std::uint32_t segment_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t filled_to_ = 0;
  std::uint64_t next_sequence_ = 1;

  // The segments before it, and their sizes.
  std::map<std::uint32_t, std::uint64_t> closed_segments_;
  std::uint32_t oldest_written_ = 1;  // The last word on the oldest segment, once it is durable.
  std::uint32_t oldest_stated_ = 1;   // The same, the batch under way included.
  bool is_removing_ = false;
  bool names_unsynced_ = false;  // A removal may not be durable yet: the next one has to wait.

  // The batch being gathered and the one being written. Each is kept with room for the frame in
  // front, and holds no record exactly when it has nothing but that room.
  Bytes gathered_;
  Bytes writing_;
  bool gathered_has_state_ = false;  // A first batch of a segment that found no space.
  std::vector<Change> gathered_changes_;  // Of what was gathered since it was last written.

  // What was added in all, and what of it has gone into a batch (written, or given back to
  // gathered_). The segments of the latter are true ones.
  GroupLogs added_;
  GroupLogs batched_;

  // Calls that added something: how many there were, and how many of them are durable.
  std::uint64_t additions_ = 0;
  std::uint64_t durable_ = 0;

  bool turn_taken_ = false;  // A fiber is inside write_batch() or preallocate().
  std::size_t waiting_ = 0;  // Fibers in wait_for_turn(), which go before those that write again.
  bool failed_ = false;      // A write or sync has an unknown outcome: nothing more is taken.
  WaitQueue turn_ended_;

  // The fiber that preallocates and seals.
  bool needs_seal_ = false;      // The last batch says something.
  Instant last_synced_at_;
  std::uint64_t preallocate_at_ = 0;  // The position at which there is to be more room.
  std::uint64_t last_batch_bytes_ = 0;
  bool upkeep_has_timer_ = false;
  WaitQueue upkeep_due_;
  TaskGroup upkeep_;
};

}  // namespace keelson::storage
