// Coordinator: the cluster as one store, from the point of view of one node. It routes a key to its
// group, finds the group's leader, works there (here, or one hop away), and retries what is safe.
//
// What an error says is kept honest all the way: unavailable = surely did not happen; timed_out =
// may have happened. A batch with a token may be tried again after an unknown outcome, since it is
// applied once; one without is not.
#pragma once

#include <vector>

#include "core/kv/forward.h"
#include "core/kv/state_store.h"
#include "core/kv/store.h"
#include "core/raft/raft_node.h"
#include "core/runtime/env.h"

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
  std::vector<GroupId> groups;  // Sorted; the first is the default group.
  // Between attempts when no leader is known or the known one refuses; a leader change ends it
  // early.
  Duration retry_interval = std::chrono::milliseconds(50);
  std::size_t batch_bytes_max = 4 << 20;
  // A node is ready when it has applied all but this many of the entries it knows to be committed.
  std::uint64_t ready_lag_max = 1000;
};

class Coordinator : public Store, public Leadership {
 public:
  // The references outlive this object; `state` is what `raft` applies to.
  Coordinator(Env& env, CoordinatorOptions options, raft::RaftNode& raft, PeerCaller& peers,
              StateStore& state);

  // --- Store ---
  Result<BatchOutcome> execute(BytesView route, Batch batch, Deadline deadline) override;
  Result<GetReply> get(BytesView route, std::vector<Bytes> keys, Deadline deadline) override;

  // --- Leadership of the default group ---
  bool is_leader() const override;
  Result<void> verify_leader(Deadline deadline) override;
  std::optional<NodeId> leader_hint() const override;
  raft::Term term() const override;
  bool is_draining() const override { return draining_; }
  bool is_ready() const override;

  // From now on probes are red, and verifications that are under way fail. Requests go on.
  void begin_drain();

  GroupId default_group() const { return options_.groups.front(); }
  GroupId group_of(BytesView route) const;

  // What a peer's coordinator asks of this one; encoded ForwardRequest to encoded ForwardReply.
  // Never passes it on.
  Bytes serve_forwarded(BytesView request);

 private:
  using Work = std::variant<Batch, GetRequest>;
  using Answer = std::variant<BatchOutcome, GetReply>;

  Result<Answer> work_with_retries(BytesView route, const Work& work, Deadline deadline);
  Result<Answer> try_once(GroupId group, BytesView route, const Work& work, Deadline deadline);
  Result<Answer> work_here(GroupId group, const Work& work, Deadline deadline);
  Result<Answer> forward(NodeId leader, GroupId group, BytesView route, const Work& work,
                         Deadline deadline);

  Env& env_;
  const CoordinatorOptions options_;
  raft::RaftNode& raft_;
  PeerCaller& peers_;
  StateStore& state_;
  std::uint64_t next_request_id_ = 1;
  bool draining_ = false;
};

}  // namespace keelson::kv
