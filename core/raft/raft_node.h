// RaftNode: the blocking loop around the pure Raft cores of one node, all groups in one.
//
// THE LOOP (run): wait for an input or a deadline, then for each group that has something to say:
// send, hand what must be durable to the log writer, apply, answer reads. Inputs (messages, calls,
// time) are stepped into the core at once; the loop only carries out what the core then asks for.
// The log writer (write_loop) makes everything that gathered durable with one write and one sync,
// across groups, and only then sends the promises that rest on it.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "core/raft/raft.h"
#include "core/runtime/env.h"
#include "core/runtime/task_group.h"

namespace keelson::raft {

// Applies committed entries of one group, in order, each once in this object's life.
class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // Deterministic: no clock, no chance, no order of addresses. The result goes to the proposer.
  // Must not suspend.
  virtual Bytes apply(const Entry& entry) = 0;
};

// The durable part of Figure 2's state, for all groups of a node: core/storage/wal.h.
class Persistence {
 public:
  virtual ~Persistence() = default;

  // Buffers. An entry replaces all entries of its index and above.
  virtual void append(GroupId group, const std::optional<HardState>& hard_state,
                      const std::vector<Entry>& entries) = 0;
  // Makes durable whatever was buffered. After an error the node must end.
  virtual Result<void> write_and_sync(Deadline deadline) = 0;
};

// Sends to peers: core/raft/transport.h.
class MessageSender {
 public:
  virtual ~MessageSender() = default;
  // Never suspends; may drop.
  virtual void send(NodeId to, GroupId group, const Message& message) = 0;
};

// Watches a node from a test or an oracle; sees, and changes nothing.
class RaftObserver {
 public:
  virtual ~RaftObserver() = default;
  virtual void on_applied(GroupId group, const Entry& entry) = 0;
};

struct RecoveredGroup {
  HardState hard_state;
  std::vector<Entry> log;
};

class RaftNode {
 public:
  // The references outlive this object; `observer` may be null.
  RaftNode(Env& env, Persistence& persistence, MessageSender& sender, RaftObserver* observer);
  ~RaftNode();

  // Adds a group. REQUIRES: not started; `state_machine` outlives this object.
  void add_group(GroupId group, const Options& options, RecoveredGroup recovered,
                 StateMachine& state_machine);
  void start();
  // Ends the loop and the log writer at once. Callers that wait get timed_out: what they asked for
  // may yet happen.
  void stop();

  // Takes a message from a peer; of an unknown group it is ignored. Never suspends.
  void receive(NodeId from, GroupId group, const Message& message);

  // Appends a command to the group's log and waits until it is applied here; returns what
  // StateMachine::apply gave. Errors: not_leader (nothing happened, and nothing will), unavailable
  // (overloaded: nothing happened), timed_out (it may have happened, or may yet happen).
  Result<Bytes> propose(GroupId group, Bytes command, Deadline deadline);

  // A quorum round begun after this call (§8): returns the index that a linearizable read must see
  // applied. Errors: not_leader (also: leadership was lost meanwhile), timed_out.
  Result<LogIndex> confirm_leadership(GroupId group, Deadline deadline);

  // confirm_leadership, or a valid lease instead of the round; then waits until the state machine
  // has applied enough. Errors: as confirm_leadership.
  Result<void> linearizable_read(GroupId group, Deadline deadline);

  // Suspends until this node's view of who leads the group may have changed (true) or the deadline.
  bool wait_for_leader_change(GroupId group, Deadline deadline);

  // REQUIRES: the group was added.
  const Raft& core(GroupId group) const;
  LogIndex last_applied(GroupId group) const;
  std::vector<GroupId> groups() const;

  // For metrics: quorum rounds begun because somebody asked, and calls that shared one.
  struct ReadRounds {
    std::uint64_t begun = 0;
    std::uint64_t shared = 0;
  };
  ReadRounds read_rounds(GroupId group) const;

  // How many callers wait in propose and confirm_leadership, for leak checks.
  std::size_t waiting_callers() const;

 private:
  struct Group;
  struct Proposal;
  struct PendingRead;
  struct PendingWrite {
    Group* group;
    WriteId write;
    std::vector<Outgoing> after_sync;
  };

  void run();
  void write_loop();
  Instant next_deadline() const;
  bool any_ready() const;
  void carry_out(Group& group, Ready ready);
  void send_all(Group& group, const std::vector<Outgoing>& messages);
  void apply(Group& group, const Entry& entry);
  void answer_reads(Group& group, const std::vector<ReadResult>& results);
  void notice_leader_change(Group& group);
  void finish_writes(const std::vector<PendingWrite>& writes);
  bool disk_is_stalled(const Group& group) const;
  Group& find(GroupId group) const;

  Env& env_;
  Persistence& persistence_;
  MessageSender& sender_;
  RaftObserver* const observer_;
  std::map<GroupId, std::unique_ptr<Group>> groups_;

  WaitQueue work_;  // A core has something ready, or an earlier deadline.

  // Handed to the log writer and not yet durable.
  std::vector<PendingWrite> writes_;
  WaitQueue writes_changed_;
  std::optional<Instant> writing_since_;  // Set while a write and sync is under way.

  TaskGroup fibers_;
};

}  // namespace keelson::raft
