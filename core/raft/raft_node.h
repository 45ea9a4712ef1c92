// RaftNode: the blocking loops around the pure Raft cores of one node, all groups in one.
//
// THE LOOP (run): wait for an input or a deadline, then for each group that is awake (it had an
// input, or its deadline has come; a node of many groups never looks at those that sleep):
// send, hand what must be durable to the log writer and what is committed to the applier, answer
// reads. Inputs (messages, calls, time) are stepped into the core at once; the loop only carries
// out what the core then asks for.
//   write_loop      makes everything that gathered durable with one write and one sync, across
//                   groups, and only then sends the promises that rest on it.
//   apply_loop      applies what gathered with one transaction, across groups; takes in the chunks
//                   of snapshots in between.
//   compact_loop    makes the state durable when the logs have grown, and cuts them.
//   send_snapshot   one for each follower that the log can no longer bring up to date.
//   space_loop      watches the disk: a node without space takes no writes and leads only if nobody
//                   else does.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <variant>
#include <vector>

#include "core/raft/message_sender.h"
#include "core/raft/raft.h"
#include "core/raft/state_machine.h"
#include "core/runtime/env.h"
#include "core/runtime/histogram.h"
#include "core/runtime/task_group.h"

namespace keelson::raft {

// The durable part of Figure 2's state, for all groups of a node: core/storage/wal.h. What is told
// in order is durable in order.
class Persistence {
 public:
  virtual ~Persistence() = default;

  // Buffers. An entry replaces all entries of its index and above.
  virtual void append(GroupId group, const std::optional<HardState>& hard_state,
                      const std::vector<Entry>& entries) = 0;
  // Buffers: the entries up to `start` are not needed any more.
  virtual void cut(GroupId group, const LogStart& start) = 0;
  // Buffers: no entry is needed any more, the next one follows `start`.
  virtual void restart(GroupId group, const LogStart& start) = 0;
  // Makes durable whatever was buffered. Errors: no_space (nothing is lost, and the next call tries
  // again); after any other the node must end.
  virtual Result<void> write_and_sync(Deadline deadline) = 0;

  // Gives back the space of what was cut durably, as far as it can be. Errors: as above.
  virtual Result<void> remove_unneeded(Deadline deadline) = 0;
  virtual std::uint64_t bytes() const = 0;
  // Whose entries keep the oldest part from being given back.
  virtual std::vector<GroupId> groups_in_oldest() const = 0;
};

// Watches a node from a test or an oracle; sees, and changes nothing.
class RaftObserver {
 public:
  virtual ~RaftObserver() = default;
  virtual void on_applied(GroupId group, const Entry& entry) = 0;
  // A snapshot has taken the place of the state.
  virtual void on_installed(GroupId group, const StateLabel& label) = 0;
  // After each transaction of the two above.
  virtual void on_state_changed(GroupId group) = 0;
};

struct RaftNodeOptions {
  // Groups' deadlines are looked at on multiples of this, so that those of many groups come
  // together and their heartbeats share frames. Zero: each at its own time.
  Duration timer_grain = Duration::zero();
  // A group's log in memory is cut to half when it has grown beyond this.
  std::uint64_t log_bytes_max = 16 << 20;
  // The groups that keep the oldest part of the log on disk are cut when it has grown beyond this.
  std::uint64_t wal_bytes_max = 256 << 20;
  // No more often than this.
  Duration compaction_interval = std::chrono::milliseconds(500);
  // A disk with less free space than this is full.
  std::uint64_t disk_reserve_bytes = 64 << 20;
  Duration space_check_interval = std::chrono::milliseconds(200);
  // A chunk of a snapshot that is not answered is sent again after this, so many times.
  Duration snapshot_patience = std::chrono::seconds(2);
  std::uint32_t snapshot_tries_max = 15;
  // How often this node looks whether it leads more groups than others and hands one over. Zero:
  // never.
  Duration balance_interval = Duration::zero();
};

// What an operator may ask of a group's membership. A learner gets the log and has no say until it
// is promoted.
struct AddLearner {
  NodeId id;
  std::string address;      // Of its raft listener. Empty: as configured at the start.
  Incarnation incarnation;  // 0: its data directory is the one that it first speaks for.
};
struct Promote {
  NodeId id;
  bool forced = false;  // Even if it has not caught up: nothing is committed, perhaps, until then.
};
struct Demote {
  NodeId id;
};
struct Remove {
  NodeId id;
};
// One voter leaves and a learner that has caught up votes, at once (joint consensus).
struct Replace {
  NodeId voter;
  NodeId learner;
};
using ConfigurationChange = std::variant<AddLearner, Promote, Demote, Remove, Replace>;

class RaftNode {
 public:
  // The references outlive this object; `observer` may be null.
  RaftNode(Env& env, const RaftNodeOptions& options, Persistence& persistence,
           StateMachine& state_machine, MessageSender& sender, RaftObserver* observer);
  ~RaftNode();

