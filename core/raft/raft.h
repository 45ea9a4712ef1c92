// The Raft algorithm as a pure state machine: the same inputs in the same order give the same
// outputs. It does no I/O and reads no clock; raft_node.cc is the loop around it that does. Names
// are those of Figure 2 in the extended Raft paper, which every "§" cites. The rules are kept in
// election.cc (§5.2), replication.cc (§5.3, §5.4.2) and read_index.cc (§8).
#pragma once

#include <deque>
#include <map>
#include <set>

#include "core/base/event_log.h"
#include "core/raft/log.h"
#include "core/raft/messages.h"
#include "core/raft/progress.h"
#include "core/raft/types.h"
#include "core/runtime/clock.h"
#include "core/runtime/random.h"

namespace keelson::raft {

struct Options {
  NodeId id;
  std::vector<NodeId> voters;  // Sorted; contains `id`. Membership changes come later.
  Duration heartbeat_interval = std::chrono::milliseconds(200);
  Duration election_timeout = std::chrono::seconds(2);  // Randomised in [1, 2) of it (§5.2).
  // How long a confirmed round lets this leader read without a new one, from the moment it was
  // sent; zero turns leases off. REQUIRES: less than election_timeout by the clocks' drift bound.
  Duration lease = Duration::zero();
  std::size_t append_bytes_max = 1 << 20;        // Entries of one AppendEntries; always at least one.
  std::size_t inflight_appends_max = 64;         // Unacknowledged appends to one follower.
};

// Names one batch of writes handed out by take_ready(), in the order of handing out.
using WriteId = StrongInt<struct WriteIdTag>;
// Names a set of linearizable reads that share one quorum round. Grows over this object's life.
using ReadToken = StrongInt<struct ReadTokenTag>;

struct ReadResult {
  ReadToken token;
  // Reads with this token are linearizable once this index is applied; nothing when leadership was
  // lost before a quorum confirmed it.
  std::optional<LogIndex> read_index;
  bool operator==(const ReadResult&) const = default;
};

// What the inputs since the last take_ready() ask of the caller. The type is the durability
// contract: a promise is in `after_sync`, never in `messages`.
struct Ready {
  // 1. Send now: nothing here promises that anything is durable. (A leader's own disk write overlaps
  //    replication: dissertation §10.2.1.)
  std::vector<Outgoing> messages;
  // 2. Write and sync hard_state and entries, in the order of the write ids. An entry replaces all
  //    entries of its index and above. Then
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;
  // 3. send these and call persisted(write). Present even when there is nothing to write, for order:
  //    a promise may rest on an earlier write.
  std::vector<Outgoing> after_sync;
  std::optional<WriteId> write;  // Set when 2 or 3 is not empty.
  // 4. Apply, in the order of their indexes. Durable here and on a majority.
  std::vector<Entry> committed;
  // 5. Answer reads.
  std::vector<ReadResult> reads;
};

class Raft {
 public:
  // Starts as a follower (§5.2). REQUIRES: `random`, `marks` outlive this object.
  Raft(const Options& options, const HardState& recovered, std::vector<Entry> log, Random& random,
       Marks& marks, Instant now);

  // Takes one message from a peer. REQUIRES: `now` is not before that of any earlier call.
  void step(NodeId from, const Message& message, Instant now);

  // Takes the passing of time; before next_deadline() that changes nothing.
  void tick(Instant now);
  Instant next_deadline() const;

  // Appends a command to the leader's log and returns its index, in current_term(). The caller learns
  // that it is committed when the entry with this index AND term is in Ready::committed; if another
  // term's entry has that index, the command is lost. Nothing when this node is not the leader.
  std::optional<LogIndex> propose(Bytes command, Instant now);

  // Asks that a quorum confirm, by messages sent after this call, that this node still leads. The
  // answer comes in Ready::reads. Calls share a round: at most one is in flight, later calls gather
  // for the next. Nothing when this node is not the leader.
  std::optional<ReadToken> read_index(Instant now);

  // True when a lease covers `now`, and the index a read under it must wait for. Never for probes.
  std::optional<LogIndex> lease_read_index(Instant now) const;

  // The write, and all before it, is durable. REQUIRES: ids in order.
  void persisted(WriteId write, Instant now);

  // Hands out, once, what all inputs since the last call ask for. A caller that cannot sync it must
  // stop the node: nothing may be promised that a restart would forget.
  [[nodiscard]] Ready take_ready();
  bool has_ready() const;

  Role role() const;
  Term current_term() const;
  std::optional<NodeId> leader() const;  // Of the current term, as far as this node knows.
  LogIndex commit_index() const;
  LogIndex last_log_index() const;
  // For the admin console: what the leader knows of each voter; empty on others.
  std::map<NodeId, LogIndex> match_indexes() const;
};

}  // namespace keelson::raft
