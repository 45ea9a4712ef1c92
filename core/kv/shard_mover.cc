// Tested by tests/core/node/shard_test.cc and the scenarios move_range and split_under_load.
#include "core/kv/shard_mover.h"

#include <algorithm>
#include <utility>

#include "core/kv/coordinator.h"
#include "core/raft/protocol_version.h"

namespace keelson::kv {

namespace {

// While a shard moves it is looked at so much more often: a move that was held up goes on.
constexpr int kBusyTimes = 10;
constexpr Duration kStepTime = std::chrono::seconds(5);
constexpr Duration kLockPatience = std::chrono::milliseconds(10);

// Of one ReceiveRows, unless a single row is larger.
constexpr std::size_t kBytesAtOnce = 512 << 10;
constexpr std::size_t kRowsAtOnce = 256;

}  // namespace

ShardMover::ShardMover(Env& env, Coordinator& coordinator, const raft::RaftNode& raft)
    : env_(env), coordinator_(coordinator), raft_(raft), fibers_(env.scheduler) {}

void ShardMover::start() {
  fibers_.spawn("shards", [this] { loop(); });
}

void ShardMover::stop() { fibers_.stop(); }

void ShardMover::loop() {
  while (true) {
    const bool is_moving = coordinator_.shards().move().has_value();
    const Duration interval = coordinator_.options().shard_interval;
    env_.scheduler.sleep_for(is_moving ? interval / kBusyTimes : interval);
    found_shards();
    const std::optional<ShardMove> move = coordinator_.shards().move();
    // What fails is begun again, here or at the next leader.
    if (move && coordinator_.leads(move->source)) (void)carry_on(*move);
  }
}

void ShardMover::found_shards() {
  const GroupId group = coordinator_.default_group();
  if (coordinator_.shards().version() != 0 || !coordinator_.leads(group)) return;
  if (!raft_.all_members_speak(group, raft::kVersionOfShards)) return;
  (void)coordinator_.change_shards(FoundShards{coordinator_.options().groups}, 0,
                                   Deadline::in(env_.clock, kStepTime));
}

Result<void> ShardMover::carry_on(const ShardMove& move) {
  if (!move.is_switched) {
    TRY(fence(move));
    TRY(send_rows(move));
    TRY(const CommandResult owned, command(move.target, OwnRange{move.number}, time_of(move)));
    CHECK(owned.status == CommandResult::Status::done);
    return coordinator_.change_shards(SwitchShard{move.number}, coordinator_.shards().version(),
                                      Deadline::in(env_.clock, kStepTime));
  }
  TRY(drop_rows(move));
  TRY(coordinator_.change_shards(EndMove{move.number}, coordinator_.shards().version(),
                                 Deadline::in(env_.clock, kStepTime)));
  ++counts_.moved;
  SOMETIMES(env_.marks, "kv: a shard has moved");
  return {};
}

// Until nobody holds a lock in the range.
Result<void> ShardMover::fence(const ShardMove& move) {
  while (true) {
    TRY(const CommandResult fenced, command(move.source, FenceRange{move.number, move.range}));
    if (!fenced.lock) return {};
    SOMETIMES(env_.marks, "kv: a move waited for a transaction");
    const auto is_gone = coordinator_.resolver().resolve(move.source, *fenced.lock,
                                                         Deadline::in(env_.clock, kStepTime));
    if (!is_gone || !*is_gone) env_.scheduler.sleep_for(kLockPatience);
  }
}

// After all that was stamped, or promised to a reader to be complete, where the rows come from.
Timestamp ShardMover::time_of(const ShardMove& move) const {
  return coordinator_.state().memory(move.source).clock.last;
}

// In the state of this node, and with nothing to be added any more.
bool ShardMover::is_fenced(const ShardMove& move) const {
  const GroupMemory& source = coordinator_.state().memory(move.source);
  return source.ownership.find(move.number, Ownership::State::fenced) != nullptr &&
         source.locks.holder_in(move.range) == nullptr;
}

// From the state of this node. It may not lead any more: then it is behind perhaps, and does not
// know of the fence yet; or another has come so far that rows are dropped.
Result<void> ShardMover::send_rows(const ShardMove& move) {
  Bytes next = first_user_key(move.range.from);
  std::size_t limit = kRowsAtOnce;
  while (true) {
    const bool was_fenced = is_fenced(move);
    TRY(std::vector<Row> rows,
        coordinator_.state().scan(move.source, next, move.range.to, limit));
    if (!was_fenced || !is_fenced(move)) {
      return Error{ErrorCode::not_leader, "somebody else moves the shard"};
    }
    const bool is_last = rows.size() < limit;
    std::size_t bytes = 0;
    for (const Row& row : rows) bytes += row.key.size() + row.value.value.size();
    if (bytes > kBytesAtOnce && rows.size() > 1) {
      limit = rows.size() / 2;
      continue;
    }
    if (!rows.empty()) {
      CHECK(move.range.contains(rows.back().key));
      next = rows.back().key + '\0';
    }
    counts_.rows_sent += rows.size();
    TRY(command(move.target, ReceiveRows{move.number, move.range, std::move(rows)},
                time_of(move)));
    if (is_last) return {};
    limit = std::min(2 * limit, kRowsAtOnce);
  }
}

Result<void> ShardMover::drop_rows(const ShardMove& move) {
  while (true) {
    TRY(const CommandResult dropped, command(move.source, DropRange{move.number}));
    if (dropped.status == CommandResult::Status::done) return {};
  }
}

Result<CommandResult> ShardMover::command(GroupId group, const Command& command,
                                          Timestamp at_least) {
  return coordinator_.command_in(group, command, at_least, Deadline::in(env_.clock, kStepTime));
}

}  // namespace keelson::kv
