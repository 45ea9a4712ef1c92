// The Raft algorithm as a pure state machine: the same inputs in the same order give the same
// outputs. It does no I/O and reads no clock; raft_node.cc is the loop around it that does. Names
// are those of Figure 2 in the extended Raft paper, which every "§" cites. The rules are kept in
// election.cc (§5.2), replication.cc (§5.3, §5.4.2), configuration.cc (§6), snapshot.cc (§7),
// read_index.cc (§8) and transfer.cc (dissertation §3.10).
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/base/event_log.h"
#include "core/raft/log.h"
#include "core/raft/messages.h"
#include "core/raft/progress.h"
#include "core/raft/types.h"
#include "core/runtime/clock.h"
#include "core/runtime/random.h"

namespace keelson::raft {

// The longest lease that is safe. A follower refuses its vote for an election timeout by its own
// clock; the tenth that is left is for the clocks: of two nodes, none may gain a tenth of an
// election timeout on the other in that time.
constexpr Duration lease_max(Duration election_timeout) { return election_timeout * 9 / 10; }

struct Options {
  NodeId id;
  Incarnation incarnation;  // A member of this id with another one is not this node.
  Duration heartbeat_interval = std::chrono::milliseconds(200);
  Duration election_timeout = std::chrono::seconds(2);  // Randomised in [1, 2) of it (§5.2).
  // How long a confirmed round lets this leader read without a new one, from the moment it was
  // sent; zero turns leases off. REQUIRES: at most lease_max().
  Duration lease = Duration::zero();
  std::size_t append_bytes_max = 1 << 20;  // Of one AppendEntries; one entry always fits.
  std::size_t inflight_appends_max = 64;   // Unacknowledged appends to one follower,
  std::size_t inflight_bytes_max = 8 << 20;  // and what their entries hold.
  std::size_t committed_bytes_max = 4 << 20;  // Of one Ready; one entry always fits.
};

// What a restart finds of a group.
struct Recovered {
  HardState hard_state;
  LogStart start;
  std::vector<Entry> log;  // From the entry after `start` on, without a gap.
  // What the state machine includes. Its configuration is the founders' as long as no entry has
  // changed it, and empty on a node that has yet to hear of the group.
  StateLabel state;
};

// Names a set of linearizable reads that share one quorum round. Grows over this object's life.
using ReadToken = StrongInt<struct ReadTokenTag>;

struct ReadResult {
  ReadToken token;
  // Reads with this token are linearizable once this index is applied; nothing when leadership was
  // lost before a quorum confirmed it.
  std::optional<LogIndex> read_index;
  bool operator==(const ReadResult&) const = default;
};

struct ReceivedChunk {
  NodeId from;
  InstallSnapshot message;
};

// What the inputs since the last take_ready() ask of the caller. The type is the durability
// contract: a promise that is not durable yet is in `after_sync`, never in `messages`.
struct Ready {
  // 1. Send now: nothing here rests on a write that persisted() has not confirmed. (A leader's own
  //    disk write overlaps replication: dissertation §10.2.1.)
  std::vector<Outgoing> messages;
  // 2. Write and sync hard_state, restart and entries, in the order of the write ids. The log
  //    begins anew after `log_restart`. An entry replaces all entries of its index and above. Then
  std::optional<HardState> hard_state;
  std::optional<LogStart> log_restart;
  std::vector<Entry> entries;
  // 3. send these and call persisted(write). Present even when there is nothing to write, for the
  //    sake of order: a promise may rest on an earlier write.
  std::vector<Outgoing> after_sync;
  //    Then stage these, in order after what 4 has handed out, and call snapshot_staged() or, when
  //    the last chunk was installed, snapshot_installed().
  std::vector<ReceivedChunk> snapshot_chunks;
  std::optional<WriteId> write;  // Set when 2 or 3 is not empty.
  // 4. Apply, in the order of their indexes. Durable here and on a majority.
  std::vector<Entry> committed;
  // 5. Answer reads.
  std::vector<ReadResult> reads;
  // 6. Send each of these followers a snapshot, unless that is under way: its log cannot be
  //    continued from this one, or its state is lost. Repeated as long as it is so.
  std::set<NodeId> snapshots_wanted;
};

class Raft {
 public:
  // Starts as a follower (§5.2). When the state is behind the start of the log, it was lost: this
  // node keeps its promises, asks for a snapshot, and does not stand for election until it has one.
  // REQUIRES: `random`, `marks` outlive this object.
  Raft(const Options& options, Recovered recovered, Random& random, Marks& marks, Instant now);

