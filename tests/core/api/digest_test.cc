#include "core/api/digest.h"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

constexpr DigestKind kAll[] = {DigestKind::md5,   DigestKind::sha1,   DigestKind::sha256,
                               DigestKind::crc32, DigestKind::crc32c, DigestKind::crc64nvme};

// Of RFC 1321, FIPS 180 and the catalogue of parametrised CRC algorithms.
TEST(Digest, KnownAnswers) {
  EXPECT_EQ(to_hex(md5("abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(to_hex(sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(to_hex(digest(DigestKind::sha256, "")), to_hex(sha256("")));
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");  // RFC 4231
  EXPECT_EQ(to_hex(digest(DigestKind::crc32, "123456789")), "cbf43926");
  EXPECT_EQ(to_hex(digest(DigestKind::crc32c, "123456789")), "e3069283");
  EXPECT_EQ(to_hex(digest(DigestKind::crc64nvme, "123456789")), "ae8b14860a799888");
  EXPECT_EQ(crc32("123456789"), 0xCBF43926u);
}

TEST(Digest, PiecesDigestToTheSameAsTheWhole) {
  const Bytes whole = "The quick brown fox jumps over the lazy dog";
  for (std::size_t piece = 1; piece <= whole.size(); ++piece) {
    Digests digests({});
    for (const DigestKind kind : kAll) digests.add(kind);
    for (std::size_t at = 0; at < whole.size(); at += piece) {
      digests.put(BytesView(whole).substr(at, piece));
    }
    for (const DigestKind kind : kAll) {
      EXPECT_EQ(digests.take(kind), digest(kind, whole));
      EXPECT_EQ(digests.take(kind), digest(kind, "")) << "it begins anew";
    }
  }
}

TEST(Digest, Base64) {
  EXPECT_EQ(base64_encode("foobar"), "Zm9vYmFy");
  for (const std::string text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    EXPECT_EQ(base64_decode(base64_encode(text)), text);
  }
  for (const std::string text : {"Zg", "Zg=", "Z===", "Zg==Zg==", "Z!==", " Zg=="}) {
    EXPECT_EQ(base64_decode(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace keelson::api
