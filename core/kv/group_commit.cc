// Tested by tests/core/node/transaction_test.cc and scenarios/transaction_storms.cc.
#include "core/kv/group_commit.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/kv/coordinator.h"
#include "core/runtime/task_group.h"

namespace keelson::kv {

std::vector<GroupId> GroupCommit::groups() const {
  std::vector<GroupId> all;
  for (const auto& [group, part] : parts) all.push_back(group);
  return all;
}

CommitOutcome GroupCommit::run(Deadline deadline) {
  CHECK(!parts.empty());
  // One that writes, if any does: its decision and its writes are one entry.
  auto primary = std::find_if(parts.begin(), parts.end(), [](const auto& part) {
    return !part.second.mutations.empty();
  });
  if (primary == parts.end()) primary = parts.begin();
  if (!begun) {
    const auto reply = coordinator_.read_in(primary->first, {.at = Timestamp()}, deadline);
    if (!reply) return {.kind = CommitOutcome::Kind::aborted, .why = reply.error().message};
    begun = (*reply).at;
  }
  const auto prepared = prepare_all(primary->first, deadline);
  // Nobody was told to commit, and nobody will be: the locks may go, without a decision.
  if (!prepared) return give_up(prepared.error().message);
  return decide(primary->first, *prepared, deadline);
}

CommitOutcome GroupCommit::give_up(std::string why) {
  coordinator_.resolver().finish_later(id_, Timestamp(), groups(), std::nullopt);
  return {.kind = CommitOutcome::Kind::aborted, .why = std::move(why)};
}

Result<GroupCommit::Prepared> GroupCommit::prepare_all(GroupId primary, Deadline deadline) {
  std::map<GroupId, Result<CommandResult>> results;
  TaskGroup preparing(coordinator_.scheduler());
  for (const auto& [group, part] : parts) {
    Prepare prepare{.transaction = id_,
                    .primary = primary,
                    .participants = group == primary ? groups() : std::vector<GroupId>{},
                    .begun = *begun,
                    .ttl = coordinator_.options().transaction_ttl,
                    .conditions = part.conditions,
                    .mutations = part.mutations};
    preparing.spawn("prepare", [&, id = group, command = std::move(prepare)] {
      results.emplace(id, coordinator_.command_in(id, command, {}, deadline));
    });
  }
  (void)preparing.join(Deadline::never());  // Each has the deadline itself.
  Prepared prepared;
  for (auto& [group, result] : results) {
    if (!result) return std::move(result).error();
    TRY(const Timestamp at, judge(group, *result));
    prepared.last = std::max(prepared.last, at);
    if (group == primary) prepared.primary = at;
  }
  return prepared;
}

// When it was prepared there.
Result<Timestamp> GroupCommit::judge(GroupId group, const CommandResult& result) {
  const std::string where = to_string(group);
  switch (result.status) {
    case CommandResult::Status::done: return result.at;
    case CommandResult::Status::conflict:
      failed_condition_ = {group, result.failed_condition};
      return Error{ErrorCode::conflict,
                   fmt::format("something that was read in {} has changed", where)};
    case CommandResult::Status::locked:
      return Error{ErrorCode::conflict,
                   fmt::format("another transaction is at work in {}", where)};
    case CommandResult::Status::moved:
      has_moved_ = true;
      return Error{ErrorCode::conflict, fmt::format("{} does not have all of it any more", where)};
    default: return Error{ErrorCode::conflict, fmt::format("rolled back in {}", where)};
  }
}

CommitOutcome GroupCommit::decide(GroupId primary, const Prepared& prepared, Deadline deadline) {
  const auto decided = coordinator_.command_in(primary,
                                               Decide{.transaction = id_,
                                                      .kind = Decide::Kind::commit,
                                                      .prepared_at = prepared.primary},
                                               prepared.last, deadline);
  if (!decided && decided.error().code == ErrorCode::timed_out) {
    return {.kind = CommitOutcome::Kind::unknown, .why = decided.error().message};
  }
  if (!decided) return give_up(decided.error().message);
  if (decided->status == CommandResult::Status::pending) {
    return {.kind = CommitOutcome::Kind::unknown,
            .why = "it was decided, and the decision is forgotten"};
  }
  if (decided->status != CommandResult::Status::done) {
    return give_up("rolled back by somebody who met its locks");
  }
  CHECK(decided->at > prepared.last);
  std::vector<GroupId> others = groups();
  std::erase(others, primary);
  coordinator_.resolver().finish_later(id_, decided->at, std::move(others), primary);
  return {.kind = CommitOutcome::Kind::committed, .at = decided->at};
}

}  // namespace keelson::kv
