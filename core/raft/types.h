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
};

struct Entry {
  Term term;
  LogIndex index;
  EntryKind kind = EntryKind::command;
  Bytes data;  // Empty for a no_op; for a configuration, its encoding (messages.h).

  bool operator==(const Entry&) const = default;
};

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
  Incarnation incarnation;
  bool is_voter = true;  // Otherwise a learner: it gets the log and has no say.

  bool operator==(const Member&) const = default;
};

// The members of a group (§6). Empty for a node that was not told yet.
struct Configuration {
  std::map<NodeId, Member> members;

  bool is_voter(NodeId id) const {
    const auto found = members.find(id);
    return found != members.end() && found->second.is_voter;
  }
  std::size_t voters_count() const;

  bool operator==(const Configuration&) const = default;
};

// "n1 n2 n3", learners in brackets.
std::string describe(const Configuration& configuration);

}  // namespace raft
}  // namespace keelson
