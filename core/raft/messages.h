// The RPCs of Figure 2, one struct each. Loss, repetition, delay and any order are allowed.
#pragma once

#include <variant>
#include <vector>

#include "core/base/result.h"
#include "core/raft/state_machine.h"
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
  // The leader itself has asked for this election (TimeoutNow, dissertation §3.10): no voter waits
  // for it to fall silent first.
  bool leadership_transfer = false;
  bool operator==(const RequestVote&) const = default;
};

struct RequestVoteReply {
  Term term;  // A granted pre-vote echoes the term asked for; otherwise the voter's current term.
  bool vote_granted = false;
  bool pre_vote = false;
  // The index of the latest configuration that the voter knows to be committed, if the candidate is
  // not in it; 0 otherwise.
  LogIndex removed_by = {};
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
  // Set by decode(): the entries go on with one of a kind that this version does not know.
  bool cut_at_unknown_kind = false;
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
  // The follower's log is sound, but the state that it continued is lost: it asks for a snapshot.
  bool needs_snapshot = false;
  // The next entry is of a kind that the follower's version does not know: it can have no more.
  bool unknown_kind = false;
  bool operator==(const AppendEntriesReply&) const = default;
};

// Figure 13, with the number of a chunk in the place of its offset. One at a time to a follower;
// the next when this one is answered, this one again when it is not.
struct InstallSnapshot {
  Term term;
  SnapshotId id;
  Configuration configuration;  // As of id.index.
  SnapshotChunk chunk;
  Round round;
  bool operator==(const InstallSnapshot&) const = default;
};

struct InstallSnapshotReply {
  Term term;
  SnapshotId id;
  std::uint64_t next_chunk = 0;  // The one that is wanted now.
  bool installed = false;        // The follower's state includes id.index, durably.
  Round round;
  bool operator==(const InstallSnapshotReply&) const = default;
};

// Dissertation §3.10: the leader asks a voter that has its whole log to stand for election at once.
struct TimeoutNow {
  Term term;
  bool operator==(const TimeoutNow&) const = default;
};

using Message = std::variant<RequestVote, RequestVoteReply, AppendEntries, AppendEntriesReply,
                             InstallSnapshot, InstallSnapshotReply, TimeoutNow>;

Term term_of(const Message& message);
// Whether it answers another, and may be counted for a majority.
bool is_reply(const Message& message);

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
// Errors: unsupported (a message of a kind that this version does not know: a later one has it),
// corrupt (no message).
Result<Message> decode(BytesView bytes);

// The data of an entry of kind configuration or joint_configuration, and of a snapshot's label.
Bytes encode(const Configuration& configuration);
// Errors: corrupt.
Result<Configuration> decode_configuration(BytesView bytes);

}  // namespace keelson::raft
