// Presigned URLs whose query has what else are headers.
#include "core/api/digest.h"
#include "core/api/s3_request.h"
#include "tests/core/api/s3_fixture.h"

namespace keelson::api {
namespace {

class S3PresignedTest : public S3Fixture {
 protected:
  S3PresignedTest() {
    credentials_.add("key", "secret");
    closed_ = make(&credentials_, {});
  }

  HttpRequest presigned(const std::string& method, const std::string& target,
                        const std::string& body = "", HttpHeaders headers = {}) {
    headers.add("Host", "localhost");
    HttpRequest request = make_request(method, target, std::move(headers), body);
    presign_request(request, {"key", "secret", "us-east-1", "s3"}, clock_.wall_ms(), 60);
    return request;
  }
  HttpResponse put_at(const std::string& parameters, const std::string& body) {
    return ask(*closed_, presigned("PUT", "/bucket/key?" + parameters, body));
  }
  HttpResponse head() { return ask(*closed_, presigned("HEAD", "/bucket/key")); }

  Credentials credentials_;
  std::unique_ptr<S3Adapter> closed_;
};

TEST_F(S3PresignedTest, MetadataAndTagsAreKept) {
  EXPECT_EQ(put_at("x-amz-meta-colour=light%20blue&X-Amz-Meta-Size=3&x-amz-tagging=a%3D1%26b%3D2"
                   "&x-amz-acl=private&x-amz-storage-class=STANDARD",
                   "x")
                .status,
            200);
  EXPECT_EQ(head().headers.get("x-amz-meta-colour"), "light blue");
  EXPECT_EQ(head().headers.get("x-amz-meta-size"), "3");
  EXPECT_EQ(head().headers.get("x-amz-tagging-count"), "2");
}

TEST_F(S3PresignedTest, ChecksumsAreCompared) {
  const std::string claim =
      "x-amz-checksum-crc32=" + percent_encode(base64_encode(digest(DigestKind::crc32, "x"))) +
      "&x-amz-sdk-checksum-algorithm=CRC32";
  EXPECT_EQ(error_of(put_at(claim, "y")), "400 BadDigest");
  EXPECT_EQ(error_of(put_at("x-amz-sdk-checksum-algorithm=CRC32", "x")), "400 InvalidRequest");
  EXPECT_EQ(error_of(put_at("x-amz-checksum-crc32=nonsense", "x")), "400 InvalidRequest");
  EXPECT_EQ(error_of(head()), "404 NoSuchKey");
  EXPECT_EQ(put_at(claim, "x").status, 200);
  const HttpResponse got =
      ask(*closed_, presigned("GET", "/bucket/key?x-amz-checksum-mode=ENABLED"));
  EXPECT_EQ(got.headers.get("x-amz-checksum-crc32"),
            base64_encode(digest(DigestKind::crc32, "x")));
}

TEST_F(S3PresignedTest, TheChecksumOfABodyThatWasNotThereYetIsNoChecksum) {
  EXPECT_EQ(put_at("x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32", "x")
                .status,
            200);
  EXPECT_EQ(error_of(put_at("x-amz-checksum-crc32=AAAAAQ%3D%3D", "y")), "400 BadDigest");
  EXPECT_EQ(ask(*closed_, presigned("GET", "/bucket/key")).body, "x");
}

TEST_F(S3PresignedTest, ACopyIsACopy) {
  put("text", {{"x-amz-tagging", "a=1"}});
  const HttpResponse copied = ask(
      *closed_, presigned("PUT", "/bucket/copy?x-amz-copy-source=%2Fbucket%2Fkey"
                                 "&x-amz-tagging-directive=REPLACE&x-amz-tagging=b%3D1%26c%3D1"));
  EXPECT_EQ(xml_of(copied).name, "CopyObjectResult");
  const HttpResponse got = ask("GET", "/bucket/copy");
  EXPECT_EQ(got.body, "text");
  EXPECT_EQ(got.headers.get("x-amz-tagging-count"), "2");
}

TEST_F(S3PresignedTest, WhatIsNotSupportedIsRefusedThereToo) {
  for (const std::string parameter :
       {"x-amz-acl=public-read", "x-amz-server-side-encryption=AES256", "x-amz-new-thing=1",
        "x-amz-storage-class=GLACIER", "x-amz-copy-source-range=bytes%3D0-1",
        "x-amz-content-sha256=UNSIGNED-PAYLOAD", "Content-MD5=x", "unknown=1"}) {
    EXPECT_EQ(error_of(put_at(parameter, "x")), "501 NotImplemented") << parameter;
  }
  EXPECT_EQ(error_of(put_at("X-Amz-Security-Token=t", "x")), "400 InvalidToken");
  EXPECT_EQ(error_of(put_at("x-amz-security-token=t", "x")), "400 InvalidToken");
  EXPECT_EQ(error_of(put_at("x-amz-meta-a=1&X-Amz-Meta-A=2", "x")), "400 InvalidArgument");
  HttpRequest both = presigned("PUT", "/bucket/key?x-amz-meta-a=1", "x", {{"x-amz-meta-a", "1"}});
  EXPECT_EQ(error_of(ask(*closed_, both)), "400 InvalidArgument");
  EXPECT_EQ(error_of(head()), "404 NoSuchKey");
}

TEST_F(S3PresignedTest, EachWayToSignWronglyHasItsCode) {
  put("x");
  HttpRequest expired = presigned("GET", "/bucket/key");
  HttpRequest ambiguous = expired;
  sign_request(ambiguous, {"key", "secret", "us-east-1", "s3"}, clock_.wall_ms());
  EXPECT_EQ(error_of(ask(*closed_, ambiguous)), "400 InvalidArgument");
  EXPECT_EQ(error_of(ask(*closed_, expired)), "200 ");
  clock_.advance_to(clock_.now() + std::chrono::seconds(61));
  EXPECT_EQ(error_of(ask(*closed_, expired)), "403 AccessDenied");

  const auto in_header = [&](const std::string& name, const std::string& value) {
    HttpRequest request = make_request("GET", "/bucket/key", {{"Host", "localhost"}});
    sign_request(request, {"key", "secret", "us-east-1", "s3"}, clock_.wall_ms());
    request.headers.set(name, value);
    return error_of(ask(*closed_, request));
  };
  EXPECT_EQ(in_header("Authorization", "AWS key:signature"), "400 InvalidRequest");
  EXPECT_EQ(in_header("Authorization", "AWS4-HMAC-SHA256 Credential=x"),
            "400 AuthorizationHeaderMalformed");
  EXPECT_EQ(in_header("x-amz-content-sha256", ""), "400 InvalidRequest");
  EXPECT_EQ(in_header("x-amz-content-sha256", "none"), "400 InvalidArgument");
  EXPECT_EQ(in_header("x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"),
            "501 NotImplemented");
  EXPECT_EQ(in_header("x-amz-date", "yesterday"), "403 AccessDenied");
  EXPECT_EQ(in_header("x-amz-checksum-mode", "ENABLED"), "403 AccessDenied") << "not signed";
  EXPECT_EQ(in_header("Range", "bytes=0-0"), "206 ") << "need not be";
}

TEST_F(S3PresignedTest, TheQueryIsSignedAndOnlyThenIsItTakenForHeaders) {
  HttpRequest request = presigned("PUT", "/bucket/key?x-amz-meta-a=1", "x");
  request.set_target(request.target + "&x-amz-meta-b=1");
  EXPECT_EQ(error_of(ask(*closed_, request)), "403 SignatureDoesNotMatch");
  HttpRequest signed_in_header =
      make_request("PUT", "/bucket/key?x-amz-meta-a=1", {{"Host", "localhost"}}, "x");
  sign_request(signed_in_header, {"key", "secret", "us-east-1", "s3"}, clock_.wall_ms());
  EXPECT_EQ(error_of(ask(*closed_, signed_in_header)), "501 NotImplemented");
  EXPECT_EQ(error_of(ask("PUT", "/bucket/key?x-amz-meta-a=1", {}, "x")), "501 NotImplemented");
}

}  // namespace
}  // namespace keelson::api
