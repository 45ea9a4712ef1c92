// The signatures here are those that AWS has published: of the test suite "aws-sig-v4-test-suite",
// and of the examples in the S3 API reference.
#include "core/api/sigv4.h"

#include <gtest/gtest.h>

#include "core/api/aws_chunked.h"
#include "core/api/date.h"
#include "core/api/digest.h"
#include "tests/core/api/fakes.h"

namespace keelson::api {
namespace {

constexpr const char* kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

class WallClock : public Clock {
 public:
  explicit WallClock(std::string_view amz) : wall_ms_(*parse_amz_date(amz)) {}
  Instant now() const override { return {}; }
  std::int64_t wall_ms() const override { return wall_ms_; }
  std::int64_t wall_ms_;
};

class S3ExamplesTest : public testing::Test {
 protected:
  S3ExamplesTest() {
    credentials_.add("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
  }

  static HttpHeaders signed_headers(const std::string& names, const std::string& signature,
                                    const std::string& hash = kEmptyHash) {
    return {{"Host", "examplebucket.s3.amazonaws.com"},
            {"x-amz-content-sha256", hash},
            {"x-amz-date", "20130524T000000Z"},
            {"Authorization",
             "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
             "SignedHeaders=" +
                 names + ",Signature=" + signature}};
  }
  static HttpRequest get_example() {
    HttpHeaders headers =
        signed_headers("host;range;x-amz-content-sha256;x-amz-date",
                       "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    headers.add("Range", "bytes=0-9");
    return make_request("GET", "/test.txt", headers);
  }

  std::optional<AuthError> failure(const HttpRequest& request) {
    const auto verified = verifier_.verify(request);
    const auto* failed = std::get_if<AuthFailure>(&verified);
    return failed != nullptr ? std::optional(failed->error) : std::nullopt;
  }

  WallClock clock_{"20130524T000000Z"};
  Credentials credentials_;
  SigV4Verifier verifier_{credentials_, clock_, {}};
};

TEST_F(S3ExamplesTest, GetObject) {
  EXPECT_EQ(failure(get_example()), std::nullopt);
}

TEST_F(S3ExamplesTest, PutObject) {
  HttpHeaders headers =
      signed_headers("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
                     "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
  headers.add("Date", "Fri, 24 May 2013 00:00:00 GMT");
  headers.add("x-amz-storage-class", "REDUCED_REDUNDANCY");
  HttpRequest request = make_request("PUT", "/test%24file.text", headers, "Welcome to Amazon S3.");
  EXPECT_EQ(failure(request), std::nullopt);
  request.set_target("/test$file.text");  // Sent with fewer escapes than were signed.
  EXPECT_EQ(failure(request), std::nullopt);
  request.body.back() = '!';
  EXPECT_EQ(failure(request), AuthError::payload_mismatch);
}

TEST_F(S3ExamplesTest, ParametersWithAndWithoutValues) {
  EXPECT_EQ(
      failure(make_request(
          "GET", "/?lifecycle",
          signed_headers("host;x-amz-content-sha256;x-amz-date",
                         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"))),
      std::nullopt);
  EXPECT_EQ(
      failure(make_request(
          "GET", "/?prefix=J&max-keys=2",
          signed_headers("host;x-amz-content-sha256;x-amz-date",
                         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"))),
      std::nullopt);
}

TEST_F(S3ExamplesTest, PresignedGetObject) {
  const std::string target =
      "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524"
      "%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
      "&X-Amz-SignedHeaders=host&X-Amz-Signature="
      "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
  const HttpRequest request =
      make_request("GET", target, {{"Host", "examplebucket.s3.amazonaws.com"}});
  EXPECT_EQ(failure(request), std::nullopt);
  clock_.wall_ms_ += 86'400'000;
  EXPECT_EQ(failure(request), std::nullopt);
  clock_.wall_ms_ += 1;
  EXPECT_EQ(failure(request), AuthError::expired);
  clock_.wall_ms_ = *parse_amz_date("20130523T234459Z");
  EXPECT_EQ(failure(request), AuthError::skewed);
}

TEST_F(S3ExamplesTest, ChunkedUpload) {
  HttpHeaders headers = {
      {"Host", "s3.amazonaws.com"},
      {"x-amz-date", "20130524T000000Z"},
      {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
      {"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
      {"Content-Encoding", "aws-chunked"},
      {"x-amz-decoded-content-length", "66560"},
      {"Content-Length", "66824"},
      {"Authorization",
       "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
       "SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
       "x-amz-decoded-content-length;x-amz-storage-class,Signature="
       "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"}};
  const std::string body =
      "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" +
      std::string(65536, 'a') +
      "\r\n400;chunk-signature="
      "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" +
      std::string(1024, 'a') +
      "\r\n0;chunk-signature="
      "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
  ASSERT_EQ(body.size(), 66824u);
  const HttpRequest request = make_request("PUT", "/examplebucket/chunkObject.txt", headers, body);
  const auto verified = verifier_.verify(request);
  ASSERT_TRUE(std::holds_alternative<Authentication>(verified))
      << std::get<AuthFailure>(verified).message;
  const Authentication& by = std::get<Authentication>(verified);
  const auto decoded = decode_aws_chunked(body, by);
  ASSERT_TRUE(std::holds_alternative<DecodedBody>(decoded));
  EXPECT_EQ(std::get<DecodedBody>(decoded).body, std::string(66560, 'a'));

  std::string forged = body;
  forged[200] = 'b';
  EXPECT_EQ(std::get<ChunkFailure>(decode_aws_chunked(forged, by)).error, ChunkError::mismatch);
  std::string shorter = body.substr(0, 66000);
  EXPECT_EQ(std::get<ChunkFailure>(decode_aws_chunked(shorter, by)).error, ChunkError::malformed);
}

TEST_F(S3ExamplesTest, AnythingChangedDoesNotMatch) {
  HttpRequest path = get_example();
  path.set_target("/test.txu");
  EXPECT_EQ(failure(path), AuthError::mismatch);
  HttpRequest query = get_example();
  query.set_target("/test.txt?acl");
  EXPECT_EQ(failure(query), AuthError::mismatch);
  HttpRequest method = get_example();
  method.method = "DELETE";
  EXPECT_EQ(failure(method), AuthError::mismatch);
  HttpRequest header = get_example();
  header.headers.set("Range", "bytes=0-8");
  EXPECT_EQ(failure(header), AuthError::mismatch);
  HttpRequest body = get_example();
  body.body = "x";
  EXPECT_EQ(failure(body), AuthError::payload_mismatch);
  HttpRequest unsigned_header = get_example();
  unsigned_header.headers.add("x-amz-copy-source", "/b/k");
  EXPECT_EQ(failure(unsigned_header), AuthError::unsigned_header);
}

TEST_F(S3ExamplesTest, WhoAndWhenMustBeRight) {
  EXPECT_EQ(failure(make_request("GET", "/test.txt")), AuthError::missing);
  clock_.wall_ms_ += 15 * 60 * 1000;
  EXPECT_EQ(failure(get_example()), std::nullopt);
  clock_.wall_ms_ += 1;
  EXPECT_EQ(failure(get_example()), AuthError::skewed);
  clock_.wall_ms_ -= 30 * 60 * 1000 + 2;
  EXPECT_EQ(failure(get_example()), AuthError::skewed);
  clock_.wall_ms_ = *parse_amz_date("20130524T000000Z");
  credentials_ = Credentials();
  EXPECT_EQ(failure(get_example()), AuthError::unknown_key);
  credentials_.add("AKIAIOSFODNN7EXAMPLE", "another secret");
  EXPECT_EQ(failure(get_example()), AuthError::mismatch);

  SigV4Verifier elsewhere(credentials_, clock_, {.region = "eu-central-1", .service = "s3"});
  const auto verified = elsewhere.verify(get_example());
  EXPECT_EQ(std::get<AuthFailure>(verified).error, AuthError::wrong_scope);
}

TEST_F(S3ExamplesTest, MalformedClaimsAreRefused) {
  for (const std::string value :
       {"", "Basic dXNlcg==", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x",
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=x-amz-date, Signature=x"}) {
    HttpRequest request = get_example();
    request.headers.set("Authorization", value);
    EXPECT_EQ(failure(request), AuthError::malformed) << value;
  }
}

TEST(SigV4TestSuite, Vanilla) {
  const WallClock clock("20150830T123600Z");
  Credentials credentials;
  credentials.add("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
  SigV4Verifier verifier(credentials, clock, {.region = "us-east-1", .service = "service"});
  const auto matches = [&](const std::string& target, const std::string& signature) {
    return std::holds_alternative<Authentication>(verifier.verify(make_request(
        "GET", target,
        {{"Host", "example.amazonaws.com"},
         {"X-Amz-Date", "20150830T123600Z"},
         {"Authorization",
          "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
          "SignedHeaders=host;x-amz-date, Signature=" +
              signature}})));
  };
  EXPECT_TRUE(matches("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"));
  EXPECT_TRUE(matches("/?Param2=value2&Param1=value1",
                      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"));
  EXPECT_FALSE(matches("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf32"));
}

TEST(SigV4Signer, WhatItSignsIsVerified) {
  const WallClock clock("20240102T030405Z");
  Credentials credentials;
  credentials.add("key", "secret");
  SigV4Verifier verifier(credentials, clock, {.region = "r", .service = "s3"});
  const SigV4Signer signer{"key", "secret", "r", "s3"};

  HttpRequest put = make_request("PUT", "/b/a%20k?x-id=PutObject", {{"Host", "h:1"}}, "body");
  put.headers.add("x-amz-meta-a", "  two   words ");
  sign_request(put, signer, clock.wall_ms_);
  EXPECT_TRUE(std::holds_alternative<Authentication>(verifier.verify(put)));

  HttpRequest get = make_request("GET", "/b/k", {{"Host", "h:1"}});
  presign_request(get, signer, clock.wall_ms_, 60);
  EXPECT_TRUE(std::holds_alternative<Authentication>(verifier.verify(get)));
  get.set_target(get.target + "0");
  EXPECT_TRUE(std::holds_alternative<AuthFailure>(verifier.verify(get)));
}

TEST(Digest, KnownAnswers) {
  EXPECT_EQ(to_hex(md5("abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(to_hex(sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(to_hex(sha256("")), kEmptyHash);
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");  // RFC 4231
  EXPECT_EQ(crc32("123456789"), 0xCBF43926u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
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
