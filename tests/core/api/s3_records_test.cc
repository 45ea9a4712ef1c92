#include "core/api/s3_records.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace keelson::api {
namespace {

ObjectRecord an_object() {
  return {.head = {.modified_ms = 5, .size = 4, .etag = std::string(32, 'e')},
          .headers = {{"a", "b"}},
          .tags = {{"color", "blue"}},
          .checksums = {{"x-amz-checksum-crc32", "jNxVsg=="}},
          .pieces = {{.blob = Bytes(16, 'i'), .size = 7, .chunk_bytes = 3}},
          .upload = Bytes(16, 'u'),
          .body = "body"};
}

TEST(S3Records, AnObjectsRecordComesBackWhole) {
  const auto decoded = ObjectRecord::decode(an_object().encode());
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->head.modified_ms, 5);
  EXPECT_EQ(decoded->head.size, 4u);
  EXPECT_EQ(decoded->head.quoted_etag(), '"' + std::string(32, 'e') + '"');
  EXPECT_EQ(decoded->headers.get("a"), "b");
  EXPECT_EQ(decoded->tags.at(0).value, "blue");
  EXPECT_EQ(decoded->checksums.at(0).value, "jNxVsg==");
  EXPECT_EQ(decoded->pieces.at(0).blob, Bytes(16, 'i'));
  EXPECT_EQ(decoded->pieces.at(0).size, 7u);
  EXPECT_EQ(decoded->pieces.at(0).chunk_bytes, 3u);
  EXPECT_EQ(decoded->upload, Bytes(16, 'u'));
  EXPECT_EQ(decoded->body, "body");
}

TEST(S3Records, DamageIsNoticed) {
  const Bytes encoded = an_object().encode();
  for (std::size_t size = 0; size < encoded.size() - 4; ++size) {
    EXPECT_FALSE(ObjectRecord::decode(encoded.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(ObjectRecord::decode("\x01" + encoded.substr(1)).has_value());
  EXPECT_FALSE(BucketRecord::decode("").has_value());
  EXPECT_EQ(BucketRecord::decode(BucketRecord{.created_ms = 77}.encode())->created_ms, 77);
}

TEST(S3Records, ListingsNeedTheBeginningOnly) {
  ObjectRecord large = an_object();
  large.head.etag += "-10000";
  large.head.checksum_algorithm = "CRC64NVME";
  large.head.checksum_type = "FULL_OBJECT";
  large.headers.add("x", std::string(5000, 'x'));
  const auto head = ObjectHead::decode(large.encode().substr(0, ObjectHead::kBytesMax));
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->etag, large.head.etag);
  EXPECT_EQ(head->size, 4u);
  EXPECT_EQ(head->checksum_algorithm, "CRC64NVME");
  EXPECT_EQ(head->checksum_type, "FULL_OBJECT");
}

TEST(S3Records, AnUploadsRecordsComeBackWhole) {
  const UploadRecord upload{.created_ms = 5,
                            .bucket_created_ms = 3,
                            .headers = {{"a", "b"}},
                            .tags = {{"color", "blue"}},
                            .checksum_algorithm = "SHA256",
                            .checksum_type = "COMPOSITE"};
  const auto open = UploadRecord::decode(upload.encode());
  ASSERT_TRUE(open.has_value());
  EXPECT_EQ(open->created_ms, 5);
  EXPECT_EQ(open->bucket_created_ms, 3);
  EXPECT_EQ(open->headers.get("a"), "b");
  EXPECT_EQ(open->tags.at(0).name, "color");
  EXPECT_EQ(open->checksum_algorithm, "SHA256");
  EXPECT_EQ(open->checksum_type, "COMPOSITE");

  const CompletedRecord completed{.completed_ms = 7,
                                  .key = "key",
                                  .etag = "e-2",
                                  .checksums = {{"x-amz-checksum-crc32", "jNxVsg==-2"}}};
  const auto over = CompletedRecord::decode(completed.encode());
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->completed_ms, 7);
  EXPECT_EQ(over->key, "key");
  EXPECT_EQ(over->etag, "e-2");
  EXPECT_EQ(over->checksums.at(0).name, "x-amz-checksum-crc32");
  EXPECT_EQ(over->checksums.at(0).value, "jNxVsg==-2");
}

TEST(S3Records, KeysOfABucketAreTogetherAndTellTheirNames) {
  const Bytes id(16, '\xff');
  const Bytes key = upload_record_key("bucket", "a/b", id);
  EXPECT_TRUE(upload_records("bucket").contains(key));
  EXPECT_TRUE(upload_records("bucket", "a/").contains(key));
  EXPECT_FALSE(upload_records("bucket", "b").contains(key));
  EXPECT_FALSE(upload_records("buckeu").contains(key));
  const auto name = upload_of_record("bucket", key);
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->object, "a/b");
  EXPECT_EQ(name->id, id);
  EXPECT_TRUE(object_records("bucket", "a").contains(object_record_key("bucket", "a\xff")));
  EXPECT_FALSE(object_records("bucket").contains(object_record_key("bucket2", "a")));
  EXPECT_EQ(part_number_of(part_record_key("bucket", id, 10'000)), 10'000u);
  EXPECT_FALSE(part_records("bucket", id).contains(parts_mark_key("bucket", id)));
  EXPECT_TRUE(part_records("bucket", id).contains(part_record_key("bucket", id, 1)));
  EXPECT_LT(part_record_key("bucket", id, 255), part_record_key("bucket", id, 256));
  EXPECT_TRUE(chunks_of("bucket", id).contains(chunk_key("bucket", id, UINT32_MAX)));
  EXPECT_EQ(bucket_of_entry(bucket_entry_key("name")), "name");
  EXPECT_TRUE(bucket_entries().contains(bucket_entry_key("name")));
}

}  // namespace
}  // namespace keelson::api
