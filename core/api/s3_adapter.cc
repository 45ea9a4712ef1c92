// Tested by tests/core/api/s3_adapter_test.cc.
#include "core/api/s3_adapter.h"

#include <algorithm>
#include <array>

#include "core/api/aws_chunked.h"
#include "core/api/date.h"
#include "core/api/digest.h"
#include "core/api/xml.h"
#include "core/base/check.h"

namespace keelson::api {

namespace {

// What chunk heads, signatures and trailers of an aws-chunked body may add.
constexpr std::size_t kFramingBytesMax = 64 * 1024;
constexpr std::size_t kMetadataBytesMax = 2048;

// Kept with the object and sent back with it, besides x-amz-meta-*.
constexpr std::array<std::string_view, 6> kKeptHeaders = {"cache-control",    "content-disposition",
                                                          "content-encoding", "content-language",
                                                          "content-type",     "expires"};

// "aws-chunked" describes the transfer, not the object.
std::string without_aws_chunked(std::string_view encodings) {
  std::string kept;
  while (!encodings.empty()) {
    const std::size_t end = std::min(encodings.find(','), encodings.size());
    const std::string_view item = trim(encodings.substr(0, end));
    encodings.remove_prefix(std::min(end + 1, encodings.size()));
    if (item.empty() || equal_without_case(item, "aws-chunked")) continue;
    if (!kept.empty()) kept += ',';
    kept += item;
  }
  return kept;
}

HttpHeaders kept_headers(const HttpHeaders& sent) {
  HttpHeaders kept;
  for (const auto& [name, value] : sent) {
    std::string lower = to_lower(name);
    const bool is_kept =
        lower.starts_with("x-amz-meta-") ||
        std::find(kKeptHeaders.begin(), kKeptHeaders.end(), lower) != kKeptHeaders.end();
    if (!is_kept) continue;
    std::string kept_value = lower == "content-encoding" ? without_aws_chunked(value) : value;
    if (!kept_value.empty()) kept.add(std::move(lower), std::move(kept_value));
  }
  return kept;
}

std::size_t metadata_bytes(const HttpHeaders& headers) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : headers) {
    if (name.starts_with("x-amz-meta-")) bytes += name.size() + value.size();
  }
  return bytes;
}

S3Refusal refusal_of(const AuthFailure& failure, bool presigned) {
  switch (failure.error) {
    case AuthError::missing:
    case AuthError::expired:
    case AuthError::unsigned_header:
      return {s3_error::access_denied, failure.message};
    case AuthError::malformed:
    case AuthError::wrong_scope:
      return {presigned ? s3_error::authorization_query : s3_error::authorization_malformed,
              failure.message};
    case AuthError::unknown_key:
      return {s3_error::invalid_access_key_id, {}};
    case AuthError::skewed:
      return {s3_error::request_time_too_skewed, {}};
    case AuthError::mismatch:
      return {s3_error::signature_does_not_match, failure.message};
    case AuthError::payload_mismatch:
      return {s3_error::content_sha256_mismatch, {}};
  }
  CHECK(false);
  return {};
}

}  // namespace

// One request on its way through.
struct S3Adapter::Call {
  const HttpRequest& http;
  const Deadline deadline;
  const std::string id;
  S3Request request;
  Authentication authentication;
  BytesView body;  // Without the framing of aws-chunked.
  DecodedBody decoded;
};

S3Adapter::S3Adapter(const Clock& clock, RandomSource& random, kv::Store& store,
                     const Credentials* credentials, S3Options options)
    : clock_(clock),
      store_(store),
      options_(std::move(options)),
      random_(random),
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
  Call call{request, deadline, ids_.next_short(), {}, {}, request.body, {}};
  HttpResponse response = dispatch(call);
  response.headers.add("x-amz-request-id", call.id);
  return response;
}

HttpResponse S3Adapter::dispatch(Call& call) {
  auto parsed = parse_s3_request(call.http, options_.domains);
  if (const auto* refusal = std::get_if<S3Refusal>(&parsed)) {
    return error(call, refusal->error, refusal->message);
  }
  call.request = std::get<S3Request>(std::move(parsed));
  auto refusal = authenticate(call);
  if (!refusal) refusal = find_unsupported(call.http, call.request);
  if (!refusal) refusal = take_body(call);
  if (refusal) return error(call, refusal->error, refusal->message);
  switch (call.request.operation) {
    case S3Operation::create_bucket:
      return create_bucket(call);
    case S3Operation::head_bucket:
      return head_bucket(call);
    case S3Operation::put_object:
      return put_object(call);
    case S3Operation::get_object:
    case S3Operation::head_object:
      return read_object(call);
    case S3Operation::delete_object:
      return delete_object(call);
    case S3Operation::list_buckets:
    case S3Operation::list_objects:
    case S3Operation::delete_bucket:
      break;
  }
  return error(call, s3_error::not_implemented);
}

