// The safety properties of Raft (Figure 3), checked from outside, across nodes and restarts.
//
// The evidence is what nodes put on the wire, what they made durable, and what they applied. Each
// check is O(1) or O(log n) in the run's length, keeps what it has learned for the whole run, and
// so does not go blind after a restart or a compaction. Oracles, by the names they fail under:
//
//   election safety        at most one leader a term and group
//   vote                   a node gives at most one vote a term, and sends a peer no vote and no
//                          acknowledgement in an older term than before it was restarted
//   durable promise        a vote, an acknowledged entry (the leader's own, not one that it
//                          replaces) and their term were durable before they were sent, and so was
//                          a leader's vote for itself
//   monotonic term         what a node has made durable never goes back to an older term
//   log matching           one index and term, one entry and one predecessor, wherever it is seen
//   leader completeness    a leader's log holds what was applied before its term
//   state machine safety   no two nodes apply different entries at an index, none skips one
//   compaction             what a log forgets, and what a snapshot stands for, was applied
//   equal digests          no two nodes' states differ after the same index
//   quorum                 what was decided had the quorum of its configuration: quorum_checks.h
//
// Elections by pre-vote carry no promise and are ignored.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/raft/messages.h"
#include "core/raft/state_machine.h"
#include "core/raft/types.h"
#include "scenarios/quorum_checks.h"
#include "scenarios/report.h"
#include "sim/true_time.h"

namespace keelson::scenarios {

class RaftChecks {
 public:
  // `report` outlives this object.
  explicit RaftChecks(Report& report) : report_(report), quorums_(report) {}

  // --- what was put on the wire ---

  void on_append_entries(NodeId from, GroupId group, const raft::AppendEntries& append,
                         sim::TrueTime now);
  void on_vote_reply(NodeId from, NodeId to, GroupId group, const raft::RequestVoteReply& reply,
                     sim::TrueTime now);
  void on_append_reply(NodeId from, NodeId to, GroupId group,
                       const raft::AppendEntriesReply& reply, sim::TrueTime now);
  void on_install_snapshot(NodeId from, GroupId group, const raft::InstallSnapshot& install,
                           sim::TrueTime now);
  void on_install_reply(NodeId from, NodeId to, GroupId group,
                        const raft::InstallSnapshotReply& reply, sim::TrueTime now);

  // --- what was made durable; reported when the sync ended, before the node can learn of it ---

  void on_durable_state(NodeId node, GroupId group, const raft::HardState& state,
                        sim::TrueTime now);
  // Replaces all entries of its index and above.
  void on_durable_entry(NodeId node, GroupId group, const raft::Entry& entry, sim::TrueTime now);
  // All entries of one write were told.
  void on_durable_append_end(NodeId node, GroupId group, sim::TrueTime now);
  // The log begins after `start` now: its entries up to there are forgotten (a cut), or all of them
  // (a restart).
  void on_durable_start(NodeId node, GroupId group, const raft::LogStart& start, bool is_restart,
                        sim::TrueTime now);
  // Whether the three above are fed. Without them the check of durable promises is off.
  void expect_durable_evidence() { sees_disks_ = true; }
  // The configuration of every group before any entry of one. Quorums are not checked without it.
  void set_founders(raft::Configuration founders) { quorums_.set_founders(std::move(founders)); }

  // --- what was applied ---

  void on_applied(NodeId node, GroupId group, const raft::Entry& entry, sim::TrueTime now);
  // A snapshot has taken the place of the node's state.
  void on_installed(NodeId node, GroupId group, const raft::StateLabel& label, sim::TrueTime now);
  // After applying up to here the node's state has this digest.
  void on_state(NodeId node, GroupId group, raft::LogIndex index, std::uint64_t digest,
                sim::TrueTime now);
  // The node's memory is gone: it may apply again what it had applied.
  void on_restart(NodeId node);
  // The node's disk is gone: what comes back under its name has promised nothing.
  void on_wiped(NodeId node);

  // For reports, and for the proof that the checks still look.
  struct Seen {
    std::uint64_t appends = 0;
    std::uint64_t votes = 0;
    std::uint64_t acknowledgements = 0;
    std::uint64_t durable_records = 0;
    std::uint64_t entries = 0;
    std::uint64_t applied = 0;
    std::uint64_t snapshot_chunks = 0;
    std::uint64_t installed = 0;
    std::uint64_t states = 0;
    std::uint64_t states_compared = 0;  // With that of another node, or of the same one before.
  };
  const Seen& seen() const { return seen_; }
  // Judges what waits for more evidence.
  void finish() { quorums_.finish(); }
  const QuorumChecks::Seen& seen_quorums() const { return quorums_.seen(); }
  // Whether those who have ever made an entry of this term durable are a quorum.
  bool quorum_has_held(GroupId group, raft::Term term) const;
  // The highest index that some node has applied.
  raft::LogIndex highest_applied(GroupId group) const;

