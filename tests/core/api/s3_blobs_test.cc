// Bodies in chunks, with chunks of a few octets.
#include "core/api/s3_blobs.h"

#include "core/api/digest.h"
#include "core/kv/spread.h"
#include "tests/core/api/s3_fixture.h"

namespace keelson::api {
namespace {

class S3BlobsTest : public S3Fixture {
 protected:
  S3BlobsTest() : S3Fixture({.chunk_bytes = 8, .inline_bytes_max = 4}) {}

  static std::string text_of(std::size_t size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += static_cast<char>('a' + i % 26);
    return text;
  }
};

TEST_F(S3BlobsTest, BodiesOfEverySizeComeBack) {
  for (std::size_t size = 0; size <= 40; ++size) {
    const std::string text = text_of(size);
    ASSERT_EQ(put(text).status, 200);
    HttpResponse got = ask("GET", "/bucket/key");
    EXPECT_EQ(got.headers.get("ETag"), '"' + to_hex(md5(text)) + '"');
    EXPECT_EQ(got.source != nullptr, size > 4);
    EXPECT_EQ(body_of(std::move(got)), text) << size;
    const HttpResponse head = ask("HEAD", "/bucket/key");
    EXPECT_EQ(head.source ? *head.source->size() : head.body.size(), size);
  }
}

TEST_F(S3BlobsTest, EveryRangeOfABlobComesBack) {
  const std::string text = text_of(27);
  put(text);
  for (std::size_t first = 0; first < text.size(); ++first) {
    for (std::size_t last = first; last < text.size(); ++last) {
      HttpResponse got = ask("GET", "/bucket/key",
                             {{"Range", "bytes=" + std::to_string(first) + "-" +
                                            std::to_string(last)}});
      EXPECT_EQ(got.status, 206);
      EXPECT_EQ(body_of(std::move(got)), text.substr(first, last - first + 1));
    }
  }
}

TEST_F(S3BlobsTest, ABodyOfOneChunkIsOneStepAndALargerOneIsSeenAtItsLast) {
  const auto before = store_.version;
  put(text_of(8));
  EXPECT_EQ(store_.version, before + 1);
  std::vector<bool> visible;
  store_.before_execute = [&] {
    visible.push_back(store_.values.contains(object_record_key("bucket", "other")));
  };
  EXPECT_EQ(ask("PUT", "/bucket/other", {}, text_of(17)).status, 200);
  EXPECT_EQ(visible, std::vector<bool>({false, false, false})) << "two chunks, and the last";
  EXPECT_EQ(body_of(ask("GET", "/bucket/other")), text_of(17));
}

TEST_F(S3BlobsTest, WhatWasCollectedIsNeverReferredTo) {
  int writes = 0;
  store_.before_execute = [&] {
    if (++writes != 2) return;
    const kv::KeyRange blobs = blob_records("bucket");
    store_.values.erase(store_.values.lower_bound(blobs.from), store_.values.lower_bound(blobs.to));
  };
  const HttpResponse refused = put(text_of(20));
  EXPECT_EQ(error_of(refused), "503 SlowDown");
  EXPECT_EQ(refused.headers.get("x-keelson-outcome"), "not_applied");
  writes = 10;
  EXPECT_EQ(error_of(ask("GET", "/bucket/key")), "404 NoSuchKey");
}

TEST_F(S3BlobsTest, ABucketThatIsGoneTakesNoChunks) {
  EXPECT_EQ(error_of(ask("PUT", "/nobody/key", {}, text_of(30))), "404 NoSuchBucket");
  EXPECT_EQ(rows_with("nobody"), 0u);
}

TEST_F(S3BlobsTest, AFailedChunkIsAWriteThatDidNotHappen) {
  int writes = 0;
  store_.before_execute = [&] {
    if (++writes == 2) store_.failure = Error{ErrorCode::timed_out, ""};
  };
  const HttpResponse failed = put(text_of(30));
  EXPECT_EQ(error_of(failed), "503 ServiceUnavailable");
  EXPECT_EQ(failed.headers.get("x-keelson-outcome"), "not_applied");
}

TEST_F(S3BlobsTest, AReaderWhoseChunksAreCollectedIsToldSo) {
  put(text_of(30));
  HttpResponse got = ask("GET", "/bucket/key");
  const kv::KeyRange all = {kv::spread("bucket") + "s3/chunk/", kv::spread("bucket") + "s3/chunk0"};
  store_.values.erase(store_.values.lower_bound(all.from), store_.values.lower_bound(all.to));
  EXPECT_EQ(body_of(std::move(got)).substr(0, 6), "error:");
}

}  // namespace
}  // namespace keelson::api
