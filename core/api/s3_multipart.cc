// Tested by tests/core/api/s3_multipart_test.cc.
#include "core/api/s3_multipart.h"

#include <algorithm>
#include <utility>

#include "core/api/digest.h"
#include "core/api/s3_object_checksum.h"
#include "core/api/s3_tags.h"
#include "core/api/s3_xml.h"
#include "core/base/check.h"

namespace keelson::api {

namespace {

constexpr std::uint32_t kPartsMax = 10'000;
constexpr std::uint64_t kObjectBytesMax = std::uint64_t{5} << 40;
constexpr std::size_t kRowsAtOnce = 1000;
// Another client's part, which came while this one completed the upload, makes it look again.
constexpr int kAttemptsMax = 8;

std::string unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return std::string(etag);
}

// MD5 of the parts' MD5s, and how many they are.
std::string etag_of(const std::vector<PartRecord>& parts) {
  Bytes all;
  for (const PartRecord& part : parts) all += part.md5;
  return to_hex(md5(all)) + '-' + std::to_string(parts.size());
}

// Of an upload whose id is none of ours: that there is no bucket comes first.
S3Refusal no_such_upload_in(const S3Context& context, const S3Call& call) {
  const auto bucket = context.store.find_bucket(call.request.bucket, call.deadline());
  return bucket ? S3Refusal{s3_error::no_such_upload} : bucket.error();
}

}  // namespace

S3Result<FoundUpload> find_upload(const S3Context& context, const S3Call& call) {
  const auto& [bucket, key, operation, parameters] = call.request;
  if (!is_valid_bucket_name(bucket)) return S3Refusal{s3_error::invalid_bucket_name};
  const auto id = parse_id(call.request.get("uploadId"));
  if (!id) return no_such_upload_in(context, call);
  TRY(const auto found,
      context.store.get({bucket_record_key(bucket), upload_record_key(bucket, key, *id)},
                        call.deadline()));
  if (!found[0]) return S3Refusal{s3_error::no_such_bucket};
  if (!found[1]) return S3Refusal{s3_error::no_such_upload};
  TRY(const BucketRecord in, decode_record<BucketRecord>(found[0]->value));
  TRY(UploadRecord record, decode_record<UploadRecord>(found[1]->value));
  if (record.bucket_created_ms != in.created_ms) return S3Refusal{s3_error::no_such_upload};
  return FoundUpload{std::move(record), found[1]->version, *id};
}

S3Result<std::uint32_t> part_number_of(const S3Request& request) {
  const auto number = parse_count(request.get("partNumber"));
  if (number && *number >= 1 && *number <= kPartsMax) return static_cast<std::uint32_t>(*number);
  return S3Refusal{s3_error::invalid_argument,
                   "Part number must be an integer between 1 and 10000, inclusive"};
}

S3Result<HttpResponse> S3Multipart::create(const S3Call& call) {
  const auto& [bucket, key, operation, parameters] = call.request;
  TRY(const FoundBucket in, context_.store.find_bucket(bucket, call.deadline()));
  UploadRecord record{.created_ms = context_.clock.wall_ms(),
                      .bucket_created_ms = in.record.created_ms,
                      .headers = {}};
  TRY(record.headers, kept_headers(call.http.headers));
  TRY(record.tags, tags_of_header(call.http.headers));
  TRY(const auto checksum, asked_checksum(call.http.headers));
  if (checksum) set_checksum(record, *checksum);
  const Bytes id = context_.store.new_identifier();
  kv::Batch batch;
  batch.conditions.push_back(bucket_exists(bucket));
  batch.mutations.push_back({upload_record_key(bucket, key, id), record.encode()});
  TRY(const kv::BatchOutcome outcome, context_.store.execute(std::move(batch), call.deadline()));
  if (!outcome.applied) return S3Refusal{s3_error::no_such_bucket};
  XmlWriter xml("InitiateMultipartUploadResult", kS3Namespace);
  xml.add("Bucket", bucket);
  xml.add("Key", key);
  xml.add("UploadId", to_hex(id));
  HttpResponse response = xml_answer(xml);
  if (checksum) {
    response.headers.add("x-amz-checksum-algorithm", record.checksum_algorithm);
    response.headers.add("x-amz-checksum-type", record.checksum_type);
  }
  return response;
}

