// Tested by tests/core/api/s3_adapter_test.cc.
#include "core/api/s3_adapter.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/api/aws_chunked.h"
#include "core/api/digest.h"
#include "core/api/xml.h"
#include "core/base/check.h"

namespace keelson::api {

namespace {

// What chunk heads, signatures and trailers of an aws-chunked body may add.
constexpr std::size_t kFramingBytesMax = 64 * 1024;
constexpr std::size_t kObjectBytesMax = 1024 * 1024;
constexpr int kAclAttempts = 4;

constexpr std::array<std::string_view, 4> kChecksums = {
    "x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-sha1",
    "x-amz-checksum-sha256"};

S3Refusal refusal_of(const AuthFailure& failure, bool presigned) {
  switch (failure.error) {
    case AuthError::missing:
    case AuthError::expired:
    case AuthError::unsigned_header: return {s3_error::access_denied, failure.message};
    case AuthError::malformed:
    case AuthError::wrong_scope:
      return {presigned ? s3_error::authorization_query : s3_error::authorization_malformed,
              failure.message};
    case AuthError::unknown_key: return {s3_error::invalid_access_key_id};
    case AuthError::skewed: return {s3_error::request_time_too_skewed};
    case AuthError::mismatch: return {s3_error::signature_does_not_match, failure.message};
    case AuthError::payload_mismatch: return {s3_error::content_sha256_mismatch};
  }
  CHECK(false);
  return {s3_error::internal_error};
}

std::string big_endian(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 255);
  return out;
}

Bytes checksum(std::string_view name, BytesView body) {
  if (name == "x-amz-checksum-crc32") return big_endian(crc32(body));
  if (name == "x-amz-checksum-crc32c") return big_endian(crc32c(body));
  if (name == "x-amz-checksum-sha1") return sha1(body);
  CHECK(name == "x-amz-checksum-sha256");
  return sha256(body);
}

// Checks Content-MD5 and the x-amz-checksum-* of `fields`, headers or trailers, against the body.
S3Result<Fields> check_digests(const HttpHeaders& fields, BytesView body) {
  Fields checksums;
  for (const auto& field : fields) {
    const std::string name = to_lower(field.name);
    const bool is_md5 = name == "content-md5";
    if (!is_md5 && std::find(kChecksums.begin(), kChecksums.end(), name) == kChecksums.end()) {
      continue;
    }
    const Bytes actual = is_md5 ? md5(body) : checksum(name, body);
    const auto claimed = base64_decode(field.value);
    if (!claimed || claimed->size() != actual.size()) {
      return S3Refusal{s3_error::invalid_digest, "The " + name + " you specified is not valid."};
    }
    if (*claimed != actual) {
      return S3Refusal{s3_error::bad_digest,
                       "The " + name + " you specified did not match what we received."};
    }
    if (!is_md5) checksums.push_back({name, field.value});
  }
  return checksums;
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

// A body that was read whole.
class WholeBody : public S3BodySource {
 public:
  WholeBody(Bytes octets, Fields checksums)
      : octets_(std::move(octets)), md5_(api::md5(octets_)), checksums_(std::move(checksums)) {}

  const Bytes& octets() const { return octets_; }
  S3Result<Bytes> next(Deadline) override { return std::exchange(octets_, {}); }
  Bytes md5() const override { return md5_; }
  Fields checksums() const override { return checksums_; }

 private:
  Bytes octets_;
  const Bytes md5_;
  const Fields checksums_;
};

// Takes the framing of aws-chunked off, if there is any, and checks every digest that came along.
S3Result<WholeBody> take_body(const HttpRequest& http, const Authentication& authentication) {
  const HttpHeaders& headers = http.headers;
  const PayloadKind payload = authentication.payload;
  const bool chunked = payload == PayloadKind::chunks_signed ||
                       payload == PayloadKind::chunks_signed_trailer ||
                       payload == PayloadKind::chunks_unsigned_trailer;
  if (!chunked && headers.has_token("Content-Encoding", "aws-chunked")) {
    return S3Refusal{s3_error::invalid_request,
                     "aws-chunked needs x-amz-content-sha256: STREAMING-..."};
  }
  if (!chunked) {
    TRY(Fields checksums, check_digests(headers, http.body));
    return WholeBody(http.body, std::move(checksums));
  }
  auto result = decode_aws_chunked(http.body, authentication);
  if (const auto* failure = std::get_if<ChunkFailure>(&result)) {
    return failure->error == ChunkError::mismatch
               ? S3Refusal{s3_error::signature_does_not_match, failure->message}
               : S3Refusal{s3_error::incomplete_body, "aws-chunked: " + failure->message};
  }
  DecodedBody& decoded = std::get<DecodedBody>(result);
  const std::string* const length = headers.find("x-amz-decoded-content-length");
  if (length != nullptr && *length != std::to_string(decoded.body.size())) {
    return S3Refusal{s3_error::incomplete_body};
  }
  const std::string_view announced = headers.get("x-amz-trailer");
  if (!announced.empty() && decoded.trailers.find(announced) == nullptr) {
    return S3Refusal{s3_error::malformed_trailer};
  }
  for (const auto& field : decoded.trailers) {
    if (!field.name.starts_with("x-amz-checksum-") || field.name.ends_with("crc64nvme")) {
      return S3Refusal{s3_error::not_implemented,
                       "The trailing field " + field.name + " is not implemented."};
    }
  }
  TRY(Fields checksums, check_digests(headers, decoded.body));
  TRY(const Fields trailing, check_digests(decoded.trailers, decoded.body));
  checksums.insert(checksums.end(), trailing.begin(), trailing.end());
  return WholeBody(std::move(decoded.body), std::move(checksums));
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
      objects_(context_),
      multipart_(context_),
      ids_(random, "s3/request_id") {
  if (credentials != nullptr) {
    verifier_.emplace(*credentials, clock,
                      SigV4Verifier::Options{.region = options_.region, .service = "s3"});
  }
}

std::size_t S3Adapter::body_limit(const HttpRequest&) const {
  return kObjectBytesMax + kFramingBytesMax;
}

HttpResponse S3Adapter::handle(const HttpRequest& request, Deadline deadline) {
  const std::string id = ids_.next_short();
  auto result = dispatch(request, id, deadline);
  HttpResponse response = result ? *std::move(result) : answer(request, id, result.error());
  response.headers.add("x-amz-request-id", id);
  return response;
}

S3Result<HttpResponse> S3Adapter::dispatch(const HttpRequest& http, const std::string& id,
                                           Deadline deadline) {
  TRY(const S3Request request, parse_s3_request(http, options_.domains));
  TRY(const Authentication authentication, authenticate(http, request));
  TRY(check_supported(http, request));
  const bool has_length = http.headers.find("Content-Length") != nullptr ||
                          http.headers.find("Transfer-Encoding") != nullptr;
  if (has_object_body(request.operation) && !has_length) {
    return S3Refusal{s3_error::missing_content_length};
  }
  TRY(WholeBody body, take_body(http, authentication));
  if (body.octets().size() > kObjectBytesMax) return S3Refusal{s3_error::entity_too_large};
  const S3Call call{http, request, id, clock_, deadline, body.octets()};
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
    case S3Operation::put_object: return objects_.put(call, body);
    case S3Operation::get_object:
    case S3Operation::head_object: return objects_.get(call);
    case S3Operation::delete_object: return objects_.remove(call);
    case S3Operation::create_multipart_upload: return multipart_.create(call);
    case S3Operation::upload_part: return multipart_.upload_part(call, body);
    case S3Operation::complete_multipart_upload: return multipart_.complete(call);
    case S3Operation::abort_multipart_upload: return multipart_.abort(call);
    default: break;
  }
  return S3Refusal{s3_error::not_implemented};
}

S3Result<Authentication> S3Adapter::authenticate(const HttpRequest& http,
                                                 const S3Request& request) {
  if (payload_kind(http) == PayloadKind::unknown &&
      http.headers.get("x-amz-content-sha256").starts_with("STREAMING-")) {
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
  Authentication open;
  open.payload = payload_kind(http);
  if (open.payload == PayloadKind::whole &&
      to_hex(sha256(http.body)) != http.headers.get("x-amz-content-sha256")) {
    return S3Refusal{s3_error::content_sha256_mismatch};
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
  S3Refusal refusal{kind, status == 413 ? std::string() : std::string(message)};
  if (status != 413) refusal.error.status = status;
  HttpResponse response = answer(head, id, refusal);
  response.headers.add("x-amz-request-id", id);
  return response;
}

}  // namespace keelson::api
