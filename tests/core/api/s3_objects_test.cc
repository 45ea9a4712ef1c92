// What an object says of itself; more of objects is in s3_adapter_test.cc.
#include "core/api/s3_objects.h"

#include "core/api/digest.h"
#include "tests/core/api/s3_fixture.h"

namespace keelson::api {
namespace {

class S3ObjectsTest : public S3Fixture {
 protected:
  S3ObjectsTest() : S3Fixture({.chunk_bytes = 8, .inline_bytes_max = 4, .part_bytes_min = 2}) {}

  const HttpHeaders described_ = {{"Content-Type", "text/x"},
                                  {"Cache-Control", "no-store"},
                                  {"Content-Disposition", "attachment; filename=\"a b\""},
                                  {"Content-Encoding", "gzip"},
                                  {"Content-Language", "de"},
                                  {"Expires", "Tue, 14 Nov 2023 22:13:20 GMT"},
                                  {"x-amz-meta-a", "b"}};
};

TEST_F(S3ObjectsTest, EveryHeaderThatDescribesItIsKeptHoweverItWasMade) {
  put("small", described_);
  const HttpResponse begun = ask("POST", "/bucket/parts?uploads", described_);
  const std::string target =
      "/bucket/parts?uploadId=" + std::string(parse_xml(begun.body)->get("UploadId"));
  const std::string etag(ask("PUT", target + "&partNumber=1", {}, "part").headers.get("ETag"));
  xml_of(ask("POST", target, {},
             "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + etag +
                 "</ETag></Part></CompleteMultipartUpload>"));
  ask("PUT", "/bucket/copy", {{"x-amz-copy-source", "bucket/key"}});
  HttpHeaders replaced = described_;
  replaced.add("x-amz-copy-source", "bucket/parts");
  replaced.add("x-amz-metadata-directive", "REPLACE");
  ask("PUT", "/bucket/replaced", replaced);
  for (const std::string key : {"key", "parts", "copy", "replaced"}) {
    for (const std::string method : {"GET", "HEAD"}) {
      const HttpResponse got = ask(method, "/bucket/" + key);
      for (const auto& [name, value] : described_) {
        EXPECT_EQ(got.headers.get(name), value) << key << " " << name;
        EXPECT_EQ(got.headers.count(name), 1u) << key << " " << name;
      }
    }
  }
}

TEST_F(S3ObjectsTest, WithoutATypeItIsOctets) {
  put("x");
  EXPECT_EQ(ask("GET", "/bucket/key").headers.get("Content-Type"), "binary/octet-stream");
}

TEST_F(S3ObjectsTest, AnAnswerLooksAsWhoeverAsksWants) {
  put("a body of three chunks", described_);
  const std::string query =
      "?response-content-type=text/y&response-cache-control=max-age%3D1"
      "&response-content-disposition=inline&response-content-encoding=br"
      "&response-content-language=fr&response-expires=0";
  for (const std::string range : {"", "bytes=2-5"}) {
    HttpHeaders headers;
    if (!range.empty()) headers.add("Range", range);
    const HttpResponse got = ask("GET", "/bucket/key" + query, headers);
    EXPECT_EQ(got.headers.get("Content-Type"), "text/y");
    EXPECT_EQ(got.headers.get("Cache-Control"), "max-age=1");
    EXPECT_EQ(got.headers.get("Content-Disposition"), "inline");
    EXPECT_EQ(got.headers.get("Content-Encoding"), "br");
    EXPECT_EQ(got.headers.get("Content-Language"), "fr");
    EXPECT_EQ(got.headers.get("Expires"), "0");
    EXPECT_EQ(got.headers.count("Content-Type"), 1u);
  }
  EXPECT_EQ(ask("HEAD", "/bucket/key").headers.get("Content-Type"), "text/x") << "only that one";
}

TEST_F(S3ObjectsTest, ARangeOfItHasNoChecksumOfIt) {
  put("a body of three chunks",
      {{"x-amz-checksum-crc32",
        base64_encode(digest(DigestKind::crc32, "a body of three chunks"))}});
  const HttpResponse part =
      ask("GET", "/bucket/key", {{"Range", "bytes=2-5"}, {"x-amz-checksum-mode", "ENABLED"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.headers.find("x-amz-checksum-crc32"), nullptr) << "clients would compare it";
  const HttpResponse whole = ask("GET", "/bucket/key", {{"x-amz-checksum-mode", "ENABLED"}});
  EXPECT_NE(whole.headers.find("x-amz-checksum-crc32"), nullptr);
}

TEST_F(S3ObjectsTest, TheNullVersionIsTheObject) {
  put("x");
  EXPECT_EQ(body_of(ask("GET", "/bucket/key?versionId=null")), "x");
  EXPECT_EQ(ask("HEAD", "/bucket/key?versionId=null").status, 200);
  EXPECT_EQ(error_of(ask("DELETE", "/bucket/key?versionId=other")), "400 InvalidArgument");
  EXPECT_EQ(ask("GET", "/bucket/key").status, 200);
  EXPECT_EQ(ask("DELETE", "/bucket/key?versionId=null").status, 204);
  EXPECT_EQ(error_of(ask("GET", "/bucket/key?versionId=null")), "404 NoSuchKey");
}

TEST_F(S3ObjectsTest, WhatTheServerItselfRefusesHasAnIdToo) {
  for (const int status : {400, 408, 413, 414, 431, 501, 503, 505}) {
    const HttpResponse refused =
        s3_->refusal(make_request("PUT", "/bucket/key"), status, "as told");
    EXPECT_EQ(refused.headers.get("x-amz-request-id").size(), 16u);
    EXPECT_EQ(parse_xml(refused.body)->get("RequestId"), refused.headers.get("x-amz-request-id"));
    EXPECT_EQ(parse_xml(refused.body)->get("Resource"), "/bucket/key");
  }
}

}  // namespace
}  // namespace keelson::api
