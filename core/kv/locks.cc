// Tested by tests/core/kv/group_machine_test.cc.
#include "core/kv/locks.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace keelson::kv {

void LockTable::add(const Prepare& prepare, Timestamp prepared_at) {
  const auto [place, is_new] = transactions_.try_emplace(prepare.transaction);
  CHECK(is_new);
  Held& held = place->second;
  held.lock = {.transaction = prepare.transaction,
               .primary = prepare.primary,
               .prepared_at = prepared_at,
               .expires_at = prepared_at + prepare.ttl};
  for (const Mutation& mutation : prepare.mutations) {
    const auto [writer, is_first] = writers_.emplace(mutation.key, prepare.transaction);
    CHECK(writer->second == prepare.transaction);  // Nobody else has locked it.
    if (is_first) held.writes.push_back(mutation.key);
  }
  for (const Condition& condition : prepare.conditions) {
    if (condition.kind == Condition::Kind::range_is) {
      held.ranges.push_back({condition.key, condition.end});
    } else if (readers_[condition.key].insert(prepare.transaction).second) {
      held.reads.push_back(condition.key);
    }
  }
}

void LockTable::remove(BytesView transaction) {
  const auto found = transactions_.find(transaction);
  if (found == transactions_.end()) return;
  for (const Bytes& key : found->second.writes) writers_.erase(key);
  for (const Bytes& key : found->second.reads) {
    const auto readers = readers_.find(key);
    CHECK(readers != readers_.end());
    readers->second.erase(found->first);
    if (readers->second.empty()) readers_.erase(readers);
  }
  transactions_.erase(found);
}

void LockTable::clear() {
  transactions_.clear();
  writers_.clear();
  readers_.clear();
}

const Lock* LockTable::find(BytesView transaction) const {
  const auto found = transactions_.find(transaction);
  return found == transactions_.end() ? nullptr : &found->second.lock;
}

const Lock* LockTable::writer_of(BytesView key, Timestamp until, BytesView self) const {
  const auto writer = writers_.find(key);
  if (writer == writers_.end() || writer->second == self) return nullptr;
  const Lock* const lock = find(writer->second);
  CHECK(lock != nullptr);
  return lock->prepared_at <= until ? lock : nullptr;
}

const Lock* LockTable::writer_in(BytesView from, BytesView to, Timestamp until,
                                 BytesView self) const {
  for (auto writer = writers_.lower_bound(from);
       writer != writers_.end() && (to.empty() || writer->first < to); ++writer) {
    if (const Lock* const lock = writer_of(writer->first, until, self)) return lock;
  }
  return nullptr;
}

const Lock* LockTable::holder_of(BytesView key, BytesView self) const {
  if (const Lock* const writer = writer_of(key, Timestamp(UINT64_MAX), self)) return writer;
  if (const auto readers = readers_.find(key); readers != readers_.end()) {
    for (const Bytes& reader : readers->second) {
      if (reader != self) return find(reader);
    }
  }
  for (const auto& [transaction, held] : transactions_) {
    if (transaction == self) continue;
    for (const KeyRange& range : held.ranges) {
      if (range.contains(key)) return &held.lock;
    }
  }
  return nullptr;
}

const Lock* LockTable::holder_in(const KeyRange& range) const {
  const auto is_within = [&range](const Bytes& key) { return range.contains(key); };
  for (const auto& [transaction, held] : transactions_) {
    if (std::any_of(held.writes.begin(), held.writes.end(), is_within) ||
        std::any_of(held.reads.begin(), held.reads.end(), is_within) ||
        std::any_of(held.ranges.begin(), held.ranges.end(),
                    [&range](const KeyRange& other) { return range.intersects(other); })) {
      return &held.lock;
    }
  }
  return nullptr;
}

const Lock* LockTable::conflict_with(const std::vector<Condition>& conditions,
                                     const std::vector<Mutation>& mutations,
                                     BytesView self) const {
  if (is_empty()) return nullptr;
  constexpr Timestamp kEver(UINT64_MAX);
  for (const Condition& condition : conditions) {
    const Lock* const writer =
        condition.kind == Condition::Kind::range_is
            ? writer_in(condition.key, condition.end, kEver, self)
            : writer_of(condition.key, kEver, self);
    if (writer != nullptr) return writer;
  }
  for (const Mutation& mutation : mutations) {
    if (const Lock* const holder = holder_of(mutation.key, self)) return holder;
  }
  return nullptr;
}

std::vector<Lock> LockTable::locks() const {
  std::vector<Lock> all;
  for (const auto& [transaction, held] : transactions_) all.push_back(held.lock);
  return all;
}

}  // namespace keelson::kv
