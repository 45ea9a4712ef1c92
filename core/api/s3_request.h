// An S3 request taken apart: which bucket and key it names, and whether it asks for anything that
// is not there yet. A parameter or header that would change the meaning is refused, never passed
// over: "DELETE key?tagging" must not delete the object.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/http.h"
#include "core/api/sigv4.h"

namespace keelson::api {

struct S3Error {
  std::string_view code;
  int status;
  std::string_view message;
};

namespace s3_error {

inline constexpr S3Error access_denied{"AccessDenied", 403, "Access Denied"};
inline constexpr S3Error authorization_malformed{"AuthorizationHeaderMalformed", 400,
                                                 "The authorization header is malformed."};
inline constexpr S3Error authorization_query{"AuthorizationQueryParametersError", 400,
                                             "The query's authorization is malformed."};
inline constexpr S3Error bad_digest{"BadDigest", 400,
                                    "The digest you specified did not match what we received."};
inline constexpr S3Error bad_request{"BadRequest", 400, "The request is malformed."};
inline constexpr S3Error bucket_already_owned_by_you{
    "BucketAlreadyOwnedByYou", 409,
    "Your previous request to create the named bucket succeeded and you already own it."};
inline constexpr S3Error conditional_conflict{
    "ConditionalRequestConflict", 409,
    "A conflicting operation occurred during processing. Nothing was changed; try again."};
inline constexpr S3Error content_sha256_mismatch{
    "XAmzContentSHA256Mismatch", 400,
    "The provided 'x-amz-content-sha256' header does not match what was computed."};
inline constexpr S3Error entity_too_large{
    "EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed object size."};
inline constexpr S3Error incomplete_body{
    "IncompleteBody", 400, "You did not provide the number of bytes that the headers announce."};
inline constexpr S3Error internal_error{"InternalError", 500, "We encountered an internal error."};
inline constexpr S3Error invalid_access_key_id{
    "InvalidAccessKeyId", 403, "The access key ID you provided does not exist in our records."};
inline constexpr S3Error invalid_argument{"InvalidArgument", 400, "Invalid argument."};
inline constexpr S3Error invalid_bucket_name{"InvalidBucketName", 400,
                                             "The specified bucket is not valid."};
inline constexpr S3Error invalid_digest{"InvalidDigest", 400,
                                        "The Content-MD5 or checksum you specified is not valid."};
inline constexpr S3Error invalid_location{"InvalidLocationConstraint", 400,
                                          "The specified location constraint is not valid."};
inline constexpr S3Error invalid_range{"InvalidRange", 416,
                                       "The requested range is not satisfiable."};
inline constexpr S3Error invalid_request{"InvalidRequest", 400, "Invalid request."};
inline constexpr S3Error invalid_token{"InvalidToken", 400,
                                       "The provided security token is not valid here."};
inline constexpr S3Error invalid_uri{"InvalidURI", 400, "Couldn't parse the specified URI."};
inline constexpr S3Error key_too_long{"KeyTooLongError", 400, "Your key is too long."};
inline constexpr S3Error malformed_trailer{"MalformedTrailerError", 400,
                                           "The request's trailing fields are malformed."};
inline constexpr S3Error malformed_xml{"MalformedXML", 400, "The XML you provided was malformed."};
inline constexpr S3Error metadata_too_large{
    "MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size."};
inline constexpr S3Error method_not_allowed{
    "MethodNotAllowed", 405, "The specified method is not allowed against this resource."};
inline constexpr S3Error missing_content_length{"MissingContentLength", 411,
                                                "You must provide the Content-Length HTTP header."};
inline constexpr S3Error no_such_bucket{"NoSuchBucket", 404,
                                        "The specified bucket does not exist."};
inline constexpr S3Error no_such_key{"NoSuchKey", 404, "The specified key does not exist."};
inline constexpr S3Error not_implemented{
    "NotImplemented", 501, "You asked for something that is not implemented. Nothing was changed."};
inline constexpr S3Error precondition_failed{
    "PreconditionFailed", 412, "At least one of the preconditions you specified did not hold."};
inline constexpr S3Error request_timeout{"RequestTimeout", 408,
                                         "The request took too long to arrive."};
inline constexpr S3Error request_time_too_skewed{
    "RequestTimeTooSkewed", 403,
    "The difference between the request time and the current time is too large."};
inline constexpr S3Error service_unavailable{"ServiceUnavailable", 503,
                                             "Please reduce your request rate or try again."};
inline constexpr S3Error signature_does_not_match{
    "SignatureDoesNotMatch", 403,
    "The request signature we calculated does not match the signature you provided."};

}  // namespace s3_error

enum class S3Operation {
  list_buckets,
  create_bucket,
  head_bucket,
  list_objects,
  delete_bucket,
  put_object,
  get_object,
  head_object,
  delete_object,
};

// What is wrong with a request. The message, unless empty, says more than the error's own.
struct S3Refusal {
  S3Error error;
  std::string message;
};

struct S3Request {
  std::string bucket;  // "" for the service itself.
  std::string key;     // "" for the bucket itself.
  S3Operation operation = S3Operation::list_buckets;
  std::vector<QueryParameter> parameters;

  // The first parameter of that name, or nullptr.
  const std::string* parameter(std::string_view name) const;
};

// `domains`: whoever addresses "bucket.domain" means that bucket (virtual-host style).
std::variant<S3Request, S3Refusal> parse_s3_request(const HttpRequest& request,
                                                    const std::vector<std::string>& domains);

// Something about the request that this listener does not know, if there is any.
std::optional<S3Refusal> find_unsupported(const HttpRequest& http, const S3Request& request);

// Checks Content-MD5 and the x-amz-checksum-* of `fields`, headers or trailers, against the body.
std::optional<S3Refusal> check_digests(const HttpHeaders& fields, BytesView body);

// Whether an If-Match or If-None-Match list contains the ETag (given with its quotation marks).
bool etag_list_contains(std::string_view list, std::string_view etag);

// 200, 304 or 412: what If-Match, If-None-Match and their dated brothers make of a read.
int judge_read_conditions(const HttpHeaders& headers, std::string_view etag,
                          std::int64_t modified_ms);

struct ByteRange {
  std::size_t first = 0;
  std::size_t count = 0;
};

// A single "bytes=…" range of something `size` long. Nothing if it is to be ignored (another unit,
// several ranges, malformed); count 0 if it cannot be satisfied.
std::optional<ByteRange> parse_range(std::string_view text, std::size_t size);

}  // namespace keelson::api
