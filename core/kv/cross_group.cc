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

// The conditions of a batch, each part where it belongs.
class SplitConditions {
 public:
  // A range in which nothing is has parts in which nothing is; of any other nobody knows.
  SplitConditions(const std::vector<Condition>& conditions, const ShardMap& shards,
                  std::map<GroupId, GroupCommit::Part>& parts) {
    for (std::size_t i = 0; i < conditions.size(); ++i) {
      const Condition& condition = conditions[i];
      if (condition.kind != Condition::Kind::range_is) {
        add(i, shards.group_of(condition.key), condition, parts);
        continue;
      }
      CHECK(condition.version == RangeDigest().value());
      for (auto& [group, range] : shards.parts_of({condition.key, condition.end})) {
        add(i, group, nothing_between(std::move(range.from), std::move(range.to)), parts);
      }
    }
  }

  // Which condition of the batch is the n-th of those that went to the group.
  std::size_t position_in_batch(GroupId group, std::size_t number) const {
    return positions_.at(group).at(number);
  }

 private:
  void add(std::size_t position, GroupId group, Condition condition,
           std::map<GroupId, GroupCommit::Part>& parts) {
    positions_[group].push_back(position);
    parts[group].conditions.push_back(std::move(condition));
  }

  std::map<GroupId, std::vector<std::size_t>> positions_;
};

// What is folded may go on in the next shard; and of old versions there may be more than was asked
// for.
void append_rows(ReadReply reply, std::size_t limit, ScanReply& all) {
  for (Row& row : reply.rows) {
    CHECK(all.rows.empty() || all.rows.back().key <= row.key);
    const bool is_folded = row.value.version == 0;
    if (is_folded && !all.rows.empty() && all.rows.back().key == row.key) continue;
    if (all.rows.size() == limit) {
      all.covered_to = std::move(row.key);
      return;
    }
    all.rows.push_back({std::move(row.key), std::move(row.value), is_folded});
  }
  all.covered_to = std::move(reply.covered_to);
}

}  // namespace

std::optional<GroupId> Coordinator::only_group_of(const Batch& batch) const {
  std::optional<GroupId> only;
  const auto is_of_another = [&](GroupId group) {
    if (!only) only = group;
    return group != *only;
  };
  for (const Condition& condition : batch.conditions) {
    if (condition.kind != Condition::Kind::range_is) {
      if (is_of_another(group_of(condition.key))) return std::nullopt;
      continue;
    }
    for (const auto& [group, part] : shards().parts_of({condition.key, condition.end})) {
      if (is_of_another(group)) return std::nullopt;
    }
  }
  for (const Mutation& mutation : batch.mutations) {
    if (is_of_another(group_of(mutation.key))) return std::nullopt;
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
    const SplitConditions split(batch.conditions, shards(), commit.parts);
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
                          .failed_condition =
                              split.position_in_batch(failed->first, failed->second)};
    }
    if (commit.has_moved()) return Error{ErrorCode::conflict, outcome.why};
    if (env_.clock.now() + kPause >= deadline.at) {
      return Error{ErrorCode::unavailable, outcome.why};
    }
    env_.scheduler.sleep_for(kPause);
  }
}

// A time that is after everything the groups have stamped before: what had been answered before the
// call is there, and what begins after it is not. Until when each group is uncertain about that.
Result<std::map<GroupId, Timestamp>> Coordinator::begin_across(const std::vector<GroupId>& groups,
                                                               Timestamp& at, Deadline deadline) {
  std::map<GroupId, Timestamp> uncertain_until;
  for (const GroupId group : groups) {
    if (uncertain_until.contains(group)) continue;
    TRY(const ReadReply reply, read_in(group, {.at = Timestamp()}, deadline));
    at = std::max(at, reply.at);
    uncertain_until[group] = reply.uncertain_until;
  }
  return uncertain_until;
}

Result<std::vector<std::optional<VersionedValue>>> Coordinator::get_across(
    const std::vector<Bytes>& keys, Deadline deadline) {
  SOMETIMES(env_.marks, "kv: a read over several groups");
  std::vector<GroupId> groups;
  for (const Bytes& key : keys) groups.push_back(group_of(key));
  Timestamp at;
  TRY(const auto uncertain_until, begin_across(groups, at, deadline));
  std::vector<std::optional<VersionedValue>> values(keys.size());
  for (const auto& [group, until] : uncertain_until) {
    ReadRequest request{.at = at, .uncertain_until = until};
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (groups[i] == group) request.keys.push_back(keys[i]);
    }
    TRY(ReadReply reply, read_in(group, std::move(request), deadline));
    auto value = reply.values.begin();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (groups[i] == group) values[i] = std::move(*value++);
    }
  }
  return values;
}

Result<ScanReply> Coordinator::scan_all(const ScanRequest& request, Deadline deadline) {
  auto parts = shards().parts_of({request.from, request.to});
  std::vector<GroupId> groups;
  for (const auto& [group, range] : parts) groups.push_back(group);
  std::optional<Timestamp> at;
  std::map<GroupId, Timestamp> uncertain_until;
  if (std::any_of(groups.begin(), groups.end(), [&](GroupId g) { return g != groups.front(); })) {
    SOMETIMES(env_.marks, "kv: a scan over several groups");
    at.emplace();
    TRY(uncertain_until, begin_across(groups, *at, deadline));
  } else {
    parts = {{groups.front(), KeyRange{request.from, request.to}}};
  }
  ScanReply all{.rows = {}, .covered_to = request.from};
  for (auto& [group, range] : parts) {
    ReadRequest wanted{.range = std::move(range),
                       .rows_limit = request.rows_limit - all.rows.size(),
                       .value_octets = request.value_octets,
                       .folding = request.folding,
                       .at = at,
                       .uncertain_until = uncertain_until[group]};
    const Bytes end = wanted.range->to;
    TRY(ReadReply reply, read_in(group, std::move(wanted), deadline));
    append_rows(std::move(reply), request.rows_limit, all);
    if (all.covered_to != end || all.rows.size() == request.rows_limit) break;
  }
  // The end of a shard may be in the middle of what was folded.
  if (!all.rows.empty() && all.rows.back().is_folded) {
    const Bytes after = end_of(all.rows.back().key);
    const bool is_beyond = after.empty() || (!request.to.empty() && request.to < after);
    all.covered_to = is_beyond ? request.to : std::max(all.covered_to, after);
  }
  return all;
}

}  // namespace keelson::kv
