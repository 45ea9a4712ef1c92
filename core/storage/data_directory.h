// The data directory of a node: whose it is, and the log in it.
//
// The file IDENTITY says so, in text:
//   identity = "keelson data directory" NL "format " version NL "cluster " id NL "node " number NL
//              "incarnation " hex NL founder* "checksum " hex NL
//   founder  = "founder " number " " hex NL       ; by number; a node, and its incarnation
//   hex      = 16 hex digits; the checksum is XXH3 over the lines above it
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/raft/types.h"
#include "core/runtime/env.h"
#include "core/storage/wal.h"

namespace keelson::storage {

struct Identity {
  std::string cluster_id;  // Printable, without white space, at most 128 octets.
  NodeId node_id;
  Incarnation incarnation{};  // Of this directory: drawn when it is claimed, never 0 then.
  // The data directories that the cluster was founded with. Empty until the node was told.
  std::map<NodeId, Incarnation> founders{};

  bool operator==(const Identity&) const = default;
};

// Whose the directory is; nothing when it is nobody's yet. Errors: invalid_argument (it is of
// another format; the message names both), corrupt, io_error.
Result<std::optional<Identity>> read_identity(Disk& disk, Deadline deadline);

// Whether `found` is of the cluster and the node that are expected; looks at nothing else. Errors:
// invalid_argument (the message names both values).
Result<void> check_owner(const Identity& found, const Identity& expected);

// Both: true when the directory belongs to `expected`, false when it belongs to nobody yet.
Result<bool> check_identity(Disk& disk, const Identity& expected, Deadline deadline);

// Writes down whose the directory is, in the place of what is there: atomic, and durable when it
// returns. Errors: invalid_argument (not a valid identity, or one without an incarnation),
// io_error, no_space (the old one stands).
Result<void> write_identity(Disk& disk, const Identity& identity, Deadline deadline);

// What a node does at its start: checks the owner, opens the log, and claims a new directory once
// it has a log, with the founders of `identity` and an incarnation that is drawn then. So a
// directory that has an identity and no log has lost it, and is refused (corrupt): a node that
// forgot its votes must not vote under its old name. (read_identity() tells the incarnation.)
Result<std::unique_ptr<Wal>> open_data_directory(Env& env, const Identity& identity,
                                                 WalOptions options, Deadline deadline);

}  // namespace keelson::storage
