// Tested by tests/scenarios/shard_checks_test.cc.
#include "scenarios/shard_checks.h"

#include <fmt/format.h>

#include <variant>

namespace keelson::scenarios {

void ShardChecks::on_applied(GroupId group, const raft::Entry& entry, sim::TrueTime now) {
  raft::LogIndex& applied = applied_[group];
  if (entry.index <= applied) return;
  applied = entry.index;
  if (entry.kind != raft::EntryKind::command) return;
  const auto stamped = kv::decode_command(entry.data);
  if (!stamped) return;
  const Step step{group, stamped->stamp.at, now};
  std::visit([&](const auto& command) { take(step, command); }, stamped->command);
}

void ShardChecks::take(const Step& step, const kv::FenceRange& fence) {
  Move& move = moves_[fence.move];
  demand(!move.fenced_by || move.fenced_by == step.group, step, fence.move,
         "fenced in two groups");
  if (!move.fenced_by) move.fenced_at = step.at;
  move.fenced_by = step.group;
}

void ShardChecks::take(const Step& step, const kv::ReceiveRows& receive) {
  Move& move = moves_[receive.move];
  demand(move.fenced_by && move.fenced_by != step.group, step, receive.move,
         "rows arrived before any other group had fenced the range");
  demand(!move.received_by || move.received_by == step.group, step, receive.move,
         "rows arrived in two groups");
  move.received_by = step.group;
}

void ShardChecks::take(const Step& step, const kv::OwnRange& own) {
  Move& move = moves_[own.move];
  demand(move.received_by == step.group, step, own.move, "owned where no rows had arrived");
  demand(step.at > move.fenced_at, step, own.move, "owned at a time before the fence");
  move.owned_by = step.group;
}

void ShardChecks::take(const Step& step, const kv::DropRange& drop) {
  const Move& move = moves_[drop.move];
  demand(move.is_switched && move.fenced_by == step.group, step, drop.move,
         "rows dropped before the map named another group");
}

void ShardChecks::take(const Step& step, const kv::ChangeShards& change) {
  if (const auto* const switched = std::get_if<kv::SwitchShard>(&change.change)) {
    Move& move = moves_[switched->move];
    demand(move.owned_by.has_value(), step, switched->move,
           "the map names a group that does not own the range yet");
    move.is_switched = true;
  }
  if (const auto* const over = std::get_if<kv::EndMove>(&change.change)) {
    demand(moves_[over->move].is_switched, step, over->move, "ended before the map was changed");
    ++ended_;
  }
}

void ShardChecks::demand(bool holds, const Step& step, std::uint64_t move,
                         const std::string& what) {
  if (holds) return;
  report_.fail("shards", what,
               fmt::format("move {}, in {}: {}", move, to_string(step.group), what), step.now);
}

}  // namespace keelson::scenarios