 private:
  // One entry, by its index and term, as it was first seen.
  struct SeenEntry {
    raft::Term term;
    std::optional<std::uint64_t> hash;
    std::optional<raft::Term> previous_term;
  };
  struct Applied {
    raft::Term term;
    std::uint64_t hash = 0;
    NodeId by;
    // No leader of a term beyond this may lack it. (It was committed in some term up to the highest
    // that any leader had been seen in when it was applied.)
    raft::Term committed_by;
  };
  // The terms of some entries of a log, by index; of few gaps.
  class KnownTerms {
   public:
    void put(raft::LogIndex index, raft::Term term);
    std::optional<raft::Term> find(raft::LogIndex index) const;

   private:
    std::uint64_t first_ = 0;  // The index of the first of these.
    std::deque<std::optional<raft::Term>> terms_;
  };
  struct Group {
    std::map<raft::Term, NodeId> leaders;
    std::map<raft::Term, std::set<NodeId>> holders;  // Of a durable entry of the term.
    raft::Term highest_leader_term;
    std::vector<std::vector<SeenEntry>> entries;  // By index.
    std::map<raft::Term, KnownTerms> sent;  // What the leader of a term has sent of its log.
    std::vector<std::optional<Applied>> applied;  // By index.
    struct State {
      std::uint64_t digest = 0;
      NodeId by;
    };
    std::vector<std::optional<State>> states;  // By index, of the first that was there.
  };
  // One node's part in one group.
  struct Member {
    std::map<raft::Term, NodeId> votes;  // Sent, made durable, or implied by leading.
    // The highest term of a vote or acknowledgement sent, by peer; and when the node last started:
    // what waits to be sent may be overtaken by what is more urgent, but dies with its process.
    std::map<NodeId, raft::Term> promised, promised_before_start;
    raft::HardState durable;
    // The furthest that it has acknowledged in a term: within that term it keeps that.
    raft::Term acknowledged_in;
    raft::LogIndex acknowledged;
    raft::LogStart durable_start;           // The durable log: where it begins,
    std::vector<raft::Term> durable_terms;  // and the terms of its entries.
    raft::LogIndex last_applied;
    bool has_restarted = false;             // And has not applied anything since.

    raft::LogIndex durable_last() const {
      return raft::LogIndex(durable_start.index.value + durable_terms.size());
    }
  };

  void note_leader(Group& group, NodeId from, GroupId id, raft::Term term, sim::TrueTime now);
  void note_vote(NodeId voter, GroupId group, raft::Term term, NodeId candidate,
                 const char* evidence, sim::TrueTime now);
  void check_acknowledged_entry(NodeId from, GroupId group, const raft::AppendEntriesReply& reply,
                                sim::TrueTime now);
  void note_acknowledged(Member& member, const raft::AppendEntriesReply& reply);
  void note_promise(NodeId node, NodeId to, GroupId group, raft::Term term, const char* what,
                    sim::TrueTime now);
  void check_vote_is_durable(NodeId voter, NodeId candidate, GroupId group, raft::Term term,
                             const char* what, sim::TrueTime now);
  void note_entry(Group& group, GroupId id, NodeId node, raft::LogIndex index, raft::Term term,
                  std::optional<std::uint64_t> hash, std::optional<raft::Term> previous_term,
                  sim::TrueTime now);
  bool is_held_by_quorum(GroupId group, const raft::LogStart& last) const;
  void check_was_applied(NodeId node, GroupId group, const raft::LogStart& last, const char* what,
                         sim::TrueTime now);
  void check_leader_has(const Group& group, GroupId id, NodeId leader, raft::Term leader_term,
                        raft::LogIndex index, raft::Term term, sim::TrueTime now);

  Report& report_;
  QuorumChecks quorums_;
  bool sees_disks_ = false;
  std::map<GroupId, Group> groups_;
  std::map<std::pair<NodeId, GroupId>, Member> members_;
  Seen seen_;
};

// What tells one entry from another in all of the above.
std::uint64_t hash_of(const raft::Entry& entry);

}  // namespace keelson::scenarios