  // Takes one message from a peer. REQUIRES: `now` is not before that of any earlier call.
  void step(NodeId from, const Message& message, Instant now);

  // Takes the passing of time; before next_deadline() that changes nothing.
  void tick(Instant now);
  Instant next_deadline() const;

  // Appends a command to the leader's log and returns its index, in current_term(). The caller
  // learns that it is committed when the entry with this index AND term is in Ready::committed; if
  // another term's entry has that index, the command is lost. Nothing when this node does not lead
  // or is handing over.
  std::optional<LogIndex> propose(Bytes command, Instant now);

  // Appends the configuration of these members, in force at once (§6), and returns its index. When
  // it differs from the present one by more than one voter it is joint, and once it is committed
  // its leader appends the one that these members form alone. A leader that is no voter in it hands
  // over when it is committed. Nothing unless may_change_configuration(). REQUIRES: there is a
  // voter; who votes before and after does so with the same data directory.
  std::optional<LogIndex> propose_configuration(std::map<NodeId, Member> members, Instant now);
  // This node leads, is not handing over, has committed an entry of its term, and has committed the
  // present configuration, which is not joint: another leader may be replacing it otherwise.
  bool may_change_configuration() const;

  // Hands the lead to a voter, or to the one whose log is most caught up; returns whom. From now on
  // proposals and reads are refused and there is no lease, until the target leads or an election
  // timeout has passed. Nothing when this node does not lead, is handing over already, or the
  // target is no other voter.
  std::optional<NodeId> transfer_leadership(std::optional<NodeId> target, Instant now);
  bool is_transferring() const { return transfer_.has_value(); }

  // Asks that a quorum confirm, by messages sent after this call, that this node still leads. The
  // answer comes in Ready::reads. Calls share a round: at most one is in flight, later calls gather
  // for the next. Nothing when this node is not the leader, or is handing over.
  std::optional<ReadToken> read_index(Instant now);

  // True when a lease covers `now`, and the index a read under it must wait for. Never for probes.
  std::optional<LogIndex> lease_read_index(Instant now) const;

  // The write, and all before it, is durable. REQUIRES: ids in order.
  void persisted(WriteId write, Instant now);

  // --- snapshots and compaction ---

  // Forgets the log up to `last`. REQUIRES: the state that includes it is durable.
  void compact(LogIndex last);

  // What carries a chunk to a follower; nothing when this node does not lead.
  std::optional<Message> install_snapshot(const StateLabel& label, std::uint64_t number,
                                          SnapshotChunk chunk) const;
  // Whether a snapshot may take the place of the state now. Not while its last entry is on its way
  // to the disk: it need not, then, for that entry will be applied.
  bool may_install(const SnapshotId& id) const;
  // A chunk from Ready::snapshot_chunks was dealt with: `next_chunk` is wanted now.
  void snapshot_staged(const ReceivedChunk& received, std::uint64_t next_chunk);
  // The snapshot that ended with this chunk is the state now, durably. REQUIRES: may_install(), and
  // that the state did not include label.index before.
  void snapshot_installed(const ReceivedChunk& received, const StateLabel& label);

  // A node that cannot write gives up its lead, and until told otherwise stands for election only
  // after the others had four times as long to do so.
  void set_reluctant(bool reluctant, Instant now);

