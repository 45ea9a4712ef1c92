// Tested by tests/core/node/transaction_test.cc and scenarios/transaction_storms.cc.
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

Error not_a_key(BytesView key) {
  return {ErrorCode::invalid_argument,
          fmt::format("{} is no key: it is empty or begins with 00", to_hex(key))};
}

Condition condition_of(const Bytes& key, const std::optional<VersionedValue>& value) {
  if (!value) return {.key = key, .kind = Condition::Kind::absent};
  return {.key = key, .kind = Condition::Kind::version_is, .version = value->version};
}

}  // namespace

Transaction::Transaction(Coordinator& coordinator)
    : coordinator_(coordinator), id_(coordinator.new_identifier()) {}

Result<ReadReply> Transaction::read(GroupId group, ReadRequest request, Deadline deadline) {
  auto reply = read_at(snapshot_.value_or(Timestamp()), group, request, deadline);
  if (!reply && reply.error().code == ErrorCode::conflict && take_later_snapshot(group, deadline)) {
    reply = read_at(*snapshot_, group, std::move(request), deadline);
  }
  if (!reply) {
    has_failed_ = true;
    return reply;
  }
  snapshot_ = reply->at;
  uncertain_until_[group] = reply->uncertain_until;
  return reply;
}

Result<ReadReply> Transaction::read_at(Timestamp at, GroupId group, ReadRequest request,
                                       Deadline deadline) {
  request.at = at;
  request.uncertain_until = uncertain_until_[group];
  return coordinator_.read_in(group, std::move(request), deadline);
}

// The present time of a group that has refused the snapshot: it may have kept no old versions, as
// nobody had read it for long, or may have another leader now; or its clock is ahead. False if
// something that was read is not the same then, or cannot be looked at again.
bool Transaction::take_later_snapshot(GroupId group, Deadline deadline) {
  if (!snapshot_ || !ranges_.empty()) return false;
  const auto present = coordinator_.read_in(group, {.at = Timestamp()}, deadline);
  if (!present || present->at <= *snapshot_) return false;
  std::map<GroupId, std::vector<Bytes>> keys;
  for (const auto& [key, read] : reads_) keys[read.group].push_back(key);
  for (const auto& [asked, of_group] : keys) {
    const auto again = read_at(present->at, asked, {.keys = of_group}, deadline);
    if (!again) return false;
    for (std::size_t i = 0; i < of_group.size(); ++i) {
      const auto& before = reads_.find(of_group[i])->second.value;
      const auto& after = again->values.at(i);
      const bool is_same = before.has_value() == after.has_value() &&
                           (!before || before->version == after->version);
      if (!is_same) return false;
    }
  }
  snapshot_ = present->at;
  return true;
}

Result<std::optional<Bytes>> Transaction::get(BytesView key, Deadline deadline) {
  if (!is_user_key(key)) return not_a_key(key);
  if (const auto written = writes_.find(key); written != writes_.end()) return written->second;
  auto known = reads_.find(key);
  if (known == reads_.end()) {
    const GroupId group = coordinator_.group_of(key);
    TRY(ReadReply reply, read(group, {.keys = {Bytes(key)}}, deadline));
    known = reads_.emplace(key, Read{group, std::move(reply.values.at(0))}).first;
  }
  const auto& value = known->second.value;
  return value ? std::optional(value->value) : std::nullopt;
}

Result<std::vector<std::pair<Bytes, Bytes>>> Transaction::scan(BytesView from, BytesView to,
                                                               std::size_t limit,
                                                               Deadline deadline) {
  if (!is_user_key(from)) return not_a_key(from);
  CHECK(limit > 0);
  std::map<Bytes, Bytes> found;
  Bytes next(from);
  do {
    TRY(next, scan_part({next, Bytes(to)}, limit, found, deadline));
  } while (found.size() < limit && next != to);
  std::vector<std::pair<Bytes, Bytes>> rows;
  for (auto& [key, value] : found) {
    if (rows.size() == limit) break;
    rows.emplace_back(key, std::move(value));
  }
  return rows;
}

// As much of the range as one group gives at a time; where the rest begins.
Result<Bytes> Transaction::scan_part(const KeyRange& range, std::size_t limit,
                                     std::map<Bytes, Bytes>& found, Deadline deadline) {
  const auto [group, asked] = coordinator_.shards().parts_of(range).front();
  TRY(ReadReply reply, read(group, {.range = asked, .rows_limit = limit}, deadline));
  RangeDigest digest;
  for (const Row& row : reply.rows) digest.add(row.key, row.value.version);
  ranges_.push_back({group,
                     {.key = asked.from,
                      .kind = Condition::Kind::range_is,
                      .version = digest.value(),
                      .end = reply.covered_to}});
  for (Row& row : reply.rows) found.emplace(std::move(row.key), std::move(row.value.value));
  const KeyRange covered{asked.from, reply.covered_to};
  for (auto write = writes_.lower_bound(asked.from);
       write != writes_.end() && covered.contains(write->first); ++write) {
    if (write->second) {
      found.insert_or_assign(write->first, *write->second);
    } else {
      found.erase(write->first);
    }
  }
  return reply.covered_to;
}

void Transaction::put(BytesView key, Bytes value) {
  CHECK(is_user_key(key) && !is_over_);
  writes_.insert_or_assign(Bytes(key), std::move(value));
}

void Transaction::remove(BytesView key) {
  CHECK(is_user_key(key) && !is_over_);
  writes_.insert_or_assign(Bytes(key), std::nullopt);
}

CommitOutcome Transaction::commit(Deadline deadline) {
  CHECK(!is_over_);
  is_over_ = true;
  if (has_failed_) return aborted("a read has failed");
  if (writes_.empty()) {
    return {.kind = CommitOutcome::Kind::committed, .at = snapshot_.value_or(Timestamp())};
  }
  GroupCommit commit(coordinator_, id_);
  commit.begun = snapshot_;
  for (RangeRead& range : ranges_) {
    commit.parts[range.group].conditions.push_back(std::move(range.condition));
  }
  for (const auto& [key, read] : reads_) {
    commit.parts[read.group].conditions.push_back(condition_of(key, read.value));
  }
  for (auto& [key, value] : writes_) {
    commit.parts[coordinator_.group_of(key)].mutations.push_back({key, std::move(value)});
  }
  if (commit.parts.size() > 1) return commit.run(deadline);
  auto& [group, part] = *commit.parts.begin();
  return commit_in_one(group, std::move(part), deadline);
}

CommitOutcome Transaction::commit_in_one(GroupId group, GroupCommit::Part part,
                                         Deadline deadline) {
  auto outcome = coordinator_.execute_in(group,
                                         {.token = id_,
                                          .conditions = std::move(part.conditions),
                                          .mutations = std::move(part.mutations)},
                                         deadline);
  if (!outcome && outcome.error().code == ErrorCode::timed_out) {
    return {.kind = CommitOutcome::Kind::unknown, .why = outcome.error().message};
  }
  if (!outcome) return aborted(outcome.error().message);
  if (!outcome->applied) return aborted("something that was read has changed");
  return {.kind = CommitOutcome::Kind::committed, .at = Timestamp(outcome->version)};
}

}  // namespace keelson::kv
