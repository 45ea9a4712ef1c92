// A backup being taken: the answer to GET /admin/api/v1/cluster/backup, made while it is sent. It
// holds one chunk of a snapshot in memory, with what was replaced since the time of the backup, and
// one read transaction open as long as it lives.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "admin/backup_format.h"
#include "core/api/http.h"
#include "core/kv/snapshot_cut.h"
#include "core/kv/state_store.h"
#include "core/raft/raft_node.h"

namespace keelson::admin {

class BackupSource : public api::BodySource {
 public:
  // Of these groups, in order, as they were at `at`, made of what they are in `moment`. The node
  // that `raft` belongs to ends when its state turns out to be damaged. REQUIRES: those of
  // SnapshotCut.
  BackupSource(raft::RaftNode& raft, std::unique_ptr<kv::StateMoment> moment, kv::Timestamp at,
               std::vector<GroupId> groups, const backup::Header& header);

  // Errors: invalid_argument (what the state gives is no snapshot).
  Result<Bytes> next(Deadline deadline) override;

 private:
  Result<void> append_next(Bytes& out);
  Result<void> begin_group(Bytes& out);
  Result<void> continue_group(Bytes& out);

  raft::RaftNode& raft_;
  const std::unique_ptr<kv::StateMoment> moment_;
  const kv::Timestamp at_;
  const std::vector<GroupId> groups_;
  const backup::Header header_;
  backup::Writer writer_;
  bool has_begun_ = false;
  bool has_ended_ = false;
  std::size_t group_ = 0;  // Of groups_: the one that is read, or comes next.

  // Of the group that is read. Null between groups.
  std::unique_ptr<raft::Snapshot> snapshot_;
  std::uint64_t next_chunk_ = 0;
  std::optional<kv::SnapshotCut> cut_;
  std::uint64_t snapshot_bytes_ = 0;
  kv::SnapshotContent content_;
};

}  // namespace keelson::admin
