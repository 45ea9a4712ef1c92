// Tested by tests/core/node/operator_test.cc and tests/core/node/backup_test.cc.
#include "admin/node_control.h"

#include "admin/backup_source.h"

namespace keelson::admin {

namespace {

constexpr const char* kVersion = "0.1.0";
constexpr Duration kAppliedPoll = std::chrono::milliseconds(5);

}  // namespace

ClusterStatus NodeControl::status() const {
  ClusterStatus status{.node_id = node_.config().node_id,
                       .cluster_id = node_.config().cluster_id,
                       .version = kVersion,
                       .groups = {}};
  for (const GroupId group : node_.raft().groups()) status.groups.push_back(describe(group));
  return status;
}

ShardsStatus NodeControl::shards() const {
  ShardsStatus status{.map = node_.coordinator().shards(), .phase = ""};
  const std::optional<kv::ShardMove>& move = status.map.move();
  if (!move) return status;
  const kv::GroupMemory& source = node_.state().memory(move->source);
  const bool is_fenced = source.ownership.find(move->number, kv::Ownership::State::fenced) &&
                         source.locks.holder_in(move->range) == nullptr;
  status.phase = move->is_switched ? "dropping" : is_fenced ? "copying" : "fencing";
  return status;
}

GroupStatus NodeControl::describe(GroupId group) const {
  const raft::Raft& core = node_.raft().core(group);
  const raft::Configuration& configuration = core.configuration();
  GroupStatus status{.group_id = group,
                     .leader_id = core.leader(),
                     .term = core.current_term(),
                     .commit_index = core.commit_index(),
                     // Of one moment: the digest is that of the state up to this index.
                     .applied_index = node_.state().label(group).index,
                     .last_log_index = core.last_log_index(),
                     .snapshot_index = core.log_start().index,
                     .state_digest = node_.state().digest(group),
                     .configuration_index = configuration.index,
                     .is_joint = configuration.is_joint(),
                     .members = {},
                     .is_leader = core.role() == raft::Role::leader,
                     .is_transferring = core.is_transferring()};
  const auto match_indexes = core.match_indexes();
  for (const NodeId id : configuration.nodes()) {
    const raft::Member* const member = configuration.find(id);
    const auto known = match_indexes.find(id);
    const bool stays = configuration.members.contains(id);
    status.members.push_back(
        {.id = id,
         .role = !stays ? "leaving" : member->is_voter ? "voter" : "learner",
         .match_index = known == match_indexes.end() ? raft::LogIndex() : known->second,
         .address = address_of(id, *member),
         .incarnation = member->incarnation});
  }
  return status;
}

// A member of the first hour has no address in the configuration: nodes are started with it.
std::string NodeControl::address_of(NodeId id, const raft::Member& member) const {
  if (!member.address.empty()) return member.address;
  const auto configured = node_.config().peers.find(id);
  return configured == node_.config().peers.end() ? "" : configured->second;
}

Result<raft::LogIndex> NodeControl::change_configuration(GroupId group,
                                                         const raft::ConfigurationChange& change,
                                                         raft::LogIndex expected_index,
                                                         Deadline deadline) {
  return node_.raft().change_configuration(group, change, expected_index, deadline);
}

Result<NodeId> NodeControl::transfer_leadership(GroupId group, std::optional<NodeId> target,
                                                Deadline deadline) {
  return node_.raft().transfer_leadership(group, target, deadline);
}

Result<void> NodeControl::change_shards(const kv::ShardChange& change, std::uint64_t version,
                                        Deadline deadline) {
  return node_.coordinator().change_shards(change, version, deadline);
}

Result<raft::LogIndex> NodeControl::confirm_leadership(GroupId group, Deadline deadline) {
  return node_.raft().confirm_leadership(group, deadline);
}

void NodeControl::wait_for_leader_change(GroupId group, Deadline deadline) {
  (void)node_.raft().wait_for_leader_change(group, deadline);
}

Result<void> NodeControl::wait_until_applied(GroupId group, raft::LogIndex index,
                                             Deadline deadline) {
  while (node_.raft().last_applied(group) < index) {
    if (env_.clock.now() >= deadline.at) {
      return Error{ErrorCode::timed_out, to_string(group) + " is not caught up on this node"};
    }
    env_.scheduler.sleep_for(kAppliedPoll);
  }
  return {};
}

// As a reader of all keys would take a snapshot of them: see core/kv/transaction.h.
Result<kv::Timestamp> NodeControl::choose_backup_time(Deadline deadline) {
  kv::Coordinator& coordinator = node_.coordinator();
  while (true) {
    kv::Timestamp at;
    for (const GroupId group : node_.raft().groups()) {
      TRY(const kv::ReadReply reply,
          coordinator.read_in(group, {.at = kv::Timestamp()}, deadline));
      at = std::max(at, reply.at);
    }
    const auto settled = settle_until(at, deadline);
    if (settled) return at;
    // The versions are gone, or the map has changed meanwhile.
    if (settled.error().code != ErrorCode::conflict || env_.clock.now() >= deadline.at) {
      return settled.error();
    }
    SOMETIMES(env_.marks, "admin: a backup chose another time");
    env_.scheduler.sleep_for(kAppliedPoll);
  }
}

// Reading a range waits for whoever may have written to it by then.
Result<void> NodeControl::settle_until(kv::Timestamp at, Deadline deadline) {
  kv::Coordinator& coordinator = node_.coordinator();
  const kv::ShardMap shards = coordinator.shards();
  for (const kv::Shard& shard : shards.shards()) {
    kv::KeyRange range = shards.range_of(shard.from);
    range.from = kv::first_user_key(range.from);
    TRY(coordinator.read_in(shard.group,
                            {.range = std::move(range), .rows_limit = 1, .at = at,
                             .uncertain_until = at},
                            deadline));
  }
  return {};
}

Result<std::unique_ptr<api::BodySource>> NodeControl::open_backup(kv::Timestamp at) {
  const std::vector<GroupId> groups = node_.raft().groups();
  auto moment = node_.state().open_moment();
  if (!moment && moment.error().code != ErrorCode::unavailable) {
    node_.raft().end_with_damaged_state(moment.error());
  }
  if (!moment) return moment.error();
  for (const GroupId group : groups) {
    if (node_.state().memory(group).clock.safe_point <= at) continue;
    return Error{ErrorCode::conflict, to_string(group) + " has forgotten what was at that time"};
  }
  env_.log.event("admin", "a backup is being taken");
  return std::unique_ptr<api::BodySource>(std::make_unique<BackupSource>(
      node_.raft(), *std::move(moment), at, groups,
      backup::Header{.wall_ms = env_.clock.wall_ms(),
                     .groups = static_cast<std::uint32_t>(groups.size()),
                     .cluster_id = node_.config().cluster_id}));
}

Result<void> NodeControl::cut_logs() { return node_.raft().compact_now(); }

void NodeControl::request_stop() { env_.stop_requested.set(); }

Result<Bytes> NodeControl::call(NodeId to, BytesView request, Deadline deadline) {
  return node_.call_admin(to, request, deadline);
}

}  // namespace keelson::admin
