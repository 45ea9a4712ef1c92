#include "core/base/strong_int.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace keelson {
namespace {

using Apples = StrongInt<struct ApplesTag>;
using Pears = StrongInt<struct PearsTag>;

TEST(StrongIntTest, CountsAndComparesLikeAnInteger) {
  EXPECT_EQ(Apples(), Apples(0));
  EXPECT_EQ(Apples(1).next(), Apples(2));
  EXPECT_EQ(Apples(2).previous(), Apples(1));
  EXPECT_LT(Apples(1), Apples(2));
}

TEST(StrongIntTest, DoesNotMixWithOthers) {
  static_assert(!std::is_convertible_v<Apples, Pears>);
  static_assert(!std::is_constructible_v<Apples, Pears>);
  static_assert(!std::is_convertible_v<int, Apples>);
  static_assert(!std::is_convertible_v<Apples, std::uint64_t>);
}

}  // namespace
}  // namespace keelson
