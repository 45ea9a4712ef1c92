// What the admin listener tells about the cluster, as this node sees it. The node implements it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/raft/types.h"

namespace keelson::admin {

struct MemberStatus {
  NodeId id;
  std::string role;             // "voter" or "learner".
  raft::LogIndex match_index;   // Known to the leader only; 0 elsewhere.
};

struct GroupStatus {
  GroupId group_id;
  std::optional<NodeId> leader_id;  // Whom this node follows or is; nothing while it knows of none.
  raft::Term term;
  raft::LogIndex commit_index;
  raft::LogIndex applied_index;
  raft::LogIndex snapshot_index;      // The log begins after it: what is before is in the state.
  std::uint64_t state_digest = 0;     // Equal on two nodes that have applied the same index.
  std::vector<MemberStatus> members;  // In the order of their ids.
  bool is_leader = false;             // By its own belief: no quorum was asked.
};

struct ClusterStatus {
  NodeId node_id;
  std::string version;
  std::vector<GroupStatus> groups;  // In the order of their ids.
};

class ClusterView {
 public:
  virtual ~ClusterView() = default;

  // From local state alone; never suspends.
  virtual ClusterStatus status() const = 0;
};

}  // namespace keelson::admin