S3Result<PartRecord> store_part(const S3Context& context, const S3Call& call,
                                const FoundUpload& upload, S3BodySource& source) {
  const auto& [bucket, key, operation, parameters] = call.request;
  TRY(const std::uint32_t number, part_number_of(call.request));
  if (const auto checksum = checksum_of(upload.record)) TRY(source.expect_checksum(*checksum));
  TRY(StoredBody body, store_body(context, call,
                                  {.bucket = bucket, .key = key, .upload = upload.id,
                                   .part = number},
                                  source));
  PartRecord record{.modified_ms = context.clock.wall_ms(),
                    .size = body.size,
                    .md5 = source.md5(),
                    .checksums = source.checksums(),
                    .piece = *body.piece};
  kv::Batch batch;
  batch.conditions.push_back(bucket_exists(bucket));
  batch.conditions.push_back({.key = upload_record_key(bucket, key, upload.id),
                              .kind = kv::Condition::Kind::version_is,
                              .version = upload.version});
  body.move_to(batch);
  batch.mutations.push_back({part_record_key(bucket, upload.id, number), record.encode()});
  batch.mutations.push_back({parts_mark_key(bucket, upload.id), key});
  TRY(const kv::BatchOutcome outcome, context.store.execute(std::move(batch), call.deadline()));
  if (outcome.applied) return record;
  if (outcome.failed_condition == 0) return S3Refusal{s3_error::no_such_bucket};
  if (outcome.failed_condition == 1) return S3Refusal{s3_error::no_such_upload};
  return was_collected();
}

S3Result<HttpResponse> S3Multipart::upload_part(const S3Call& call, S3BodySource& body) {
  TRY(part_number_of(call.request));
  TRY(const FoundUpload upload, find_upload(context_, call));
  TRY(const PartRecord part, store_part(context_, call, upload, body));
  HttpResponse response{.headers = {{"ETag", '"' + to_hex(part.md5) + '"'}}};
  for (const auto& [name, value] : part.checksums) response.headers.add(name, value);
  return response;
}

S3Result<HttpResponse> S3Multipart::abort(const S3Call& call) {
  const auto& [bucket, key, operation, parameters] = call.request;
  TRY(const FoundUpload upload, find_upload(context_, call));
  kv::Batch batch;
  const Bytes row = upload_record_key(bucket, key, upload.id);
  batch.conditions.push_back(bucket_exists(bucket));
  batch.conditions.push_back({.key = row, .kind = kv::Condition::Kind::exists});
  batch.mutations.push_back({row, std::nullopt});
  TRY(const kv::BatchOutcome outcome, context_.store.execute(std::move(batch), call.deadline()));
  if (outcome.applied) return HttpResponse{.status = 204};
  return S3Refusal{outcome.failed_condition == 0 ? s3_error::no_such_bucket
                                                 : s3_error::no_such_upload};
}

// --- completing ---

S3Result<std::vector<S3Multipart::AskedPart>> S3Multipart::parse_parts(BytesView text) {
  const auto xml = parse_xml(text);
  if (!xml || (*xml).name != "CompleteMultipartUpload") return S3Refusal{s3_error::malformed_xml};
  std::vector<AskedPart> parts;
  for (const XmlElement& element : (*xml).children) {
    if (element.name != "Part") return S3Refusal{s3_error::malformed_xml};
    const auto number = parse_count(trim(element.get("PartNumber")));
    if (!number || element.find("ETag") == nullptr) return S3Refusal{s3_error::malformed_xml};
    if (*number < 1 || *number > kPartsMax) return S3Refusal{s3_error::invalid_part};
    AskedPart part{static_cast<std::uint32_t>(*number), unquoted(trim(element.get("ETag"))), {}};
    for (const XmlElement& child : element.children) {
      if (child.name.starts_with("Checksum")) part.checksums.push_back({child.name, child.text});
    }
    if (!parts.empty() && parts.back().number >= part.number) {
      return S3Refusal{s3_error::invalid_part_order};
    }
    parts.push_back(std::move(part));
  }
  if (parts.empty()) return S3Refusal{s3_error::malformed_xml};
  return parts;
}