  // Adds a group. `founders` is its configuration as long as neither the log nor the state says
  // another one. REQUIRES: not started.
  void add_group(GroupId group, const Options& options, Recovered recovered,
                 const Configuration& founders);
  void start();
  // Ends all loops at once. Callers that wait get timed_out: what they asked for may yet happen.
  void stop();

  // Takes a message from a peer; of an unknown group it is ignored, and so is a reply from a data
  // directory other than the member's: that node has forgotten what it promised. It is admitted
  // anew as a learner, and as a voter when it has caught up. Never suspends.
  void receive(NodeId from, Incarnation incarnation, GroupId group, const Message& message);

  // Appends a command to the group's log and waits until it is applied here; returns what
  // StateMachine::apply gave. Errors: not_leader (nothing happened, and nothing will), unavailable
  // (overloaded, or the disk is full, or the lead is being handed over: nothing happened),
  // timed_out (it may have happened, or may yet happen).
  Result<Bytes> propose(GroupId group, Bytes command, Deadline deadline);

  // A quorum round begun after this call (§8): returns the index that a linearizable read must see
  // applied. Errors: not_leader (also: leadership was lost meanwhile), timed_out.
  Result<LogIndex> confirm_leadership(GroupId group, Deadline deadline);

  // confirm_leadership, or a valid lease instead of the round; then waits until the state machine
  // has applied enough. Errors: as confirm_leadership.
  Result<void> linearizable_read(GroupId group, Deadline deadline);

  // Waits until the state machine has applied the index. Errors: timed_out.
  Result<void> wait_until_applied(GroupId group, LogIndex index, Deadline deadline);

  // --- what an operator asks for ---

  // Changes who belongs to the group (§6), if the configuration of index
  // `expected_configuration_index` (core().configuration().index, as the operator has seen it) is
  // still the one in force; returns the index of the new one, which is committed. One change at a
  // time. A leader that is no voter any more hands over afterwards. Errors: not_leader, conflict
  // (another configuration is in force), invalid_argument (the change makes no sense: the message
  // says why), unsupported (a member's version has no joint consensus), unavailable (nothing
  // happened, and it may work later: a change or a transfer is under way, the leader is new, the
  // learner has not caught up), timed_out (it may have happened, or may yet happen).
  Result<LogIndex> change_configuration(GroupId group, const ConfigurationChange& change,
                                        LogIndex expected_configuration_index, Deadline deadline);

  // Hands the lead to that voter, or to the one whose log is most caught up, and returns who leads
  // then. Meanwhile proposals, reads and confirm_leadership are refused. Errors: not_leader,
  // invalid_argument (the target is no other voter), unsupported (by its version), unavailable (a
  // transfer is under way, or there is nobody to lead; or it was given up, and this node goes on
  // leading), timed_out (it may yet happen).
  Result<NodeId> transfer_leadership(GroupId group, std::optional<NodeId> target,
                                     Deadline deadline);
  // From the beginning of a transfer to its end: probes are red.
  bool is_transferring(GroupId group) const { return core(group).is_transferring(); }

  // Suspends until this node's view of who leads the group may have changed (true) or the deadline.
  bool wait_for_leader_change(GroupId group, Deadline deadline);

  // Cuts every group's log as far as the state allows, whatever its size. Suspends. Errors:
  // no_space, timed_out.
  Result<void> compact_now();

  // Ends the node because its state cannot be read. What is damaged is put aside first, so that the
  // next start is given the state again, by the log or by its peers. Does not return.
  [[noreturn]] void end_with_damaged_state(const Error& error);

  // Whether this node is connected to all other members of the group, and speaks this version or a
  // later one with each.
  bool all_members_speak(GroupId group, std::uint32_t version) const;

  // REQUIRES: the group was added.
  const Raft& core(GroupId group) const;
  LogIndex last_applied(GroupId group) const;
  std::vector<GroupId> groups() const;
  bool disk_is_full() const { return disk_is_full_; }

  // For metrics: quorum rounds begun because somebody asked, and calls that shared one.
  struct ReadRounds {
    std::uint64_t begun = 0;
    std::uint64_t shared = 0;
  };
  ReadRounds read_rounds(GroupId group) const;
  struct SnapshotCounts {
    std::uint64_t sent = 0;
    std::uint64_t installed = 0;
  };
  SnapshotCounts snapshot_counts() const { return snapshot_counts_; }

  // Of one group, since this object was made.
  struct GroupCounts {
    std::uint64_t elections = 0;         // Begun by this node.
    std::uint64_t proposals_failed = 0;  // Refused, lost, or of unknown outcome.
    std::size_t pending_proposals = 0;
    std::size_t pending_reads = 0;
  };
  GroupCounts counts(GroupId group) const;
  // How long proposals took from the call until they were applied here.
  const Histogram& append_latency(GroupId group) const;
  // How long the log's writes took to become durable.
  const Histogram& sync_latency() const { return sync_latency_; }

