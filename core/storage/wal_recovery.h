// Reading the write-ahead log at the start of a node: what is told apart, and why, is at the head
// of wal.h.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "core/storage/wal.h"

namespace keelson::storage {

struct RecoveredLog {
  std::map<GroupId, RecoveredGroup> groups;

  // The last segment, and where in it the next batch goes.
  std::unique_ptr<File> file;
  std::uint64_t salt = 0;
  std::uint32_t segment = 0;
  std::uint64_t position = 0;
  std::uint64_t next_sequence = 1;
};

// Reads all segments, cuts a torn tail and makes the rest durable. Nothing when no log was ever in
// use. REQUIRES: the directory of the log exists. Errors: as Wal::open().
Result<std::optional<RecoveredLog>> recover_log(Env& env, Deadline deadline);

}  // namespace keelson::storage
