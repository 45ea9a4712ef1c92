// Tested by tests/core/api/s3_objects_test.cc, s3_adapter_test.cc.
#include "core/api/s3_objects.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/api/date.h"
#include "core/api/s3_object_checksum.h"
#include "core/api/s3_tags.h"
#include "core/base/check.h"

namespace keelson::api {

namespace {

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

// --- reading ---

S3Refusal not_satisfiable(std::uint64_t size) {
  return {s3_error::invalid_range, {}, {{"Content-Range", "bytes */" + std::to_string(size)}}};
}

// The octets of the n-th part of an object that was uploaded in parts, or all of any other.
S3Result<ByteRange> range_of_part(const ObjectRecord& record, std::string_view text) {
  const auto number = parse_count(text);
  if (!number || *number < 1 || *number > 10'000) {
    return S3Refusal{s3_error::invalid_argument,
                     "Part number must be an integer between 1 and 10000, inclusive"};
  }
  if (record.upload.empty() && *number == 1) return ByteRange{0, record.head.size};
  if (*number > record.pieces.size()) return not_satisfiable(record.head.size);
  ByteRange range;
  for (std::uint64_t i = 0; i + 1 < *number; ++i) range.first += record.pieces[i].size;
  range.count = record.pieces[*number - 1].size;
  return range;
}

struct Selection {
  ByteRange range;
  bool is_part = false;
};

// What of the object is wanted. Errors: InvalidRange, InvalidArgument, InvalidRequest.
S3Result<Selection> select(const S3Call& call, const ObjectRecord& record) {
  const HttpHeaders& asked = call.http.headers;
  const std::uint64_t size = record.head.size;
  if (const std::string* const part = call.request.parameter("partNumber")) {
    if (asked.find("Range") != nullptr) {
      return S3Refusal{s3_error::invalid_request,
                       "Cannot specify both Range header and partNumber query parameter."};
    }
    TRY(const ByteRange range, range_of_part(record, *part));
    return Selection{range, true};
  }
  const std::string* const condition = asked.find("If-Range");
  if (condition != nullptr && *condition != record.head.quoted_etag()) return Selection{{0, size}};
  const auto range = parse_range(asked.get("Range"), size);
  if (!range) return Selection{{0, size}};
  if (range->count == 0) return not_satisfiable(size);
  return Selection{*range, true};
}

void add_body_headers(const S3Call& call, const ObjectRecord& record, const Selection& selection,
                      HttpResponse& response) {
  response.headers.set("Accept-Ranges", "bytes");
  if (response.headers.find("Content-Type") == nullptr) {
    response.headers.set("Content-Type", "binary/octet-stream");
  }
  const bool wants_checksums =
      equal_without_case(call.http.headers.get("x-amz-checksum-mode"), "ENABLED");
  if (wants_checksums && !selection.is_part) add_checksums(record.checksums, response.headers);
  if (!record.tags.empty()) {
    response.headers.set("x-amz-tagging-count", std::to_string(record.tags.size()));
  }
  if (call.request.parameter("partNumber") != nullptr && !record.upload.empty()) {
    response.headers.set("x-amz-mp-parts-count", std::to_string(record.pieces.size()));
  }
  for (const QueryParameter& parameter : call.request.parameters) {
    constexpr std::string_view kOverride = "response-";
    if (!parameter.name.starts_with(kOverride)) continue;
    response.headers.set(parameter.name.substr(kOverride.size()), parameter.value);
  }
  if (!selection.is_part || selection.range.count == 0) return;
  const auto& [first, count] = selection.range;
  response.status = 206;
  response.headers.set("Content-Range", "bytes " + std::to_string(first) + "-" +
                                            std::to_string(first + count - 1) + "/" +
                                            std::to_string(record.head.size));
}

}  // namespace

S3Result<HttpHeaders> kept_headers(const HttpHeaders& sent) {
  HttpHeaders kept;
  std::size_t metadata_bytes = 0;
  for (const auto& [name, value] : sent) {
    std::string lower = to_lower(name);
    const bool is_metadata = lower.starts_with("x-amz-meta-");
    const bool is_kept = is_metadata || std::find(kKeptHeaders.begin(), kKeptHeaders.end(),
                                                  lower) != kKeptHeaders.end();
    if (!is_kept) continue;
    if (is_metadata) metadata_bytes += name.size() + value.size();
    std::string kept_value = lower == "content-encoding" ? without_aws_chunked(value) : value;
    if (!kept_value.empty()) kept.add(std::move(lower), std::move(kept_value));
  }
  if (metadata_bytes > kMetadataBytesMax) return S3Refusal{s3_error::metadata_too_large};
  return kept;
}

// --- writing ---

S3Result<WriteCondition> write_condition(const S3Context& context, const S3Call& call) {
  const Bytes key = object_record_key(call.request.bucket, call.request.key);
  const std::string* const wanted = call.http.headers.find("If-Match");
  const std::string* const unwanted = call.http.headers.find("If-None-Match");
  if (wanted != nullptr && unwanted != nullptr) return S3Refusal{s3_error::not_implemented};
  if (unwanted != nullptr) {
    if (trim(*unwanted) != "*") {
      return S3Refusal{s3_error::not_implemented,
                       "On writes only If-None-Match: * is implemented."};
    }
    return WriteCondition{kv::Condition{key, kv::Condition::Kind::absent}};
  }
  if (wanted == nullptr) return WriteCondition{};
  if (trim(*wanted) == "*") return WriteCondition{kv::Condition{key, kv::Condition::Kind::exists}};
  // The log knows versions, not ETags: look which version has the ETag now, and let the log decide
  // whether it still is the one.
  TRY(const FoundObject found,
      context.store.find_object(call.request.bucket, call.request.key, call.deadline()));
  if (!etag_list_contains(*wanted, found.record.head.quoted_etag())) {
    return S3Refusal{s3_error::precondition_failed};
  }
  return WriteCondition{kv::Condition{key, kv::Condition::Kind::version_is, found.version}, true};
}

S3Result<std::optional<std::size_t>> commit_object(const S3Context& context, const S3Call& call,
                                                   const WriteCondition& condition,
                                                   const ObjectRecord& record, kv::Batch batch) {
  std::vector<kv::Condition> conditions = {bucket_exists(call.request.bucket)};
  if (condition.condition) conditions.push_back(*condition.condition);
  const std::size_t own = conditions.size();
  std::move(batch.conditions.begin(), batch.conditions.end(), std::back_inserter(conditions));
  batch.conditions = std::move(conditions);
  batch.mutations.push_back(
      {object_record_key(call.request.bucket, call.request.key), record.encode()});
  TRY(const kv::BatchOutcome outcome, context.store.execute(std::move(batch), call.deadline()));
  if (outcome.applied) return std::optional<std::size_t>();
  if (outcome.failed_condition == 0) return S3Refusal{s3_error::no_such_bucket};
  if (outcome.failed_condition >= own) return std::optional(outcome.failed_condition - own);
  // Another write came between our look at the ETag and the log.
  return S3Refusal{condition.was_read_first ? s3_error::conditional_conflict
                                            : s3_error::precondition_failed};
}

S3Result<bool> commit_body(const S3Context& context, const S3Call& call,
                           const WriteCondition& condition, ObjectRecord& record,
                           StoredBody body) {
  record.body = std::move(body.octets);
  if (body.piece) record.pieces.push_back(*body.piece);
  kv::Batch batch;
  body.move_to(batch);
  TRY(const auto failed, commit_object(context, call, condition, record, std::move(batch)));
  return failed.has_value();
}

S3Result<HttpResponse> S3Objects::put(const S3Call& call, S3BodySource& source) {
  const auto& [bucket, key, operation, parameters] = call.request;
  if (!is_valid_bucket_name(bucket)) return S3Refusal{s3_error::invalid_bucket_name};
  ObjectRecord record;
  TRY(record.headers, kept_headers(call.http.headers));
  TRY(record.tags, tags_of_header(call.http.headers));
  TRY(const WriteCondition condition, write_condition(context_, call));
  TRY(StoredBody body,
      store_body(context_, call, {.bucket = bucket, .key = key}, source));
  record.head = {.modified_ms = context_.clock.wall_ms(),
                 .size = body.size,
                 .etag = to_hex(source.md5())};
  set_checksums(record, source.checksums());
  TRY(const bool is_lost, commit_body(context_, call, condition, record, std::move(body)));
  if (is_lost) return was_collected();
  HttpResponse response{.headers = {{"ETag", record.head.quoted_etag()}}};
  add_checksums(record.checksums, response.headers);
  return response;
}

S3Result<HttpResponse> S3Objects::get(const S3Call& call) {
  TRY(FoundObject found,
      context_.store.find_object(call.request.bucket, call.request.key, call.deadline()));
  ObjectRecord& record = found.record;
  const std::string etag = record.head.quoted_etag();
  HttpResponse response{
      .status = judge_read_conditions(call.http.headers, etag, record.head.modified_ms),
      .headers = record.headers};
  if (response.status == 412) return S3Refusal{s3_error::precondition_failed};
  response.headers.set("ETag", etag);
  response.headers.set("Last-Modified", http_date(record.head.modified_ms));
  if (response.status == 304) return response;
  TRY(const Selection selection, select(call, record));
  add_body_headers(call, record, selection, response);
  if (record.pieces.empty()) {
    response.body = record.body.substr(selection.range.first, selection.range.count);
  } else {
    response.source = std::make_unique<BlobSource>(context_, call.request.bucket,
                                                   std::move(record.pieces), selection.range);
  }
  return response;
}

S3Result<HttpResponse> S3Objects::remove(const S3Call& call) {
  const auto& [bucket, key, operation, parameters] = call.request;
  if (!is_valid_bucket_name(bucket)) return S3Refusal{s3_error::invalid_bucket_name};
  TRY(const WriteCondition condition, write_condition(context_, call));
  kv::Batch batch;
  batch.conditions.push_back(bucket_exists(bucket));
  if (condition.condition) batch.conditions.push_back(*condition.condition);
  batch.mutations.push_back({object_record_key(bucket, key), std::nullopt});
  TRY(const kv::BatchOutcome outcome, context_.store.execute(std::move(batch), call.deadline()));
  if (outcome.applied) return HttpResponse{.status = 204};
  if (outcome.failed_condition == 0) return S3Refusal{s3_error::no_such_bucket};
  return S3Refusal{condition.was_read_first ? s3_error::conditional_conflict
                                            : s3_error::precondition_failed};
}

}  // namespace keelson::api
