// The words of Raft: Figure 2 of the extended Raft paper (Ongaro and Ousterhout), which every "§"
// in this folder cites; "dissertation" is Ongaro's. The paper's "server" is a node here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/strong_int.h"

namespace keelson {

// A node of a cluster, 1 or more, written "n1". One identity belongs to one data directory.
using NodeId = StrongInt<struct NodeIdTag>;
// A Raft group, written "g0". The lowest configured one is the default group.
using GroupId = StrongInt<struct GroupIdTag>;

// Tells apart the data directories that one node has had: drawn when a directory is claimed, never
// 0. A node whose disk was lost comes back with another one, and has no say until the cluster has
// admitted it anew, for it does not know what it had promised.
using Incarnation = StrongInt<struct IncarnationTag>;

inline std::string to_string(NodeId id) { return "n" + std::to_string(id.value); }
inline std::string to_string(GroupId id) { return "g" + std::to_string(id.value); }

namespace raft {

using Term = StrongInt<struct TermTag>;
using LogIndex = StrongInt<struct LogIndexTag>;  // The first entry has index 1.

enum class Role { follower, pre_candidate, candidate, leader };

const char* name_of(Role role);

enum class EntryKind : std::uint8_t {
  command,  // For the state machine.
  no_op,    // A leader's first entry (§8): changes nothing, commits what is before it.
  configuration,  // Who belongs to the group; in force from when it is in the log (§6).
  joint_configuration,  // C_old,new. A version that does not know of it must not miss it.
};

inline bool is_configuration(EntryKind kind) {
  return kind == EntryKind::configuration || kind == EntryKind::joint_configuration;
}

struct Entry {
  Term term;
  LogIndex index;
  EntryKind kind = EntryKind::command;
  Bytes data;  // Empty for a no_op; for a configuration, its encoding (messages.h).

  bool operator==(const Entry&) const = default;
};

// Of the entries' data.
std::size_t bytes_of(const std::vector<Entry>& entries);

// Figure 2, "persistent state on all servers", without the log.
struct HardState {
  Term current_term;
  std::optional<NodeId> voted_for;

  bool operator==(const HardState&) const = default;
};

// Where a log begins: at the entry before its first, §7's "last included" of what has replaced the
// entries up to there. Zero as long as the log has its entry 1.
struct LogStart {
  LogIndex index;
  Term term;

  auto operator<=>(const LogStart&) const = default;
};

struct Member {
  // 0: its data directory is not known yet. No reply counts for it, until the log says which it is.
  Incarnation incarnation;
  // Of its raft listener, "host:port". Empty: as configured at the start.
  std::string address = {};
  bool is_voter = true;  // Otherwise a learner: it gets the log and has no say.
  // A learner that was a voter until it lost its disk: it votes again when it has caught up. One
  // that an operator added waits for the operator.
  bool regains_vote = false;

  bool operator==(const Member&) const = default;
};

// The members of a group (§6). Empty for a node that was not told yet.
struct Configuration {
  LogIndex index;  // Of the entry that brought it; 0 of the founders'.
  std::map<NodeId, Member> members;
  // C_old's voters as long as C_old,new is in force, whose C_new is `members`: what is decided
  // needs a majority of both. Empty otherwise. Who is in both is so with one data directory.
  std::map<NodeId, Member> outgoing;

  bool is_joint() const { return !outgoing.empty(); }
  // Null for who is neither a member nor an outgoing voter.
  const Member* find(NodeId id) const;
  // Of either majority.
  bool is_voter(NodeId id) const;
  // Of `members`.
  std::size_t voters_count() const;
  // Each with an entry in `members` or `outgoing`, once.
  std::vector<NodeId> nodes() const;

  bool operator==(const Configuration&) const = default;
};

// "n1 n2 n3", learners in brackets; "n1 n2 n3 -> n1 n2 n4" while it is joint.
std::string describe(const Configuration& configuration);

}  // namespace raft
}  // namespace keelson
