// Command: what a log entry of the key-value layer says, and what applying it has come to.
//
// Every command is stamped by the leader that proposes it, in the very step that appends it to the
// log, so that the order of a group's log and the order of its timestamps are one; an entry whose
// timestamp does not grow is rejected by every node alike. What depends on time depends on the
// stamp, and on nobody's clock.
//
//   entry = kind:u8 at:u64 safe_point:u64 body            integers little-endian
//
// where body is the message of core/kv/kv.proto for the kind. The transactions' commands are
// explained in core/kv/transaction.h.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "core/kv/hlc.h"
#include "core/kv/rows.h"
#include "core/kv/shard_map.h"
#include "core/kv/store.h"

namespace keelson::kv {

struct Stamp {
  Timestamp at;
  // From here on nobody reads at a timestamp before this one; not above `at`.
  Timestamp safe_point;
};

// A transaction's hold on the keys it reads and writes in one group.
struct Lock {
  Bytes transaction;
  GroupId primary;
  Timestamp prepared_at;
  Timestamp expires_at;

  bool operator==(const Lock&) const = default;
};

// Locks what the transaction reads and writes here, if every condition holds and nobody else has
// locked it.
struct Prepare {
  Bytes transaction;  // Its identifier.
  GroupId primary;
  std::vector<GroupId> participants;  // All groups, in what the primary is told; empty elsewhere.
  Timestamp begun;                    // Long after it the transaction cannot be prepared any more.
  Duration ttl{};                     // Whole milliseconds.
  std::vector<Condition> conditions;
  std::vector<Mutation> mutations;
};

// Decides about a transaction, in its primary: what was decided first stays.
struct Decide {
  enum class Kind { commit, abort, abort_if_expired };
  Bytes transaction;
  Kind kind = Kind::commit;
  // For commit: when the primary was prepared. What was prepared at another time is a late copy, of
  // a request that was repeated.
  Timestamp prepared_at = {};
  // For abort_if_expired, when the primary knows of no such transaction: that of the lock met.
  Timestamp expires_at = {};
};

// Tells a group what was decided: its locks go, and if it was committed, the writes are there.
struct Finish {
  Bytes transaction;
  Timestamp committed_at;  // 0: aborted.
};

// Drops the decision from the primary's state. REQUIRES: no group has a lock of it any more.
struct Forget {
  Bytes transaction;
};

// Drops some of the old versions that nobody can read any more, in the order of keys.
struct CollectGarbage {
  Bytes from;  // Where the last one has stopped; empty: from the beginning.
};

// In the default group: changes the shard map (core/kv/shard_map.h), if its version is this one.
struct ChangeShards {
  std::uint64_t version = 0;
  ShardChange change;
};

// The steps of a move in the two groups that it concerns (core/kv/shard_map.h), each by the number
// of the move. Nothing of the range is written from here on; the result has a lock as long as there
// is one in it.
struct FenceRange {
  std::uint64_t move = 0;
  KeyRange range;
};
// Rows as they are where they come from.
struct ReceiveRows {
  std::uint64_t move = 0;
  KeyRange range;
  std::vector<Row> rows;
};
// Has `done` when the range is served here, or has been.
struct OwnRange {
  std::uint64_t move = 0;
};
// Drops some of the rows that were copied; `pending` when there are more.
struct DropRange {
  std::uint64_t move = 0;
};

// In the default group: see core/kv/hlc.h. Has no stamp.
struct RaiseCeiling {
  Timestamp at_least;
  Duration step{};  // And that much above what it was; whole milliseconds.
};

using Command =
    std::variant<Batch, Prepare, Decide, Finish, Forget, CollectGarbage, RaiseCeiling, ChangeShards,
                 FenceRange, ReceiveRows, OwnRange, DropRange>;

// With a stamp of zeros.
Bytes encode_command(const Command& command);
Bytes encode_command(const Batch& batch);
// REQUIRES: encode_command() made `entry`.
void set_stamp(Bytes& entry, const Stamp& stamp);

struct StampedCommand {
  Stamp stamp;
  Command command;
};
// Errors: corrupt (not a command, or of a kind this version does not know).
Result<StampedCommand> decode_command(BytesView entry);

// --- what came of it ---

// Of a batch: its outcome, or the lock it met, or that some key is not served here any more, or
// nothing when it was rejected. Only an outcome is remembered with the batch's token.
struct BatchResult {
  std::optional<BatchOutcome> outcome = {};
  std::optional<Lock> lock = {};
  bool has_moved = false;
};

// Of another command.
struct CommandResult {
  enum class Status {
    done,      // Also when it had been done before.
    conflict,  // A condition does not hold. ChangeShards: the map has another version.
    locked,
    moved,     // Prepare: some key is not served here any more.
    pending,   // Decide: the transaction may yet be committed; or nothing is known of it any more.
    aborted,   // Prepare, Decide: it is, or too old.
    rejected,  // No command, or stamped in the past: nothing has changed.
  };
  Status status = Status::rejected;
  // Prepare: when the locks were taken; Decide: of the commit; RaiseCeiling: the new ceiling.
  Timestamp at = {};
  Timestamp previous = {};  // The ceiling before.
  std::size_t failed_condition = 0;
  std::optional<Lock> lock = {};
  Bytes next = {};  // CollectGarbage: where the next begins; empty: there is no more.
};

// An outcome takes 13 octets, short enough to need no allocation:
//   result = applied:u8 failed_condition:u32 version:u64 | 2:u8 Lock | 3:u8 rejected | 4:u8 moved
Bytes encode(const BatchResult& result);
// REQUIRES: encode() made it.
BatchResult decode_batch_result(BytesView bytes);

Bytes encode(const CommandResult& result);
// Errors: corrupt.
Result<CommandResult> decode_command_result(BytesView bytes);

// --- for the state of a group ---

// A transaction's decision in its primary.
struct Record {
  Timestamp committed_at;  // 0: aborted.
  std::vector<GroupId> participants;
};
Bytes encode(const Record& record);
// Errors: corrupt.
Result<Record> decode_record(BytesView bytes);

}  // namespace keelson::kv