  // How many callers wait in propose and confirm_leadership, for leak checks.
  std::size_t waiting_callers() const;

 private:
  struct Group;
  struct Proposal;
  class Measured;
  struct PendingRead;
  struct Transfer;
  struct PendingWrite {
    Group* group;
    WriteId write;
    std::vector<Outgoing> after_sync;
    std::vector<ReceivedChunk> chunks;
  };
  // What the applier does, in order: one of the two.
  struct ToApply {
    Group* group;
    std::variant<Entry, ReceivedChunk> what;
  };

  // raft_node.cc
  void run();
  void write_loop();
  void wake(Group& group);
  void wake_due();
  Instant next_turn() const;
  void attend(Group& group);
  void carry_out(Group& group, Ready ready);
  void write_down(Group& group, Ready& ready);
  void send_all(Group& group, const std::vector<Outgoing>& messages);
  void answer_reads(Group& group, const std::vector<ReadResult>& results);
  void notice_leader_change(Group& group);
  void give_up_proposals(Group& group);
  void notice_configuration_change(Group& group);
  void name_peers();
  void finish_writes(std::vector<PendingWrite> writes);
  bool disk_is_stalled(const Group& group) const;
  Group& find(GroupId group) const;

  // apply.cc
  void apply_loop();
  std::vector<Committed> take_entries();
  void apply_entries();
  void finish_applying(const Committed& committed, Bytes result);
  void take_chunk(Group& group, const ReceivedChunk& received);
  Result<void> stage_and_install(Group& group, const ReceivedChunk& received);
  void install(Group& group, const ReceivedChunk& received);

  // balance.cc
  struct Handover {
    GroupId group;
    NodeId target;
  };
  void balance_loop();
  std::optional<Handover> handover_that_balances() const;
  std::map<NodeId, std::size_t> groups_led() const;

  // snapshot_sender.cc
  void begin_snapshots(Group& group, const std::set<NodeId>& followers);
  void send_snapshot(Group& group, NodeId follower);
  bool send_chunk(Group& group, Transfer& transfer, const StateLabel& label,
                  const SnapshotChunk& chunk);

  // compaction.cc
  void compact_loop();
  bool compaction_is_due() const;
  Result<void> compact(bool everything);
  LogIndex cut_index(const Group& group, LogIndex durable, bool all_of_it) const;
  void space_loop();
  void look_for_space(bool ran_out);

  // operations.cc
  Result<std::map<NodeId, Member>> members_after(const Group& group,
                                                 const ConfigurationChange& change) const;
  bool has_caught_up(const Group& group, NodeId id) const;
  Result<void> check_versions(const Group& group, const ConfigurationChange& change) const;
  bool knows_membership(NodeId id) const;

  // admission.cc
  static bool speaks_for_another(const Group& group, NodeId id, Incarnation incarnation);
  void note_stranger(Group& group, NodeId id, Incarnation incarnation);
  void promote_if_caught_up(Group& group, NodeId id);

  Env& env_;
  const RaftNodeOptions options_;
  Persistence& persistence_;
  StateMachine& state_machine_;
  MessageSender& sender_;
  RaftObserver* const observer_;
  const std::unique_ptr<Random> snapshot_numbers_;
  std::map<GroupId, std::unique_ptr<Group>> groups_;
  std::map<NodeId, Address> named_peers_;  // By the configurations, with an address.

  WaitQueue work_;  // A group is awake.
  std::vector<Group*> awake_;
  // When each group is to be looked at: no later than its core asks for, perhaps earlier, as a
  // deadline that moves away is left where it was until it has come.
  std::set<std::pair<Instant, GroupId>> deadlines_;

  // Handed to the log writer and not yet durable.
  std::vector<PendingWrite> writes_;
  WaitQueue writes_changed_;
  std::optional<Instant> writing_since_;  // Set while a write and sync is under way.
  Histogram sync_latency_{Histogram::request_bounds()};

  std::deque<ToApply> to_apply_;
  std::size_t to_apply_bytes_ = 0;  // Of its entries.
  std::set<GroupId> waiting_for_applier_;  // Groups with committed entries it had no room for.
  WaitQueue to_apply_changed_;

  WaitQueue compaction_wanted_;
  bool is_compacting_ = false;
  WaitQueue compaction_ended_;

  bool disk_is_full_ = false;
  Instant full_since_;  // Or since it last tried to find another leader.

  SnapshotCounts snapshot_counts_;
  TaskGroup transfers_;
  TaskGroup fibers_;
};

}  // namespace keelson::raft
