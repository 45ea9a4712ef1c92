// Uploads in parts, with parts of a few octets.
#include "core/api/s3_multipart.h"

#include <functional>

#include "core/api/digest.h"
#include "core/api/xml.h"
#include "tests/core/api/s3_fixture.h"

namespace keelson::api {
namespace {

class S3MultipartTest : public S3Fixture {
 protected:
  S3MultipartTest() : S3Fixture({.chunk_bytes = 8, .inline_bytes_max = 4, .part_bytes_min = 10}) {}

  std::string begin(HttpHeaders headers = {}) {
    const HttpResponse begun = ask("POST", "/bucket/key?uploads", std::move(headers));
    EXPECT_EQ(begun.status, 200) << begun.body;
    const auto xml = parse_xml(begun.body);
    EXPECT_EQ(xml->name, "InitiateMultipartUploadResult");
    EXPECT_EQ(xml->get("Bucket"), "bucket");
    EXPECT_EQ(xml->get("Key"), "key");
    return std::string(xml->get("UploadId"));
  }
  HttpResponse part(const std::string& upload, int number, const std::string& body) {
    return ask("PUT",
               "/bucket/key?partNumber=" + std::to_string(number) + "&uploadId=" + upload, {},
               body);
  }
  static std::string etag_of(const std::string& body) { return '"' + to_hex(md5(body)) + '"'; }
  using Asked = std::vector<std::pair<int, std::string>>;  // Number and ETag.
  HttpResponse complete(const std::string& upload, const Asked& parts, HttpHeaders headers = {}) {
    XmlWriter xml("CompleteMultipartUpload");
    for (const auto& [number, etag] : parts) {
      xml.begin("Part");
      xml.add("PartNumber", std::to_string(number));
      xml.add("ETag", etag);
      xml.end();
    }
    return ask("POST", "/bucket/key?uploadId=" + upload, std::move(headers), xml.finish());
  }

