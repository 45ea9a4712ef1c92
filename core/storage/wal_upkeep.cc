// What the log does beside writing batches: gives segments back, makes room ahead of the batches,
// and seals. Tested by tests/core/storage/wal_compaction_test.cc and wal_upkeep_test.cc.
#include <algorithm>

#include "core/storage/wal.h"
#include "core/storage/wal_format.h"
#include "core/storage/wal_turn.h"

namespace keelson::storage {

namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kZerosBytes = 128 << 10;
// Batches from this size on take longer to write than the sync of a file that grows costs more: for
// them no room is made, or each of their octets would be written twice.
constexpr std::uint64_t kLargeBatchBytes = 256 << 10;

}  // namespace

// --- giving segments back ---

std::uint32_t Wal::oldest_needed_segment() const {
  std::uint32_t oldest = segment_;
  for (const auto& [group, log] : batched_) {
    oldest = std::min(oldest, log.oldest_segment().value_or(segment_));
  }
  return oldest;
}

std::vector<GroupId> Wal::groups_in_oldest_segment() const {
  const std::uint32_t oldest =
      closed_segments_.empty() ? segment_ : closed_segments_.begin()->first;
  std::vector<GroupId> groups;
  for (const auto& [group, log] : batched_) {
    if (log.oldest_segment() == oldest) groups.push_back(group);
  }
  return groups;
}

std::uint64_t Wal::bytes() const {
  std::uint64_t sum = filled_to_;
  for (const auto& [segment, size] : closed_segments_) sum += size;
  return sum;
}

Result<void> Wal::remove_unneeded(Deadline deadline) {
  TRY(wait_for_turn(deadline));
  // The word on what is not needed is in the same batch as the cuts that make it so.
  if (has_gathered() || oldest_needed_segment() > oldest_stated_) {
    TRY(write_batch(Purpose::removal, deadline));
  }
  return remove_segments(deadline);
}

Result<void> Wal::remove_segments(Deadline deadline) {
  if (is_removing_) return {};  // Another call is at it.
  struct Removing {
    explicit Removing(bool& flag) : flag_(flag) { flag_ = true; }
    ~Removing() { flag_ = false; }
    bool& flag_;
  } const removing(is_removing_);

  for (;;) {
    // One after the other: a loss of power must not leave a gap.
    if (names_unsynced_) {
      if (auto synced = sync_names(deadline); !synced) {
        if (synced.error().code != ErrorCode::timed_out) failed_ = true;
        return synced;
      }
      names_unsynced_ = false;
    }
    if (closed_segments_.empty() || closed_segments_.begin()->first >= oldest_written_) return {};
    const std::uint32_t segment = closed_segments_.begin()->first;
    names_unsynced_ = true;
    auto removed = env_.disk.remove(wal_format::segment_path(segment), deadline);
    // Not found: a call whose deadline had passed did it after all.
    if (!removed && removed.error().code != ErrorCode::not_found) return removed;
    closed_segments_.erase(segment);
    SOMETIMES(env_.marks, "wal: segment given back");
  }
}

// --- the fiber for room and seals ---

void Wal::keep_up() {
  while (!failed_) {
    if (turn_taken_) {
      (void)turn_ended_.wait(Deadline::never());
    } else if (must_preallocate()) {
      (void)preallocate();
    } else if (!needs_seal_ || has_gathered() || options_.seal_after == Duration::zero()) {
      (void)upkeep_due_.wait(Deadline::never());  // Until the next batch has been written.
    } else if (const Instant seal_at = last_synced_at_ + options_.seal_after;
               env_.clock.now() < seal_at) {
      upkeep_has_timer_ = true;
      (void)upkeep_due_.wait(Deadline{seal_at});
      upkeep_has_timer_ = false;
    } else {
      SOMETIMES(env_.marks, "wal: sealed");
      // Without space there is no seal before the next batch.
      if (!write_batch(Purpose::seal, Deadline::never())) needs_seal_ = false;
    }
  }
}

// A batch has been written. The fiber that waits for its time looks by itself when that has come.
void Wal::notify_upkeep() {
  if (!upkeep_has_timer_ || must_preallocate()) upkeep_due_.notify_all();
}

bool Wal::must_preallocate() const {
  return options_.preallocate_bytes > 0 && position_ >= preallocate_at_ &&
         last_batch_bytes_ < kLargeBatchBytes &&
         filled_to_ < options_.segment_bytes &&
         filled_to_ < position_ + options_.preallocate_bytes / 2 + 1;
}

Result<void> Wal::preallocate() {
  // No batch is written meanwhile, and this is why: if the sync fails, a batch that was written
  // while it was under way may be gone although its own sync succeeds.
  Turn turn(*this);
  Result<void> made = preallocate_in_turn();
  if (made || made.error().code == ErrorCode::no_space) turn.set_outcome_known();
  preallocate_at_ = position_ + options_.preallocate_bytes / 2;
  return made;
}

Result<void> Wal::preallocate_in_turn() {
  const std::uint64_t wanted = position_ + options_.preallocate_bytes + kPageBytes - 1;
  const std::uint64_t end = std::min(wanted - wanted % kPageBytes, options_.segment_bytes);
  CHECK(end > filled_to_);
  const Bytes zeros(std::min(kZerosBytes, end - filled_to_), '\0');
  for (std::uint64_t at = filled_to_; at < end; at += zeros.size()) {
    TRY(file_->pwrite(BytesView(zeros).substr(0, end - at), at, Deadline::never()));
  }
  TRY(file_->sync(Deadline::never()));
  filled_to_ = end;
  SOMETIMES(env_.marks, "wal: room made ahead");
  return {};
}

}  // namespace keelson::storage
