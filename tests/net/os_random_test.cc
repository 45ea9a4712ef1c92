#include "net/os_random.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace keelson {
namespace {

TEST(OsRandomTest, WordsThatWouldFavourSomeResultsAreRejected) {
  // 2^64 mod 6 is 4: of the words 0 to 3, each would be one more chance for its remainder.
  std::vector<std::uint64_t> words = {9, 4, 3, 0};
  EXPECT_EQ(unbiased_below(6, [&] {
              const std::uint64_t word = words.back();
              words.pop_back();
              return word;
            }),
            4u);
  EXPECT_EQ(words, std::vector<std::uint64_t>{9});
}

TEST(OsRandomTest, APowerOfTwoRejectsNothing) {
  EXPECT_EQ(unbiased_below(std::uint64_t{1} << 63, [] { return std::uint64_t{0}; }), 0u);
  EXPECT_EQ(unbiased_below(1, [] { return UINT64_MAX; }), 0u);
}

TEST(OsRandomTest, NoWordComesTwiceAlsoBeyondOneFilling) {
  OsRandom random;
  std::set<std::uint64_t> words;
  for (int i = 0; i < 5000; ++i) words.insert(random.next());
  EXPECT_EQ(words.size(), 5000u);
}

TEST(OsRandomTest, TwoProcessesWorthOfSourcesDiffer) {
  OsRandom one, other;
  EXPECT_NE(one.next(), other.next());
}

}  // namespace
}  // namespace keelson
