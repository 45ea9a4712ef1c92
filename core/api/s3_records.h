// How buckets and objects lie in the store. Everything of one bucket begins with the same octets,
// so that it is in one group unless it was split: mostly a condition on the bucket and a change of
// its objects are one entry of one log.
//
//   key    = spread "s3/bucket/" bucket             a bucket's record
//          | spread "s3/object/" bucket "/" object  an object's record; a bucket's name has no "/"
//   spread = 2 octets: that of the bucket's name (core/kv/spread.h)
//
//   bucket = %x01 created-ms
//   object = %x01 modified-ms md5 field-count *( name value ) body
//   name, value = length octets          counts and lengths: u32, times: u64, little-endian
//   md5    = 16 octets; body = the rest
#pragma once

#include <string>
#include <string_view>

#include "core/api/http.h"
#include "core/base/bytes.h"
#include "core/base/result.h"

namespace keelson::api {

Bytes bucket_record_key(std::string_view bucket);
Bytes object_record_key(std::string_view bucket, std::string_view object);

struct BucketRecord {
  std::int64_t created_ms = 0;

  Bytes encode() const;
  // Errors: corrupt.
  static Result<BucketRecord> decode(BytesView bytes);
};

struct ObjectRecord {
  std::int64_t modified_ms = 0;
  Bytes md5;
  HttpHeaders headers;  // Content-Type, x-amz-meta-*, …: as they were sent and are sent back.
  Bytes body;

  // With the quotation marks.
  std::string etag() const { return '"' + to_hex(md5) + '"'; }

  // With this body, which is copied once.
  Bytes encode_with(BytesView its_body) const;
  // Errors: corrupt.
  static Result<ObjectRecord> decode(BytesView bytes);
};

// The rules of S3: 3 to 63 of a-z 0-9 . -, letters or digits at the ends and beside dots, no IPv4
// address, no reserved prefix or suffix.
bool is_valid_bucket_name(std::string_view name);

}  // namespace keelson::api
