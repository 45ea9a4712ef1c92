// What an observer with full sight has seen of a group: the safety properties of Figure 3 and the
// leader probe's claim, as invariants of a state.
//
// The evidence is what nodes send, what their disks hold and what they apply, never what they say
// of themselves. Each fact is independent of the order in which facts are learned, or else the
// events that bring them must not count as independent; all facts belong to the state. Oracles:
//
//   election safety        at most one node sends entries as the leader of a term
//   vote                   a node gives at most one vote a term
//   durable promise        a vote or an acknowledgement is durable before it is sent
//   log matching           logs with an entry of the same index and term are equal up to there
//   leader completeness    the log of an elected leader holds what was committed in earlier terms
//   quorum                 what a leader calls committed is durable on a quorum of its log's voters
//   state machine safety   no two nodes apply different entries at an index, none skips one
//   monotonic commit       a node's commit index does not go back while it is up
//   probe claim            who answers 200 had not been succeeded when the probe arrived
//
// Why not raft_checks.h: that is fed by a world in the order of true time, keeps whatever it has
// seen of a whole run, and is no value that two states could be compared by.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/raft/messages.h"
#include "core/raft/raft.h"
#include "core/raft/types.h"
#include "sim/explore/system.h"

namespace keelson::scenarios {

// What an observer knows of one node.
struct Observed {
  NodeId node;
  raft::HardState durable;
  // The hashes of its log's prefixes, by length less one: of what it has handed out, and of what of
  // that is durable. Two are equal if and only if the prefixes are.
  std::vector<std::uint64_t> log, durable_log;
  std::vector<raft::Term> terms;  // Of the entries of `log`.
  std::uint64_t applied = 0;      // How many,
  std::uint64_t applied_prefix = 0;  // and which, as above.
  raft::LogIndex commit_index;
  raft::Term term;
};

std::uint64_t hash_of_prefix(std::uint64_t before, const raft::Entry& entry);

class Facts {
 public:
  // --- What an input to a node has brought. The first violation stays.

  void on_log(const Observed& node, const std::vector<const Observed*>& others);
  void on_durable(const Observed& node);
  void on_sent(const Observed& node, const raft::Message& message, NodeId to);
  // `node` has applied what is before it.
  void on_applied(const Observed& node, const raft::Entry& entry);
  // `configuration` is the latest in the node's log.
  void on_commit(const Observed& node, raft::LogIndex before,
                 const raft::Configuration& configuration);
  void on_probe(const Observed& node, raft::ReadToken token);
  void on_probe_answer(const Observed& node, const raft::ReadResult& result);
  void on_restart(NodeId node);

  const std::optional<sim::Violation>& violation() const { return violation_; }
  bool has_led(NodeId node, raft::Term term) const;
  void append_state(Bytes& out) const;

 private:
  struct Leader {
    raft::Term term;
    NodeId node;
    std::vector<std::uint64_t> log;  // When it was elected.
  };
  struct Vote {
    raft::Term term;
    NodeId voter, candidate;
    auto operator<=>(const Vote&) const = default;
  };
  struct Applied {
    std::uint64_t prefix = 0;
    raft::Term committed_by;  // At the latest.
  };
  struct Holders {
    std::uint64_t prefix = 0;
    std::uint64_t nodes = 0;  // Bit n: node n has had it on its disk.
  };
  struct Probe {
    NodeId node;
    raft::ReadToken token;
    raft::Term newest_leader;  // When it arrived.
  };

  void fail(const char* oracle, std::string message);
  void note_vote(raft::Term term, NodeId voter, NodeId candidate);
  void note_leader(const Observed& node, raft::Term term);
  void check_completeness(const Leader& leader);

  // Sorted: the order in which facts are learned is none of them.
  std::vector<Leader> leaders_;
  std::vector<Vote> votes_;
  std::vector<Applied> applied_;  // By index less one.
  std::vector<Holders> holders_;
  std::vector<Probe> probes_;     // Unanswered.
  std::optional<sim::Violation> violation_;
};

}  // namespace keelson::scenarios
