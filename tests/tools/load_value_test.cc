#include "tools/load/value.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace keelson::load {
namespace {

constexpr std::size_t kMiB = 1 << 20;

bool accepts(const Expected& expected, BytesView body, std::size_t piece = 1'000) {
  BodyCheck check(expected);
  for (; !body.empty(); body.remove_prefix(std::min(piece, body.size()))) {
    check.take(body.substr(0, piece));
  }
  return check.is_good();
}

class LoadValueTest : public testing::Test {
 protected:
  const ValueText text_{1};
  const Expected expected_{.text = &text_, .key = 7, .size = 3 * kMiB + 5};
  const std::string body_ = Value(text_, 12, 7, 3 * kMiB + 5).whole();
};

TEST_F(LoadValueTest, PiecesAreThoseOfTheWhole) {
  const Value value(text_, 12, 7, 3 * kMiB + 5);
  std::string joined;
  for (std::size_t at = 0; at < value.size(); at += kMiB / 3) {
    value.append_to(joined, at, std::min(kMiB / 3, value.size() - at));
  }
  EXPECT_EQ(joined.size(), value.size());
  EXPECT_TRUE(joined == body_);
}

TEST_F(LoadValueTest, AnyValueOfTheKeyIsAcceptedHoweverItIsCut) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{31}, std::size_t{65'536}, 4 * kMiB}) {
    EXPECT_TRUE(accepts(expected_, body_, piece)) << piece;
  }
  EXPECT_TRUE(accepts(expected_, Value(text_, 99, 7, expected_.size).whole()));
}

TEST_F(LoadValueTest, ValuesOfOtherKeysSizesAndSeedsAreNot) {
  EXPECT_FALSE(accepts(expected_, Value(text_, 12, 8, expected_.size).whole()));
  EXPECT_FALSE(accepts(expected_, body_ + "x"));
  EXPECT_FALSE(accepts(expected_, BytesView(body_).substr(0, body_.size() - 1)));
  EXPECT_FALSE(accepts(expected_, Value(ValueText(2), 12, 7, expected_.size).whole()));
}

TEST_F(LoadValueTest, NorAreOneWrongOctetAndPiecesInTheWrongPlace) {
  for (const std::size_t at : std::vector<std::size_t>{0, 16, 40, body_.size() - 1}) {
    std::string body = body_;
    body[at] ^= 1;
    EXPECT_FALSE(accepts(expected_, body)) << at;
  }
  const std::string swapped = body_.substr(0, kMiB) + body_.substr(2 * kMiB, kMiB) +
                              body_.substr(kMiB, kMiB) + body_.substr(3 * kMiB);
  EXPECT_FALSE(accepts(expected_, swapped));
  const std::string other = Value(text_, 13, 7, expected_.size).whole();
  EXPECT_FALSE(accepts(expected_, body_.substr(0, kMiB) + other.substr(kMiB)));
}

TEST_F(LoadValueTest, OfShortValuesOnlyTheLengthIsCompared) {
  EXPECT_EQ(Value(text_, 0xabc, 7, 2).whole(), "bc");
  EXPECT_TRUE(accepts({.text = &text_, .key = 7, .size = 2}, "??"));
  EXPECT_FALSE(accepts({.text = &text_, .key = 7, .size = 2}, "???"));
}

}  // namespace
}  // namespace keelson::load
