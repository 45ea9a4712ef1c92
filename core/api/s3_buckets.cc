// Tested by tests/core/api/s3_buckets_test.cc.
#include "core/api/s3_buckets.h"

#include <algorithm>
#include <utility>

#include "core/api/date.h"
#include "core/api/s3_acls.h"
#include "core/api/s3_page.h"
#include "core/api/s3_xml.h"
#include "core/base/check.h"

namespace keelson::api {

namespace {

constexpr std::size_t kBucketsOnPage = 10'000;
constexpr int kAttempts = 8;

// Of the entries in the list of all buckets, those of one moment.
struct BucketPage {
  std::vector<std::pair<std::string, BucketEntry>> buckets;
  std::string next;  // Where the next page begins, or empty.
};

S3Result<BucketPage> make_page(const kv::ScanReply& reply, const Bytes& end, std::size_t limit) {
  BucketPage page;
  bool is_truncated = reply.covered_to != end;
  for (const kv::ScannedRow& row : reply.rows) {
    TRY(BucketEntry entry, decode_record<BucketEntry>(row.value.value));
    if (entry.is_deleted) continue;
    if (page.buckets.size() == limit) {
      is_truncated = true;
      break;
    }
    page.buckets.emplace_back(bucket_of_entry(row.key), std::move(entry));
  }
  if (!is_truncated) return page;
  page.next = page.buckets.empty() ? bucket_of_entry(reply.covered_to)
                                   : behind(page.buckets.back().first);
  return page;
}

S3Result<void> check_configuration(const S3Call& call, const std::string& region) {
  if (call.body.empty()) return {};
  TRY(const XmlElement configuration, parse_body(call, "CreateBucketConfiguration"));
  const std::string_view location = configuration.get("LocationConstraint");
  if (!location.empty() && location != region) return S3Refusal{s3_error::invalid_location};
  for (const XmlElement& element : configuration.children) {
    if (element.name == "LocationConstraint") continue;
    return S3Refusal{s3_error::not_implemented, element.name + " is not implemented."};
  }
  return {};
}

// What a sub-resource answers that was never set: an error, or a document without content.
struct Unset {
  std::string_view parameter;
  S3Error error;              // Its code is empty if there is a document.
  std::string_view root = {};
};

constexpr S3Error kNoError{"", 200, ""};

constexpr Unset kUnset[] = {
    {"policy", {"NoSuchBucketPolicy", 404, "The bucket policy does not exist"}},
    {"policyStatus", {"NoSuchBucketPolicy", 404, "The bucket policy does not exist"}},
    {"cors", {"NoSuchCORSConfiguration", 404, "The CORS configuration does not exist"}},
    {"lifecycle",
     {"NoSuchLifecycleConfiguration", 404, "The lifecycle configuration does not exist"}},
    {"website",
     {"NoSuchWebsiteConfiguration", 404,
      "The specified bucket does not have a website configuration"}},
    {"encryption",
     {"ServerSideEncryptionConfigurationNotFoundError", 404,
      "The server side encryption configuration was not found"}},
    {"replication",
     {"ReplicationConfigurationNotFoundError", 404,
      "The replication configuration was not found"}},
    {"object-lock",
     {"ObjectLockConfigurationNotFoundError", 404,
      "Object Lock configuration does not exist for this bucket"}},
    {"publicAccessBlock",
     {"NoSuchPublicAccessBlockConfiguration", 404,
      "The public access block configuration was not found"}},
    {"ownershipControls",
     {"OwnershipControlsNotFoundError", 404, "The bucket ownership controls were not found"}},
    {"versioning", kNoError, "VersioningConfiguration"},
    {"logging", kNoError, "BucketLoggingStatus"},
    {"notification", kNoError, "NotificationConfiguration"},
    {"accelerate", kNoError, "AccelerateConfiguration"},
    {"requestPayment", kNoError, "RequestPaymentConfiguration"},
};

}  // namespace

S3Result<HttpResponse> S3Buckets::list(const S3Call& call) {
  const S3Request& request = call.request;
  TRY(const std::size_t limit, page_limit(request, "max-buckets", kBucketsOnPage));
  if (limit == 0) {
    return S3Refusal{s3_error::invalid_argument, "max-buckets must be between 1 and 10000"};
  }
  const std::string_view prefix = request.get("prefix");
  TRY(check_key(prefix));
  const Bytes first = bucket_entry_key(prefix);
  kv::ScanRequest scan{.from = first, .to = kv::end_of(first), .rows_limit = kBucketsOnPage + 1};
  if (const std::string* const token = request.parameter("continuation-token")) {
    TRY(const std::string next, next_of_token(*token));
    scan.from = std::max(scan.from, bucket_entry_key(next));
  }
  BucketPage page;
  if (scan.from < scan.to) {
    TRY(const kv::ScanReply reply, context_.store.scan(scan, call.deadline()));
    TRY(page, make_page(reply, scan.to, limit));
  }
  XmlWriter xml("ListAllMyBucketsResult", kS3Namespace);
  add_owner(xml);
  xml.begin("Buckets");
  for (const auto& [name, entry] : page.buckets) {
    xml.begin("Bucket");
    xml.add("Name", name);
    xml.add("CreationDate", iso_date(entry.created_ms));
    xml.end();
  }
  xml.end();
  if (!page.next.empty()) xml.add("ContinuationToken", page_token(page.next));
  if (!prefix.empty()) xml.add("Prefix", prefix);
  return xml_answer(xml);
}

S3Result<HttpResponse> S3Buckets::create(const S3Call& call) {
  const std::string& bucket = call.request.bucket;
  if (!is_valid_bucket_name(bucket)) return S3Refusal{s3_error::invalid_bucket_name};
  // The probes' paths would hide its objects.
  if (bucket == "healthz") {
    return S3Refusal{s3_error::invalid_bucket_name, "The name healthz is reserved."};
  }
  TRY(check_configuration(call, context_.options.region));
  TRY(const auto canned, canned_acl(call.http.headers));
  const BucketRecord record{.created_ms = context_.clock.wall_ms(),
                            .public_read = canned == CannedAcl::public_read};
  const BucketEntry entry{.created_ms = record.created_ms};
  kv::Batch batch;
  const Bytes key = bucket_record_key(bucket);
  batch.conditions.push_back({key, kv::Condition::Kind::absent});
  batch.mutations.push_back({key, record.encode()});
  batch.mutations.push_back({bucket_entry_key(bucket), entry.encode()});
  TRY(const kv::BatchOutcome outcome, context_.store.execute(std::move(batch), call.deadline()));
  if (!outcome.applied) return S3Refusal{s3_error::bucket_already_owned_by_you};
  return HttpResponse{.headers = {{"Location", "/" + bucket}}};
}

S3Result<HttpResponse> S3Buckets::head(const S3Call& call) {
  TRY(context_.store.find_bucket(call.request.bucket, call.deadline()));
  return HttpResponse{.headers = {{"x-amz-bucket-region", context_.options.region}}};
}

S3Result<HttpResponse> S3Buckets::remove(const S3Call& call) {
  const std::string& bucket = call.request.bucket;
  TRY(const FoundBucket found, context_.store.find_bucket(bucket, call.deadline()));
  // Its entry in the list stays, and says that chunks and uploads are left to be collected.
  const BucketEntry entry{.created_ms = found.record.created_ms, .is_deleted = true};
  kv::KeyRange objects = object_records(bucket);
  kv::Batch batch;
  batch.conditions.push_back(bucket_exists(bucket));
  batch.conditions.push_back(kv::nothing_between(std::move(objects.from), std::move(objects.to)));
  batch.mutations.push_back({bucket_record_key(bucket), std::nullopt});
  batch.mutations.push_back({bucket_entry_key(bucket), entry.encode()});
  TRY(const kv::BatchOutcome outcome, context_.store.execute(std::move(batch), call.deadline()));
  if (outcome.applied) return HttpResponse{.status = 204};
  return S3Refusal{outcome.failed_condition == 0 ? s3_error::no_such_bucket
                                                 : s3_error::bucket_not_empty};
}

S3Result<HttpResponse> S3Buckets::get_location(const S3Call& call) {
  TRY(context_.store.find_bucket(call.request.bucket, call.deadline()));
  XmlWriter xml("LocationConstraint", kS3Namespace);
  // The first of all regions has no name here.
  if (context_.options.region != "us-east-1") xml.set_text(context_.options.region);
  return xml_answer(xml);
}

S3Result<HttpResponse> S3Buckets::get_unset(const S3Call& call) {
  TRY(context_.store.find_bucket(call.request.bucket, call.deadline()));
  const auto is_asked = [&](const Unset& unset) {
    return call.request.parameter(unset.parameter) != nullptr;
  };
  const auto unset = std::find_if(std::begin(kUnset), std::end(kUnset), is_asked);
  CHECK(unset != std::end(kUnset));
  if (unset->root.empty()) return S3Refusal{unset->error};
  XmlWriter xml(unset->root, kS3Namespace);
  if (unset->parameter == "requestPayment") xml.add("Payer", "BucketOwner");
  return xml_answer(xml);
}

S3Result<void> change_bucket(const S3Context& context, const S3Call& call,
                             const std::function<void(BucketRecord&)>& change) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    TRY(FoundBucket found, context.store.find_bucket(call.request.bucket, call.deadline()));
    change(found.record);
    kv::Batch batch;
    const Bytes key = bucket_record_key(call.request.bucket);
    batch.conditions.push_back({key, kv::Condition::Kind::version_is, found.version});
    batch.mutations.push_back({key, found.record.encode()});
    TRY(const kv::BatchOutcome outcome, context.store.execute(std::move(batch), call.deadline()));
    if (outcome.applied) return {};
  }
  return S3Refusal{s3_error::operation_aborted};
}

}  // namespace keelson::api
