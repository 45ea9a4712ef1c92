// Progress: what a leader knows of one follower's log, and how much it may send it unanswered.
// Figure 2, "volatile state on leaders", with flow control. It changes only by its own methods.
//
//   probing      it is not known where the logs part. One append with entries may be under way,
//                then empty ones, a heartbeat each, until one at next_index - 1 is accepted.
//   replicating  entries are streamed without waiting, next_index runs ahead of what is
//                acknowledged, up to a window of appends and bytes. A refusal or silence leads
//                back to probing.
//   snapshotting what it needs next is not in the log any more: it is sent a snapshot and, until it
//                has it, no entries.
#pragma once

#include <deque>

#include "core/raft/messages.h"
#include "core/raft/types.h"

namespace keelson::raft {

class Progress {
 public:
  enum class State { probing, replicating, snapshotting };

  struct Window {
    std::size_t appends_max;
    std::size_t bytes_max;  // Of entries; one append always fits.
  };

  // §5.3: "initialized to leader last log index + 1". REQUIRES: the window is not empty.
  Progress(LogIndex next_index, const Window& window);

  State state() const { return state_; }
  LogIndex next_index() const { return next_index_; }
  LogIndex match_index() const { return match_index_; }
  Round echoed_round() const { return echoed_round_; }
  std::size_t inflight_count() const { return inflight_.size(); }

  // Whether the window allows another append that carries entries.
  bool may_send_entries() const;
  // REQUIRES: may_send_entries(), last >= next_index().
  void entries_sent(LogIndex last, std::size_t bytes);

  // A message is owed even if there are no entries to send.
  bool heartbeat_due() const { return heartbeat_due_; }
  void owe_heartbeat() { heartbeat_due_ = true; }
  // Any append serves.
  void append_sent() { heartbeat_due_ = false; }

  // One heartbeat interval has passed. Two without any answer while entries are under way: what is
  // under way is taken for lost.
  void interval_passed();

  // The follower answered in this leader's term.
  void answered(Round round);
  // The follower's log is durable and equal to ours up to `match`. True if that is news.
  bool accepted(LogIndex match);
  // The follower refused: the logs can agree up to `agreeable` at most. True if next_index moved
  // back. A refusal from before `match_index` was acknowledged is out of date and changes nothing.
  bool refused(LogIndex agreeable);
  // The follower's version cannot read the entry after `match_index`: it is sent again once a
  // heartbeat has been answered, and not at once.
  void cannot_read_on();
  // The log has forgotten what the follower needs. Ends when it accepts anything. REQUIRES: it has
  // not acknowledged the log's start.
  void become_snapshotting();

  // See Raft::append_state().
  void append_state(Bytes& out) const;

 private:
  void become_probing(LogIndex next_index);
  void become_replicating();
  void forget_inflight();

  State state_ = State::probing;
  // Invariant: match_index_ < next_index_.
  LogIndex next_index_;
  LogIndex match_index_;
  Round echoed_round_;

  struct Inflight {
    LogIndex last;  // Of the append's entries.
    std::size_t bytes;
  };
  const Window window_;
  std::deque<Inflight> inflight_;  // Replicating: the unacknowledged appends.
  std::size_t inflight_bytes_ = 0;
  bool probe_inflight_ = false;    // Probing: the append with entries was sent.
  int intervals_unanswered_ = 0;
  bool heartbeat_due_ = false;
};

}  // namespace keelson::raft