std::optional<S3Refusal> S3Adapter::authenticate(Call& call) {
  const HttpRequest& http = call.http;
  if (payload_kind(http) == PayloadKind::unknown &&
      http.headers.get("x-amz-content-sha256").starts_with("STREAMING-")) {
    return S3Refusal{s3_error::not_implemented, "This x-amz-content-sha256 is not implemented."};
  }
  if (verifier_) {
    auto verified = verifier_->verify(http);
    if (const auto* failure = std::get_if<AuthFailure>(&verified)) {
      return refusal_of(*failure, http.headers.find("Authorization") == nullptr);
    }
    call.authentication = std::get<Authentication>(std::move(verified));
    return std::nullopt;
  }
  // An open listener still keeps damaged bodies out.
  call.authentication.payload = payload_kind(http);
  if (call.authentication.payload == PayloadKind::whole &&
      to_hex(sha256(http.body)) != http.headers.get("x-amz-content-sha256")) {
    return S3Refusal{s3_error::content_sha256_mismatch, {}};
  }
  return std::nullopt;
}

// Takes the framing of aws-chunked off, if there is any, and checks every digest that came along.
std::optional<S3Refusal> S3Adapter::take_body(Call& call) const {
  const HttpHeaders& headers = call.http.headers;
  const PayloadKind payload = call.authentication.payload;
  const bool chunked = payload == PayloadKind::chunks_signed ||
                       payload == PayloadKind::chunks_signed_trailer ||
                       payload == PayloadKind::chunks_unsigned_trailer;
  if (!chunked && headers.has_token("Content-Encoding", "aws-chunked")) {
    return S3Refusal{s3_error::invalid_request,
                     "aws-chunked needs x-amz-content-sha256: STREAMING-..."};
  }
  if (chunked) {
    auto decoded = decode_aws_chunked(call.http.body, call.authentication);
    if (const auto* failure = std::get_if<ChunkFailure>(&decoded)) {
      return failure->error == ChunkError::mismatch
                 ? S3Refusal{s3_error::signature_does_not_match, failure->message}
                 : S3Refusal{s3_error::incomplete_body, "aws-chunked: " + failure->message};
    }
    call.decoded = std::get<DecodedBody>(std::move(decoded));
    call.body = call.decoded.body;
    const std::string* const length = headers.find("x-amz-decoded-content-length");
    if (length != nullptr && *length != std::to_string(call.body.size())) {
      return S3Refusal{s3_error::incomplete_body, {}};
    }
    const std::string_view announced = headers.get("x-amz-trailer");
    if (!announced.empty() && call.decoded.trailers.find(announced) == nullptr) {
      return S3Refusal{s3_error::malformed_trailer, {}};
    }
    for (const auto& field : call.decoded.trailers) {
      if (!field.name.starts_with("x-amz-checksum-") || field.name.ends_with("crc64nvme")) {
        return S3Refusal{s3_error::not_implemented,
                         "The trailing field " + field.name + " is not implemented."};
      }
    }
  }
  if (auto refusal = check_digests(headers, call.body)) return refusal;
  return check_digests(call.decoded.trailers, call.body);
}

HttpResponse S3Adapter::create_bucket(const Call& call) {
  const std::string& bucket = call.request.bucket;
  if (!is_valid_bucket_name(bucket)) return error(call, s3_error::invalid_bucket_name);
  // The probes' paths would hide its objects.
  if (bucket == "healthz") {
    return error(call, s3_error::invalid_bucket_name, "The name healthz is reserved.");
  }
  if (!call.body.empty()) {
    const auto location = parse_location_constraint(call.body);
    if (!location) return error(call, s3_error::malformed_xml);
    if (!location->empty() && *location != options_.region) {
      return error(call, s3_error::invalid_location);
    }
  }
  kv::Batch batch;
  batch.token = random_.identifier();
  const Bytes key = bucket_record_key(bucket);
  batch.conditions.push_back({key, kv::Condition::Kind::absent});
  batch.mutations.push_back({key, BucketRecord{clock_.wall_ms()}.encode()});
  const auto outcome = store_.execute(std::move(batch), call.deadline);
  if (!outcome) return store_error(call, outcome.error(), /*is_write=*/true);
  if (!outcome->applied) return error(call, s3_error::bucket_already_owned_by_you);
  return {.status = 200, .headers = {{"Location", "/" + bucket}}, .body = {}};
}

