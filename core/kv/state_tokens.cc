// Tested by tests/core/kv/state_store_test.cc.
#include "core/kv/state_tokens.h"

#include "core/base/check.h"

namespace keelson::kv {

std::uint64_t& TokenIndex::slot(std::uint64_t number) {
  const auto at = static_cast<std::size_t>(number % limit_);
  if (hashes_.size() <= at) hashes_.resize(at + 1);
  return hashes_[at];
}

std::vector<std::uint64_t> TokenIndex::find(std::uint64_t hash) const {
  std::vector<std::uint64_t> numbers;
  for (auto at = by_hash_.lower_bound({hash, 0}); at != by_hash_.end() && at->first == hash; ++at) {
    numbers.push_back(at->second);
  }
  return numbers;
}

void TokenIndex::begin_at(std::uint64_t number) {
  CHECK(by_hash_.empty());
  next_ = number;
}

std::uint64_t TokenIndex::add(std::uint64_t hash, std::uint64_t number) {
  CHECK(number == next_);
  std::uint64_t& place = slot(number);
  const std::uint64_t before = place;
  place = hash;
  next_ = number + 1;
  if (by_hash_.size() < limit_) {
    CHECK(by_hash_.emplace(hash, number).second);
    return before;
  }
  auto oldest = by_hash_.extract({before, number - limit_});
  CHECK(!oldest.empty());
  oldest.value() = {hash, number};
  CHECK(by_hash_.insert(std::move(oldest)).inserted);
  return before;
}

void TokenIndex::take_back(std::uint64_t number, std::uint64_t forgotten) {
  CHECK(number + 1 == next_);
  std::uint64_t& place = slot(number);
  CHECK(by_hash_.erase({place, number}) == 1);
  place = forgotten;
  next_ = number;
  if (number >= limit_) CHECK(by_hash_.emplace(forgotten, number - limit_).second);
}

}  // namespace keelson::kv
