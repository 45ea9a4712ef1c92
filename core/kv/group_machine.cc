// Tested by tests/core/kv/group_machine_test.cc and transaction_properties_test.cc.
#include "core/kv/group_machine.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/kv/versions.h"

namespace keelson::kv {

namespace {

using Status = CommandResult::Status;

// Old versions looked at by one CollectGarbage.
constexpr std::size_t kCollectedAtOnce = 256;
// Rows of a shard that has moved away, dropped by one DropRange.
constexpr std::size_t kDroppedAtOnce = 256;

Bytes row_of(BytesView prefix, BytesView transaction) {
  Bytes row(prefix);
  row.append(transaction);
  return row;
}

CommandResult result_of(const Record& record) {
  if (record.committed_at == Timestamp()) return {.status = Status::aborted};
  return {.status = Status::done, .at = record.committed_at};
}

}  // namespace

bool GroupMachine::take_stamp(const StampedCommand& stamped) {
  if (std::holds_alternative<RaiseCeiling>(stamped.command)) return true;
  const Stamp& stamp = stamped.stamp;
  CHECK(stamp.safe_point <= stamp.at);
  if (stamp.at <= clock_.last) return false;
  clock_.last = stamp.at;
  clock_.safe_point = std::max(clock_.safe_point, stamp.safe_point);
  CHECK(clock_.safe_point <= clock_.last);
  return true;
}

Result<BatchResult> GroupMachine::apply(const Stamp& stamp, Batch& batch) {
  CHECK(clock_.last == stamp.at);
  if (!ownership_.serves(batch.conditions, batch.mutations)) {
    SOMETIMES(marks_, "kv: a batch came after its shard had moved");
    return BatchResult{.has_moved = true};
  }
  if (const Lock* const lock = locks_.conflict_with(batch.conditions, batch.mutations)) {
    SOMETIMES(marks_, "kv: a batch met a lock");
    return BatchResult{.lock = *lock};
  }
  TRY(const auto failed, first_that_fails(batch.conditions));
  if (failed) {
    SOMETIMES(marks_, "kv: condition failed");
    return BatchResult{.outcome = BatchOutcome{.applied = false, .failed_condition = *failed}};
  }
  TRY(write(stamp.at, batch.mutations));
  return BatchResult{.outcome = BatchOutcome{.applied = true, .version = stamp.at.value}};
}

Result<CommandResult> GroupMachine::apply(const Stamp& stamp, Command& command) {
  CHECK(clock_.last == stamp.at || std::holds_alternative<RaiseCeiling>(command));
  return std::visit(
      [&](auto& one) -> Result<CommandResult> {
        if constexpr (std::is_same_v<std::decay_t<decltype(one)>, Batch>) {
          CHECK(false && "a batch has a result of its own");
          return CommandResult{};
        } else {
          return apply_one(stamp, one);
        }
      },
      command);
}

Result<CommandResult> GroupMachine::apply_one(const Stamp& stamp, Prepare& prepare) {
  TRY(const std::optional<Record> record, find_record(prepare.transaction));
  if (record) {
    SOMETIMES(marks_, "kv: prepared after the decision");
    return CommandResult{.status = Status::aborted};
  }
  if (const Lock* const own = locks_.find(prepare.transaction)) {
    return CommandResult{.status = Status::done, .at = own->prepared_at};
  }
  if (stamp.at > prepare.begun + kTransactionAgeMax) {
    return CommandResult{.status = Status::aborted};
  }
  if (!ownership_.serves(prepare.conditions, prepare.mutations)) {
    SOMETIMES(marks_, "kv: a transaction came after a shard had moved");
    return CommandResult{.status = Status::moved};
  }
  if (const Lock* const lock =
          locks_.conflict_with(prepare.conditions, prepare.mutations, prepare.transaction)) {
    return CommandResult{.status = Status::locked, .lock = *lock};
  }
  TRY(const auto failed, first_that_fails(prepare.conditions));
  if (failed) return CommandResult{.status = Status::conflict, .failed_condition = *failed};
  locks_.add(prepare, stamp.at);
  rows_.put(row_of(kPreparedRows, prepare.transaction),
            {.value = encode_command(prepare), .version = stamp.at.value});
  return CommandResult{.status = Status::done, .at = stamp.at};
}

Result<CommandResult> GroupMachine::apply_one(const Stamp& stamp, Decide& decide) {
  TRY(const std::optional<Record> record, find_record(decide.transaction));
  if (record) return result_of(*record);
  const Lock* const lock = locks_.find(decide.transaction);
  if (decide.kind == Decide::Kind::abort_if_expired) {
    if (stamp.at <= (lock == nullptr ? decide.expires_at : lock->expires_at)) {
      return CommandResult{.status = Status::pending};
    }
    SOMETIMES(marks_, "kv: an expired transaction was rolled back");
  }
  if (lock == nullptr && decide.kind == Decide::Kind::commit) {
    // It was decided so long ago that this is forgotten, and nobody can say how.
    return CommandResult{.status = Status::pending};
  }
  if (lock == nullptr) return record_decision(stamp, decide.transaction, Timestamp(), {});
  const bool commits =
      decide.kind == Decide::Kind::commit && lock->prepared_at == decide.prepared_at;
  TRY(Prepare prepared, unlock(decide.transaction));
  if (commits) TRY(write(stamp.at, prepared.mutations));
  return record_decision(stamp, decide.transaction, commits ? stamp.at : Timestamp(),
                         std::move(prepared.participants));
}

Result<CommandResult> GroupMachine::apply_one(const Stamp& stamp, Finish& finish) {
  if (finish.committed_at >= stamp.at) return CommandResult{.status = Status::rejected};
  const Lock* const lock = locks_.find(finish.transaction);
  if (lock == nullptr) return CommandResult{.status = Status::done};
  // Nothing is decided before it is prepared: locks that are younger were taken by a late copy of
  // a request that had been repeated, after the writes had been done.
  const bool commits = lock->prepared_at < finish.committed_at;
  TRY(Prepare prepared, unlock(finish.transaction));
  if (commits) TRY(write(finish.committed_at, prepared.mutations));
  return CommandResult{.status = Status::done};
}

Result<CommandResult> GroupMachine::apply_one(const Stamp&, Forget& forget) {
  rows_.remove(row_of(kRecordRows, forget.transaction));
  return CommandResult{.status = Status::done};
}

Result<CommandResult> GroupMachine::apply_one(const Stamp&, CollectGarbage& collect) {
  TRY(Bytes next, collect_versions(rows_, clock_.safe_point, collect.from, kCollectedAtOnce));
  return CommandResult{.status = Status::done, .next = std::move(next)};
}

Result<CommandResult> GroupMachine::apply_one(const Stamp&, RaiseCeiling& raise) {
  const Timestamp previous = clock_.ceiling;
  clock_.ceiling = std::max(raise.at_least, previous + raise.step);
  CHECK(clock_.ceiling >= previous);
  return CommandResult{.status = Status::done, .at = clock_.ceiling, .previous = previous};
}

// --- shards ---

Result<CommandResult> GroupMachine::apply_one(const Stamp& stamp, ChangeShards& change) {
  if (change.version != shards_.version() || !shards_.apply(change.change)) {
    return CommandResult{.status = Status::conflict};
  }
  CHECK(shards_.version() == change.version + 1);
  rows_.put(Bytes(kShardMapRow), {.value = encode(shards_), .version = stamp.at.value});
  return CommandResult{.status = Status::done};
}

Result<CommandResult> GroupMachine::apply_one(const Stamp& stamp, FenceRange& fence) {
  if (ownership_.fence(fence.move, fence.range)) save_ownership(stamp);
  CommandResult result{.status = Status::done};
  if (const KeyRange* const fenced = ownership_.find(fence.move, Ownership::State::fenced)) {
    if (const Lock* const lock = locks_.holder_in(*fenced)) result.lock = *lock;
  }
  return result;
}

Result<CommandResult> GroupMachine::apply_one(const Stamp& stamp, ReceiveRows& receive) {
  if (ownership_.begin_to_receive(receive.move, receive.range)) {
    TRY(const std::vector<Row> left,
        rows_.scan(first_user_key(receive.range.from), receive.range.to, 1));
    CHECK(left.empty());  // Whatever was here once was dropped before that move ended.
    save_ownership(stamp);
  }
  const KeyRange* const arriving =
      ownership_.find(receive.move, Ownership::State::arriving);
  if (arriving == nullptr) {
    SOMETIMES(marks_, "kv: rows of a shard came again, too late");
    return CommandResult{.status = Status::done};
  }
  for (Row& row : receive.rows) {
    CHECK(arriving->contains(row.key) && row.value.version < stamp.at.value);
    rows_.put(row.key, std::move(row.value));
  }
  return CommandResult{.status = Status::done};
}

// Old versions did not come along: nobody reads before this.
Result<CommandResult> GroupMachine::apply_one(const Stamp& stamp, OwnRange& own) {
  if (ownership_.own(own.move)) {
    clock_.safe_point = stamp.at;
    save_ownership(stamp);
  }
  const bool is_owned = ownership_.newest_move() >= own.move;
  return CommandResult{.status = is_owned ? Status::done : Status::pending};
}

Result<CommandResult> GroupMachine::apply_one(const Stamp& stamp, DropRange& drop) {
  if (ownership_.begin_to_drop(drop.move)) save_ownership(stamp);
  const KeyRange* const range = ownership_.find(drop.move, Ownership::State::dropping);
  if (range == nullptr) return CommandResult{.status = Status::done};
  TRY(const std::vector<Row> rows,
      rows_.scan(first_user_key(range->from), range->to, kDroppedAtOnce));
  for (const Row& row : rows) rows_.remove(row.key);
  if (rows.size() == kDroppedAtOnce) return CommandResult{.status = Status::pending};
  const bool has_ended = ownership_.end_dropping(drop.move);
  CHECK(has_ended);
  save_ownership(stamp);
  return CommandResult{.status = Status::done};
}

void GroupMachine::save_ownership(const Stamp& stamp) {
  rows_.put(Bytes(kOwnershipRow), {.value = encode(ownership_), .version = stamp.at.value});
}

// --- steps ---

Result<std::optional<std::size_t>> GroupMachine::first_that_fails(
    const std::vector<Condition>& conditions) {
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    TRY(const bool is_met, holds(rows_, conditions[i]));
    if (!is_met) return std::optional(i);
  }
  return std::optional<std::size_t>();
}

