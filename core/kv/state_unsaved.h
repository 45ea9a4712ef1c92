// What was applied and is not in the database yet: the newest rows of the state, in memory. For the
// state store alone.
//
// The log has every entry that made them until the database has them durably, so losing them with
// the process loses nothing. Written many at once, in the order of keys, they cost a fraction of
// what each would: a page of the database takes in all that belongs on it. And a full disk can take
// back nothing that was answered.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "core/kv/store.h"

namespace keelson::kv {

// Of one store: a group's content.
struct UnsavedRows {
  struct Token {
    std::uint64_t number = 0;
    Bytes token;
    Bytes outcome;  // Encoded.
  };

  // Nothing: the key was removed.
  std::map<Bytes, std::optional<VersionedValue>, std::less<>> content;
  std::deque<Token> tokens;  // By number, without a gap.

  // Null if it is not among them.
  const Token* find_token(std::uint64_t number) const {
    if (tokens.empty() || number < tokens.front().number) return nullptr;
    const std::uint64_t at = number - tokens.front().number;
    return at < tokens.size() ? &tokens[at] : nullptr;
  }
};

// A group's row: what is replicated of it, and where its content is.
struct GroupRow {
  std::uint64_t store = 0;
  raft::LogStart label;
  Bytes configuration;  // Encoded.
  std::uint64_t digest = 0;
  std::uint64_t tokens = 0;  // How many it was given, ever.
};

class Unsaved {
 public:
  // Null if nothing is known of the key here; points to nothing if it was removed.
  const std::optional<VersionedValue>* find(std::uint64_t store, BytesView key) const;
  void put(std::uint64_t store, BytesView key, std::optional<VersionedValue> value);
  const UnsavedRows::Token* find_token(std::uint64_t store, std::uint64_t number) const;
  void put_token(std::uint64_t store, UnsavedRows::Token token);

  // The row of a group in the place of any other of it.
  void put_group(GroupId id, GroupRow row) { groups_[id] = std::move(row); }

  // Of keys, values and tokens, with some allowance for each row.
  std::uint64_t bytes() const { return bytes_; }
  bool is_empty() const { return stores_.empty() && groups_.empty(); }
  const std::map<std::uint64_t, UnsavedRows>& stores() const { return stores_; }
  const std::map<GroupId, GroupRow>& groups() const { return groups_; }

 private:
  std::map<std::uint64_t, UnsavedRows> stores_;
  std::map<GroupId, GroupRow> groups_;
  std::uint64_t bytes_ = 0;
};

// Which version the database has of the keys that were asked for lately: a condition on a key that
// seldom changes (that a bucket exists) costs no look at it each time. A key that is among the
// unsaved rows is not asked for here.
class VersionCache {
 public:
  // Null if it is not known; points to nothing if the key is absent.
  const std::optional<std::uint64_t>* find(std::uint64_t store, BytesView key) const;
  void remember(std::uint64_t store, BytesView key, std::optional<std::uint64_t> version);
  // It is about to change.
  void forget(std::uint64_t store, BytesView key);

 private:
  static constexpr std::size_t kKeysMost = 1000;  // More than this, and it begins anew.

  std::map<std::uint64_t, std::map<Bytes, std::optional<std::uint64_t>, std::less<>>> stores_;
  std::size_t keys_ = 0;
};

}  // namespace keelson::kv
