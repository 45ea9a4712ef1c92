// Tested by tests/core/node/transaction_test.cc and the scenario cross_group_cycle.
#include "core/kv/transaction.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/kv/coordinator.h"

namespace keelson::kv {

namespace {

CommitOutcome aborted(std::string why) {
  return {.kind = CommitOutcome::Kind::aborted, .why = std::move(why)};
}

CommitOutcome unknown(std::string why) {
  return {.kind = CommitOutcome::Kind::unknown, .why = std::move(why)};
}

Error not_a_key(BytesView key) {
  return {ErrorCode::invalid_argument,
          fmt::format("{} is no key: it is empty or begins with 00", to_hex(key))};
}

}  // namespace

Transaction::Transaction(Coordinator& coordinator)
    : coordinator_(coordinator), id_(coordinator.new_identifier()) {}

Result<ReadReply> Transaction::read(GroupId group, ReadRequest request, Deadline deadline) {
  Part& part = parts_[group];
  request.at = snapshot_.value_or(Timestamp());
  request.uncertain_until = part.uncertain_until;
  auto reply = coordinator_.read_in(group, std::move(request), deadline);
  if (!reply) {
    has_failed_ = true;
    return reply;
  }
  snapshot_ = reply->at;
  part.uncertain_until = reply->uncertain_until;
  return reply;
}

Result<std::optional<Bytes>> Transaction::get(BytesView route, BytesView key, Deadline deadline) {
  if (!is_user_key(key)) return not_a_key(key);
  const GroupId group = coordinator_.group_of(route);
  Part& part = parts_[group];
  if (const auto written = part.writes.find(key); written != part.writes.end()) {
    return written->second;
  }
  auto known = part.reads.find(key);
  if (known == part.reads.end()) {
    TRY(ReadReply reply, read(group, {.keys = {Bytes(key)}}, deadline));
    known = part.reads.emplace(key, std::move(reply.values.at(0))).first;
  }
  if (!known->second) return std::optional<Bytes>();
  return std::optional(known->second->value);
}

Result<std::vector<std::pair<Bytes, Bytes>>> Transaction::scan(BytesView route, BytesView from,
                                                               BytesView to, std::size_t limit,
                                                               Deadline deadline) {
  if (!is_user_key(from)) return not_a_key(from);
  CHECK(limit > 0);
  const GroupId group = coordinator_.group_of(route);
  Part& part = parts_[group];
  std::map<Bytes, Bytes> found;
  Bytes next(from);
  while (true) {
    TRY(ReadReply reply, read(group, {.range = KeyRange{next, Bytes(to)}, .rows_limit = limit},
                              deadline));
    RangeDigest digest;
    for (const Row& row : reply.rows) digest.add(row.key, row.value.version);
    part.ranges.push_back({.key = next, .kind = Condition::Kind::range_is,
                           .version = digest.value(), .end = reply.covered_to});
    for (Row& row : reply.rows) found.emplace(std::move(row.key), std::move(row.value.value));
    for (auto write = part.writes.lower_bound(next);
         write != part.writes.end() &&
         (reply.covered_to.empty() || write->first < reply.covered_to);
         ++write) {
      if (write->second) {
        found.insert_or_assign(write->first, *write->second);
      } else {
        found.erase(write->first);
      }
    }
    next = reply.covered_to;
    if (found.size() >= limit || next == to) break;
  }
  std::vector<std::pair<Bytes, Bytes>> rows;
  for (auto& [key, value] : found) {
    if (rows.size() == limit) break;
    rows.emplace_back(key, std::move(value));
  }
  return rows;
}

void Transaction::put(BytesView route, BytesView key, Bytes value) {
  CHECK(is_user_key(key) && !is_over_);
  parts_[coordinator_.group_of(route)].writes.insert_or_assign(Bytes(key), std::move(value));
}

void Transaction::remove(BytesView route, BytesView key) {
  CHECK(is_user_key(key) && !is_over_);
  parts_[coordinator_.group_of(route)].writes.insert_or_assign(Bytes(key), std::nullopt);
}

std::vector<Condition> Transaction::conditions_of(const Part& part) {
  std::vector<Condition> conditions = part.ranges;
  for (const auto& [key, value] : part.reads) {
    conditions.push_back(
        value ? Condition{.key = key,
                          .kind = Condition::Kind::version_is,
                          .version = value->version}
              : Condition{.key = key, .kind = Condition::Kind::absent});
  }
  return conditions;
}

std::vector<Mutation> Transaction::mutations_of(const Part& part) {
  std::vector<Mutation> mutations;
  for (const auto& [key, value] : part.writes) mutations.push_back({key, value});
  return mutations;
}

std::vector<GroupId> Transaction::groups() const {
  std::vector<GroupId> all;
  for (const auto& [group, part] : parts_) all.push_back(group);
  return all;
}

CommitOutcome Transaction::commit(Deadline deadline) {
  CHECK(!is_over_);
  is_over_ = true;
  if (has_failed_) return aborted("a read has failed");
  std::erase_if(parts_, [](const auto& part) {
    return part.second.reads.empty() && part.second.ranges.empty() && part.second.writes.empty();
  });
  const bool writes = std::any_of(parts_.begin(), parts_.end(),
                                  [](const auto& part) { return !part.second.writes.empty(); });
  if (!writes) {
    return {.kind = CommitOutcome::Kind::committed, .at = snapshot_.value_or(Timestamp())};
  }
  if (parts_.size() > 1) return commit_in_many(deadline);
  return commit_in_one(parts_.begin()->first, parts_.begin()->second, deadline);
}

CommitOutcome Transaction::commit_in_one(GroupId group, const Part& part, Deadline deadline) {
  auto outcome = coordinator_.execute_in(
      group, {.token = id_, .conditions = conditions_of(part), .mutations = mutations_of(part)},
      deadline);
  if (!outcome && outcome.error().code == ErrorCode::timed_out) {
    return unknown(outcome.error().message);
  }
  if (!outcome) return aborted(outcome.error().message);
  if (!outcome->applied) return aborted("something that was read has changed");
  return {.kind = CommitOutcome::Kind::committed, .at = Timestamp(outcome->version)};
}

Result<Transaction::Prepared> Transaction::prepare_all(GroupId primary, Deadline deadline) {
  std::map<GroupId, Result<CommandResult>> results;
  TaskGroup preparing(coordinator_.scheduler());
  for (const auto& [group, part] : parts_) {
    Prepare prepare{.transaction = id_,
                    .primary = primary,
                    .participants = group == primary ? groups() : std::vector<GroupId>{},
                    .begun = *snapshot_,
                    .ttl = coordinator_.options().transaction_ttl,
                    .conditions = conditions_of(part),
                    .mutations = mutations_of(part)};
    preparing.spawn("prepare", [&, id = group, command = std::move(prepare)] {
      results.emplace(id, coordinator_.command_in(id, command, {}, deadline));
    });
  }
  (void)preparing.join(Deadline::never());  // Each has the deadline itself.
  Prepared prepared;
  for (auto& [group, result] : results) {
    if (!result) return std::move(result).error();
    switch (result->status) {
      case CommandResult::Status::done: break;
      case CommandResult::Status::conflict:
        return Error{ErrorCode::conflict,
                     fmt::format("something that was read in {} has changed", to_string(group))};
      case CommandResult::Status::locked:
        return Error{ErrorCode::conflict,
                     fmt::format("another transaction is at work in {}", to_string(group))};
      default:
        return Error{ErrorCode::conflict, fmt::format("rolled back in {}", to_string(group))};
    }
    prepared.last = std::max(prepared.last, result->at);
    if (group == primary) prepared.primary = result->at;
  }
  return prepared;
}

CommitOutcome Transaction::commit_in_many(Deadline deadline) {
  const auto primary_part = std::find_if(
      parts_.begin(), parts_.end(), [](const auto& part) { return !part.second.writes.empty(); });
  const GroupId primary = primary_part->first;
  if (!snapshot_) {
    if (auto begun = read(primary, {}, deadline); !begun) return aborted(begun.error().message);
  }
  const auto prepared = prepare_all(primary, deadline);
  if (!prepared) {
    // Nobody was told to commit, and nobody will be: the locks may go, without a decision.
    coordinator_.resolver().finish_later(id_, Timestamp(), groups(), std::nullopt);
    return aborted(prepared.error().message);
  }
  const auto decided = coordinator_.command_in(primary,
                                               Decide{.transaction = id_,
                                                      .kind = Decide::Kind::commit,
                                                      .prepared_at = prepared->primary},
                                               prepared->last, deadline);
  if (!decided && decided.error().code == ErrorCode::timed_out) {
    return unknown(decided.error().message);
  }
  if (!decided) {
    coordinator_.resolver().finish_later(id_, Timestamp(), groups(), std::nullopt);
    return aborted(decided.error().message);
  }
  if (decided->status == CommandResult::Status::pending) {
    return unknown("it was decided, and the decision is forgotten");
  }
  if (decided->status != CommandResult::Status::done) {
    coordinator_.resolver().finish_later(id_, Timestamp(), groups(), std::nullopt);
    return aborted("rolled back by somebody who met its locks");
  }
  std::vector<GroupId> others = groups();
  std::erase(others, primary);
  coordinator_.resolver().finish_later(id_, decided->at, std::move(others), primary);
  return {.kind = CommitOutcome::Kind::committed, .at = decided->at};
}

}  // namespace keelson::kv
