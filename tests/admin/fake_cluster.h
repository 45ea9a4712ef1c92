// Stand-ins for the node behind the admin listener: a cluster that says what a test tells it to.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "admin/cluster_control.h"
#include "admin/cluster_view.h"
#include "core/base/event_log.h"

namespace keelson::admin {

// n2 leads g0, and nobody g1.
class TwoGroups : public ClusterView {
 public:
  TwoGroups() {
    CHECK(map.map.apply(kv::FoundShards{{GroupId(0), GroupId(1)}}));
    CHECK(map.map.apply(kv::SplitShard{"b/"}));
  }

  ClusterStatus status() const override { return now; }
  ShardsStatus shards() const override { return map; }

  // Version 2: g0 from the beginning, from "b/" and g1 from the middle.
  ShardsStatus map{.map = {}, .phase = ""};
  ClusterStatus now{
      .node_id = NodeId(2),
      .cluster_id = "prod",
      .version = "0.1",
      .groups = {{.group_id = GroupId(0),
                  .leader_id = NodeId(2),
                  .term = raft::Term(7),
                  .commit_index = raft::LogIndex(41),
                  .applied_index = raft::LogIndex(40),
                  .last_log_index = raft::LogIndex(42),
                  .snapshot_index = raft::LogIndex(30),
                  .state_digest = 0xfedcba9876543210,
                  .configuration_index = raft::LogIndex(17),
                  .is_joint = true,
                  .members = {{NodeId(1), "leaving", raft::LogIndex(39), "a:7000", Incarnation(1)},
                              {NodeId(2), "voter", raft::LogIndex(42), "b:7000",
                               Incarnation(0xabc)}},
                  .is_leader = true},
                 {.group_id = GroupId(1),
                  .leader_id = std::nullopt,
                  .term = raft::Term(3),
                  .commit_index = raft::LogIndex(0),
                  .applied_index = raft::LogIndex(0),
                  .snapshot_index = raft::LogIndex(0),
                  .state_digest = 0,
                  .members = {},
                  .is_leader = false}}};
};

class EmptyBody : public api::BodySource {
 public:
  Result<Bytes> next(Deadline) override { return Bytes(); }
};

// Answers with what is set, and remembers what it was asked.
class FakeControl : public ClusterControl {
 public:
  Result<raft::LogIndex> change_configuration(GroupId, const raft::ConfigurationChange& change,
                                              raft::LogIndex expected, Deadline) override {
    changes.push_back(change);
    expected_index = expected;
    return change_result;
  }
  Result<NodeId> transfer_leadership(GroupId, std::optional<NodeId> target, Deadline) override {
    targets.push_back(target);
    return transfer_result;
  }
  Result<void> change_shards(const kv::ShardChange& change, std::uint64_t version,
                             Deadline) override {
    shard_changes.emplace_back(change, version);
    return shards_result;
  }
  Result<raft::LogIndex> confirm_leadership(GroupId, Deadline) override { return confirm_result; }
  void wait_for_leader_change(GroupId, Deadline deadline) override {
    ++waits;
    if (on_wait) on_wait(deadline);
  }
  Result<void> wait_until_applied(GroupId group, raft::LogIndex index, Deadline) override {
    applied[group] = index;
    return {};
  }
  Result<kv::Timestamp> choose_backup_time(Deadline) override { return kv::Timestamp(++times); }
  Result<std::unique_ptr<api::BodySource>> open_backup(kv::Timestamp at) override {
    CHECK(at == kv::Timestamp(times));
    ++backups;
    if (!on_backup) return Error{ErrorCode::unavailable, "too many"};
    on_backup();
    return std::unique_ptr<api::BodySource>(std::make_unique<EmptyBody>());
  }
  Result<void> cut_logs() override {
    ++cuts;
    return {};
  }
  void request_stop() override { ++stops; }
  Result<Bytes> call(NodeId to, BytesView request, Deadline) override {
    calls.emplace_back(to, Bytes(request));
    return call_result ? call_result(request) : Error{ErrorCode::unavailable, "no connection"};
  }

  Result<raft::LogIndex> change_result = raft::LogIndex(18);
  Result<NodeId> transfer_result = NodeId(3);
  Result<void> shards_result;
  Result<raft::LogIndex> confirm_result = raft::LogIndex(41);
  std::function<Result<Bytes>(BytesView)> call_result;
  std::function<void(Deadline)> on_wait;
  std::function<void()> on_backup;  // Without it there is none.

  std::vector<raft::ConfigurationChange> changes;
  raft::LogIndex expected_index;
  std::vector<std::pair<kv::ShardChange, std::uint64_t>> shard_changes;
  std::vector<std::optional<NodeId>> targets;
  std::vector<std::pair<NodeId, Bytes>> calls;
  std::map<GroupId, raft::LogIndex> applied;  // As far as was waited for.
  int waits = 0;
  int backups = 0;
  std::uint64_t times = 0;
  int cuts = 0;
  int stops = 0;
};

class RememberedLog : public EventLog {
 public:
  void event(std::string_view component, std::string_view text) override {
    lines.push_back(std::string(component) + ": " + std::string(text));
  }
  std::vector<std::string> lines;
};

}  // namespace keelson::admin
