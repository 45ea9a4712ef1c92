#include "core/kv/state_tokens.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <utility>

namespace keelson::kv {
namespace {

using Numbers = std::vector<std::uint64_t>;

TEST(TokenIndexTest, TheNewestTokensAreFoundByTheirHash) {
  TokenIndex index(3);
  for (std::uint64_t number = 0; number < 10; ++number) {
    index.add(100 + number % 2, number);
    EXPECT_EQ(index.next(), number + 1);
    EXPECT_EQ(index.count(), std::min<std::uint64_t>(3, number + 1));
  }
  EXPECT_EQ(index.find(101), (Numbers{7, 9}));
  EXPECT_EQ(index.find(100), Numbers{8});
  EXPECT_EQ(index.find(7), Numbers{});
}

// Against a list, with hashes that crowd the same cells.
TEST(TokenIndexTest, ItIsTheListOfTheNewest) {
  for (const std::uint64_t limit : {1, 2, 13, 100}) {
    TokenIndex index(limit);
    std::deque<std::pair<std::uint64_t, std::uint64_t>> all;  // (hash, number)
    for (std::uint64_t round = 0; round < 400; ++round) {
      const std::uint64_t count = hash64("count", round) % 9;
      for (std::uint64_t i = 0; i < count; ++i) {
        // Near the end of the table, too, to go around it.
        const std::uint64_t hash = hash64("hash", 100 * round + i) % 12 - 6;
        const std::uint64_t number = index.next();
        index.add(hash, number);
        all.push_back({hash, number});
      }
      ASSERT_EQ(index.next(), all.size());
      for (std::uint64_t hash = 0; hash < 12; ++hash) {
        Numbers expected;
        const std::size_t first = all.size() - std::min<std::size_t>(limit, all.size());
        for (std::size_t i = first; i < all.size(); ++i) {
          if (all[i].first == hash - 6) expected.push_back(all[i].second);
        }
        Numbers found = index.find(hash - 6);
        std::sort(found.begin(), found.end());
        ASSERT_EQ(found, expected);
      }
    }
  }
}

}  // namespace
}  // namespace keelson::kv
