// What the admin listener may do to the cluster through this node. The node implements it
// (admin/node_control.h), tests put something else in its place.
#pragma once

#include <memory>
#include <optional>

#include "core/api/http.h"
#include "core/kv/hlc.h"
#include "core/kv/shard_map.h"
#include "core/raft/raft_node.h"

namespace keelson::admin {

class ClusterControl {
 public:
  virtual ~ClusterControl() = default;

  // As RaftNode::change_configuration() and RaftNode::transfer_leadership().
  virtual Result<raft::LogIndex> change_configuration(GroupId group,
                                                      const raft::ConfigurationChange& change,
                                                      raft::LogIndex expected_index,
                                                      Deadline deadline) = 0;
  virtual Result<NodeId> transfer_leadership(GroupId group, std::optional<NodeId> target,
                                             Deadline deadline) = 0;
  // As Coordinator::change_shards().
  virtual Result<void> change_shards(const kv::ShardChange& change, std::uint64_t version,
                                     Deadline deadline) = 0;
  // As RaftNode::confirm_leadership(): the index that a linearizable read must see applied.
  virtual Result<raft::LogIndex> confirm_leadership(GroupId group, Deadline deadline) = 0;
  // Suspends until this node's view of who leads the group may have changed, or the deadline.
  virtual void wait_for_leader_change(GroupId group, Deadline deadline) = 0;

  // Suspends until this node has applied the entry. Errors: timed_out.
  virtual Result<void> wait_until_applied(GroupId group, raft::LogIndex index,
                                          Deadline deadline) = 0;

  // A time up to which every group's content is decided: nothing will be stamped up to it any more,
  // and no transaction that may have happened by then is under way. Everything that was
  // acknowledged before the call is not after it. REQUIRES: no shard moves meanwhile. Suspends.
  // Errors: unavailable, timed_out.
  virtual Result<kv::Timestamp> choose_backup_time(Deadline deadline) = 0;
  // A backup of all groups as they were at that time (admin/backup_source.h). REQUIRES: this node
  // has applied everything up to it. Suspends. Errors: unavailable (too many are being taken),
  // conflict (it was too long ago: choose another).
  virtual Result<std::unique_ptr<api::BodySource>> open_backup(kv::Timestamp at) = 0;

  // Makes this node's state durable and cuts its logs as far as that allows. Suspends. Errors:
  // no_space.
  virtual Result<void> cut_logs() = 0;

  // Asks this node to end in good order, as SIGTERM does. Never suspends.
  virtual void request_stop() = 0;

  // Asks the admin API of another node: what OperatorApi::serve_forwarded() of it answers. Errors:
  // unavailable (nothing was sent), timed_out and connection_lost (it may have been carried out).
  virtual Result<Bytes> call(NodeId to, BytesView request, Deadline deadline) = 0;
};

}  // namespace keelson::admin
