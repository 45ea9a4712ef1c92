// The RPCs of Figure 2, one struct each. Loss, repetition, delay and any order are allowed.
#pragma once

#include <variant>
#include <vector>

#include "core/base/result.h"
#include "core/raft/types.h"

namespace keelson::raft {

// Counts a leader's broadcasts within its term. A reply echoes the newest round it has seen, so a
// majority of echoes >= r says: that majority still followed this term after round r was sent. It
// carries ReadIndex (§8, dissertation §6.4), check-quorum and the lease.
using Round = StrongInt<struct RoundTag>;

struct RequestVote {
  Term term;  // A pre-vote carries the term the candidate would stand in.
  LogIndex last_log_index;
  Term last_log_term;
  bool pre_vote = false;  // Dissertation §9.6.
  bool operator==(const RequestVote&) const = default;
};

struct RequestVoteReply {
  Term term;  // A granted pre-vote echoes the term asked for; otherwise the voter's current term.
  bool vote_granted = false;
  bool pre_vote = false;
  bool operator==(const RequestVoteReply&) const = default;
};

// Also the heartbeat, when it carries no entries.
struct AppendEntries {
  Term term;
  LogIndex prev_log_index;
  Term prev_log_term;
  std::vector<Entry> entries;
  LogIndex leader_commit;
  Round round;
  bool operator==(const AppendEntries&) const = default;
};

struct AppendEntriesReply {
  Term term;
  bool success = false;
  // success: the follower's log is durable and equal to the leader's up to here. Otherwise: a hint,
  // the last index at which the two logs may still agree (§5.3, the faster back-up),
  LogIndex match_index;
  // and the term of the follower's entry there; 0 with success.
  Term match_term;
  // The newest round received in `term`; sent whether or not the consistency check succeeded.
  Round round;
  bool operator==(const AppendEntriesReply&) const = default;
};

using Message = std::variant<RequestVote, RequestVoteReply, AppendEntries, AppendEntriesReply>;

Term term_of(const Message& message);

struct Outgoing {
  NodeId to;
  Message message;
  bool operator==(const Outgoing&) const = default;
};

// One line for a trace: "AppendEntries t3 prev 4/2 +2 commit 4 round 9".
std::string describe(const Message& message);

// Appends the bytes of a message on the wire (core/raft/raft.proto, message RaftMessage).
// REQUIRES: what decode() demands of entries: indexes that follow prev_log_index one by one, terms
// that never fall and stay within the message's.
void encode(const Message& message, Bytes& out);
// Errors: corrupt (not a message, or of a kind this version does not know).
Result<Message> decode(BytesView bytes);

}  // namespace keelson::raft
