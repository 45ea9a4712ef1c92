// Tested by tests/core/kv/state_tokens_test.cc.
#include "core/kv/state_tokens.h"

#include <utility>

#include "core/base/check.h"

namespace keelson::kv {

std::uint64_t& TokenIndex::slot(std::uint64_t number) {
  const auto at = static_cast<std::size_t>(number % limit_);
  if (hashes_.size() <= at) hashes_.resize(at + 1);
  return hashes_[at];
}

std::vector<std::uint64_t> TokenIndex::find(std::uint64_t hash) const {
  std::vector<std::uint64_t> numbers;
  if (cells_.empty()) return numbers;
  for (std::size_t at = home_of(hash); cells_[at].number_plus_1 != 0; at = after(at)) {
    if (cells_[at].hash == hash) numbers.push_back(cells_[at].number_plus_1 - 1);
  }
  return numbers;
}

void TokenIndex::begin_at(std::uint64_t number) {
  CHECK(count_ == 0);
  next_ = number;
}

void TokenIndex::add(std::uint64_t hash, std::uint64_t number) {
  CHECK(number == next_);
  const std::uint64_t before = std::exchange(slot(number), hash);
  next_ = number + 1;
  if (count_ == limit_) erase(before, number - limit_);
  insert(hash, number);
}

void TokenIndex::insert(std::uint64_t hash, std::uint64_t number) {
  if (cells_.size() < 2 * (count_ + 1)) grow();
  std::size_t at = home_of(hash);
  while (cells_[at].number_plus_1 != 0) at = after(at);
  cells_[at] = {.hash = hash, .number_plus_1 = number + 1};
  ++count_;
  CHECK(count_ <= limit_);
}

// What follows moves up, so that nobody is cut off from its home by an empty cell.
void TokenIndex::erase(std::uint64_t hash, std::uint64_t number) {
  CHECK(count_ > 0);
  std::size_t at = home_of(hash);
  while (cells_[at].number_plus_1 != number + 1) {
    CHECK(cells_[at].number_plus_1 != 0);
    at = after(at);
  }
  --count_;
  for (std::size_t next = after(at); cells_[next].number_plus_1 != 0; next = after(next)) {
    const std::size_t mask = cells_.size() - 1;
    const std::size_t from_home = (next - home_of(cells_[next].hash)) & mask;
    if (from_home < ((next - at) & mask)) continue;  // Its home is behind the gap.
    cells_[at] = cells_[next];
    at = next;
  }
  cells_[at] = {};
}

void TokenIndex::grow() {
  const std::vector<Cell> before =
      std::exchange(cells_, std::vector<Cell>(cells_.empty() ? 16 : 2 * cells_.size()));
  count_ = 0;
  for (const Cell& cell : before) {
    if (cell.number_plus_1 != 0) insert(cell.hash, cell.number_plus_1 - 1);
  }
}

}  // namespace keelson::kv