HttpResponse S3Adapter::head_bucket(const Call& call) {
  const std::string& bucket = call.request.bucket;
  if (!is_valid_bucket_name(bucket)) return error(call, s3_error::invalid_bucket_name);
  const auto found = store_.get({bucket_record_key(bucket)}, call.deadline);
  if (!found) return store_error(call, found.error(), /*is_write=*/false);
  if (!found->front()) return error(call, s3_error::no_such_bucket);
  return {.status = 200, .headers = {{"x-amz-bucket-region", options_.region}}, .body = {}};
}

HttpResponse S3Adapter::put_object(const Call& call) {
  const auto& [bucket, key, operation, parameters] = call.request;
  const HttpHeaders& sent = call.http.headers;
  if (!is_valid_bucket_name(bucket)) return error(call, s3_error::invalid_bucket_name);
  if (sent.find("Content-Length") == nullptr && sent.find("Transfer-Encoding") == nullptr) {
    return error(call, s3_error::missing_content_length);
  }
  if (call.body.size() > kObjectBytesMax) return error(call, s3_error::entity_too_large);
  const ObjectRecord record{clock_.wall_ms(), md5_.digest(call.body), kept_headers(sent), {}};
  if (metadata_bytes(record.headers) > kMetadataBytesMax) {
    return error(call, s3_error::metadata_too_large);
  }
  kv::Batch batch;
  batch.token = random_.identifier();
  batch.conditions.push_back({bucket_record_key(bucket), kv::Condition::Kind::exists});
  if (auto answer = add_write_conditions(call, batch)) return *std::move(answer);
  batch.mutations.push_back({object_record_key(bucket, key), record.encode_with(call.body)});
  const bool was_read_first = batch.conditions.back().kind == kv::Condition::Kind::version_is;
  const auto outcome = store_.execute(std::move(batch), call.deadline);
  if (!outcome) return store_error(call, outcome.error(), /*is_write=*/true);
  if (!outcome->applied) {
    if (outcome->failed_condition == 0) return error(call, s3_error::no_such_bucket);
    // Another write came between our look at the ETag and the log.
    return error(call,
                 was_read_first ? s3_error::conditional_conflict : s3_error::precondition_failed);
  }
  return {.status = 200, .headers = {{"ETag", record.etag()}}, .body = {}};
}

std::optional<HttpResponse> S3Adapter::add_write_conditions(const Call& call, kv::Batch& batch) {
  const std::string& bucket = call.request.bucket;
  const Bytes key = object_record_key(bucket, call.request.key);
  const std::string* const wanted = call.http.headers.find("If-Match");
  const std::string* const unwanted = call.http.headers.find("If-None-Match");
  if (wanted != nullptr && unwanted != nullptr) return error(call, s3_error::not_implemented);
  if (unwanted != nullptr) {
    if (trim(*unwanted) != "*") {
      return error(call, s3_error::not_implemented,
                   "On writes only If-None-Match: * is implemented.");
    }
    batch.conditions.push_back({key, kv::Condition::Kind::absent});
    return std::nullopt;
  }
  if (wanted == nullptr) return std::nullopt;
  if (trim(*wanted) == "*") {
    batch.conditions.push_back({key, kv::Condition::Kind::exists});
    return std::nullopt;
  }
  // The log knows versions, not ETags: look which version has the ETag now, and let the log decide
  // whether it still is the one.
  const auto found = store_.get({bucket_record_key(bucket), key}, call.deadline);
  if (!found) {
    HttpResponse failed = store_error(call, found.error(), /*is_write=*/false);
    failed.headers.add("x-keelson-outcome", "not_applied");
    return failed;
  }
  if (!found->at(0)) return error(call, s3_error::no_such_bucket);
  if (!found->at(1)) return error(call, s3_error::no_such_key);
  const auto record = ObjectRecord::decode(found->at(1)->value);
  if (!record) return store_error(call, record.error(), /*is_write=*/false);
  if (!etag_list_contains(*wanted, (*record).etag())) {
    return error(call, s3_error::precondition_failed);
  }
  batch.conditions.push_back({key, kv::Condition::Kind::version_is, found->at(1)->version});
  return std::nullopt;
}

HttpResponse S3Adapter::read_object(const Call& call) {
  const auto& [bucket, key, operation, parameters] = call.request;
  if (!is_valid_bucket_name(bucket)) return error(call, s3_error::invalid_bucket_name);
  auto found = store_.get({bucket_record_key(bucket), object_record_key(bucket, key)},
                          call.deadline);
  if (!found) return store_error(call, found.error(), /*is_write=*/false);
  if (!found->at(0)) return error(call, s3_error::no_such_bucket);
  if (!found->at(1)) return error(call, s3_error::no_such_key);
  auto record = ObjectRecord::decode(found->at(1)->value);
  if (!record) return store_error(call, record.error(), /*is_write=*/false);
  return object_response(call, *std::move(record));
}

