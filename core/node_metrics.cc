// Tested by tests/core/node/node_metrics_test.cc.
#include "core/node_metrics.h"

#include <algorithm>
#include <string>
#include <utility>

namespace keelson {

namespace {

using Labels = api::Metrics::Labels;

constexpr std::string_view kPeerLag = "keelson_raft_peer_lag_entries";

class Writer {
 public:
  Writer(api::Metrics& metrics, Labels labels) : metrics_(metrics), labels_(std::move(labels)) {}

  void gauge(std::string_view name, std::string_view help, std::uint64_t value) {
    metrics_.gauge(name, help, labels_).set(static_cast<std::int64_t>(value));
  }
  void counter(std::string_view name, std::string_view help, std::uint64_t total) {
    metrics_.counter(name, help, labels_).set_total(total);
  }
  void histogram(std::string_view name, std::string_view help, const Histogram& histogram) {
    metrics_.histogram(name, help, labels_, histogram.bounds()) = histogram;
  }

 private:
  api::Metrics& metrics_;
  const Labels labels_;
};

void write_role(api::Metrics& metrics, const std::string& group, raft::Role now) {
  for (const raft::Role role : {raft::Role::follower, raft::Role::pre_candidate,
                                raft::Role::candidate, raft::Role::leader}) {
    metrics
        .gauge("keelson_raft_role", "1 for the role this node has in the group, 0 for the others",
               {{"group", group}, {"role", raft::name_of(role)}})
        .set(role == now ? 1 : 0);
  }
}

void write_peer_lag(api::Metrics& metrics, const std::string& group, const raft::Raft& core,
                    NodeId self) {
  for (const auto& [peer, match] : core.match_indexes()) {
    if (peer == self) continue;
    const std::uint64_t last = core.last_log_index().value;
    metrics
        .gauge(kPeerLag, "Entries of the leader's log that are not known to be in the peer's",
               {{"group", group}, {"peer", to_string(peer)}})
        .set(static_cast<std::int64_t>(last - std::min(last, match.value)));
  }
}

void write_group(api::Metrics& metrics, const MeasuredNode& node, GroupId id) {
  const raft::Raft& core = node.raft.core(id);
  const std::string group = to_string(id);
  Writer to(metrics, {{"group", group}});
  to.gauge("keelson_raft_term", "Current term", core.current_term().value);
  to.gauge("keelson_raft_is_leader", "1 while this node believes it leads the group",
           core.role() == raft::Role::leader ? 1 : 0);
  to.gauge("keelson_raft_leader", "Number of the node that this one takes for the leader, 0: none",
           core.leader() ? core.leader()->value : 0);
  write_role(metrics, group, core.role());
  to.gauge("keelson_raft_commit_index", "Commit index", core.commit_index().value);
  to.gauge("keelson_raft_applied_index", "Last applied index", node.raft.last_applied(id).value);
  to.gauge("keelson_raft_last_log_index", "Last index of the log", core.last_log_index().value);
  to.gauge("keelson_raft_snapshot_index", "Index up to which the log is compacted",
           core.log_start().index.value);
  to.gauge("keelson_raft_log_bytes", "Size of the group's log in memory", core.log_bytes());
  const std::size_t voters = core.configuration().voters_count();
  to.gauge("keelson_raft_voters", "Voters of the configuration in force", voters);
  to.gauge("keelson_raft_learners", "Learners of the configuration in force",
           core.configuration().members.size() - voters);
  write_peer_lag(metrics, group, core, node.self);

  const auto counts = node.raft.counts(id);
  to.counter("keelson_raft_elections_total", "Elections this node has begun", counts.elections);
  to.counter("keelson_raft_proposals_failed_total",
             "Proposals refused, lost, or of unknown outcome", counts.proposals_failed);
  to.gauge("keelson_raft_pending_proposals", "Proposals that wait to be applied",
           counts.pending_proposals);
  to.gauge("keelson_raft_pending_reads", "Reads and probes that wait for a quorum round",
           counts.pending_reads);
  to.histogram("keelson_raft_append_seconds", "From a proposal until it is applied on its leader",
               node.raft.append_latency(id));
}

void write_storage(Writer& to, const MeasuredNode& node) {
  to.gauge("keelson_disk_full", "1 while the node has no space for writes",
           node.raft.disk_is_full() ? 1 : 0);
  to.gauge("keelson_log_bytes", "Size of the write-ahead log", node.wal.bytes());
  to.gauge("keelson_log_segments", "Segments of the write-ahead log", node.wal.segment_count());
  to.histogram("keelson_log_sync_seconds", "From a write to the log until it is durable",
               node.raft.sync_latency());
  const kv::StateStoreSizes sizes = node.state.sizes();
  to.gauge("keelson_state_database_bytes", "Size of the state's database", sizes.database_bytes);
  to.gauge("keelson_state_wal_bytes", "Size of the state's -wal file", sizes.wal_bytes);
  to.gauge("keelson_state_open_snapshots", "Snapshots of the state that are being read",
           sizes.open_snapshots);
  const auto snapshots = node.raft.snapshot_counts();
  to.counter("keelson_snapshots_sent_total", "Snapshots begun to be sent to followers",
             snapshots.sent);
  to.counter("keelson_snapshots_installed_total", "Snapshots installed from a leader",
             snapshots.installed);
}

void write_shards(api::Metrics& metrics, Writer& to, const MeasuredNode& node) {
  const kv::ShardMap& map = node.coordinator.shards();
  for (const GroupId group : node.raft.groups()) {
    const auto has_it = [group](const kv::Shard& shard) { return shard.group == group; };
    metrics
        .gauge("keelson_shards", "Shards of the group", {{"group", to_string(group)}})
        .set(std::count_if(map.shards().begin(), map.shards().end(), has_it));
  }
  to.gauge("keelson_shard_map_version", "Version of the shard map, 0: not written down yet",
           map.version());
  to.gauge("keelson_shard_moving", "1 while a shard is moving to another group",
           map.move() ? 1 : 0);
  const kv::ShardCounts counts = node.coordinator.shard_counts();
  to.counter("keelson_shard_moves_total", "Moves of shards that this node has brought to their end",
             counts.moved);
  to.counter("keelson_shard_rows_sent_total", "Rows that this node has sent to a shard's new group",
             counts.rows_sent);
}

}  // namespace

void refresh_metrics(api::Metrics& metrics, const MeasuredNode& node) {
  metrics.clear_gauge(kPeerLag);  // Only a leader knows, and peers come and go.
  for (const GroupId group : node.raft.groups()) write_group(metrics, node, group);
  Writer to(metrics, {});
  write_storage(to, node);
  write_shards(metrics, to, node);
  const auto rounds = node.raft.read_rounds(node.coordinator.default_group());
  to.counter("keelson_probe_rounds_total",
             "Quorum rounds of the default group begun for probes and reads", rounds.begun);
  to.counter("keelson_probe_shared_total", "Probes and reads that shared such a round",
             rounds.shared);
  const auto counts = node.coordinator.counts();
  to.counter("keelson_forwarded_sent_total", "Requests passed on to a leader", counts.forwarded);
  to.counter("keelson_forwarded_failed_total", "Requests passed on that got no reply",
             counts.forwards_failed);
  to.counter("keelson_forwarded_served_total", "Requests of peers that were served here",
             counts.served);
  to.counter("keelson_circuit_open_total", "Requests not passed on as the leader was silent",
             counts.refused_by_open_circuit);
  const auto transactions = node.coordinator.transaction_counts();
  to.counter("keelson_locks_resolved_total", "Locks of transactions resolved by another",
             transactions.resolved);
  to.counter("keelson_locks_rolled_back_total", "Of these, rolled back", transactions.rolled_back);
}

}  // namespace keelson
