// Old versions of one group's keys, for those who read at a timestamp (multi-version concurrency
// control). The newest version of a key is its row; one that is replaced goes into the history only
// if somebody may still read at a time when it was the newest: not before the safe point. So a put
// costs nothing more while nobody reads at timestamps, which the safe point says (it follows the
// newest entry then; core/kv/timestamps.h).
#pragma once

#include <optional>
#include <vector>

#include "core/kv/command.h"
#include "core/kv/group_memory.h"
#include "core/kv/key_range.h"
#include "core/kv/rows.h"

namespace keelson::kv {

// What is asked of one group: keys, and a part of one range.
struct ReadRequest {
  std::vector<Bytes> keys = {};
  std::optional<KeyRange> range = {};
  std::size_t rows_limit = 0;  // Of the range; at least 1 with one.
  std::size_t value_octets = SIZE_MAX;     // Of each row of the range; as ScanRequest says.
  std::optional<Folding> folding = {};     // Of the range.
  // Of a snapshot; nothing: as things are now. To a leader 0 says that it may choose.
  std::optional<Timestamp> at = {};
  // A version after `at` and up to here may be of somebody who was done before the reader began; 0:
  // the reader has not asked this group before, and is told with the reply.
  Timestamp uncertain_until = {};
};

struct ReadReply {
  std::vector<std::optional<VersionedValue>> values;  // For each key, in order.
  // Of the range, in order: all there are of it, up to `covered_to`. Of folded rows what they have
  // in common is the key, and the version is 0.
  std::vector<Row> rows;
  Bytes covered_to;       // As KeyRange::to.
  // The snapshot that was read, and until when it was uncertain: for the next one of the reader's.
  Timestamp at;
  Timestamp uncertain_until;
};

// The reply, or the lock that must be resolved before there is one; or neither: something of it is
// not served here any more (core/kv/ownership.h).
struct ReadOutcome {
  std::optional<ReadReply> reply = {};
  std::optional<Lock> lock = {};
};

// Reads as of one moment. A reader who asks for the first time may have begun after whatever was
// applied: its versions are not after the clock's last stamp; and after whatever is prepared, which
// another group may have committed at any time. REQUIRES: nothing changes meanwhile. May suspend.
// Errors: conflict (an uncertain version; or `at` is before the safe point, which the message
// says), io_error, corrupt.
Result<ReadOutcome> read(Rows& rows, const GroupMemory& group, ReadRequest request);

// Puts a new version in the place of the newest, or removes the key.
// REQUIRES: `at` is after the newest version.
Result<void> write_version(Rows& rows, Timestamp safe_point, Timestamp at, Mutation mutation);

// Drops those of the first `limit` old versions from the row `from` on that ended at the safe point
// or before; gives the row to go on from, empty after the last.
Result<Bytes> collect_versions(Rows& rows, Timestamp safe_point, BytesView from,
                               std::size_t limit);

// Whether the condition holds of the newest versions.
Result<bool> holds(Rows& rows, const Condition& condition);

}  // namespace keelson::kv
