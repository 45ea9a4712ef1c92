// Tested by tests/core/storage/wal_test.cc; recovery from damage by wal_damage_test.cc.
#include "core/storage/wal.h"

#include <fmt/format.h>

#include <utility>

#include "core/storage/wal_format.h"
#include "core/storage/wal_recovery.h"

namespace keelson::storage {

namespace {

using wal_format::kBatchHeaderBytes;
using wal_format::kSegmentHeaderBytes;

// A buffer that one large batch has stretched is not kept.
constexpr std::size_t kBufferBytesKept = 1 << 20;

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

}  // namespace

// Held while a batch is written. If the writing fiber is killed or meets an error whose outcome is
// unknown, the log has failed; the fibers that wait find out.
class Wal::Turn {
 public:
  explicit Turn(Wal& wal) : wal_(wal) {
    CHECK(!wal_.turn_taken_);
    wal_.turn_taken_ = true;
  }
  ~Turn() {
    wal_.turn_taken_ = false;
    if (!outcome_known_) wal_.failed_ = true;
    wal_.turn_ended_.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  void set_outcome_known() { outcome_known_ = true; }

 private:
  Wal& wal_;
  bool outcome_known_ = false;
};

Wal::Wal(Env& env, const WalOptions& options)
    : env_(env), options_(options), turn_ended_(env.scheduler) {
  empty_frame(gathered_);
  empty_frame(writing_);
}

Wal::~Wal() = default;

Result<std::unique_ptr<Wal>> Wal::open(Env& env, const WalOptions& options, Deadline deadline) {
  std::unique_ptr<Wal> wal(new Wal(env, options));
  TRY(env.disk.create_directory("wal", deadline));
  TRY(std::optional<RecoveredLog> log, recover_log(env, deadline));
  if (!log) {
    if (options.must_exist) {
      return Error{ErrorCode::corrupt,
                   "write-ahead log: segment 1 offset 0: the log of this data directory is lost"};
    }
    wal->salt_ = env.random.stream("wal/salt")->below(UINT64_MAX);
    TRY(env.disk.sync_directory("", deadline));
    TRY(wal->begin_segment(1, deadline));
    return wal;
  }
  wal->recovered_ = std::move(log->groups);
  for (const auto& [group, state] : wal->recovered_) {
    wal->last_indexes_[group] = raft::LogIndex(state.entries.size());
  }
  wal->file_ = std::move(log->file);
  wal->salt_ = log->salt;
  wal->segment_ = log->segment;
  wal->position_ = log->position;
  wal->next_sequence_ = log->next_sequence;
  return wal;
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
  if (hard_state) wal_format::append_hard_state(gathered_, group, *hard_state);
  if (!entries.empty()) {
    raft::LogIndex& last = last_indexes_[group];
    const raft::LogIndex first = entries.front().index;
    CHECK(first.value > 0 && first <= last.next());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      CHECK(entries[i].index.value == first.value + i);
    }
    last = entries.back().index;
    wal_format::append_entries(gathered_, group, entries);
  }
  CHECK(gathered_.size() - kBatchHeaderBytes <= wal_format::kPayloadBytesMax);
  ++appended_;
}

Result<void> Wal::write_and_sync(Deadline deadline) {
  const std::uint64_t wanted = appended_;
  while (durable_ < wanted) {
    if (failed_) return Error{ErrorCode::io_error, "write-ahead log: an earlier write failed"};
    if (!turn_taken_) {
      TRY(write_batch(deadline));
    } else if (!turn_ended_.wait(deadline) && durable_ < wanted) {
      return Error{ErrorCode::timed_out, "write-ahead log: waiting for a sync"};
    }
  }
  return {};
}

Result<void> Wal::write_batch(Deadline deadline) {
  Turn turn(*this);
  Result<void> written = write_batch_in_turn(deadline);
  if (written || written.error().code == ErrorCode::no_space) turn.set_outcome_known();
  return written;
}

Result<void> Wal::write_batch_in_turn(Deadline deadline) {
  CHECK(gathered_.size() > kBatchHeaderBytes);
  if (position_ >= options_.segment_bytes) TRY(begin_segment(segment_ + 1, deadline));

  std::swap(gathered_, writing_);
  CHECK(gathered_.size() == kBatchHeaderBytes);
  const std::uint64_t appended_here = appended_;
  wal_format::seal_batch(writing_, {salt_, segment_, position_}, next_sequence_);

  Result<void> written = file_->pwrite(writing_, position_, deadline);
  if (!written) {
    if (written.error().code == ErrorCode::no_space) {
      // Nothing was promised: the batch grows by what came since and is written over itself.
      writing_.append(gathered_, kBatchHeaderBytes);
      std::swap(gathered_, writing_);
      empty_frame(writing_);
    }
    return written;
  }
  TRY(sync_or_io_error(*file_, deadline));

  position_ += writing_.size();
  ++next_sequence_;
  durable_ = appended_here;
  empty_frame(writing_);
  return {};
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
  if (auto synced = env_.disk.sync_directory("wal", deadline); !synced) {
    return Error{ErrorCode::io_error, synced.error().message};
  }
  file_ = std::move(file);
  segment_ = segment;
  position_ = kSegmentHeaderBytes;
  return {};
}

}  // namespace keelson::storage
