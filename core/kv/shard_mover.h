// ShardMover: carries out what the shard map says is to be (core/kv/shard_map.h). The leader of the
// default group writes the first map down; the leader of the group that a shard leaves moves it,
// step by step, from its own state, so that a new leader goes on wherever the last one was.
#pragma once

#include <cstdint>

#include "core/kv/command.h"
#include "core/kv/shard_map.h"
#include "core/raft/raft_node.h"
#include "core/runtime/env.h"
#include "core/runtime/task_group.h"

namespace keelson::kv {

class Coordinator;

// For metrics.
struct ShardCounts {
  std::uint64_t moved = 0;  // By this node, to their end.
  std::uint64_t rows_sent = 0;
};

class ShardMover {
 public:
  // The references outlive this object.
  ShardMover(Env& env, Coordinator& coordinator, const raft::RaftNode& raft);

  void start();
  void stop();

  ShardCounts counts() const { return counts_; }

 private:
  void loop();
  void found_shards();
  Result<void> carry_on(const ShardMove& move);
  Result<void> fence(const ShardMove& move);
  Result<void> send_rows(const ShardMove& move);
  bool is_fenced(const ShardMove& move) const;
  Timestamp time_of(const ShardMove& move) const;
  Result<void> drop_rows(const ShardMove& move);
  Result<CommandResult> command(GroupId group, const Command& command, Timestamp at_least = {});

  Env& env_;
  Coordinator& coordinator_;
  const raft::RaftNode& raft_;
  ShardCounts counts_;
  TaskGroup fibers_;
};

}  // namespace keelson::kv
