// Coordinator: the cluster as one store, from the point of view of one node. It looks up which
// group has a key, finds the group's leader, works there (here, or one hop away), and retries what
// is safe. When the group has given the key away meanwhile, it looks again.
//
// What an error says is kept honest all the way: unavailable = surely did not happen; timed_out =
// may have happened. A batch with a token may be tried again after an unknown outcome, since it is
// applied once, and so may the commands of transactions, which name theirs; a batch without a token
// is not.
//
// Keys of several groups in one call are one moment all the same: cross_group.cc.
//
// A leader that does not answer is not asked again for a while: after a few failures in a row its
// circuit is open, for this leader in this term, and requests look for another one at once.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/kv/forward.h"
#include "core/kv/resolver.h"
#include "core/kv/shard_mover.h"
#include "core/kv/state_store.h"
#include "core/kv/store.h"
#include "core/kv/timestamps.h"
#include "core/raft/raft_node.h"
#include "core/runtime/env.h"
#include "core/runtime/task_group.h"

namespace keelson::kv {

// Asks another node: core/raft/transport.h.
class PeerCaller {
 public:
  virtual ~PeerCaller() = default;
  // Errors: unavailable (nothing was sent), timed_out and connection_lost (it may have happened).
  virtual Result<Bytes> call(NodeId to, BytesView request, Deadline deadline) = 0;
};

struct CoordinatorOptions {
  NodeId self;
  std::vector<GroupId> groups = {};  // Sorted; the first is the default group.
  // Between attempts when no leader is known or the known one refuses; a leader change ends it
  // early.
  Duration retry_interval = std::chrono::milliseconds(50);
  std::size_t batch_bytes_max = 4 << 20;
  // A node is ready when it has applied all but this many of the entries it knows to be committed.
  std::uint64_t ready_lag_max = 1000;
  TimestampsOptions timestamps = {};
  // How long a transaction over several groups may take from its first prepare to its decision,
  // before whoever meets its locks may roll it back.
  Duration transaction_ttl = std::chrono::seconds(3);
  // How soon a change of the shard map is noticed, and carried out.
  Duration shard_interval = std::chrono::seconds(1);
  // For the circuit of a leader that does not answer.
  std::uint32_t failures_to_open = 3;
  Duration open_for = std::chrono::milliseconds(500);
};

// For metrics.
struct CoordinatorCounts {
  std::uint64_t forwarded = 0;
  std::uint64_t forwards_failed = 0;  // Of these, without a reply.
  std::uint64_t served = 0;           // Requests of peers that were served here.
  std::uint64_t refused_by_open_circuit = 0;
};

class Coordinator : public Store, public Leadership, private CeilingSource {
 public:
  // The references outlive this object; `state` is what `raft` applies to.
  Coordinator(Env& env, CoordinatorOptions options, raft::RaftNode& raft, PeerCaller& peers,
              StateStore& state);

  // Begins and ends what goes on by itself: the ceiling, and looking after transactions.
  void start();
  void stop();

  // --- Store ---
  Result<BatchOutcome> execute(Batch batch, Deadline deadline) override;
  Result<std::vector<std::optional<VersionedValue>>> get(std::vector<Bytes> keys,
                                                         Deadline deadline) override;
  Result<ScanReply> scan(ScanRequest request, Deadline deadline) override;

  // --- Leadership of the default group ---
  bool is_leader() const override;
  Result<void> verify_leader(Deadline deadline) override;
  std::optional<NodeId> leader_hint() const override;
  raft::Term term() const override;
  bool is_draining() const override { return draining_; }
  bool is_ready() const override;

  // --- the same, of the group that has the key ---
  bool is_leader_for_key(BytesView key) const;
  Result<void> verify_leader_for_key(BytesView key, Deadline deadline);
  std::optional<NodeId> leader_hint_for_key(BytesView key) const;

  // --- shards ---

  // As this node knows it; valid until the caller suspends.
  const ShardMap& shards() const;
  GroupId group_of(BytesView key) const { return shards().group_of(key); }
  // Changes the map, if it has that version; a move goes on by itself then. Errors: conflict (the
  // map is another one by now, after a lost connection perhaps by this very change; or a shard is
  // moving), invalid_argument (the change makes no sense: the message says why), unavailable,
  // timed_out (it may have happened).
  Result<void> change_shards(const ShardChange& change, std::uint64_t version, Deadline deadline);

