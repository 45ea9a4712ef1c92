#include "core/base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace keelson {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return Error{ErrorCode::invalid_argument, "odd"};
  return number / 2;
}

Result<void> must_be_even(int number) {
  TRY(half(number));
  return {};
}

Result<int> quarter(int number) {
  TRY(const int first, half(number));
  TRY(const int second, half(first));
  return second;
}

// TRY in one statement after an if, and into something that exists.
Result<int> half_if(bool wanted, int number) {
  if (wanted) TRY(must_be_even(number));
  int result = number;
  if (wanted) {
    TRY(result, half(number));
  }
  return result;
}

TEST(ResultTest, HoldsAValueOrAnError) {
  EXPECT_TRUE(half(4));
  EXPECT_EQ(*half(4), 2);
  ASSERT_FALSE(half(3));
  EXPECT_EQ(half(3).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(half(3).error().message, "odd");
}

TEST(ResultTest, TryReturnsTheFirstErrorToTheCaller) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().message, "odd");
  EXPECT_TRUE(must_be_even(2));
  EXPECT_EQ(must_be_even(1).error().message, "odd");
  EXPECT_EQ(*half_if(true, 8), 4);
  EXPECT_EQ(*half_if(false, 7), 7);
  EXPECT_FALSE(half_if(true, 7));
}

TEST(ResultTest, AValueThatCannotBeCopiedIsMovedOut) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(5); };
  const auto use = [&]() -> Result<int> {
    TRY(const std::unique_ptr<int> five, make());
    return *five;
  };
  EXPECT_EQ(*use(), 5);
  auto result = make();
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 5);
}

TEST(ResultTest, TakingWhatIsNotThereIsABug) {
  EXPECT_DEATH((void)*half(3), "CHECK failed: has_value");
  EXPECT_DEATH((void)half(4).error(), "CHECK failed: !has_value");
  EXPECT_DEATH(*must_be_even(1), "CHECK failed: has_value");
}

TEST(ResultTest, EveryCodeHasItsName) {
  EXPECT_STREQ(name_of(ErrorCode::timed_out), "timed_out");
  EXPECT_STREQ(name_of(ErrorCode::corrupt), "corrupt");
  for (int code = 0; code <= static_cast<int>(ErrorCode::corrupt); ++code) {
    EXPECT_STRNE(name_of(static_cast<ErrorCode>(code)), "?") << code;
  }
}

}  // namespace
}  // namespace keelson
