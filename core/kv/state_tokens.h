// Which tokens a group remembers, by hash: in memory, so that a batch with a new token, which
// nearly all are, is known to be one without a look at the database. For the state store alone.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/bytes.h"

namespace keelson::kv {

// Tokens are numbered from 0 in the order of the log; the newest `limit` of them are remembered.
class TokenIndex {
 public:
  explicit TokenIndex(std::uint64_t limit) : limit_(limit) {}

  static std::uint64_t hash_of(BytesView token) { return hash64(token); }

  // The numbers of the remembered tokens with this hash: nearly always none or one.
  std::vector<std::uint64_t> find(std::uint64_t hash) const;

  // The next token, which makes the oldest forgotten if there are too many.
  // REQUIRES: number == next().
  void add(std::uint64_t hash, std::uint64_t number);

  // For loading: the tokens are added from this number on. REQUIRES: none was added.
  void begin_at(std::uint64_t number);
  std::uint64_t next() const { return next_; }
  std::uint64_t count() const { return count_; }

 private:
  struct Cell {
    std::uint64_t hash = 0;
    std::uint64_t number_plus_1 = 0;  // 0: empty.
  };

  std::uint64_t& slot(std::uint64_t number);
  std::size_t home_of(std::uint64_t hash) const { return hash & (cells_.size() - 1); }
  std::size_t after(std::size_t cell) const { return (cell + 1) & (cells_.size() - 1); }
  void insert(std::uint64_t hash, std::uint64_t number);
  void erase(std::uint64_t hash, std::uint64_t number);
  void grow();

  std::uint64_t limit_;
  std::uint64_t next_ = 0;
  std::uint64_t count_ = 0;
  std::vector<std::uint64_t> hashes_;  // By number modulo limit_; grows to that size.
  // A table by hash, its size a power of two, at most half full: a token is in the first free cell
  // from its home on.
  std::vector<Cell> cells_;
};

}  // namespace keelson::kv
