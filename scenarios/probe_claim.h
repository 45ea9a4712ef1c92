// The oracle of the promise: a stale leader never answers 200 on a leader probe.
//
// It trusts no node. That a node led a term is taken from the first AppendEntries of that term for
// the default group that it was seen to put on the wire (scenarios/wire_tap.h); when a probe began
// and ended, and what it was answered, from the client's machine; all in true time. A node becomes
// leader somewhat before its first AppendEntries, so the oracle may be late to see a leader but
// never sees one that was not.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/raft/types.h"
#include "sim/true_time.h"

namespace keelson::scenarios {

// One probe call as the client's machine saw it. Status 0: no answer.
struct ProbeObservation {
  NodeId node;
  std::string listener;  // "s3", "admin": for people.
  std::string target;    // "/healthz/leader".
  sim::TrueTime start;   // Before the connection was opened or reused.
  sim::TrueTime end;     // When the status had been received.
  int status = 0;
};

// One node's leading of one term.
struct Reign {
  NodeId node;
  raft::Term term;
  sim::TrueTime since;  // Its first AppendEntries.
};

class ProbeClaim {
 public:
  // `node` was seen leading `term` of the default group. Cheap when it was seen before.
  // REQUIRES: `now` does not go back between calls.
  void leads(NodeId node, raft::Term term, sim::TrueTime now);

  // `node` was told to stop in good order: no probe that starts later may be answered 200 until it
  // has started again.
  void told_to_stop(NodeId node, sim::TrueTime now) { told_to_stop_.try_emplace(node, now); }
  void started_again(NodeId node) { told_to_stop_.erase(node); }

  // `node` was asked to hand its leadership over, and has not yet said how that ended: no probe
  // that starts meanwhile may be answered 200 before it has. One at a time of each node counts.
  void handing_over(NodeId node, sim::TrueTime now) { handing_over_.try_emplace(node, now); }
  void handed_over(NodeId node) { handing_over_.erase(node); }

  // Says of a term whether an entry of it is durable on a majority, without which its leader does
  // not know what is committed. Once this is set, a 200 without such an entry breaks the claim.
  void demand_own_entry(std::function<bool(raft::Term)> is_established) {
    is_established_ = std::move(is_established);
  }

  // A sentence if `probe` breaks the claim: it was answered 200 although the node never led by its
  // end, or although another node had led a higher term since before its start; or it had been told
  // to stop, or was handing its leadership over; or it had not committed an entry of a term that it
  // led meanwhile.
  std::optional<std::string> judge(const ProbeObservation& probe);

  // Who was last seen to become leader with the highest term; the nemesis aims by it.
  std::optional<Reign> latest() const;
  const std::vector<Reign>& reigns() const { return reigns_; }
  std::uint64_t judged() const { return judged_; }
  std::uint64_t answered_200() const { return answered_200_; }
  // How many of the 200s came from a node while a newer leader appeared before the call ended: the
  // claim was put to the test. A gate in which that never happens proves little.
  std::uint64_t contested_200() const { return contested_200_; }

 private:
  std::optional<raft::Term> last_term_led(NodeId node, sim::TrueTime by) const;

  bool had_own_entry(const ProbeObservation& probe) const;

  std::vector<Reign> reigns_;  // By time of the first AppendEntries.
  std::map<NodeId, sim::TrueTime> told_to_stop_;
  std::map<NodeId, sim::TrueTime> handing_over_;
  std::function<bool(raft::Term)> is_established_;
  std::uint64_t judged_ = 0;
  std::uint64_t answered_200_ = 0;
  std::uint64_t contested_200_ = 0;
};

}  // namespace keelson::scenarios
