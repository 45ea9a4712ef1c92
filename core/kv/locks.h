// LockTable: who has locked what in one group. A view in memory of the rows of prepared
// transactions (core/kv/rows.h), from which it is made anew at a start.
//
// A transaction locks the keys that it writes, and those and the ranges that it has read: until it
// is decided, nobody else may write any of them, nor read or build upon what it writes. What two
// transactions only read, both may lock.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "core/kv/command.h"
#include "core/kv/key_range.h"

namespace keelson::kv {

class LockTable {
 public:
  // REQUIRES: no transaction of this identifier is there.
  void add(const Prepare& prepare, Timestamp prepared_at);
  // Nothing happens if it is not there.
  void remove(BytesView transaction);
  void clear();

  // Null if the transaction has locked nothing here.
  const Lock* find(BytesView transaction) const;

  // A lock, not of `self`, of somebody who will write the key (a key of the range), and was
  // prepared at `until` at the latest.
  const Lock* writer_of(BytesView key, Timestamp until, BytesView self = {}) const;
  const Lock* writer_in(BytesView from, BytesView to, Timestamp until, BytesView self = {}) const;
  // Of anybody who was promised that the key does not change.
  const Lock* holder_of(BytesView key, BytesView self = {}) const;

  // Of anybody who has locked something in the range, to read or to write.
  const Lock* holder_in(const KeyRange& range) const;

  // What the conditions and mutations meet, not of `self`; null if nothing.
  const Lock* conflict_with(const std::vector<Condition>& conditions,
                            const std::vector<Mutation>& mutations, BytesView self = {}) const;

  bool is_empty() const { return transactions_.empty(); }
  std::size_t size() const { return transactions_.size(); }
  // All of them, by identifier.
  std::vector<Lock> locks() const;

 private:
  struct Held {
    Lock lock;
    std::vector<Bytes> writes, reads;
    std::vector<KeyRange> ranges;
  };

  // Transactions by identifier; keys refer to them by it.
  std::map<Bytes, Held, std::less<>> transactions_;
  std::map<Bytes, Bytes, std::less<>> writers_;
  std::map<Bytes, std::set<Bytes, std::less<>>, std::less<>> readers_;
};

}  // namespace keelson::kv