  const std::string first_ = "the first part", second_ = "second part", last_ = "end";
};

TEST_F(S3MultipartTest, PartsBecomeAnObjectInOneStep) {
  const std::string upload = begin({{"Content-Type", "text/x"}, {"x-amz-meta-a", "b"}});
  EXPECT_EQ(part(upload, 7, last_).headers.get("ETag"), etag_of(last_));
  EXPECT_EQ(part(upload, 1, first_).status, 200);
  EXPECT_EQ(part(upload, 2, "not this one at all").status, 200);
  EXPECT_EQ(part(upload, 2, second_).status, 200);
  EXPECT_EQ(part(upload, 3, "not asked for").status, 200);
  EXPECT_EQ(error_of(ask("GET", "/bucket/key")), "404 NoSuchKey");
  const auto before = store_.version;
  const HttpResponse done =
      complete(upload, {{1, etag_of(first_)}, {2, etag_of(second_)}, {7, to_hex(md5(last_))}});
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(store_.version, before + 1);
  const std::string etag =
      '"' + to_hex(md5(md5(first_) + md5(second_) + md5(last_))) + "-3\"";
  EXPECT_EQ(parse_xml(done.body)->get("ETag"), etag);
  HttpResponse got = ask("GET", "/bucket/key");
  EXPECT_EQ(got.headers.get("ETag"), etag);
  EXPECT_EQ(got.headers.get("Content-Type"), "text/x");
  EXPECT_EQ(got.headers.get("x-amz-meta-a"), "b");
  EXPECT_EQ(body_of(std::move(got)), first_ + second_ + last_);
  EXPECT_EQ(body_of(ask("GET", "/bucket/key", {{"Range", "bytes=12-17"}})),
            (first_ + second_).substr(12, 6));
  HttpResponse one = ask("GET", "/bucket/key?partNumber=2");
  EXPECT_EQ(one.status, 206);
  EXPECT_EQ(one.headers.get("x-amz-mp-parts-count"), "3");
  EXPECT_EQ(body_of(std::move(one)), second_);
  EXPECT_EQ(error_of(ask("GET", "/bucket/key?partNumber=4")), "416 InvalidRange");
}

TEST_F(S3MultipartTest, WhoDidNotHearTheAnswerAsksAgain) {
  const std::string upload = begin();
  part(upload, 1, first_);
  const HttpResponse done = complete(upload, {{1, etag_of(first_)}});
  put("another object by now");
  const HttpResponse again = complete(upload, {{1, etag_of(first_)}});
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.body, done.body);
  EXPECT_EQ(body_of(ask("GET", "/bucket/key")), "another object by now");
  EXPECT_EQ(error_of(part(upload, 2, last_)), "404 NoSuchUpload");
  EXPECT_EQ(error_of(ask("DELETE", "/bucket/key?uploadId=" + upload)), "404 NoSuchUpload");
}

TEST_F(S3MultipartTest, WhatDoesNotFitIsRefusedAndTheUploadStays) {
  const std::string upload = begin();
  part(upload, 1, first_);
  part(upload, 2, last_);
  part(upload, 3, last_);
  EXPECT_EQ(error_of(complete(upload, {{1, etag_of(last_)}})), "400 InvalidPart");
  EXPECT_EQ(error_of(complete(upload, {{4, etag_of(last_)}})), "400 InvalidPart");
  EXPECT_EQ(error_of(complete(upload, {{0, etag_of(last_)}})), "400 InvalidPart");
  EXPECT_EQ(error_of(complete(upload, {{2, etag_of(last_)}, {1, etag_of(first_)}})),
            "400 InvalidPartOrder");
  EXPECT_EQ(error_of(complete(upload, {{1, etag_of(first_)}, {1, etag_of(first_)}})),
            "400 InvalidPartOrder");
  EXPECT_EQ(error_of(complete(upload, {{2, etag_of(last_)}, {3, etag_of(last_)}})),
            "400 EntityTooSmall");
  EXPECT_EQ(error_of(complete(upload, {})), "400 MalformedXML");
  EXPECT_EQ(error_of(ask("POST", "/bucket/key?uploadId=" + upload, {}, "<x")),
            "400 MalformedXML");
  for (const std::string size : {"1", "many", ""}) {
    EXPECT_EQ(error_of(complete(upload, {{1, etag_of(first_)}}, {{"x-amz-mp-object-size", size}})),
              "400 InvalidRequest")
        << size;
  }
  for (const std::string number : {"0", "10001", "x", "-1", ""}) {
    EXPECT_EQ(error_of(ask("PUT", "/bucket/key?partNumber=" + number + "&uploadId=" + upload, {},
                           "x")),
              "400 InvalidArgument");
  }
  EXPECT_EQ(complete(upload, {{1, etag_of(first_)}, {2, etag_of(last_)}}).status, 200);
}

TEST_F(S3MultipartTest, AnObjectHas5TebibytesAtMost) {
  const std::string upload = begin();
  const Bytes id = *parse_id(upload);
  // Parts that nobody could send in a test.
  constexpr std::uint64_t kGibibyte = std::uint64_t{1} << 30;
  Asked asked;
  for (int number = 1; number <= 1024; ++number) {
    part(upload, number, first_);
    PartRecord record =
        *PartRecord::decode(store_.values[part_record_key("bucket", id, number)].value);
    record.size = 5 * kGibibyte + (number == 1 ? 1 : 0);
    store_.values[part_record_key("bucket", id, number)].value = record.encode();
    asked.emplace_back(number, etag_of(first_));
  }
  EXPECT_EQ(error_of(complete(upload, asked)), "400 EntityTooLarge");
  asked.pop_back();
  EXPECT_EQ(complete(upload, asked).status, 200);
}

TEST_F(S3MultipartTest, AnUploadThatIsNoneIsRefused) {
  const std::string upload = begin();
  for (const std::string& id : {std::string("x"), std::string(32, '0'), std::string(31, '0')}) {
    EXPECT_EQ(error_of(part(id, 1, first_)), "404 NoSuchUpload");
    EXPECT_EQ(error_of(complete(id, {{1, etag_of(first_)}})), "404 NoSuchUpload");
    EXPECT_EQ(error_of(ask("DELETE", "/bucket/key?uploadId=" + id)), "404 NoSuchUpload");
  }
  EXPECT_EQ(error_of(ask("DELETE", "/bucket/other?uploadId=" + upload)), "404 NoSuchUpload");
  EXPECT_EQ(ask("DELETE", "/bucket/key?uploadId=" + upload).status, 204);
  EXPECT_EQ(error_of(ask("DELETE", "/bucket/key?uploadId=" + upload)), "404 NoSuchUpload");
  EXPECT_EQ(error_of(part(upload, 1, first_)), "404 NoSuchUpload");
  EXPECT_EQ(error_of(ask("POST", "/nobody/key?uploads")), "404 NoSuchBucket");
  EXPECT_EQ(error_of(ask("DELETE", "/nobody/key?uploadId=x")), "404 NoSuchBucket");
}

TEST_F(S3MultipartTest, AnUploadOfABucketThatWasDeletedIsNone) {
  const std::string upload = begin();
  part(upload, 1, first_);
  store_.values[bucket_record_key("bucket")].value = BucketRecord{.created_ms = 1}.encode();
  EXPECT_EQ(error_of(complete(upload, {{1, etag_of(first_)}})), "404 NoSuchUpload");
}

TEST_F(S3MultipartTest, APartThatComesWhileTheUploadIsCompletedIsNotOverlooked) {
  const std::string upload = begin();
  part(upload, 1, first_);
  // Between the look at the parts and the log the part becomes another one.
  store_.before_execute = [&] {
    store_.before_execute = nullptr;
    part(upload, 1, second_);
  };
  EXPECT_EQ(error_of(complete(upload, {{1, etag_of(first_)}})), "400 InvalidPart");
  EXPECT_EQ(error_of(ask("GET", "/bucket/key")), "404 NoSuchKey");
  EXPECT_EQ(complete(upload, {{1, etag_of(second_)}}).status, 200);
}

TEST_F(S3MultipartTest, AnAbortWinsOrLosesAgainstAPart) {
  const std::string upload = begin();
  store_.before_execute = [&] {
    store_.before_execute = nullptr;
    EXPECT_EQ(ask("DELETE", "/bucket/key?uploadId=" + upload).status, 204);
  };
  EXPECT_EQ(error_of(part(upload, 1, first_)), "404 NoSuchUpload");
}

TEST_F(S3MultipartTest, ConditionsOfTheObjectAreDecidedWhenTheUploadIsCompleted) {
  const std::string upload = begin();
  part(upload, 1, first_);
  put("in the way");
  EXPECT_EQ(error_of(complete(upload, {{1, etag_of(first_)}}, {{"If-None-Match", "*"}})),
            "412 PreconditionFailed");
  const std::string etag(ask("HEAD", "/bucket/key").headers.get("ETag"));
  EXPECT_EQ(complete(upload, {{1, etag_of(first_)}}, {{"If-Match", etag}}).status, 200);
}

}  // namespace
}  // namespace keelson::api
