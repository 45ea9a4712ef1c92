// What a node tells of itself in numbers, besides what its listeners count: copied from its parts
// before each rendering.
//
// Per group: keelson_raft_{term,is_leader,leader,role,commit_index,applied_index,last_log_index,
// snapshot_index,log_bytes,voters,learners,pending_proposals,pending_reads}, _elections_total,
// _proposals_failed_total, _append_seconds, and of the leader _peer_lag_entries per peer. Per node:
// keelson_log_*, keelson_state_*, keelson_disk_full, keelson_snapshots_*, keelson_probe_*,
// keelson_forwarded_*, keelson_locks_*, and of the shard map as this node knows it keelson_shards
// per group, keelson_shard_map_version, keelson_shard_moving; of the moves that this node has made
// keelson_shard_moves_total, keelson_shard_rows_sent_total.
#pragma once

#include "core/api/metrics.h"
#include "core/kv/coordinator.h"
#include "core/kv/state_store.h"
#include "core/raft/raft_node.h"
#include "core/storage/wal.h"

namespace keelson {

struct MeasuredNode {
  const raft::RaftNode& raft;
  const kv::Coordinator& coordinator;
  const storage::Wal& wal;
  const kv::StateStore& state;
  NodeId self;
};

// Never suspends.
void refresh_metrics(api::Metrics& metrics, const MeasuredNode& node);

}  // namespace keelson
