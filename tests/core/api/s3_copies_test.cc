// Copies of objects and of parts, with chunks of a few octets.
#include "core/api/s3_copies.h"

#include "core/api/digest.h"
#include "core/api/xml.h"
#include "tests/core/api/s3_fixture.h"

namespace keelson::api {
namespace {

class S3CopiesTest : public S3Fixture {
 protected:
  S3CopiesTest() : S3Fixture({.chunk_bytes = 8, .inline_bytes_max = 4, .part_bytes_min = 2}) {}

  HttpResponse copy(const std::string& source, const std::string& to, HttpHeaders headers = {}) {
    headers.add("x-amz-copy-source", source);
    return ask("PUT", to, std::move(headers));
  }
  static std::string etag_of(const std::string& body) { return '"' + to_hex(md5(body)) + '"'; }

  const std::string text_ = "a body of four chunks, nearly";
};

TEST_F(S3CopiesTest, OctetsAndHeadersAreCopied) {
  for (const std::string& text : {std::string(), std::string("abc"), text_}) {
    put(text, {{"Content-Type", "text/x"}, {"x-amz-meta-a", "b"}});
    const HttpResponse copied = copy("/bucket/key", "/bucket/a%20copy");
    ASSERT_EQ(copied.status, 200) << copied.body;
    const auto xml = parse_xml(copied.body);
    EXPECT_EQ(xml->name, "CopyObjectResult");
    EXPECT_EQ(xml->get("ETag"), etag_of(text));
    EXPECT_EQ(xml->get("LastModified"), "2023-11-14T22:13:20.000Z");
    HttpResponse got = ask("GET", "/bucket/a%20copy");
    EXPECT_EQ(got.headers.get("Content-Type"), "text/x");
    EXPECT_EQ(got.headers.get("x-amz-meta-a"), "b");
    ask("DELETE", "/bucket/key");
    EXPECT_EQ(body_of(std::move(got)), text) << "every blob has one owner";
  }
}

TEST_F(S3CopiesTest, MetadataIsReplacedWhenAskedFor) {
  put(text_, {{"x-amz-meta-a", "b"}});
  EXPECT_EQ(error_of(copy("bucket/key", "/bucket/key")), "400 InvalidRequest");
  EXPECT_EQ(error_of(copy("bucket/key", "/bucket/key", {{"x-amz-metadata-directive", "MOVE"}})),
            "400 InvalidArgument");
  EXPECT_EQ(copy("bucket/key?versionId=null", "/bucket/key",
                 {{"x-amz-metadata-directive", "REPLACE"}, {"x-amz-meta-c", "d"}})
                .status,
            200);
  HttpResponse got = ask("GET", "/bucket/key");
  EXPECT_EQ(got.headers.find("x-amz-meta-a"), nullptr);
  EXPECT_EQ(got.headers.get("x-amz-meta-c"), "d");
  EXPECT_EQ(body_of(std::move(got)), text_);
}

TEST_F(S3CopiesTest, AStorageClassIsReasonEnoughToCopyAnObjectToItself) {
  put(text_, {{"x-amz-meta-a", "b"}});
  clock_.advance_to(clock_.now() + std::chrono::seconds(60));
  EXPECT_EQ(copy("bucket/key", "/bucket/key", {{"x-amz-storage-class", "STANDARD"}}).status, 200);
  HttpResponse got = ask("GET", "/bucket/key");
  EXPECT_EQ(got.headers.get("x-amz-meta-a"), "b");
  EXPECT_EQ(got.headers.get("Last-Modified"), "Tue, 14 Nov 2023 22:14:20 GMT");
  EXPECT_EQ(body_of(std::move(got)), text_);
}

// The API reference, of CopyObject: of both pairs the ETag decides.
TEST_F(S3CopiesTest, ConditionsOnTheSourceDisplaceEachOther) {
  put(text_);
  const std::string etag = etag_of(text_), other = "\"other\"";
  const std::string before = "Tue, 14 Nov 2023 22:13:19 GMT", at = "Tue, 14 Nov 2023 22:13:20 GMT";
  const auto with = [&](HttpHeaders headers) {
    return error_of(copy("/bucket/key", "/bucket/copy", std::move(headers)));
  };
  EXPECT_EQ(with({{"x-amz-copy-source-if-match", etag},
                  {"x-amz-copy-source-if-unmodified-since", before}}),
            "200 ");
  EXPECT_EQ(with({{"x-amz-copy-source-if-none-match", etag},
                  {"x-amz-copy-source-if-modified-since", before}}),
            "412 PreconditionFailed");
  EXPECT_EQ(with({{"x-amz-copy-source-if-none-match", other},
                  {"x-amz-copy-source-if-modified-since", at}}),
            "200 ");
}

TEST_F(S3CopiesTest, ConditionsOnTheSourceAndOnTheTarget) {
  put(text_);
  const std::string etag = etag_of(text_);
  const auto with = [&](HttpHeaders headers) {
    return error_of(copy("/bucket/key", "/bucket/copy", std::move(headers)));
  };
  EXPECT_EQ(with({{"x-amz-copy-source-if-match", etag}}), "200 ");
  EXPECT_EQ(with({{"x-amz-copy-source-if-match", "\"other\""}}), "412 PreconditionFailed");
  EXPECT_EQ(with({{"x-amz-copy-source-if-none-match", etag}}), "412 PreconditionFailed");
  EXPECT_EQ(with({{"x-amz-copy-source-if-modified-since", "Tue, 14 Nov 2023 22:13:20 GMT"}}),
            "412 PreconditionFailed");
  EXPECT_EQ(with({{"x-amz-copy-source-if-unmodified-since", "Tue, 14 Nov 2023 22:13:19 GMT"}}),
            "412 PreconditionFailed");
  EXPECT_EQ(with({{"If-None-Match", "*"}}), "412 PreconditionFailed");
  EXPECT_EQ(with({{"If-Match", etag}}), "200 ");
}

TEST_F(S3CopiesTest, ASourceThatIsNoneIsRefused) {
  put(text_);
  for (const std::string source : {"key", "/bucket", "/bucket/", "//key", "%zz/key"}) {
    EXPECT_EQ(error_of(copy(source, "/bucket/copy")), "400 InvalidArgument") << source;
  }
  EXPECT_EQ(error_of(copy("/bucket/key?versionId=1", "/bucket/copy")), "400 InvalidArgument");
  EXPECT_EQ(error_of(copy("/bucket/nothing", "/bucket/copy")), "404 NoSuchKey");
  EXPECT_EQ(error_of(copy("/nobody/key", "/bucket/copy")), "404 NoSuchBucket");
  EXPECT_EQ(error_of(copy("/bucket/key", "/nobody/copy")), "404 NoSuchBucket");
}

TEST_F(S3CopiesTest, PartsAreCopiedFromRanges) {
  put(text_);
  const HttpResponse begun = ask("POST", "/bucket/whole?uploads");
  const std::string upload(parse_xml(begun.body)->get("UploadId"));
  const std::string target = "/bucket/whole?uploadId=" + upload + "&partNumber=";
  const auto copied =
      copy("/bucket/key", target + "1", {{"x-amz-copy-source-range", "bytes=2-12"}});
  ASSERT_EQ(copied.status, 200) << copied.body;
  EXPECT_EQ(parse_xml(copied.body)->name, "CopyPartResult");
  EXPECT_EQ(copy("/bucket/key", target + "2").status, 200);
  for (const std::string range : {"bytes=2-", "bytes=-3", "bytes=0-29", "bytes=5-4", "2-3"}) {
    EXPECT_EQ(error_of(copy("/bucket/key", target + "3", {{"x-amz-copy-source-range", range}})),
              "400 InvalidArgument")
        << range;
  }
  const HttpResponse done =
      ask("POST", "/bucket/whole?uploadId=" + upload, {},
          "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" +
              etag_of(text_.substr(2, 11)) + "</ETag></Part><Part><PartNumber>2</PartNumber>"
              "<ETag>" + etag_of(text_) + "</ETag></Part></CompleteMultipartUpload>");
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(body_of(ask("GET", "/bucket/whole")), text_.substr(2, 11) + text_);
}

}  // namespace
}  // namespace keelson::api
