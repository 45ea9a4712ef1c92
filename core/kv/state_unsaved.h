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

class Unsaved {
 public:
  // Null if nothing is known of the key here; points to nothing if it was removed.
  const std::optional<VersionedValue>* find(std::uint64_t store, BytesView key) const;
  void put(std::uint64_t store, BytesView key, std::optional<VersionedValue> value);
  const UnsavedRows::Token* find_token(std::uint64_t store, std::uint64_t number) const;
  void put_token(std::uint64_t store, UnsavedRows::Token token);

  // Of keys, values and tokens, with some allowance for each row.
  std::uint64_t bytes() const { return bytes_; }
  bool is_empty() const { return stores_.empty(); }
  const std::map<std::uint64_t, UnsavedRows>& stores() const { return stores_; }
  void clear();

 private:
  std::map<std::uint64_t, UnsavedRows> stores_;
  std::uint64_t bytes_ = 0;
};

}  // namespace keelson::kv
