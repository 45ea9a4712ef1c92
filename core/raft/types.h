// The words of Raft: Figure 2 of the extended Raft paper (Ongaro and Ousterhout), which every "§"
// in this folder cites; "dissertation" is Ongaro's. The paper's "server" is a node here.
#pragma once

#include <cstdint>
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
};

struct Entry {
  Term term;
  LogIndex index;
  EntryKind kind = EntryKind::command;
  Bytes data;  // Empty for a no_op.

  bool operator==(const Entry&) const = default;
};

// Figure 2, "persistent state on all servers", without the log.
struct HardState {
  Term current_term;
  std::optional<NodeId> voted_for;

  bool operator==(const HardState&) const = default;
};

}  // namespace raft
}  // namespace keelson