Result<void> GroupMachine::write(Timestamp at, std::vector<Mutation>& mutations) {
  for (Mutation& mutation : mutations) {
    TRY(write_version(rows_, clock_.safe_point, at, std::move(mutation)));
  }
  return {};
}

Result<std::optional<Record>> GroupMachine::find_record(BytesView transaction) {
  TRY(const auto row, rows_.get(row_of(kRecordRows, transaction)));
  if (!row) return std::optional<Record>();
  TRY(Record record, decode_record(row->value));
  return std::optional(std::move(record));
}

// The locks go, and so does the row, which is returned.
Result<Prepare> GroupMachine::unlock(BytesView transaction) {
  const Bytes key = row_of(kPreparedRows, transaction);
  TRY(const auto row, rows_.get(key));
  CHECK(row.has_value());
  TRY(StampedCommand stamped, decode_command(row->value));
  Prepare* const prepare = std::get_if<Prepare>(&stamped.command);
  if (prepare == nullptr) return Error{ErrorCode::corrupt, "a prepared transaction's row"};
  rows_.remove(key);
  locks_.remove(transaction);
  return std::move(*prepare);
}

Result<CommandResult> GroupMachine::record_decision(const Stamp& stamp, BytesView transaction,
                                                    Timestamp committed_at,
                                                    std::vector<GroupId> participants) {
  const Record record{.committed_at = committed_at, .participants = std::move(participants)};
  rows_.put(row_of(kRecordRows, transaction),
            {.value = encode(record), .version = stamp.at.value});
  return result_of(record);
}

}  // namespace keelson::kv
