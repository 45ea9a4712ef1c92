// Tested by tests/core/node/transaction_test.cc and scenarios/transaction_storms.cc.
#include "core/kv/resolver.h"

#include <utility>

#include "core/base/check.h"
#include "core/kv/coordinator.h"
#include "core/kv/group_machine.h"
#include "core/kv/rows.h"

namespace keelson::kv {

namespace {

constexpr std::size_t kFinishingMax = 256;
// For telling all groups what was decided; the leaders look after the rest.
constexpr Duration kFinishTime = std::chrono::seconds(5);
constexpr Duration kLookAfterInterval = std::chrono::seconds(1);
// Decisions looked at in one turn.
constexpr std::size_t kRecordsAtOnce = 64;
constexpr std::size_t kOldVersionsAtOnce = 256;

}  // namespace

Resolver::Resolver(Env& env, Coordinator& coordinator)
    : env_(env), coordinator_(coordinator), finishing_(env.scheduler), fibers_(env.scheduler) {}

void Resolver::start() {
  fibers_.spawn("looking after transactions", [this] { look_after_loop(); });
}

void Resolver::stop() {
  finishing_.stop();
  fibers_.stop();
}

// --- a lock that was met ---

Result<CommandResult> Resolver::decision_about(const Lock& lock, Deadline deadline) {
  Bytes row(kRecordRows);
  row += lock.transaction;
  // Mostly it is decided, or not over: no entry is needed to see that.
  TRY(const ReadReply reply, coordinator_.read_in(lock.primary, {.keys = {row}}, deadline));
  if (const auto& found = reply.values.at(0)) {
    TRY(const Record record, decode_record(found->value));
    if (record.committed_at == Timestamp()) {
      return CommandResult{.status = CommandResult::Status::aborted};
    }
    return CommandResult{.status = CommandResult::Status::done, .at = record.committed_at};
  }
  if (coordinator_.timestamps().now() <= lock.expires_at) {
    return CommandResult{.status = CommandResult::Status::pending};
  }
  return coordinator_.command_in(lock.primary,
                                 Decide{.transaction = lock.transaction,
                                        .kind = Decide::Kind::abort_if_expired,
                                        .expires_at = lock.expires_at},
                                 {}, deadline);
}

Result<bool> Resolver::resolve(GroupId group, const Lock& lock, Deadline deadline) {
  CHECK(!lock.transaction.empty());
  // Once all groups know, the decision is forgotten: nobody could say any more what it was.
  if (coordinator_.state().memory(group).locks.find(lock.transaction) == nullptr) return true;
  TRY(const CommandResult decision, decision_about(lock, deadline));
  if (decision.status == CommandResult::Status::pending) return false;
  const bool is_committed = decision.status == CommandResult::Status::done;
  CHECK(is_committed || decision.status == CommandResult::Status::aborted);
  SOMETIMES(env_.marks, "kv: a lock was resolved by somebody else");
  if (is_committed) SOMETIMES(env_.marks, "kv: a transaction was rolled forward");
  TRY(coordinator_.command_in(
      group, Finish{.transaction = lock.transaction, .committed_at = decision.at}, decision.at,
      deadline));
  ++counts_.resolved;
  if (!is_committed) ++counts_.rolled_back;
  return true;
}

// --- after the decision ---

bool Resolver::finish(const Bytes& transaction, Timestamp committed_at,
                      const std::vector<GroupId>& groups, Deadline deadline) {
  bool all_know = true;
  for (const GroupId group : groups) {
    const auto done = coordinator_.command_in(
        group, Finish{.transaction = transaction, .committed_at = committed_at}, committed_at,
        deadline);
    all_know = all_know && done.has_value();
  }
  return all_know;
}

void Resolver::finish_later(const Bytes& transaction, Timestamp committed_at,
                            std::vector<GroupId> groups, std::optional<GroupId> primary) {
  if (finishing_.size() >= kFinishingMax) return;
  finishing_.spawn("finish transaction", [this, transaction, committed_at, primary,
                                          groups = std::move(groups)] {
    const Deadline deadline = Deadline::in(env_.clock, kFinishTime);
    if (!finish(transaction, committed_at, groups, deadline) || !primary) return;
    // If it fails, the primary's leader looks after it.
    (void)coordinator_.command_in(*primary, Forget{transaction}, {}, deadline);
  });
}

// --- what nobody meets ---

void Resolver::look_after_loop() {
  while (true) {
    env_.scheduler.sleep_for(kLookAfterInterval);
    for (const GroupId group : coordinator_.options().groups) {
      if (!coordinator_.leads(group)) continue;
      look_after_locks(group);
      look_after_records(group);
      collect_garbage(group);
    }
  }
}

void Resolver::look_after_locks(GroupId group) {
  for (const Lock& lock : coordinator_.state().memory(group).locks.locks()) {
    if (coordinator_.timestamps().now() <= lock.expires_at) continue;
    SOMETIMES(env_.marks, "kv: a leader resolved an expired lock");
    // What fails comes again.
    (void)resolve(group, lock, Deadline::in(env_.clock, kLookAfterInterval));
  }
}

void Resolver::look_after_records(GroupId group) {
  const auto rows =
      coordinator_.state().scan(group, kRecordRows, end_of(kRecordRows), kRecordsAtOnce);
  if (!rows) return;  // Whoever applies ends the node.
  const Duration is_over = 2 * coordinator_.options().transaction_ttl;
  for (const Row& row : *rows) {
    const Timestamp decided(row.value.version);
    const auto record = decode_record(row.value.value);
    if (!record || coordinator_.timestamps().now() < decided + is_over) continue;
    const Bytes transaction = row.key.substr(kRecordRows.size());
    const Deadline deadline = Deadline::in(env_.clock, kLookAfterInterval);
    if (!finish(transaction, record->committed_at, record->participants, deadline)) continue;
    ++counts_.looked_after;
    SOMETIMES(env_.marks, "kv: a leader carried out a decision");
    // Before that a Prepare may come that must be refused, or the coordinator may ask again.
    if (coordinator_.timestamps().now() <= decided + kTransactionAgeMax) continue;
    (void)coordinator_.command_in(group, Forget{transaction}, {}, deadline);
  }
}

void Resolver::collect_garbage(GroupId group) {
  Bytes& from = collected_to_[group];
  const Bytes first = from.empty() ? Bytes(kHistoryRows) : from;
  const auto rows =
      coordinator_.state().scan(group, first, end_of(kHistoryRows), kOldVersionsAtOnce);
  if (!rows) return;
  if (rows->empty()) {
    from.clear();
    return;
  }
  const auto done = coordinator_.command_in(group, CollectGarbage{first}, {},
                                            Deadline::in(env_.clock, kLookAfterInterval));
  if (done) from = done->next;
}

}  // namespace keelson::kv
