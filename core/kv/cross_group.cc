// Calls of Store whose keys belong to several groups. Tested by tests/core/node/shard_test.cc.
#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/kv/coordinator.h"
#include "core/kv/group_commit.h"

namespace keelson::kv {

namespace {

// Between attempts that met somebody else at work.
constexpr Duration kPause = std::chrono::milliseconds(5);

// Which condition of the batch is the n-th of those that went to the group.
std::size_t position_in_batch(const std::vector<GroupId>& groups_of_conditions, GroupId group,
                              std::size_t number) {
  for (std::size_t i = 0; i < groups_of_conditions.size(); ++i) {
    if (groups_of_conditions[i] == group && number-- == 0) return i;
  }
  CHECK(false);
  return 0;
}

}  // namespace

std::optional<GroupId> Coordinator::only_group_of(const Batch& batch) const {
  std::optional<GroupId> only;
  const auto is_of_another = [&](const Bytes& key) {
    const GroupId group = group_of(key);
    if (!only) only = group;
    return group != *only;
  };
  for (const Condition& condition : batch.conditions) {
    CHECK(condition.kind != Condition::Kind::range_is);  // A range may be of many groups.
    if (is_of_another(condition.key)) return std::nullopt;
  }
  for (const Mutation& mutation : batch.mutations) {
    if (is_of_another(mutation.key)) return std::nullopt;
  }
  return only.value_or(default_group());
}

std::optional<GroupId> Coordinator::only_group_of(const std::vector<Bytes>& keys) const {
  if (keys.empty()) return default_group();
  const GroupId only = group_of(keys.front());
  const bool is_only = std::all_of(keys.begin(), keys.end(),
                                   [&](const Bytes& key) { return group_of(key) == only; });
  return is_only ? std::optional(only) : std::nullopt;
}

// A transaction that has read nothing: its conditions are the batch's. One that was in the way of
// another is begun anew, under another name, since nothing of it is left.
Result<BatchOutcome> Coordinator::execute_across(const Batch& batch, Deadline deadline) {
  SOMETIMES(env_.marks, "kv: a batch over several groups");
  while (true) {
    GroupCommit commit(*this, new_identifier());
    std::vector<GroupId> groups_of_conditions;
    for (const Condition& condition : batch.conditions) {
      groups_of_conditions.push_back(group_of(condition.key));
      commit.parts[groups_of_conditions.back()].conditions.push_back(condition);
    }
    for (const Mutation& mutation : batch.mutations) {
      commit.parts[group_of(mutation.key)].mutations.push_back(mutation);
    }
    const CommitOutcome outcome = commit.run(deadline);
    switch (outcome.kind) {
      case CommitOutcome::Kind::committed:
        return BatchOutcome{.applied = true, .version = outcome.at.value};
      case CommitOutcome::Kind::unknown: return Error{ErrorCode::timed_out, outcome.why};
      case CommitOutcome::Kind::aborted: break;
    }
    if (const auto& failed = commit.failed_condition()) {
      return BatchOutcome{.applied = false,
                          .failed_condition = position_in_batch(groups_of_conditions,
                                                                failed->first, failed->second)};
    }
    if (commit.has_moved()) return Error{ErrorCode::conflict, outcome.why};
    if (env_.clock.now() + kPause >= deadline.at) {
      return Error{ErrorCode::unavailable, outcome.why};
    }
    env_.scheduler.sleep_for(kPause);
  }
}

// At a time that is after everything the groups have stamped before: what had been answered before
// the call is there, and what begins after it is not.
Result<std::vector<std::optional<VersionedValue>>> Coordinator::get_across(
    const std::vector<Bytes>& keys, Deadline deadline) {
  SOMETIMES(env_.marks, "kv: a read over several groups");
  std::map<GroupId, std::vector<std::size_t>> positions;
  for (std::size_t i = 0; i < keys.size(); ++i) positions[group_of(keys[i])].push_back(i);
  Timestamp at;
  std::map<GroupId, Timestamp> uncertain_until;
  for (const auto& [group, wanted] : positions) {
    TRY(const ReadReply reply, read_in(group, {.at = Timestamp()}, deadline));
    at = std::max(at, reply.at);
    uncertain_until[group] = reply.uncertain_until;
  }
  std::vector<std::optional<VersionedValue>> values(keys.size());
  for (const auto& [group, wanted] : positions) {
    ReadRequest request{.at = at, .uncertain_until = uncertain_until[group]};
    for (const std::size_t position : wanted) request.keys.push_back(keys[position]);
    TRY(ReadReply reply, read_in(group, std::move(request), deadline));
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      values[wanted[i]] = std::move(reply.values.at(i));
    }
  }
  return values;
}

}  // namespace keelson::kv
