// GroupMachine: the rules of one group: what each command does to its rows. Deterministic: it knows
// rows, the command and its stamp, and nothing else.
//
// Transactions over several groups (the rest is core/kv/transaction.h). Prepare locks and
// validates. Decide, in the primary, is the moment of commit: the timestamp of that entry is the
// commit's, in every group. Finish tells the other groups, and Forget drops the decision. A Decide
// that finds nothing prepared decides to abort and records that, so that a Prepare which comes
// later is refused; a Prepare long after the transaction began is refused anyhow, which is why that
// record need not be kept for ever.
#pragma once

#include "core/base/event_log.h"
#include "core/kv/command.h"
#include "core/kv/group_memory.h"

namespace keelson::kv {

// Until when a transaction that began at some time may be prepared; and so how long, at least, the
// record of one that was aborted is kept.
inline constexpr Duration kTransactionAgeMax = std::chrono::seconds(30);

class GroupMachine {
 public:
  // The arguments outlive this object.
  GroupMachine(Rows& rows, GroupMemory& group, Marks& marks)
      : rows_(rows), clock_(group.clock), locks_(group.locks), ownership_(group.ownership),
        shards_(group.shards), marks_(marks) {}

  // Takes note of a command's stamp: before it is applied, or answered from memory. False when it
  // is not after the last one: the command is rejected, and nothing has changed. RaiseCeiling has
  // no stamp, as without a ceiling there is none to be had; nothing in it depends on time.
  bool take_stamp(const StampedCommand& stamped);

  // REQUIRES: take_stamp() has taken its stamp. May suspend. Errors: io_error, corrupt.
  Result<BatchResult> apply(const Stamp& stamp, Batch& batch);
  // The same for any other command. REQUIRES: as above, and it is no Batch.
  Result<CommandResult> apply(const Stamp& stamp, Command& command);

 private:
  Result<CommandResult> apply_one(const Stamp& stamp, Prepare& prepare);
  Result<CommandResult> apply_one(const Stamp& stamp, Decide& decide);
  Result<CommandResult> apply_one(const Stamp& stamp, Finish& finish);
  Result<CommandResult> apply_one(const Stamp& stamp, Forget& forget);
  Result<CommandResult> apply_one(const Stamp& stamp, CollectGarbage& collect);
  Result<CommandResult> apply_one(const Stamp& stamp, RaiseCeiling& raise);
  Result<CommandResult> apply_one(const Stamp& stamp, ChangeShards& change);
  Result<CommandResult> apply_one(const Stamp& stamp, FenceRange& fence);
  Result<CommandResult> apply_one(const Stamp& stamp, ReceiveRows& receive);
  Result<CommandResult> apply_one(const Stamp& stamp, OwnRange& own);
  Result<CommandResult> apply_one(const Stamp& stamp, DropRange& drop);

  Result<std::optional<std::size_t>> first_that_fails(const std::vector<Condition>& conditions);
  Result<void> write(Timestamp at, std::vector<Mutation>& mutations);
  Result<std::optional<Record>> find_record(BytesView transaction);
  Result<Prepare> unlock(BytesView transaction);
  void save_ownership(const Stamp& stamp);
  Result<CommandResult> record_decision(const Stamp& stamp, BytesView transaction,
                                        Timestamp committed_at,
                                        std::vector<GroupId> participants);

  Rows& rows_;
  GroupClock& clock_;
  LockTable& locks_;
  Ownership& ownership_;
  ShardMap& shards_;
  Marks& marks_;
};

}  // namespace keelson::kv
