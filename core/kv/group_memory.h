// GroupMemory: what the rules of a group keep in memory of their own rows (core/kv/rows.h), so that
// applying and routing need not read them.
#pragma once

#include "core/kv/locks.h"
#include "core/kv/ownership.h"
#include "core/kv/rows.h"
#include "core/kv/shard_map.h"

namespace keelson::kv {

struct GroupMemory {
  GroupClock clock;
  LockTable locks;
  Ownership ownership;
  ShardMap shards;  // Of the default group; version 0 elsewhere.

  // Makes it anew from the rows. May suspend. Errors: io_error, corrupt.
  static Result<GroupMemory> load(Rows& rows);
};

}  // namespace keelson::kv