// A checksum that the part does not have is none that could be compared.
bool S3Multipart::is_as_asked(const PartRecord& part, const AskedPart& asked) {
  bool is_the_same = to_hex(part.md5) == asked.etag;
  for (const auto& [element, claimed] : asked.checksums) {
    bool is_its_own = false;
    for (const auto& [name, value] : part.checksums) {
      is_its_own = is_its_own || (element == checksum_element(name) && claimed == value);
    }
    is_the_same = is_the_same && is_its_own;
  }
  return is_the_same;
}

// A composite checksum is of checksums that the client knows.
S3Result<void> S3Multipart::check_vouched(const ChecksumChoice& choice,
                                          const std::vector<AskedPart>& asked) {
  if (choice.type != ChecksumType::composite) return {};
  for (const AskedPart& part : asked) {
    if (!part.checksums.empty()) continue;
    return S3Refusal{s3_error::invalid_request,
                     "The upload was created using a " +
                         to_lower(checksum_algorithm(choice.kind)) +
                         " checksum. The complete request must include the checksum for each "
                         "part. It was missing for part " +
                         std::to_string(part.number) + " in the request."};
  }
  return {};
}

// The records of the parts that were asked for. Errors: InvalidPart, EntityTooSmall.
S3Result<std::vector<PartRecord>> S3Multipart::find_parts(const S3Call& call, BytesView upload,
                                                          const std::vector<AskedPart>& asked) {
  const kv::KeyRange all = part_records(call.request.bucket, upload);
  std::vector<PartRecord> parts;
  Bytes from = part_record_key(call.request.bucket, upload, asked.front().number);
  while (parts.size() < asked.size() && from != all.to) {
    TRY(const kv::ScanReply reply,
        context_.store.scan({.from = from, .to = all.to, .rows_limit = kRowsAtOnce},
                            call.deadline()));
    for (const kv::ScannedRow& row : reply.rows) {
      if (parts.size() == asked.size()) break;
      const AskedPart& wanted = asked[parts.size()];
      if (part_number_of(row.key) != wanted.number) continue;
      TRY(PartRecord part, decode_record<PartRecord>(row.value.value));
      if (!is_as_asked(part, wanted)) return S3Refusal{s3_error::invalid_part};
      parts.push_back(std::move(part));
    }
    from = reply.covered_to;
  }
  if (parts.size() < asked.size()) return S3Refusal{s3_error::invalid_part};
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    if (parts[i].size < context_.options.part_bytes_min) {
      return S3Refusal{s3_error::entity_too_small};
    }
  }
  return parts;
}

// Errors: EntityTooLarge, InvalidRequest, InvalidPart, BadDigest.
S3Result<ObjectRecord> S3Multipart::make_object(const S3Call& call, FoundUpload upload,
                                                const std::vector<PartRecord>& parts) const {
  ObjectRecord record{.head = {.modified_ms = context_.clock.wall_ms(), .etag = etag_of(parts)},
                      .headers = std::move(upload.record.headers),
                      .tags = std::move(upload.record.tags),
                      .upload = std::move(upload.id)};
  for (const PartRecord& part : parts) {
    record.head.size += part.size;
    record.pieces.push_back(part.piece);
  }
  if (record.head.size > kObjectBytesMax) return S3Refusal{s3_error::entity_too_large};
  const std::string* const announced = call.http.headers.find("x-amz-mp-object-size");
  if (announced != nullptr && parse_count(*announced) != record.head.size) {
    return S3Refusal{s3_error::invalid_request,
                     "The provided x-amz-mp-object-size is not the size of all parts."};
  }
  const auto choice = checksum_of(upload.record);
  Fields checksums;
  if (choice) {
    TRY(checksums, combined_checksum(*choice, parts));
  }
  TRY(check_claims(call.http.headers, choice, checksums));
  set_checksums(record, std::move(checksums));
  return record;
}

