// Tested by tests/core/node/backup_test.cc.
#include "admin/backup_source.h"

#include <utility>

#include "core/base/check.h"

namespace keelson::admin {

namespace {

constexpr std::size_t kPieceMost = 1 << 20;  // Of one frame.

}  // namespace

BackupSource::BackupSource(raft::RaftNode& raft, std::unique_ptr<kv::StateMoment> moment,
                           kv::Timestamp at, std::vector<GroupId> groups,
                           const backup::Header& header)
    : raft_(raft), moment_(std::move(moment)), at_(at), groups_(std::move(groups)),
      header_(header) {
  CHECK(header_.groups == groups_.size());
}

Result<Bytes> BackupSource::next(Deadline) {
  Bytes out;
  // Of a chunk nothing may be left, and a piece without anything would be the end.
  while (out.empty() && !has_ended_) {
    const auto done = append_next(out);
    if (done) continue;
    if (done.error().code == ErrorCode::invalid_argument) return done.error();
    raft_.end_with_damaged_state(done.error());
  }
  return out;
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
  cut_.emplace(at_);
  content_ = kv::SnapshotContent();
  return {};
}

Result<void> BackupSource::continue_group(Bytes& out) {
  TRY(const raft::SnapshotChunk chunk, snapshot_->read(next_chunk_++));
  Bytes piece;
  TRY(cut_->put(chunk.data, piece));
  TRY(content_.put(piece, nullptr));
  snapshot_bytes_ += piece.size();
  for (std::size_t at = 0; at < piece.size(); at += kPieceMost) {
    writer_.data(BytesView(piece).substr(at, kPieceMost), out);
  }
  if (!chunk.is_last) return {};
  writer_.group_end(snapshot_bytes_, content_.digest(), out);
  snapshot_.reset();
  ++group_;
  return {};
}

}  // namespace keelson::admin
