// Tested by tests/core/api/s3_adapter_test.cc.
#include "core/api/s3_adapter.h"

#include <utility>

#include "core/api/s3_body.h"
#include "core/api/s3_deletes.h"
#include "core/api/xml.h"
#include "core/base/check.h"

namespace keelson::api {

namespace {

constexpr int kAclAttempts = 4;
// XML, of which the longest names a thousand keys, maybe each octet escaped ("&quot;"), or ten
// thousand parts.
constexpr std::uint64_t kSmallBodyBytesMax = 8 << 20;

S3Refusal refusal_of(const AuthFailure& failure, bool presigned) {
  switch (failure.error) {
    case AuthError::missing:
    case AuthError::expired:
    case AuthError::no_date:
    case AuthError::unsigned_header: return {s3_error::access_denied, failure.message};
    case AuthError::ambiguous:
    case AuthError::bad_payload_hash: return {s3_error::invalid_argument, failure.message};
    case AuthError::unsupported:
    case AuthError::no_payload_hash: return {s3_error::invalid_request, failure.message};
    case AuthError::malformed:
    case AuthError::wrong_scope:
      return {presigned ? s3_error::authorization_query : s3_error::authorization_malformed,
              failure.message};
    case AuthError::unknown_key: return {s3_error::invalid_access_key_id};
    case AuthError::skewed: return {s3_error::request_time_too_skewed};
    case AuthError::mismatch: return {s3_error::signature_does_not_match, failure.message};
  }
  CHECK(false);
  return {s3_error::internal_error};
}

S3Result<Bytes> read_whole(S3Body& body) {
  Bytes all;
  while (true) {
    TRY(const Bytes piece, body.next(Deadline::never()));
    if (piece.empty()) return all;
    all += piece;
  }
}

// What a stranger may make of a public object is its owner's to say.
S3Result<void> check_unsigned(const S3Request& request) {
  for (const QueryParameter& parameter : request.parameters) {
    if (!parameter.name.starts_with("response-")) continue;
    return S3Refusal{s3_error::invalid_request,
                     "Request specific response headers cannot be used for anonymous GET "
                     "requests."};
  }
  return {};
}

}  // namespace

S3Adapter::S3Adapter(const Clock& clock, Scheduler& scheduler, RandomSource& random,
                     kv::Store& store, const Credentials* credentials, S3Options options)
    : clock_(clock),
      options_(std::move(options)),
      store_(store, random),
      context_{clock, scheduler, store_, options_},
      buckets_(context_),
      acls_(context_),
      listing_(context_),
      objects_(context_),
      tags_(context_),
      multipart_(context_),
      copies_(context_),
      ids_(random, "s3/request_id") {
  if (credentials != nullptr) {
    verifier_.emplace(*credentials, clock,
                      SigV4Verifier::Options{.region = options_.region, .service = "s3"});
  }
}

bool S3Adapter::streams_body(const HttpRequest& head) const {
  return head.method == "PUT" || head.method == "POST";
}

std::size_t S3Adapter::body_limit(const HttpRequest& head) const {
  if (!streams_body(head)) return kSmallBodyBytesMax;
  // The framing of aws-chunked: AWS demands chunks of 8 KiB, and a head and a signature are less
  // than an eighth of that.
  return options_.object_bytes_max + options_.object_bytes_max / 8 + kSmallBodyBytesMax;
}

HttpResponse S3Adapter::handle(const HttpRequest& request, Deadline deadline) {
  const std::string id = ids_.next_short();
  auto result = dispatch(request, id, deadline);
  HttpResponse response = result ? *std::move(result) : answer(request, id, result.error());
  response.headers.add("x-amz-request-id", id);
  return response;
}

S3Result<HttpResponse> S3Adapter::dispatch(const HttpRequest& sent, const std::string& id,
                                           Deadline deadline) {
  TRY(const std::optional<HttpRequest> unhoisted, with_headers_of_query(sent));
  const HttpRequest& http = unhoisted ? *unhoisted : sent;
  TRY(const S3Request request, parse_s3_request(http, options_.domains));
  TRY(const Authentication authentication, authenticate(sent, request));
  TRY(check_supported(http, request));
  const bool has_length = http.headers.find("Content-Length") != nullptr ||
                          http.headers.find("Transfer-Encoding") != nullptr;
  if (has_object_body(request.operation) && !has_length) {
    return S3Refusal{s3_error::missing_content_length};
  }
  BytesSource at_hand(http.body);
  const bool is_large = has_object_body(request.operation);
  S3Body body(http.headers, http.body_source == nullptr ? at_hand : *http.body_source,
              authentication,
              {.bytes_max = is_large ? options_.object_bytes_max : kSmallBodyBytesMax,
               .checksums_are_its_own =
                   request.operation != S3Operation::complete_multipart_upload});
  TRY(body.check_head());
  Bytes small;
  if (!is_large) {
    TRY(small, read_whole(body));
  }
  const S3Call call{http, request, id, clock_, deadline, small};
  const bool is_for_everyone = verifier_ && authentication.access_key.empty();
  return is_for_everyone ? carry_out_for_everyone(call, body) : carry_out(call, body);
}

S3Result<HttpResponse> S3Adapter::carry_out_for_everyone(const S3Call& call, S3BodySource& body) {
  CHECK(is_public_read(call.request.operation));
  for (int attempt = 0; attempt < kAclAttempts; ++attempt) {
    TRY(const FoundBucket before, store_.find_bucket(call.request.bucket, call.deadline()));
    if (!before.record.public_read) return S3Refusal{s3_error::access_denied};
    auto answer = carry_out(call, body);
    // What was read may be of a time when the bucket was private, unless its record stayed the
    // same.
    TRY(const FoundBucket after, store_.find_bucket(call.request.bucket, call.deadline()));
    if (after.version == before.version) return answer;
  }
  return S3Refusal{s3_error::slow_down};
}

S3Result<HttpResponse> S3Adapter::carry_out(const S3Call& call, S3BodySource& body) {
  switch (call.request.operation) {
    case S3Operation::list_buckets: return buckets_.list(call);
    case S3Operation::create_bucket: return buckets_.create(call);
    case S3Operation::head_bucket: return buckets_.head(call);
    case S3Operation::delete_bucket: return buckets_.remove(call);
    case S3Operation::get_bucket_location: return buckets_.get_location(call);
    case S3Operation::get_bucket_unset: return buckets_.get_unset(call);
    case S3Operation::get_bucket_acl: return acls_.get_of_bucket(call);
    case S3Operation::put_bucket_acl: return acls_.put_of_bucket(call);
    case S3Operation::get_object_acl: return acls_.get_of_object(call);
    case S3Operation::list_objects: return listing_.objects_v1(call);
    case S3Operation::list_objects_v2: return listing_.objects_v2(call);
    case S3Operation::list_object_versions: return listing_.versions(call);
    case S3Operation::list_multipart_uploads: return listing_.uploads(call);
    case S3Operation::list_parts: return listing_.parts(call);
    case S3Operation::get_bucket_tagging: return tags_.get_of_bucket(call);
    case S3Operation::put_bucket_tagging: return tags_.put_of_bucket(call);
    case S3Operation::delete_bucket_tagging: return tags_.remove_of_bucket(call);
    case S3Operation::get_object_tagging: return tags_.get_of_object(call);
    case S3Operation::put_object_tagging: return tags_.put_of_object(call);
    case S3Operation::delete_object_tagging: return tags_.remove_of_object(call);
    case S3Operation::delete_objects: return delete_objects(context_, call);
    case S3Operation::put_object: return objects_.put(call, body);
    case S3Operation::get_object:
    case S3Operation::head_object: return objects_.get(call);
    case S3Operation::delete_object: return objects_.remove(call);
    case S3Operation::copy_object: return copies_.copy_object(call);
    case S3Operation::upload_part_copy: return copies_.copy_part(call);
    case S3Operation::create_multipart_upload: return multipart_.create(call);
    case S3Operation::upload_part: return multipart_.upload_part(call, body);
    case S3Operation::complete_multipart_upload: return multipart_.complete(call);
    case S3Operation::abort_multipart_upload: return multipart_.abort(call);
  }
  CHECK(false);
  return S3Refusal{s3_error::internal_error};
}

S3Result<Authentication> S3Adapter::authenticate(const HttpRequest& http,
                                                 const S3Request& request) {
  const std::string_view payload = http.headers.get("x-amz-content-sha256");
  if (payload_kind(payload) == PayloadKind::unknown && payload.starts_with("STREAMING-")) {
    return S3Refusal{s3_error::not_implemented, "This x-amz-content-sha256 is not implemented."};
  }
  if (verifier_) {
    auto verified = verifier_->verify(http);
    const auto* const failure = std::get_if<AuthFailure>(&verified);
    if (failure == nullptr) return std::get<Authentication>(std::move(verified));
    if (failure->error != AuthError::missing || !is_public_read(request.operation)) {
      return refusal_of(*failure, http.headers.find("Authorization") == nullptr);
    }
    TRY(check_unsigned(request));
  }
  // Whoever did not sign: damaged bodies are still kept out.
  Authentication open = unauthenticated(http);
  if (open.payload == PayloadKind::unknown) {
    return S3Refusal{s3_error::invalid_argument, "x-amz-content-sha256 is not understood."};
  }
  return open;
}

HttpResponse S3Adapter::answer(const HttpRequest& http, const std::string& id,
                               const S3Refusal& refusal) const {
  const auto& [error, message, headers] = refusal;
  HttpResponse response{.status = error.status, .headers = headers};
  response.headers.add("Content-Type", "application/xml");
  if (error.status == 405) response.headers.add("Allow", "GET, HEAD, PUT, POST, DELETE");
  const bool changes = http.method != "GET" && http.method != "HEAD";
  if (error.status == 503 && changes && !response.headers.find("x-keelson-outcome")) {
    response.headers.add("x-keelson-outcome", "not_applied");
  }
  response.body = s3_error_xml(error.code, message.empty() ? error.message : message,
                               http.raw_path, id);
  return response;
}

HttpResponse S3Adapter::refusal(const HttpRequest& head, int status,
                                std::string_view message) const {
  const S3Error& kind = status == 413   ? s3_error::entity_too_large
                        : status == 408 ? s3_error::request_timeout
                        : status == 501 ? s3_error::not_implemented
                        : status == 503 ? s3_error::service_unavailable
                                        : s3_error::bad_request;
  const std::string id = ids_.next_short();
  // S3 answers both with 400, where HTTP has a status of its own.
  const bool has_own_status = status == 413 || status == 408;
  S3Refusal refusal{kind, has_own_status ? std::string() : std::string(message)};
  if (!has_own_status) refusal.error.status = status;
  HttpResponse response = answer(head, id, refusal);
  response.headers.add("x-amz-request-id", id);
  return response;
}

}  // namespace keelson::api
