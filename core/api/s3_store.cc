// Tested by tests/core/api/s3_adapter_test.cc.
#include "core/api/s3_store.h"

#include <utility>

namespace keelson::api {

namespace {

constexpr std::string_view kOutcome = "x-keelson-outcome";

// The one table from the store's errors to S3's.
S3Refusal refusal_of(const Error& failure) {
  switch (failure.code) {
    case ErrorCode::invalid_argument: return {s3_error::entity_too_large};
    case ErrorCode::corrupt:
    case ErrorCode::io_error:
    case ErrorCode::not_found: return {s3_error::internal_error};
    default: return {s3_error::service_unavailable, {}, {{"Retry-After", "1"}}};
  }
}

bool surely_did_nothing(ErrorCode code) {
  return code == ErrorCode::unavailable || code == ErrorCode::not_leader ||
         code == ErrorCode::invalid_argument;
}

}  // namespace

S3Result<std::vector<std::optional<kv::VersionedValue>>> S3Store::get(std::vector<Bytes> keys,
                                                                      Deadline deadline) {
  auto found = store_.get(std::move(keys), deadline);
  if (!found) return refusal_of(found.error());
  return *std::move(found);
}

S3Result<kv::ScanReply> S3Store::scan(kv::ScanRequest request, Deadline deadline) {
  auto reply = store_.scan(std::move(request), deadline);
  if (!reply) return refusal_of(reply.error());
  return *std::move(reply);
}

S3Result<kv::BatchOutcome> S3Store::execute(kv::Batch batch, Deadline deadline) {
  batch.token = random_.identifier();
  const auto outcome = store_.execute(std::move(batch), deadline);
  if (outcome) return *outcome;
  S3Refusal refusal = refusal_of(outcome.error());
  if (surely_did_nothing(outcome.error().code)) {
    refusal.headers.add(std::string(kOutcome), "not_applied");
    return refusal;
  }
  refusal.headers.add(std::string(kOutcome), "unknown");
  refusal.message =
      "The outcome of this write is unknown: it may have happened, or may yet happen.";
  return refusal;
}

S3Result<kv::BatchOutcome> S3Store::execute_unseen(kv::Batch batch, Deadline deadline) {
  batch.token = random_.identifier();
  const auto outcome = store_.execute(std::move(batch), deadline);
  if (outcome) return *outcome;
  S3Refusal refusal = refusal_of(outcome.error());
  refusal.headers.add(std::string(kOutcome), "not_applied");
  return refusal;
}

S3Result<FoundBucket> S3Store::find_bucket(std::string_view bucket, Deadline deadline) {
  if (!is_valid_bucket_name(bucket)) return S3Refusal{s3_error::invalid_bucket_name};
  TRY(const auto found, get({bucket_record_key(bucket)}, deadline));
  if (!found[0]) return S3Refusal{s3_error::no_such_bucket};
  TRY(BucketRecord record, decode_record<BucketRecord>(found[0]->value));
  return FoundBucket{std::move(record), found[0]->version};
}

S3Result<FoundObject> S3Store::find_object(std::string_view bucket, std::string_view key,
                                           Deadline deadline) {
  if (!is_valid_bucket_name(bucket)) return S3Refusal{s3_error::invalid_bucket_name};
  TRY(const auto found,
      get({bucket_record_key(bucket), object_record_key(bucket, key)}, deadline));
  if (!found[0]) return S3Refusal{s3_error::no_such_bucket};
  if (!found[1]) return S3Refusal{s3_error::no_such_key};
  TRY(ObjectRecord record, decode_record<ObjectRecord>(found[1]->value));
  return FoundObject{std::move(record), found[1]->version};
}

kv::Condition bucket_exists(std::string_view bucket) {
  return {.key = bucket_record_key(bucket), .kind = kv::Condition::Kind::exists};
}

}  // namespace keelson::api
