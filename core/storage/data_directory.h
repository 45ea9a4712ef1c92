// The data directory of a node: whose it is, and the log in it.
//
// The file IDENTITY says so, in text:
//   identity = "keelson data directory" NL "format " version NL "cluster " id NL "node " number NL
//              "checksum " 16 hex digits of XXH3 over the lines above NL
#pragma once

#include <memory>
#include <string>

#include "core/raft/types.h"
#include "core/runtime/env.h"
#include "core/storage/wal.h"

namespace keelson::storage {

struct Identity {
  std::string cluster_id;  // Printable, without white space, at most 128 octets.
  NodeId node_id;

  bool operator==(const Identity&) const = default;
};

// True when the directory belongs to `expected`, false when it belongs to nobody yet. Errors:
// invalid_argument (it is another node's, another cluster's or of another format; the message names
// both values), corrupt, io_error.
Result<bool> check_identity(Disk& disk, const Identity& expected, Deadline deadline);

// Claims the directory: atomic, and durable when it returns. Errors: invalid_argument (not a valid
// identity), io_error, no_space.
Result<void> write_identity(Disk& disk, const Identity& identity, Deadline deadline);

// What a node does at its start: checks the identity, opens the log, and claims a new directory
// once it has a log. So a directory that has an identity and no log has lost it, and is refused
// (corrupt): a node that forgot its votes must not vote under its old name.
Result<std::unique_ptr<Wal>> open_data_directory(Env& env, const Identity& identity,
                                                 WalOptions options, Deadline deadline);

}  // namespace keelson::storage