  // Hands out, once, what all inputs since the last call ask for. A caller that cannot sync it must
  // stop the node: nothing may be promised that a restart would forget. What is committed waits for
  // a later call while the caller has enough to apply.
  [[nodiscard]] Ready take_ready(bool may_apply = true);
  bool has_ready(bool may_apply = true) const;

  Role role() const { return role_; }
  Term current_term() const { return persistent_.current_term; }
  std::optional<NodeId> leader() const { return leader_; }  // Of the current term, if known here.
  LogIndex commit_index() const { return commit_index_; }
  LogIndex last_log_index() const { return log_.last_index(); }
  const LogStart& log_start() const { return log_.start(); }
  std::uint64_t log_bytes() const { return log_.bytes(); }
  // The latest in the log, committed or not (§6).
  const Configuration& configuration() const;
  // The latest that this node knows to be committed.
  const Configuration& committed_configuration() const;
  // A voter has told that this node does not belong to the group any more; no leader has sent it
  // the log since. It does not stand for election.
  bool is_removed() const { return is_removed_; }
  bool needs_snapshot() const { return needs_snapshot_; }
  // For the admin console: what the leader knows of each member; empty on others.
  std::map<NodeId, LogIndex> match_indexes() const;
  // Appends all that what this core will do depends on, but for its options: cores that append the
  // same behave alike from now on. For a search over schedules. REQUIRES: !has_ready().
  void append_state(Bytes& out, Instant now) const;

 private:
  struct SentRound {
    Round round;
    Instant sent_at;
  };
  struct Transfer {
    NodeId target;
    Instant deadline;
  };
  struct ReadRound {
    Round round;
    ReadToken token;
    LogIndex read_index;
  };

  // raft.cc: dispatch, terms, roles.
  bool is_voter(const Configuration& configuration) const;
  bool may_stand() const;
  void add_progress(NodeId peer);
  // The greatest value that a majority of the voters has reached.
  LogIndex match_of_majority();
  Round round_of_majority();
  void become_follower(Term term, Instant now);
  void become_leader(Instant now);
  void reset_election_timer(Instant now);
  void draw_election_timeout();
  bool promises_are_durable() const;
  void send(NodeId to, Message message);
  void reply(NodeId to, Message message);
  void after_input(Instant now);
  void note_appends_due();

  // election.cc
  void on_request_vote(NodeId from, const RequestVote& request, Instant now);
  void on_request_vote_reply(NodeId from, const RequestVoteReply& reply, Instant now);
  void become_pre_candidate(Instant now);
  void become_candidate(Instant now);
  void stand(Instant now, bool leadership_transfer);
  std::vector<NodeId> other_voters() const;
  bool leader_is_alive(Instant now) const;
  bool log_is_up_to_date(const RequestVote& request) const;
  Instant quorum_deadline() const;
  void step_down_without_quorum(Instant now);

  // replication.cc
  void on_append_entries(NodeId from, const AppendEntries& request, Instant now);
  void on_append_entries_reply(NodeId from, const AppendEntriesReply& reply, Instant now);
  bool hear_leader(NodeId from, Term term, Round round, Instant now);
  void append_after_conflicts(const std::vector<Entry>& entries);
  void refuse_append(NodeId to, const AppendEntries& request);
  void accept_append(NodeId to, LogIndex match, const AppendEntries& request);
  void advance_commit_index(Instant now);
  void append_own(EntryKind kind, Bytes data);
  void send_appends();
  bool has_committed_in_term() const;
  void note_match(NodeId follower, LogIndex match, Instant now);

  // configuration.cc
  void append_configuration(Configuration next, Instant now);
  void finish_change(Instant now);
  void note_configuration(const Entry& entry);
  void forget_configurations_from(LogIndex first);
  void follow_configuration();

