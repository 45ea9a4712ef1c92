// The signatures here are those of the examples in the S3 API reference: "Transferring Payload in
// Multiple Chunks" and "Including Trailing Headers".
#include "core/api/aws_chunked.h"

#include <gtest/gtest.h>

#include "core/api/date.h"
#include "tests/core/api/fakes.h"

namespace keelson::api {
namespace {

const std::string kObject(65536 + 1024, 'a');

class WallClock : public Clock {
 public:
  Instant now() const override { return {}; }
  std::int64_t wall_ms() const override { return *parse_amz_date("20130524T000000Z"); }
};

struct Outcome {
  std::optional<ChunkError> error;
  Bytes object;
  HttpHeaders trailers;
};

// In pieces of `size` octets.
Outcome decode(const Authentication& by, const std::string& encoded, std::size_t size = 1000) {
  AwsChunkedDecoder decoder(by);
  Outcome outcome;
  for (std::size_t at = 0; at < encoded.size(); at += size) {
    const auto failure = decoder.put(BytesView(encoded).substr(at, size), outcome.object);
    if (failure) return {failure->error, {}, {}};
  }
  const auto failure = decoder.finish();
  if (failure) return {failure->error, {}, {}};
  outcome.trailers = decoder.trailers();
  return outcome;
}

Authentication unsigned_chunks() {
  Authentication by;
  by.payload = PayloadKind::chunks_unsigned_trailer;
  return by;
}

class AwsExampleTest : public testing::Test {
 protected:
  AwsExampleTest() {
    credentials_.add("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
  }

  Authentication verified(HttpHeaders headers, const std::string& names,
                          const std::string& signature) {
    headers.add("Host", "s3.amazonaws.com");
    headers.add("x-amz-date", "20130524T000000Z");
    headers.add("x-amz-storage-class", "REDUCED_REDUNDANCY");
    headers.add("Content-Encoding", "aws-chunked");
    headers.add("x-amz-decoded-content-length", "66560");
    headers.add("Authorization",
                "AWS4-HMAC-SHA256 "
                "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                "SignedHeaders=" + names + ",Signature=" + signature);
    // The body has not come when the head is verified.
    HttpRequest head = make_request("PUT", "/examplebucket/chunkObject.txt");
    head.headers = std::move(headers);
    const auto outcome = verifier_.verify(head);
    const auto* const failure = std::get_if<AuthFailure>(&outcome);
    EXPECT_EQ(failure, nullptr) << failure->message;
    return failure != nullptr ? Authentication() : std::get<Authentication>(outcome);
  }

  Authentication chunked_upload() {
    return verified({{"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
                     {"Content-Length", "66824"}},
                    "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
                    "x-amz-decoded-content-length;x-amz-storage-class",
                    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
  }
  Authentication trailing_upload() {
    return verified({{"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"},
                     {"x-amz-trailer", "x-amz-checksum-crc32c"}},
                    "content-encoding;host;x-amz-content-sha256;x-amz-date;"
                    "x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
                    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
  }

  static std::string chunks(const std::string& first, const std::string& second,
                            const std::string& last) {
    return "10000;chunk-signature=" + first + "\r\n" + std::string(65536, 'a') +
           "\r\n400;chunk-signature=" + second + "\r\n" + std::string(1024, 'a') +
           "\r\n0;chunk-signature=" + last + "\r\n";
  }
  static std::string chunked_body() {
    return chunks("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                  "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                  "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9") +
           "\r\n";
  }
  static std::string trailing_chunks() {
    return chunks("b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                  "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                  "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992");
  }

  const WallClock clock_;
  Credentials credentials_;
  SigV4Verifier verifier_{credentials_, clock_, {}};
};

constexpr std::string_view kTrailerSignature =
    "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n";

TEST_F(AwsExampleTest, AChunkedUploadIsDecodedAndVerifiedWhateverPiecesItComesIn) {
  const Authentication by = chunked_upload();
  const std::string body = chunked_body();
  ASSERT_EQ(body.size(), 66824u);
  for (const std::size_t size : {1u, 2u, 85u, 65536u, 100000u}) {
    const Outcome outcome = decode(by, body, size);
    EXPECT_EQ(outcome.error, std::nullopt) << size;
    EXPECT_EQ(outcome.object, kObject) << size;
  }
}

TEST_F(AwsExampleTest, ATrailerIsVerifiedWithTheLineEndsOfTheExampleAndOfTheClients) {
  const Authentication by = trailing_upload();
  for (const std::string& trailer :
       {"x-amz-checksum-crc32c:sOO8/Q==\n\r\n" + std::string(kTrailerSignature) + "\r\n",
        "x-amz-checksum-crc32c:sOO8/Q==\r\n" + std::string(kTrailerSignature) + "\r\n"}) {
    for (const std::size_t size : {1u, 1000u}) {
      const Outcome outcome = decode(by, trailing_chunks() + trailer, size);
      EXPECT_EQ(outcome.error, std::nullopt);
      EXPECT_EQ(outcome.object, kObject);
      EXPECT_EQ(outcome.trailers.get("x-amz-checksum-crc32c"), "sOO8/Q==");
    }
  }
}

TEST_F(AwsExampleTest, WhateverIsForgedMovedOrLeftOutDoesNotMatch) {
  const Authentication by = chunked_upload();
  const std::string body = chunked_body();
  std::string octet = body;
  octet[200] = 'b';
  EXPECT_EQ(decode(by, octet).error, ChunkError::mismatch);
  std::string signature = body;
  signature[20] = signature[20] == '0' ? '1' : '0';
  EXPECT_NE(decode(by, signature).error, std::nullopt);
  const std::size_t second = body.find("400;");
  EXPECT_EQ(decode(by, body.substr(second)).error, ChunkError::mismatch) << "first left out";
  EXPECT_EQ(decode(by, "3\r\nabc\r\n0\r\n\r\n").error, ChunkError::mismatch) << "not signed";

  const Authentication trailing = trailing_upload();
  for (const std::string& trailer :
       {"x-amz-checksum-crc32c:sOO8/R==\r\n" + std::string(kTrailerSignature) + "\r\n",
        std::string("x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n"), std::string("\r\n")}) {
    EXPECT_EQ(decode(trailing, trailing_chunks() + trailer).error, ChunkError::mismatch);
  }
}

TEST_F(AwsExampleTest, EveryTruncationIsNoticed) {
  const Authentication by = chunked_upload();
  const std::string body = chunked_body();
  for (std::size_t size = 0; size < body.size() - 2; size += size < 200 || size > 66500 ? 1 : 997) {
    EXPECT_NE(decode(by, body.substr(0, size)).error, std::nullopt) << size;
  }
}

TEST(AwsChunked, UnsignedChunksOfAnySizeAreJoined) {
  const Outcome outcome = decode(
      unsigned_chunks(),
      "4\r\n1234\r\n05\r\n56789\r\nA;x=y\r\n0123456789\r\n0\r\n"
      "X-Amz-Checksum-CRC32: x \r\n\r\n",
      3);
  EXPECT_EQ(outcome.error, std::nullopt);
  EXPECT_EQ(outcome.object, "1234567890123456789");
  EXPECT_EQ(outcome.trailers.get("x-amz-checksum-crc32"), "x");
}

TEST(AwsChunked, WhatIsMalformedIsRefused) {
  for (const std::string body :
       {"", "4", "4\r\n", "4\r\n123", "4\r\n1234", "4\r\n1234\r\n", "x\r\n", "\r\n", "-1\r\n",
        "0x4\r\n1234\r\n0\r\n\r\n", "4\r\n12345\r\n0\r\n\r\n", "4\n1234\r\n0\r\n\r\n",
        "10000000000000000\r\n", "4 \r\n1234\r\n0\r\n\r\n"}) {
    EXPECT_EQ(decode(unsigned_chunks(), body, 2).error, ChunkError::malformed) << body;
  }
  EXPECT_EQ(decode(unsigned_chunks(), std::string(5000, '0')).error, ChunkError::malformed);
  for (const std::string trailer : {"abc\r\n\r\n", "a:b", "x-amz-trailer-signature:a\r\n"
                                                          "x-amz-trailer-signature:b\r\n"}) {
    EXPECT_EQ(decode(unsigned_chunks(), "0\r\n" + trailer).error, ChunkError::malformed_trailer)
        << trailer;
  }
  std::string endless = "0\r\n";
  for (int i = 0; i < 10'000; ++i) endless += "a:b\r\n";
  EXPECT_EQ(decode(unsigned_chunks(), endless).error, ChunkError::malformed_trailer);
}

TEST(AwsChunked, NothingOfAChunkIsHeld) {
  AwsChunkedDecoder decoder(unsigned_chunks());
  Bytes head;
  EXPECT_FALSE(decoder.put("FFFFFFFFFFFFFFFF\r\n", head));
  for (int i = 0; i < 100; ++i) {
    Bytes octets;
    EXPECT_FALSE(decoder.put(Bytes(1000, 'x'), octets));
    EXPECT_EQ(octets.size(), 1000u) << "given at once";
  }
}

TEST(AwsChunked, AnOpenListenerPassesSignaturesOver) {
  Authentication by;
  by.payload = PayloadKind::chunks_signed_trailer;
  const Outcome outcome = decode(by,
                                 "3;chunk-signature=0\r\nabc\r\n0;chunk-signature=1\r\na:b\r\n"
                                 "x-amz-trailer-signature:2\r\n\r\n");
  EXPECT_EQ(outcome.error, std::nullopt);
  EXPECT_EQ(outcome.object, "abc");
}

}  // namespace
}  // namespace keelson::api
