// The errors of S3, as the API reference lists them, and the refusals made of them.
#pragma once

#include <string>
#include <string_view>

#include "core/api/http.h"
#include "core/base/result.h"

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
inline constexpr S3Error bucket_not_empty{"BucketNotEmpty", 409,
                                          "The bucket you tried to delete is not empty."};
inline constexpr S3Error conditional_conflict{
    "ConditionalRequestConflict", 409,
    "A conflicting operation occurred during processing. Nothing was changed; try again."};
inline constexpr S3Error content_sha256_mismatch{
    "XAmzContentSHA256Mismatch", 400,
    "The provided 'x-amz-content-sha256' header does not match what was computed."};
inline constexpr S3Error entity_too_large{
    "EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed object size."};
inline constexpr S3Error entity_too_small{
    "EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size."};
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
inline constexpr S3Error invalid_part{
    "InvalidPart", 400,
    "One or more of the specified parts could not be found, or its entity tag did not match."};
inline constexpr S3Error invalid_part_order{"InvalidPartOrder", 400,
                                            "The list of parts was not in ascending order."};
inline constexpr S3Error invalid_range{"InvalidRange", 416,
                                       "The requested range is not satisfiable."};
inline constexpr S3Error invalid_request{"InvalidRequest", 400, "Invalid request."};
inline constexpr S3Error invalid_tag{"InvalidTag", 400, "The tag provided was not a valid tag."};
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
inline constexpr S3Error missing_security_header{
    "MissingSecurityHeader", 400, "Your request was missing a required header."};
inline constexpr S3Error no_such_bucket{"NoSuchBucket", 404,
                                        "The specified bucket does not exist."};
inline constexpr S3Error no_such_key{"NoSuchKey", 404, "The specified key does not exist."};
inline constexpr S3Error no_such_tag_set{"NoSuchTagSet", 404, "There is no tag set."};
inline constexpr S3Error no_such_upload{
    "NoSuchUpload", 404,
    "The specified multipart upload does not exist, or was completed or aborted."};
inline constexpr S3Error not_implemented{
    "NotImplemented", 501, "You asked for something that is not implemented. Nothing was changed."};
inline constexpr S3Error operation_aborted{
    "OperationAborted", 409,
    "A conflicting operation is in progress against this resource. Nothing was changed; try "
    "again."};
inline constexpr S3Error precondition_failed{
    "PreconditionFailed", 412, "At least one of the preconditions you specified did not hold."};
inline constexpr S3Error request_time_too_skewed{
    "RequestTimeTooSkewed", 403,
    "The difference between the request time and the current time is too large."};
inline constexpr S3Error request_timeout{
    "RequestTimeout", 400,
    "Your socket connection to the server was not read from or written to within the timeout "
    "period."};
inline constexpr S3Error service_unavailable{"ServiceUnavailable", 503,
                                             "Please reduce your request rate or try again."};
inline constexpr S3Error signature_does_not_match{
    "SignatureDoesNotMatch", 403,
    "The request signature we calculated does not match the signature you provided."};
inline constexpr S3Error slow_down{"SlowDown", 503, "Please reduce your request rate."};

}  // namespace s3_error

// What is wrong with a request.
struct S3Refusal {
  S3Error error;
  std::string message = {};  // Says more than the error's own, unless empty.
  HttpHeaders headers = {};  // Of the answer.
};

template <typename T>
using S3Result = Result<T, S3Refusal>;

}  // namespace keelson::api
