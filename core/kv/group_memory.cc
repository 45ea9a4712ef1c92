// Tested by tests/core/kv/group_machine_test.cc.
#include "core/kv/group_memory.h"

#include <utility>

#include "core/kv/command.h"

namespace keelson::kv {

Result<GroupMemory> GroupMemory::load(Rows& rows) {
  GroupMemory group;
  TRY(const auto clock, rows.get(kClockRow));
  if (clock) {
    TRY(group.clock, decode_clock(clock->value));
  }
  TRY(const auto ownership, rows.get(kOwnershipRow));
  if (ownership) {
    TRY(group.ownership, decode_ownership(ownership->value));
  }
  TRY(const auto shards, rows.get(kShardMapRow));
  if (shards) {
    TRY(group.shards, decode_shard_map(shards->value));
  }
  TRY(const std::vector<Row> prepared,
      rows.scan(kPreparedRows, end_of(kPreparedRows), SIZE_MAX));
  for (const Row& row : prepared) {
    TRY(const StampedCommand stamped, decode_command(row.value.value));
    const Prepare* const prepare = std::get_if<Prepare>(&stamped.command);
    if (prepare == nullptr) return Error{ErrorCode::corrupt, "a prepared transaction's row"};
    group.locks.add(*prepare, Timestamp(row.value.version));
  }
  return group;
}

}  // namespace keelson::kv