HttpResponse S3Adapter::object_response(const Call& call, ObjectRecord record) const {
  const HttpHeaders& asked = call.http.headers;
  const std::string etag = record.etag();
  HttpResponse response{.status = judge_read_conditions(asked, etag, record.modified_ms),
                        .headers = std::move(record.headers),
                        .body = {}};
  if (response.status == 412) return error(call, s3_error::precondition_failed);
  response.headers.set("ETag", etag);
  response.headers.set("Last-Modified", http_date(record.modified_ms));
  if (response.status == 304) return response;
  response.headers.set("Accept-Ranges", "bytes");
  if (response.headers.find("Content-Type") == nullptr) {
    response.headers.set("Content-Type", "binary/octet-stream");
  }
  for (const QueryParameter& parameter : call.request.parameters) {
    constexpr std::string_view kOverride = "response-";
    if (!parameter.name.starts_with(kOverride)) continue;
    response.headers.set(parameter.name.substr(kOverride.size()), parameter.value);
  }
  const std::string* const condition = asked.find("If-Range");
  std::optional<ByteRange> range;
  if (condition == nullptr || *condition == etag) {
    range = parse_range(asked.get("Range"), record.body.size());
  }
  if (!range) {
    response.body = std::move(record.body);
    return response;
  }
  const std::string size = std::to_string(record.body.size());
  if (range->count == 0) {
    HttpResponse refused = error(call, s3_error::invalid_range);
    refused.headers.add("Content-Range", "bytes */" + size);
    return refused;
  }
  response.status = 206;
  response.headers.add("Content-Range", "bytes " + std::to_string(range->first) + "-" +
                                            std::to_string(range->first + range->count - 1) + "/" +
                                            size);
  response.body = record.body.substr(range->first, range->count);
  return response;
}

HttpResponse S3Adapter::delete_object(const Call& call) {
  const auto& [bucket, key, operation, parameters] = call.request;
  if (!is_valid_bucket_name(bucket)) return error(call, s3_error::invalid_bucket_name);
  kv::Batch batch;
  batch.token = random_.identifier();
  batch.conditions.push_back({bucket_record_key(bucket), kv::Condition::Kind::exists});
  batch.mutations.push_back({object_record_key(bucket, key), std::nullopt});
  const auto outcome = store_.execute(std::move(batch), call.deadline);
  if (!outcome) return store_error(call, outcome.error(), /*is_write=*/true);
  if (!outcome->applied) return error(call, s3_error::no_such_bucket);
  return {.status = 204, .headers = {}, .body = {}};
}

HttpResponse S3Adapter::error(const Call& call, const S3Error& error,
                              std::string_view message) const {
  HttpResponse response{.status = error.status, .headers = {}, .body = {}};
  response.headers.add("Content-Type", "application/xml");
  if (error.status == 405) response.headers.add("Allow", "GET, HEAD, PUT, DELETE");
  response.body = s3_error_xml(error.code, message.empty() ? error.message : message,
                               call.http.raw_path, call.id);
  return response;
}

// The one table from the store's errors to S3's.
HttpResponse S3Adapter::store_error(const Call& call, const Error& failure, bool is_write) const {
  const bool unknown = is_write && failure.code != ErrorCode::unavailable &&
                       failure.code != ErrorCode::not_leader &&
                       failure.code != ErrorCode::invalid_argument;
  HttpResponse response = [&] {
    switch (failure.code) {
      case ErrorCode::invalid_argument:
        return error(call, s3_error::entity_too_large);
      case ErrorCode::corrupt:
      case ErrorCode::io_error:
      case ErrorCode::not_found:
        return error(call, s3_error::internal_error);
      default:
        break;
    }
    if (!unknown) return error(call, s3_error::service_unavailable);
    return error(call, s3_error::service_unavailable,
                 "The outcome of this write is unknown: it may have happened, or may yet happen.");
  }();
  if (response.status == 503) response.headers.add("Retry-After", "1");
  if (is_write) response.headers.add("x-keelson-outcome", unknown ? "unknown" : "not_applied");
  return response;
}

HttpResponse S3Adapter::refusal(const HttpRequest& head, int status,
                                std::string_view message) const {
  const Call call{head, Deadline::never(), ids_.next_short(), {}, {}, {}, {}};
  const S3Error& kind = status == 413   ? s3_error::entity_too_large
                        : status == 408 ? s3_error::request_timeout
                        : status == 501 ? s3_error::not_implemented
                        : status == 503 ? s3_error::service_unavailable
                                        : s3_error::bad_request;
  HttpResponse response = error(call, kind, status == 413 ? std::string_view() : message);
  if (status != 413) response.status = status;
  response.headers.add("x-amz-request-id", call.id);
  return response;
}

}  // namespace keelson::api
