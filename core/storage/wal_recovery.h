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
  std::map<GroupId, GroupLog> group_logs;

  std::map<std::uint32_t, std::uint64_t> closed_segments;  // All but the last, with their sizes.
  std::uint32_t oldest_segment = 1;  // As last written: those before are not needed.

  // The last segment, where in it the next batch goes, and how far zeros reach.
  std::unique_ptr<File> file;
  std::uint64_t salt = 0;
  std::uint32_t segment = 0;
  std::uint64_t position = 0;
  std::uint64_t filled_to = 0;
  std::uint64_t next_sequence = 1;
  bool needs_seal = false;  // The last batch says something.
};

// Reads all segments, cuts a torn tail and makes the rest durable. Nothing when no log was ever in
// use. REQUIRES: the directory of the log exists. Errors: as Wal::open().
Result<std::optional<RecoveredLog>> recover_log(Env& env, Deadline deadline);

}  // namespace keelson::storage