// False if a part came meanwhile, or the upload is over by now.
S3Result<bool> S3Multipart::try_to_complete(const S3Call& call, BytesView id,
                                            const std::vector<AskedPart>& asked,
                                            CompletedRecord& done) {
  const auto& [bucket, key, operation, parameters] = call.request;
  TRY(FoundUpload upload, find_upload(context_, call));
  const std::uint64_t upload_version = upload.version;
  if (const auto choice = checksum_of(upload.record)) TRY(check_vouched(*choice, asked));
  const Bytes mark_key = parts_mark_key(bucket, id);
  // Before the parts: if it is the same in the end, so are they.
  TRY(const auto mark, context_.store.get({mark_key}, call.deadline()));
  auto found = mark[0] ? find_parts(call, id, asked) : S3Refusal{s3_error::invalid_part};
  if (!found) {
    // Of an upload that is over by now the parts may be collected already.
    TRY(const auto still, context_.store.get({upload_record_key(bucket, key, id)},
                                             call.deadline()));
    if (still[0]) return found.error();
    return false;
  }
  TRY(const WriteCondition condition, write_condition(context_, call));
  TRY(const ObjectRecord record, make_object(call, std::move(upload), *found));
  done = {.completed_ms = record.head.modified_ms,
          .key = key,
          .etag = record.head.etag,
          .checksums = record.checksums};
  const Bytes upload_key = upload_record_key(bucket, key, id);
  kv::Batch batch;
  batch.conditions.push_back({.key = upload_key,
                              .kind = kv::Condition::Kind::version_is,
                              .version = upload_version});
  batch.conditions.push_back({.key = mark_key,
                              .kind = kv::Condition::Kind::version_is,
                              .version = mark[0]->version});
  batch.mutations.push_back({upload_key, std::nullopt});
  batch.mutations.push_back({completed_record_key(bucket, id), done.encode()});
  TRY(const auto failed, commit_object(context_, call, condition, record, std::move(batch)));
  return !failed;
}

S3Result<HttpResponse> S3Multipart::complete(const S3Call& call) {
  const auto& [bucket, key, operation, parameters] = call.request;
  TRY(const std::vector<AskedPart> asked, parse_parts(call.body));
  const auto id = parse_id(call.request.get("uploadId"));
  if (!id) return no_such_upload_in(context_, call);
  for (int attempt = 1; attempt <= kAttemptsMax; ++attempt) {
    CompletedRecord done;
    const auto is_done = try_to_complete(call, *id, asked, done);
    if (is_done && *is_done) return completed(call, done);
    if (is_done) continue;
    if (is_done.error().error.code != s3_error::no_such_upload.code) return is_done.error();
    // It may have been completed by this very request, whose answer got lost.
    TRY(const auto before, context_.store.get({completed_record_key(bucket, *id)},
                                              call.deadline()));
    if (!before[0]) return S3Refusal{s3_error::no_such_upload};
    TRY(done, decode_record<CompletedRecord>(before[0]->value));
    if (done.key != key) return S3Refusal{s3_error::no_such_upload};
    return completed(call, done);
  }
  return S3Refusal{s3_error::conditional_conflict};
}

HttpResponse S3Multipart::completed(const S3Call& call, const CompletedRecord& done) const {
  const auto& [bucket, key, operation, parameters] = call.request;
  XmlWriter xml("CompleteMultipartUploadResult", kS3Namespace);
  xml.add("Location", "http://" + std::string(call.http.headers.get("Host")) + call.http.raw_path);
  xml.add("Bucket", bucket);
  xml.add("Key", key);
  xml.add("ETag", '"' + done.etag + '"');
  add_checksums(done.checksums, xml);
  return xml_answer(xml);
}

}  // namespace keelson::api
