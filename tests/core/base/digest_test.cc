#include "core/base/digest.h"

#include <gtest/gtest.h>

namespace keelson {
namespace {

// RFC 4231, test case 2.
constexpr const char* kJefe = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

TEST(DigestTest, HmacIsThatOfRfc4231) {
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")), kJefe);
}

TEST(DigestTest, AKeyUsedTwiceGivesWhatItGaveOnceHoweverTheOctetsAreCut) {
  HmacSha256 keyed("Jefe");
  for (int round = 0; round < 2; ++round) {
    const auto digest = keyed.of({"what do ya ", "", "want for nothing?"});
    EXPECT_EQ(to_hex(BytesView(digest.data(), digest.size())), kJefe);
  }
}

TEST(DigestTest, EqualityInConstantTimeIsEquality) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
}

}  // namespace
}  // namespace keelson
