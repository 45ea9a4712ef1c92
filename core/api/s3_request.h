// An S3 request taken apart: which operation it is, and on what. A parameter or header that would
// change the meaning and is not known is refused, never passed over: "DELETE key?tagging" must not
// delete the object.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/http.h"
#include "core/api/s3_error.h"
#include "core/api/sigv4.h"

namespace keelson::api {

// Named as in the API reference.
enum class S3Operation {
  list_buckets,

  create_bucket,
  head_bucket,
  delete_bucket,
  get_bucket_location,
  get_bucket_unset,  // GetBucketVersioning, GetBucketPolicy, …: what no bucket here has.
  get_bucket_acl,
  put_bucket_acl,
  get_bucket_tagging,
  put_bucket_tagging,
  delete_bucket_tagging,

  list_objects,
  list_objects_v2,
  list_object_versions,
  delete_objects,

  put_object,
  copy_object,
  get_object,
  head_object,
  delete_object,
  get_object_acl,
  get_object_tagging,
  put_object_tagging,
  delete_object_tagging,

  create_multipart_upload,
  upload_part,
  upload_part_copy,
  complete_multipart_upload,
  abort_multipart_upload,
  list_parts,
  list_multipart_uploads,
};

struct S3Request {
  std::string bucket;  // "" for the service itself.
  std::string key;     // "" for the bucket itself.
  S3Operation operation = S3Operation::list_buckets;
  std::vector<QueryParameter> parameters;

  // The first parameter of that name, or nullptr.
  const std::string* parameter(std::string_view name) const;
  // The same, or nothing at all: "".
  std::string_view get(std::string_view name) const;
};

// A presigned URL may have in its query what else are headers: SDKs put x-amz-acl, x-amz-meta-*, …
// there ("hoist" them), and they mean the same. Gives the request with them for headers, whose
// signature is no longer that of what was sent; nothing if it is not presigned. A checksum of no
// octets is left out: SDKs that have no body yet when they presign a PUT put it there by themselves
// (JavaScript, since 3.729), and S3 takes what is then uploaded. Errors: InvalidArgument, for one
// that is there twice.
S3Result<std::optional<HttpRequest>> with_headers_of_query(const HttpRequest& request);

// `domains`: whoever addresses "bucket.domain" means that bucket (virtual-host style).
S3Result<S3Request> parse_s3_request(const HttpRequest& request,
                                     const std::vector<std::string>& domains);

// Refuses what the request asks for and this listener does not know.
S3Result<void> check_supported(const HttpRequest& http, const S3Request& request);

// Whether the operation changes anything.
bool is_write(S3Operation operation);
// Whether the body is an object's, or a part's, and is not read before it is asked for.
bool has_object_body(S3Operation operation);

// Whether it is a key that an object may have. Errors: KeyTooLongError, InvalidURI.
S3Result<void> check_key(std::string_view key);

// --- conditions and ranges ---

// Whether an If-Match or If-None-Match list contains the ETag (given with its quotation marks).
bool etag_list_contains(std::string_view list, std::string_view etag);

// The names under which conditions on a read come: those of HTTP, or those of a copy's source.
struct ConditionNames {
  std::string_view match = "If-Match";
  std::string_view none_match = "If-None-Match";
  std::string_view modified_since = "If-Modified-Since";
  std::string_view unmodified_since = "If-Unmodified-Since";
};
inline constexpr ConditionNames kCopySourceConditions{
    "x-amz-copy-source-if-match", "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-modified-since", "x-amz-copy-source-if-unmodified-since"};

// 200, 304 or 412: what the conditions make of a read.
int judge_read_conditions(const HttpHeaders& headers, std::string_view etag,
                          std::int64_t modified_ms, const ConditionNames& names = {});

struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

// A single "bytes=…" range of something `size` long. Nothing if it is to be ignored (another unit,
// several ranges, malformed); count 0 if it cannot be satisfied.
std::optional<ByteRange> parse_range(std::string_view text, std::uint64_t size);

// A number of decimal digits, or nothing.
std::optional<std::uint64_t> parse_count(std::string_view text);

}  // namespace keelson::api