  // From now on probes are red, and verifications that are under way fail. Requests go on.
  void begin_drain();

  GroupId default_group() const { return options_.groups.front(); }

  // What a peer's coordinator asks of this one; encoded ForwardRequest to encoded ForwardReply.
  // Never passes it on.
  Bytes serve_forwarded(BytesView request);

  CoordinatorCounts counts() const { return counts_; }
  TransactionCounts transaction_counts() const { return resolver_.counts(); }
  ShardCounts shard_counts() const { return shard_mover_.counts(); }

  // --- for Transaction, Resolver and ShardMover: of one group, wherever its leader is ---

  // As execute(), and conflict: the group does not have all its keys any more.
  Result<BatchOutcome> execute_in(GroupId group, Batch batch, Deadline deadline);
  // Errors: conflict (as read() of core/kv/versions.h says, or as above), timed_out, unavailable.
  Result<ReadReply> read_in(GroupId group, ReadRequest request, Deadline deadline);
  // REQUIRES: it may be repeated. Errors: timed_out (it may have happened), unavailable.
  Result<CommandResult> command_in(GroupId group, const Command& command, Timestamp at_least,
                                   Deadline deadline);
  Resolver& resolver() { return resolver_; }
  Timestamps& timestamps() { return timestamps_; }
  Scheduler& scheduler() { return env_.scheduler; }
  Bytes new_identifier() { return env_.random.identifier(); }
  const CoordinatorOptions& options() const { return options_; }
  // Whether this node leads the group, by its own word.
  bool leads(GroupId group) const;
  StateStore& state() { return state_; }

 private:
  struct Circuit {
    NodeId leader;
    raft::Term term;
    std::uint32_t failures = 0;
    Instant open_until = {};
  };

  // coordinator.cc
  Result<Answer> work_with_retries(GroupId group, const Work& work, Deadline deadline);
  Result<Answer> try_once(GroupId group, const Work& work, Deadline deadline);
  Result<Answer> forward(NodeId leader, GroupId group, const Work& work, Deadline deadline);
  bool wait_for_shards(Deadline deadline);
  bool is_leader_of(GroupId group) const;
  Result<void> verify_leader_of(GroupId group, Deadline deadline);
  bool is_for_this_node(const ForwardRequest& request) const;
  Result<CeilingReply> raise_ceiling(const CeilingRequest& request, Deadline deadline) override;

  // cross_group.cc
  std::optional<GroupId> only_group_of(const Batch& batch) const;
  std::optional<GroupId> only_group_of(const std::vector<Bytes>& keys) const;
  Result<std::map<GroupId, Timestamp>> begin_across(const std::vector<GroupId>& groups,
                                                    Timestamp& at, Deadline deadline);
  Result<ScanReply> scan_all(const ScanRequest& request, Deadline deadline);
  Result<BatchOutcome> execute_across(const Batch& batch, Deadline deadline);
  Result<std::vector<std::optional<VersionedValue>>> get_across(const std::vector<Bytes>& keys,
                                                                Deadline deadline);

  // leader_work.cc: as the group's leader
  Result<Answer> work_here(GroupId group, const Work& work, Deadline deadline);
  Result<Answer> work_on(GroupId group, const Batch& batch, Deadline deadline);
  Result<Answer> work_on(GroupId group, const ReadRequest& request, Deadline deadline);
  Result<Answer> work_on(GroupId group, const CommandRequest& request, Deadline deadline);
  Result<Answer> work_on(GroupId group, const CeilingRequest& request, Deadline deadline);
  Result<Bytes> propose_stamped(GroupId group, Bytes entry, Timestamp at_least, Deadline deadline);
  Result<ReadRequest> begin_read(GroupId group, ReadRequest request, Deadline deadline);
  Result<void> get_past(GroupId group, const Lock& lock, Deadline deadline);
  void renew_loop();

  Env& env_;
  const CoordinatorOptions options_;
  raft::RaftNode& raft_;
  PeerCaller& peers_;
  StateStore& state_;
  Timestamps timestamps_;
  Resolver resolver_;
  ShardMover shard_mover_;
  const ShardMap initial_shards_;
  std::map<GroupId, Circuit> circuits_;
  CoordinatorCounts counts_;
  std::uint64_t next_request_id_ = 1;
  bool draining_ = false;
  TaskGroup fibers_;
};

}  // namespace keelson::kv
