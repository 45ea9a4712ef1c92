// What the collector takes, and what it leaves.
#include "core/api/s3_collector.h"

#include "core/api/digest.h"
#include "core/api/xml.h"
#include "tests/core/api/s3_fixture.h"

namespace keelson::api {
namespace {

using namespace std::chrono_literals;

constexpr S3Options kSmall{.chunk_bytes = 8, .inline_bytes_max = 4, .part_bytes_min = 10};

class S3CollectorTest : public S3Fixture {
 protected:
  S3CollectorTest() : S3Fixture(kSmall) {}

  void collect() {
    EXPECT_TRUE(on_fiber([&] { return collector_.collect(); }).has_value());
  }
  // A pass that condemns, and one that removes.
  void collect_all() {
    collect();
    pass(1h);
    collect();
  }
  void pass(Duration span) { clock_.advance_to(clock_.now() + span); }
  std::size_t chunks() const { return rows_with("s3/chunk/"); }
  std::string begin_upload() {
    return std::string(parse_xml(ask("POST", "/bucket/key?uploads").body)->get("UploadId"));
  }
  std::string part(const std::string& upload, int number, const std::string& body) {
    return std::string(
        ask("PUT",
            "/bucket/key?partNumber=" + std::to_string(number) + "&uploadId=" + upload, {}, body)
            .headers.get("ETag"));
  }
  HttpResponse complete(const std::string& upload, const std::string& etag) {
    return ask("POST", "/bucket/key?uploadId=" + upload, {},
               "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + etag +
                   "</ETag></Part></CompleteMultipartUpload>");
  }

  const std::string text_ = "a body of four chunks, nearly";
  FakeLeadership leadership_;
  S3Options options_ = kSmall;
  S3Store s3_store_{store_, chance_};
  S3Collector collector_{{clock_, scheduler_, s3_store_, options_}, leadership_, {}};
};

TEST_F(S3CollectorTest, WhatAnObjectRefersToStays) {
  put(text_);
  collect_all();
  collect_all();
  EXPECT_EQ(body_of(ask("GET", "/bucket/key")), text_);
  EXPECT_EQ(collector_.counts().condemned, 0u);
}

TEST_F(S3CollectorTest, WhatWasOverwrittenGoesWhenItsReadersAreDone) {
  put("another body of four chunks");
  HttpResponse reading = ask("GET", "/bucket/key");
  put(text_);
  EXPECT_EQ(chunks(), 8u);
  collect();
  EXPECT_EQ(collector_.counts().condemned, 1u);
  EXPECT_EQ(body_of(std::move(reading)), "another body of four chunks");
  pass(59min);
  collect();
  EXPECT_EQ(chunks(), 8u);
  pass(1min);
  collect();
  EXPECT_EQ(chunks(), 4u);
  EXPECT_EQ(rows_with("s3/blob/"), 1u);
  EXPECT_EQ(body_of(ask("GET", "/bucket/key")), text_);
  ask("DELETE", "/bucket/key");
  collect_all();
  EXPECT_EQ(chunks(), 0u);
  EXPECT_EQ(rows_with("s3/blob/"), 0u);
}

TEST_F(S3CollectorTest, AWriterThatIsGoneIsGivenUpAndOneThatComesBackTooLateIsRefused) {
  int writes = 0;
  store_.before_execute = [&] {
    if (++writes != 3) return;
    store_.before_execute = nullptr;
    pass(59min);
    collect();
    EXPECT_EQ(collector_.counts().condemned, 0u) << "it was heard of within the hour";
    pass(1min);
    collect();
    EXPECT_EQ(collector_.counts().condemned, 1u);
  };
  EXPECT_EQ(error_of(put(text_)), "503 SlowDown");
  EXPECT_EQ(error_of(ask("GET", "/bucket/key")), "404 NoSuchKey");
  collect_all();
  EXPECT_EQ(chunks(), 0u);
}

TEST_F(S3CollectorTest, PartsStayWhileTheirUploadIsOpen) {
  const std::string upload = begin_upload();
  part(upload, 1, "overwritten, in time");
  const std::string etag = part(upload, 1, text_);
  part(upload, 2, "never asked for");
  collect_all();
  EXPECT_EQ(chunks(), 6u);
  EXPECT_EQ(complete(upload, etag).status, 200);
  collect_all();
  EXPECT_EQ(chunks(), 4u);
  EXPECT_EQ(rows_with("s3/part/"), 0u);
  EXPECT_EQ(body_of(ask("GET", "/bucket/key")), text_);
  EXPECT_EQ(complete(upload, etag).status, 200) << "it is still remembered";
  pass(24h);
  collect();
  EXPECT_EQ(error_of(complete(upload, etag)), "404 NoSuchUpload");
}

TEST_F(S3CollectorTest, WhatWasAbortedGoes) {
  const std::string upload = begin_upload();
  part(upload, 1, text_);
  ask("DELETE", "/bucket/key?uploadId=" + upload);
  collect_all();
  EXPECT_EQ(chunks(), 0u);
  EXPECT_EQ(rows_with("s3/part/"), 0u);
}

TEST_F(S3CollectorTest, NothingIsLeftOfADeletedBucket) {
  const std::string upload = begin_upload();
  part(upload, 1, text_);
  put(text_);
  ask("DELETE", "/bucket/key");
  store_.values.erase(bucket_record_key("bucket"));
  store_.values[bucket_entry_key("bucket")].value = BucketEntry{.is_deleted = true}.encode();
  collect_all();
  collect();
  EXPECT_EQ(store_.values.size(), 0u);
}

TEST_F(S3CollectorTest, WhatWasCollectedMeanwhileIsNoError) {
  put(text_);
  ask("DELETE", "/bucket/key");
  collect();
  pass(1h);
  store_.before_execute = [&] {
    store_.before_execute = nullptr;
    collect();
  };
  collect();
  EXPECT_EQ(chunks(), 0u);
  EXPECT_EQ(collector_.counts().collected, 1u);
}

}  // namespace
}  // namespace keelson::api
