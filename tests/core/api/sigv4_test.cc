// The signatures here are those that AWS has published: of the test suite "aws-sig-v4-test-suite",
// and of the examples in the S3 API reference.
#include "core/api/sigv4.h"

#include <gtest/gtest.h>

#include "core/api/date.h"
#include "core/base/digest.h"
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
  const auto verified = verifier_.verify(request);
  ASSERT_TRUE(std::holds_alternative<Authentication>(verified));
  EXPECT_EQ(std::get<Authentication>(verified).payload, PayloadKind::whole);
  EXPECT_EQ(std::get<Authentication>(verified).payload_sha256, to_hex(sha256(request.body)));
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
       {"", "Basic dXNlcg==", "AWS AKIAIOSFODNN7EXAMPLE:x=", "AWS4-HMAC-SHA256"}) {
    HttpRequest request = get_example();
    request.headers.set("Authorization", value);
    EXPECT_EQ(failure(request), AuthError::unsupported) << value;
  }
  for (const std::string value :
       {"AWS4-HMAC-SHA256 Credential=a",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x",
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=x-amz-date, Signature=x"}) {
    HttpRequest request = get_example();
    request.headers.set("Authorization", value);
    EXPECT_EQ(failure(request), AuthError::malformed) << value;
  }
}

TEST_F(S3ExamplesTest, WhatMustBeThereIsMissed) {
  HttpRequest date = get_example();
  date.headers.set("x-amz-date", "yesterday");
  EXPECT_EQ(failure(date), AuthError::no_date);
  HttpRequest hash = get_example();
  hash.headers.set("x-amz-content-sha256", "");
  EXPECT_EQ(failure(hash), AuthError::no_payload_hash);
  hash.headers.set("x-amz-content-sha256", "0123");
  EXPECT_EQ(failure(hash), AuthError::bad_payload_hash);
  HttpRequest both = get_example();
  both.set_target("/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256");
  EXPECT_EQ(failure(both), AuthError::ambiguous);
}

TEST_F(S3ExamplesTest, PresignedRequestsLiveForAWeekAtMost) {
  const SigV4Signer signer{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
  const auto presigned = [&](int seconds) {
    HttpRequest request = make_request("PUT", "/b/k", {{"Host", "h"}}, "body");
    presign_request(request, signer, clock_.wall_ms_, seconds);
    return failure(request);
  };
  EXPECT_EQ(presigned(7 * 24 * 3600), std::nullopt);
  EXPECT_EQ(presigned(7 * 24 * 3600 + 1), AuthError::malformed);
  EXPECT_EQ(presigned(0), AuthError::malformed);
}

TEST_F(S3ExamplesTest, APresignedHashOfTheBodyMayBeAParameter) {
  const SigV4Signer signer{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
  HttpRequest request = make_request(
      "PUT", "/b/k?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD", {{"Host", "h"}}, "body");
  presign_request(request, signer, clock_.wall_ms_, 60);
  const auto verified = verifier_.verify(request);
  ASSERT_TRUE(std::holds_alternative<Authentication>(verified));
  EXPECT_EQ(std::get<Authentication>(verified).payload, PayloadKind::unsigned_payload);
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

}  // namespace
}  // namespace keelson::api