  // transfer.cc
  void on_timeout_now(NodeId from, const TimeoutNow& request, Instant now);
  void begin_transfer(NodeId target, Instant now);
  bool may_take_over(NodeId id) const;
  std::optional<NodeId> most_caught_up() const;
  void tell_target_if_caught_up();
  void abandon_transfer(Instant now);

  // snapshot.cc
  void on_install_snapshot(NodeId from, const InstallSnapshot& request, Instant now);
  void on_install_snapshot_reply(NodeId from, const InstallSnapshotReply& answer, Instant now);
  void answer_chunk(const ReceivedChunk& received, std::uint64_t next_chunk, bool installed);
  void want_snapshot(NodeId follower, Progress& progress);

  // read_index.cc
  void begin_round(Instant now);
  void begin_read_round_if_due(Instant now);
  void confirm_rounds(Instant now);
  void fail_reads();

  // state_value.cc
  void append_follower_state(Bytes& out, Instant now) const;
  void append_leader_state(Bytes& out, Instant now) const;

  // invariants.cc
  void check_invariants();

  const Options options_;
  Random& random_;
  Marks& marks_;

  // Persistent state on all servers. take_ready() hands out whatever differs from `handed_out_`.
  HardState persistent_, handed_out_;
  Log log_;
  WriteId last_write_;        // The newest handed out.
  WriteId persisted_write_;   // The newest confirmed.
  WriteId hard_state_write_;  // The newest that carried handed_out_.
  std::optional<LogStart> restart_to_write_;
  WriteId restart_write_;     // The newest that carried one.

  // §6: "a server always uses the latest configuration in its log, regardless of whether the entry
  // is committed". Those of entries that are in the log and not in the state, and the one before.
  Configuration base_configuration_;
  std::vector<Configuration> configurations_;

  // Volatile state on all servers.
  Role role_ = Role::follower;
  std::optional<NodeId> leader_;
  LogIndex commit_index_;
  LogIndex handed_out_index_;  // Of the committed entries. <= commit_index_, <= stable index.
  bool needs_snapshot_ = false;  // The state is lost: nothing can be applied.
  bool is_reluctant_ = false;
  bool is_removed_ = false;
  Instant election_deadline_;
  Duration election_timeout_drawn_ = Duration::zero();
  // When a leader of any term last spoke, as far as this node must honour it. See
  // leader_is_alive().
  std::optional<Instant> leader_heard_at_;
  Round heard_round_;  // The newest of the current term's leader.

  // Volatile state on candidates of either kind.
  std::set<NodeId> votes_;

  // Volatile state on leaders. Empty on others.
  std::map<NodeId, Progress> progress_;  // Of every other member.
  Instant heartbeat_deadline_;
  Round round_;                          // The newest begun.
  Round confirmed_round_;                // The newest that a majority has echoed.
  Instant confirmed_sent_at_;            // When that one was sent. Valid unless it is 0.
  std::deque<SentRound> sent_rounds_;    // Not confirmed.
  bool round_is_unsent_ = false;         // No message carries round_ yet.
  std::deque<ReadRound> read_rounds_;    // Not confirmed.
  std::optional<ReadToken> gathering_;   // Reads that wait for a round to begin.
  ReadToken last_token_;                 // Grows across terms.
  std::optional<Transfer> transfer_;
  bool sent_timeout_now_ = false;        // In this term, whatever has become of the transfer.

  // For the next take_ready().
  std::vector<Outgoing> messages_, promises_;
  std::vector<ReadResult> reads_;
  std::vector<ReceivedChunk> chunks_;
  std::set<NodeId> snapshots_wanted_;
  bool appends_due_ = false;

  // What check_invariants() saw last, for what must never go back.
  struct Seen {
    HardState persistent;
    LogIndex commit_index;
    Role role = Role::follower;
    LogIndex last_log_index;
  };
  Seen seen_;
  std::vector<LogIndex> match_scratch_;  // Kept for their capacity.
  std::vector<Round> round_scratch_;
};

}  // namespace keelson::raft
