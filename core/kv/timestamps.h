// Timestamps: how the leaders of this node come by the stamps of their entries.
//
// A node has one clock (core/kv/hlc.h) for all groups it leads. Its ceiling comes from the default
// group: RaiseCeiling is an entry of that group's log, so that the ceiling outlives every leader.
// A leader of whatever group stamps only
//   * in the term in which it has asked the default group for a ceiling after it was elected, and
//     above what the ceiling was before: whatever a leader before it has stamped, or has promised
//     to a reader to be complete, is not above that. Its own log may have entries that it did not
//     stamp itself, and no others: so the order of timestamps is the order of the log, across
//     leaders too;
//   * up to the ceiling of which it knows.
// And because each leader's clock is pushed by what it is told (a transaction's snapshot, the times
// at which its other groups were prepared), what depends on another has a greater timestamp.
//
// A snapshot costs old versions (core/kv/versions.h) only where somebody takes one: after a group
// was read at a timestamp, the safe point that its leader stamps stays `kept` behind for a while,
// and otherwise follows the newest entry. A new leader knows of no readers: those of the old one
// are told that their snapshot is too old, and take a later one (core/kv/transaction.h). So are
// those whose snapshot was chosen by a leader whose clock is behind by more than `kept`, once:
// whatever nodes forward and answer carries their time, so that the next snapshot is not behind
// what the last one met.
#pragma once

#include <map>
#include <optional>

#include "core/kv/forward.h"
#include "core/kv/hlc.h"
#include "core/raft/raft_node.h"
#include "core/runtime/env.h"
#include "core/runtime/sync.h"

namespace keelson::kv {

// Who raises the ceiling: the coordinator, wherever the default group's leader is.
class CeilingSource {
 public:
  virtual ~CeilingSource() = default;
  // May suspend. Errors: unavailable, timed_out.
  virtual Result<CeilingReply> raise_ceiling(const CeilingRequest& request, Deadline deadline) = 0;
};

struct TimestampsOptions {
  Duration ahead = std::chrono::seconds(3);  // Of the wall clock, for the ceiling.
  Duration kept = std::chrono::seconds(5);   // How old a snapshot may be where there are readers.
  Duration kept_after_reader = std::chrono::seconds(60);
};

class Timestamps {
 public:
  // The references outlive this object.
  Timestamps(Env& env, const TimestampsOptions& options, const raft::RaftNode& raft,
             CeilingSource& source);

  // Makes sure that stamp() has one after `at_least` for the group's leader. May suspend. Errors:
  // not_leader, unavailable (no ceiling in time).
  Result<void> prepare(GroupId group, Timestamp at_least, Deadline deadline);

  // A stamp for an entry that is appended to the group's log before anything suspends; nothing when
  // prepare() is needed (again). Never suspends.
  std::optional<Stamp> stamp(GroupId group, Timestamp at_least);

  // Somebody reads the group at a timestamp: keep versions from now on.
  void note_reader(GroupId group) { last_reader_[group] = env_.clock.now(); }

  // Asks for a higher ceiling if this node leads anything: about every third of `ahead`. May
  // suspend; what fails is tried again when it is needed.
  void renew_if_leading(Deadline deadline);

  // Where time has come to on this node; local.
  Timestamp now() { return clock_.now(); }
  // Another node's time: clocks that hear of each other are not far apart, or what one group has
  // seen would be too new for another's readers for as long as they differ.
  void observe(Timestamp now) { clock_.observe(now); }
  Timestamp ceiling() const { return clock_.ceiling(); }
  // What the default group's leader proposes now, for somebody who needs this much.
  RaiseCeiling proposal(Timestamp at_least) const;
  // Whether a ceiling is high enough not to be raised for somebody who needs this much.
  bool is_high_enough(Timestamp ceiling, Timestamp at_least) const;
  Duration ahead() const { return options_.ahead; }

 private:
  bool may_stamp(GroupId group) const;
  Result<void> renew(Timestamp at_least, Deadline deadline);

  Env& env_;
  const TimestampsOptions options_;
  const raft::RaftNode& raft_;
  CeilingSource& source_;
  Hlc clock_;
  // The term in which the group's leader here may stamp.
  std::map<GroupId, raft::Term> began_in_;
  std::map<GroupId, Instant> last_reader_;
  bool is_renewing_ = false;  // One at a time: the others wait for it, and look again.
  WaitQueue renewed_;
};

}  // namespace keelson::kv
