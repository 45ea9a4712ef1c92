// Tested by tests/core/storage/wal_test.cc; compaction by wal_compaction_test.cc, recovery from
// damage by wal_damage_test.cc, crashes at every operation by crash_points_test.cc.
#include "core/storage/wal.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/storage/wal_format.h"
#include "core/storage/wal_recovery.h"
#include "core/storage/wal_turn.h"

namespace keelson::storage {

namespace {

using wal_format::kBatchHeaderBytes;
using wal_format::kSegmentHeaderBytes;

// A buffer that one large batch has stretched is not kept.
constexpr std::size_t kBufferBytesKept = 4 << 20;

void empty_frame(Bytes& frame) {
  if (frame.capacity() > kBufferBytesKept) Bytes().swap(frame);
  frame.assign(kBatchHeaderBytes, '\0');
}

// A sync that found no space has lost writes like any that failed: unlike a write, it cannot be
// tried again.
Result<void> sync_or_io_error(File& file, Deadline deadline) {
  Result<void> synced = file.sync(deadline);
  if (!synced && synced.error().code == ErrorCode::no_space) {
    return Error{ErrorCode::io_error, synced.error().message};
  }
  return synced;
}

Error failed() { return {ErrorCode::io_error, "write-ahead log: an earlier write failed"}; }
Error still_waiting() { return {ErrorCode::timed_out, "write-ahead log: waiting for a sync"}; }

}  // namespace

Wal::Wal(Env& env, const WalOptions& options)
    : env_(env),
      options_(options),
      turn_ended_(env.scheduler),
      upkeep_due_(env.scheduler),
      upkeep_(env.scheduler) {
  CHECK(options.segment_bytes > kSegmentHeaderBytes);
  empty_frame(gathered_);
  empty_frame(writing_);
}

Wal::~Wal() = default;

Result<std::unique_ptr<Wal>> Wal::open(Env& env, const WalOptions& options, Deadline deadline) {
  std::unique_ptr<Wal> wal(new Wal(env, options));
  TRY(wal->begin_or_continue(deadline));
  wal->last_synced_at_ = env.clock.now();
  if (options.preallocate_bytes > 0 || options.seal_after > Duration::zero()) {
    wal->upkeep_.spawn("wal upkeep", [log = wal.get()] { log->keep_up(); });
  }
  return wal;
}

Result<void> Wal::begin_or_continue(Deadline deadline) {
  TRY(env_.disk.create_directory("wal", deadline));
  TRY(std::optional<RecoveredLog> log, recover_log(env_, deadline));
  if (!log) {
    if (options_.must_exist) {
      return Error{ErrorCode::corrupt,
                   "write-ahead log: segment 1 offset 0: the log of this data directory is lost"};
    }
    salt_ = hash64(env_.random.identifier());
    TRY(env_.disk.sync_directory("", deadline));
    return begin_segment(1, deadline);
  }
  recovered_ = std::move(log->groups);
  batched_ = std::move(log->group_logs);
  added_ = batched_;
  closed_segments_ = std::move(log->closed_segments);
  oldest_written_ = oldest_stated_ = log->oldest_segment;
  file_ = std::move(log->file);
  salt_ = log->salt;
  segment_ = log->segment;
  position_ = log->position;
  filled_to_ = log->filled_to;
  next_sequence_ = log->next_sequence;
  needs_seal_ = log->needs_seal;
  return {};
}

RecoveredGroup Wal::take_recovered(GroupId group) {
  const auto found = recovered_.find(group);
  if (found == recovered_.end()) return {};
  RecoveredGroup state = std::move(found->second);
  recovered_.erase(found);
  return state;
}

void Wal::append(GroupId group, const std::optional<raft::HardState>& hard_state,
                 const std::vector<raft::Entry>& entries) {
  if (!hard_state && entries.empty()) return;
  if (hard_state) {
    add({.kind = Change::Kind::hard_state, .group = group, .hard_state = *hard_state});
    wal_format::append_hard_state(gathered_, group, *hard_state);
  }
  for (std::size_t i = 0; i < entries.size();) {
    GroupLog::Run run{segment_, entries[i].term, entries[i].index, entries[i].index};
    for (++i; i < entries.size() && entries[i].term == run.term; ++i) {
      CHECK(entries[i].index == run.last.next());
      run.last = entries[i].index;
    }
    CHECK(i == entries.size() || entries[i].index == run.last.next());
    add({.kind = Change::Kind::entries, .group = group, .run = run});
  }
  if (!entries.empty()) wal_format::append_entries(gathered_, group, entries);
  CHECK(gathered_.size() - kBatchHeaderBytes <= wal_format::kPayloadBytesMax);
  ++additions_;
}

void Wal::cut(GroupId group, raft::LogStart start) {
  add({.kind = Change::Kind::cut, .group = group, .start = start});
  wal_format::append_cut(gathered_, group, start);
  ++additions_;
}

void Wal::restart(GroupId group, raft::LogStart start) {
  add({.kind = Change::Kind::restart, .group = group, .start = start});
  wal_format::append_restart(gathered_, group, start);
  ++additions_;
}

void Wal::add(const Change& change) {
  CHECK(apply(change, added_).has_value());  // What recovery would refuse is not written.
  gathered_changes_.push_back(change);
}

Result<void> Wal::apply(const Change& change, GroupLogs& logs) {
  GroupLog& log = logs[change.group];
  switch (change.kind) {
    case Change::Kind::hard_state: return log.set_hard_state(change.hard_state);
    case Change::Kind::entries: return log.put(change.run);
    case Change::Kind::cut: return log.cut(change.start);
    case Change::Kind::restart: return log.restart(change.start);
  }
  CHECK(false);
}

bool Wal::has_gathered() const { return gathered_.size() > kBatchHeaderBytes; }

Result<void> Wal::write_and_sync(Deadline deadline) {
  const std::uint64_t wanted = additions_;
  while (durable_ < wanted) {
    if (failed_) return failed();
    if (!turn_taken_ && waiting_ == 0) {
      TRY(write_batch(Purpose::records, deadline));
    } else if (!turn_ended_.wait(deadline) && durable_ < wanted) {
      return still_waiting();
    }
  }
  return {};
}

Result<void> Wal::wait_for_turn(Deadline deadline) {
  const Waiting waiting(*this);
  while (turn_taken_) {
    if (!turn_ended_.wait(deadline) && turn_taken_) return still_waiting();
  }
  if (failed_) return failed();
  return {};
}

Result<void> Wal::write_batch(Purpose purpose, Deadline deadline) {
  Turn turn(*this);
  Result<void> written = write_batch_in_turn(purpose, deadline);
  if (written || written.error().code == ErrorCode::no_space) turn.set_outcome_known();
  return written;
}

Result<void> Wal::write_batch_in_turn(Purpose purpose, Deadline deadline) {
  if (position_ >= options_.segment_bytes) TRY(begin_segment(segment_ + 1, deadline));

  const std::uint64_t additions_here = additions_;
  const bool says_something = has_gathered() || purpose == Purpose::removal;
  CHECK(says_something || purpose == Purpose::seal);
  take_gathered(purpose);
  wal_format::seal_batch(writing_, {salt_, segment_, position_}, next_sequence_);

  if (auto written = file_->pwrite(writing_, position_, deadline); !written) {
    if (written.error().code == ErrorCode::no_space) give_back_gathered();
    return written;
  }
  TRY(sync_or_io_error(*file_, deadline));

  last_batch_bytes_ = writing_.size();
  position_ += last_batch_bytes_;
  filled_to_ = std::max(filled_to_, position_);
  ++next_sequence_;
  durable_ = additions_here;
  oldest_written_ = oldest_stated_;
  gathered_has_state_ = false;
  empty_frame(writing_);
  needs_seal_ = says_something;
  last_synced_at_ = env_.clock.now();
  notify_upkeep();
  return {};
}

// Makes writing_ of what was gathered, and enters it in the books.
void Wal::take_gathered(Purpose purpose) {
  std::swap(gathered_, writing_);
  CHECK(!has_gathered());
  if (position_ == kSegmentHeaderBytes && !gathered_has_state_) {
    writing_.insert(kBatchHeaderBytes, encode_state());
    gathered_has_state_ = true;
  }
  for (Change& change : gathered_changes_) {
    change.run.segment = segment_;
    CHECK(apply(change, batched_).has_value());
  }
  gathered_changes_.clear();
  if (purpose == Purpose::removal && oldest_needed_segment() > oldest_stated_) {
    oldest_stated_ = oldest_needed_segment();
    wal_format::append_oldest_segment(writing_, oldest_stated_);
  }
}

// There was no space, nothing was promised: the batch grows by what came since and is written over
// itself.
void Wal::give_back_gathered() {
  writing_.append(gathered_, kBatchHeaderBytes);
  std::swap(gathered_, writing_);
  empty_frame(writing_);
}

// What the first batch of a segment begins with: all that the batches before it say, but for the
// entries.
Bytes Wal::encode_state() const {
  Bytes state;
  wal_format::append_oldest_segment(state, oldest_stated_);
  for (const auto& [group, log] : batched_) {
    wal_format::append_group_state(state, group, log.summary());
  }
  return state;
}

Result<void> Wal::begin_segment(std::uint32_t segment, Deadline deadline) {
  CHECK(segment == segment_ + 1);
  TRY(auto file,
      env_.disk.open(wal_format::segment_path(segment), OpenMode::create, deadline));
  const Bytes header = wal_format::encode(
      wal_format::SegmentHeader{.segment = segment, .salt = salt_,
                                .first_sequence = next_sequence_});
  TRY(file->pwrite(header, 0, deadline));
  TRY(sync_or_io_error(*file, deadline));
  TRY(sync_names(deadline));
  if (file_ != nullptr) closed_segments_[segment_] = filled_to_;
  file_ = std::move(file);
  segment_ = segment;
  position_ = kSegmentHeaderBytes;
  filled_to_ = kSegmentHeaderBytes;
  preallocate_at_ = 0;
  return {};
}

Result<void> Wal::sync_names(Deadline deadline) {
  Result<void> synced = env_.disk.sync_directory("wal", deadline);
  if (!synced && synced.error().code == ErrorCode::no_space) {
    return Error{ErrorCode::io_error, synced.error().message};
  }
  return synced;
}

}  // namespace keelson::storage
