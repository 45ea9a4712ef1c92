// What the admin listener tells about the cluster, as this node sees it. The node implements it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/kv/shard_map.h"
#include "core/raft/types.h"

namespace keelson::admin {

struct MemberStatus {
  NodeId id;
  std::string role;  // "voter", "learner", or "leaving": it votes until the joint phase is over.
  raft::LogIndex match_index;     // Known to the leader only; 0 elsewhere.
  std::string address{};          // Of its raft listener, as far as this node knows.
  Incarnation incarnation{};      // Of its data directory; 0: not known yet.
};

struct GroupStatus {
  GroupId group_id;
  std::optional<NodeId> leader_id;  // Whom this node follows or is; nothing while it knows of none.
  raft::Term term;
  raft::LogIndex commit_index;
  raft::LogIndex applied_index;
  raft::LogIndex last_log_index{};
  raft::LogIndex snapshot_index;      // The log begins after it: what is before is in the state.
  std::uint64_t state_digest = 0;     // Equal on two nodes that have applied the same index.
  raft::LogIndex configuration_index{};  // Of the entry that brought the members; 0: the founders.
  bool is_joint = false;                 // A change is under way: both majorities decide.
  std::vector<MemberStatus> members;  // In the order of their ids.
  bool is_leader = false;             // By its own belief: no quorum was asked.
  bool is_transferring = false;       // This node is handing the lead over.
};

struct ClusterStatus {
  NodeId node_id;
  std::string cluster_id{};
  std::string version;
  std::vector<GroupStatus> groups;  // In the order of their ids.
};

struct ShardsStatus {
  kv::ShardMap map;
  // Of the move under way: "fencing" (transactions in it are brought to their end), "copying" or
  // "dropping" (it is served by its new group); empty when there is none.
  std::string phase;
};

class ClusterView {
 public:
  virtual ~ClusterView() = default;

  // From local state alone; they never suspend.
  virtual ClusterStatus status() const = 0;
  virtual ShardsStatus shards() const = 0;
};

}  // namespace keelson::admin
