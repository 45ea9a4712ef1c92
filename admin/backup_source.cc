// Tested by tests/core/node/backup_test.cc.
#include "admin/backup_source.h"

#include <utility>

#include "core/base/check.h"

namespace keelson::admin {

BackupSource::BackupSource(raft::RaftNode& raft, std::unique_ptr<kv::StateMoment> moment,
                           std::vector<GroupId> groups, const backup::Header& header)
    : raft_(raft), moment_(std::move(moment)), groups_(std::move(groups)), header_(header) {
  CHECK(header_.groups == groups_.size());
}

Result<Bytes> BackupSource::next(Deadline) {
  Bytes out;
  if (has_ended_) return out;
  const auto done = append_next(out);
  if (done) return out;
  if (done.error().code != ErrorCode::invalid_argument) raft_.end_with_damaged_state(done.error());
  return done.error();
}

Result<void> BackupSource::append_next(Bytes& out) {
  if (!std::exchange(has_begun_, true)) {
    writer_.header(header_, out);
    return {};
  }
  if (snapshot_) return continue_group(out);
  if (group_ < groups_.size()) return begin_group(out);
  writer_.end(out);
  has_ended_ = true;
  return {};
}

Result<void> BackupSource::begin_group(Bytes& out) {
  TRY(snapshot_, moment_->open(groups_[group_]));
  const raft::StateLabel& label = snapshot_->label();
  writer_.group({groups_[group_], label.index, label.term}, out);
  next_chunk_ = 0;
  snapshot_bytes_ = 0;
  content_ = kv::SnapshotContent();
  return {};
}

Result<void> BackupSource::continue_group(Bytes& out) {
  TRY(const raft::SnapshotChunk chunk, snapshot_->read(next_chunk_++));
  TRY(content_.put(chunk.data, nullptr));
  snapshot_bytes_ += chunk.data.size();
  writer_.data(chunk.data, out);
  if (!chunk.is_last) return {};
  writer_.group_end(snapshot_bytes_, content_.digest(), out);
  snapshot_.reset();
  ++group_;
  return {};
}

}  // namespace keelson::admin
