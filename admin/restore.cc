// Tested by tests/core/node/backup_test.cc and tests/real/backup_test.py.
#include "admin/restore.h"

#include <fmt/format.h>

#include <utility>

#include "core/kv/snapshot_content.h"
#include "core/storage/wal.h"

namespace keelson::admin {

namespace {

raft::SnapshotId id_of(const backup::Group& group) {
  return {.number = 1, .index = group.index, .term = group.term};
}

}  // namespace

Restore::Restore(Env& env, storage::Identity identity)
    : env_(env), identity_(std::move(identity)), reader_(this) {
  CHECK(identity_.founders.contains(identity_.node_id));
}

Restore::~Restore() = default;

Result<void> Restore::put(BytesView bytes) { return reader_.put(bytes); }

Result<void> Restore::on_header(const backup::Header& header) {
  if (header.cluster_id == identity_.cluster_id) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("the backup is of cluster \"{}\": the new one needs another name, or "
                             "nodes of the old one would take it for theirs",
                             header.cluster_id)};
  }
  TRY(state_, kv::StateStore::open(env_, {}, Deadline::never()));
  return {};
}

Result<void> Restore::on_group(const backup::Group& group) {
  group_ = group;
  piece_.reset();
  next_chunk_ = 0;
  return {};
}

Result<void> Restore::on_data(BytesView bytes) {
  if (group_.index.value == 0) return {};
  if (piece_) TRY(stage(false));
  piece_ = Bytes(bytes);
  return {};
}

Result<void> Restore::on_group_end(const backup::Summary::Content&) {
  if (group_.index.value == 0) return {};
  CHECK(piece_.has_value());
  TRY(stage(true));
  return state_->install(group_.group, id_of(group_),
                         {.index = group_.index, .term = group_.term, .configuration = {}});
}

Result<void> Restore::stage(bool is_last) {
  const raft::SnapshotChunk chunk{
      .number = next_chunk_++, .is_last = is_last, .data = *std::exchange(piece_, std::nullopt)};
  return state_->stage(group_.group, id_of(group_), chunk);
}

Result<backup::Summary> Restore::finish() {
  TRY(const backup::Summary summary, reader_.finish());
  for (const auto& content : summary.groups) TRY(compare(content));
  TRY(begin_log(summary));
  return summary;
}

Result<void> Restore::compare(const backup::Summary::Content& content) {
  const GroupId group = content.group.group;
  TRY(const auto snapshot, state_->open_snapshot(group));
  kv::SnapshotContent read_back;
  for (std::uint64_t number = 0; !read_back.is_complete(); ++number) {
    TRY(const raft::SnapshotChunk chunk, snapshot->read(number));
    TRY(read_back.put(chunk.data, nullptr));
    CHECK(read_back.is_complete() == chunk.is_last);
  }
  if (snapshot->label().index != content.group.index ||
      read_back.digest() != content.content_digest) {
    return Error{ErrorCode::corrupt, to_string(group) + ": what was restored is not the backup"};
  }
  return {};
}

// What is in the state is in no log any more; a term that has been is not begun again.
Result<void> Restore::begin_log(const backup::Summary& summary) {
  TRY(const auto wal, storage::Wal::open(env_, {}, Deadline::never()));
  for (const auto& [group, bytes, digest] : summary.groups) {
    if (group.index.value == 0) continue;
    wal->append(group.group, raft::HardState{.current_term = group.term, .voted_for = {}}, {});
    wal->restart(group.group, {.index = group.index, .term = group.term});
  }
  TRY(wal->write_and_sync(Deadline::never()));
  return storage::write_identity(env_.disk, identity_, Deadline::never());
}

}  // namespace keelson::admin
