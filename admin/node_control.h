// A node as the admin listener sees it, and what that may do to it.
#pragma once

#include "admin/cluster_control.h"
#include "admin/cluster_view.h"
#include "core/node.h"

namespace keelson::admin {

class NodeControl : public ClusterView, public ClusterControl {
 public:
  // Both outlive this object.
  NodeControl(Env& env, Node& node) : env_(env), node_(node) {}

  ClusterStatus status() const override;
  ShardsStatus shards() const override;

  Result<raft::LogIndex> change_configuration(GroupId group,
                                              const raft::ConfigurationChange& change,
                                              raft::LogIndex expected_index,
                                              Deadline deadline) override;
  Result<NodeId> transfer_leadership(GroupId group, std::optional<NodeId> target,
                                     Deadline deadline) override;
  Result<void> change_shards(const kv::ShardChange& change, std::uint64_t version,
                             Deadline deadline) override;
  Result<raft::LogIndex> confirm_leadership(GroupId group, Deadline deadline) override;
  void wait_for_leader_change(GroupId group, Deadline deadline) override;
  Result<void> wait_until_applied(GroupId group, raft::LogIndex index, Deadline deadline) override;
  Result<kv::Timestamp> choose_backup_time(Deadline deadline) override;
  Result<std::unique_ptr<api::BodySource>> open_backup(kv::Timestamp at) override;
  Result<void> cut_logs() override;
  void request_stop() override;
  Result<Bytes> call(NodeId to, BytesView request, Deadline deadline) override;

 private:
  Result<void> settle_until(kv::Timestamp at, Deadline deadline);
  GroupStatus describe(GroupId group) const;
  std::string address_of(NodeId id, const raft::Member& member) const;

  Env& env_;
  Node& node_;
};

}  // namespace keelson::admin
