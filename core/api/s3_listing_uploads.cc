// Uploads and parts. Tested by tests/core/api/s3_listing_test.cc.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/api/date.h"
#include "core/api/s3_listing.h"
#include "core/api/s3_multipart.h"
#include "core/api/s3_object_checksum.h"
#include "core/api/s3_page.h"
#include "core/api/s3_xml.h"

namespace keelson::api {

namespace {

constexpr std::size_t kUploadsOnPage = 1000;
constexpr std::size_t kPartsOnPage = 1000;
// An upload's record may have some KiB.
constexpr std::size_t kUploadsAtOnce = 256;

struct UploadsAsked {
  NameFilter filter;
  std::size_t limit;
  Bytes from;  // The first row that may be on the page.
};

struct UploadsPage {
  struct Upload {
    UploadName name;
    UploadRecord record;
  };
  std::vector<Upload> uploads;
  std::vector<std::string> prefixes;
  bool ends_in_prefix = false;
  bool is_truncated = false;

  std::size_t count() const { return uploads.size() + prefixes.size(); }
};

// Where the page begins that key-marker and upload-id-marker ask for. Errors: InvalidArgument.
S3Result<Bytes> first_row(const S3Request& request, const NameFilter& filter) {
  const Bytes root = upload_records(request.bucket).from;
  const std::string_view key = request.get("key-marker");
  const std::string_view id = request.get("upload-id-marker");
  TRY(check_key(key));
  if (key.empty()) return root;
  if (!filter.common_prefix(key).empty()) return root + filter.behind_marker(key);
  // Behind all uploads of the key, or behind one of them.
  if (id.empty()) return kv::end_of(root + behind(key));
  const auto octets = parse_id(id);
  if (!octets) return S3Refusal{s3_error::invalid_argument, "Invalid uploadId marker"};
  return upload_record_key(request.bucket, key, *octets) + '\0';
}

// Takes from the rows what the page has room for. Gives where to go on.
S3Result<Bytes> take_uploads(const S3Call& call, const UploadsAsked& asked,
                             const BucketRecord& bucket, const kv::ScanReply& reply,
                             UploadsPage& page) {
  Bytes next = reply.covered_to;
  for (const kv::ScannedRow& row : reply.rows) {
    auto name = upload_of_record(call.request.bucket, row.key);
    if (!name) return S3Refusal{s3_error::internal_error, name.error().message};
    TRY(UploadRecord record, decode_record<UploadRecord>(row.value.value));
    if (record.bucket_created_ms != bucket.created_ms) continue;  // Of one that was deleted.
    const std::string common(asked.filter.common_prefix(name->object));
    if (!common.empty()) {
      next = std::max(next, kv::end_of(upload_records(call.request.bucket, common).from));
      if (!page.prefixes.empty() && page.prefixes.back() == common) continue;
    }
    if (page.count() == asked.limit) {
      page.is_truncated = true;
      break;
    }
    page.ends_in_prefix = !common.empty();
    if (page.ends_in_prefix) {
      page.prefixes.push_back(common);
    } else {
      page.uploads.push_back({*std::move(name), std::move(record)});
    }
  }
  return next;
}

// A page that takes several scans has the uploads that each saw: clean-up, which listings of
// uploads are for, asks no more. Like those of objects it is of a bucket that is there.
S3Result<UploadsPage> find_uploads(const S3Context& context, const S3Call& call,
                                   const UploadsAsked& asked) {
  const kv::KeyRange range = upload_records(call.request.bucket, asked.filter.prefix);
  kv::ScanRequest scan{.from = std::max(range.from, asked.from),
                       .to = range.to,
                       .rows_limit = kUploadsAtOnce};
  UploadsPage page;
  std::optional<BucketRecord> bucket;
  do {
    kv::ScanReply reply{.rows = {}, .covered_to = range.to};
    if (asked.limit > 0 && scan.from < range.to) {
      TRY(reply, context.store.scan(scan, call.deadline()));
    }
    if (!bucket) {
      TRY(FoundBucket found, context.store.find_bucket(call.request.bucket, call.deadline()));
      bucket = std::move(found.record);
    }
    TRY(scan.from, take_uploads(call, asked, *bucket, reply, page));
  } while (!page.is_truncated && scan.from < range.to);
  return page;
}

void add_storage(XmlWriter& xml) {
  add_owner(xml, "Initiator");
  add_owner(xml);
  xml.add("StorageClass", "STANDARD");
}

void add_checksum(XmlWriter& xml, const UploadRecord& upload) {
  const auto choice = checksum_of(upload);
  if (!choice) return;
  xml.add("ChecksumAlgorithm", checksum_algorithm(choice->kind));
  xml.add("ChecksumType", checksum_type(choice->type));
}

void add_next_upload(XmlWriter& xml, const NameEncoding& encoding, const UploadsPage& page) {
  if (page.ends_in_prefix) {
    xml.add("NextKeyMarker", encoding(page.prefixes.back()));
    return;
  }
  const UploadName& last = page.uploads.back().name;
  xml.add("NextKeyMarker", encoding(last.object));
  xml.add("NextUploadIdMarker", to_hex(last.id));
}

void add_uploads(XmlWriter& xml, const NameEncoding& encoding, const UploadsPage& page) {
  for (const auto& [name, record] : page.uploads) {
    xml.begin("Upload");
    xml.add("Key", encoding(name.object));
    xml.add("UploadId", to_hex(name.id));
    add_storage(xml);
    xml.add("Initiated", iso_date(record.created_ms));
    add_checksum(xml, record);
    xml.end();
  }
  for (const std::string& prefix : page.prefixes) {
    xml.begin("CommonPrefixes");
    xml.add("Prefix", encoding(prefix));
    xml.end();
  }
}

// --- parts ---

using NumberedPart = std::pair<std::uint32_t, PartRecord>;

struct PartsPage {
  std::vector<NumberedPart> parts;
  bool is_truncated = false;
};

S3Result<PartsPage> find_parts(const S3Context& context, const S3Call& call, BytesView upload,
                               std::uint32_t marker, std::size_t limit) {
  const std::string& bucket = call.request.bucket;
  kv::ScanRequest scan{.from = part_record_key(bucket, upload, marker + 1),
                       .to = part_records(bucket, upload).to,
                       .rows_limit = limit + 1};
  PartsPage page;
  while (limit > 0 && page.parts.empty() && scan.from < scan.to) {
    TRY(const kv::ScanReply reply, context.store.scan(scan, call.deadline()));
    page.is_truncated = reply.rows.size() > limit || reply.covered_to != scan.to;
    for (const kv::ScannedRow& row : reply.rows) {
      if (page.parts.size() == limit) break;
      TRY(PartRecord part, decode_record<PartRecord>(row.value.value));
      page.parts.emplace_back(part_number_of(row.key), std::move(part));
    }
    scan.from = reply.covered_to;
  }
  return page;
}

void add_part(XmlWriter& xml, const NumberedPart& numbered) {
  const auto& [number, part] = numbered;
  xml.begin("Part");
  xml.add("PartNumber", std::to_string(number));
  xml.add("LastModified", iso_date(part.modified_ms));
  xml.add("ETag", '"' + to_hex(part.md5) + '"');
  xml.add("Size", std::to_string(part.size));
  for (const auto& [name, value] : part.checksums) xml.add(checksum_element(name), value);
  xml.end();
}

}  // namespace

S3Result<HttpResponse> S3Listing::uploads(const S3Call& call) {
  const S3Request& request = call.request;
  if (!is_valid_bucket_name(request.bucket)) return S3Refusal{s3_error::invalid_bucket_name};
  TRY(const NameEncoding encoding, NameEncoding::of(request));
  UploadsAsked asked;
  TRY(asked.limit, page_limit(request, "max-uploads", kUploadsOnPage));
  TRY(asked.filter, NameFilter::of(request));
  TRY(asked.from, first_row(request, asked.filter));
  TRY(const UploadsPage page, find_uploads(context_, call, asked));
  XmlWriter xml("ListMultipartUploadsResult", kS3Namespace);
  xml.add("Bucket", request.bucket);
  xml.add("KeyMarker", encoding(request.get("key-marker")));
  xml.add("UploadIdMarker", request.get("upload-id-marker"));
  if (page.is_truncated) add_next_upload(xml, encoding, page);
  xml.add("Prefix", encoding(asked.filter.prefix));
  if (!asked.filter.delimiter.empty()) xml.add("Delimiter", encoding(asked.filter.delimiter));
  if (encoding.is_url()) xml.add("EncodingType", "url");
  xml.add("MaxUploads", std::to_string(asked.limit));
  xml.add("IsTruncated", page.is_truncated ? "true" : "false");
  add_uploads(xml, encoding, page);
  return xml_answer(xml);
}

S3Result<HttpResponse> S3Listing::parts(const S3Call& call) {
  const S3Request& request = call.request;
  if (!is_valid_bucket_name(request.bucket)) return S3Refusal{s3_error::invalid_bucket_name};
  TRY(const NameEncoding encoding, NameEncoding::of(request));
  TRY(const std::size_t limit, page_limit(request, "max-parts", kPartsOnPage));
  constexpr std::size_t kMarkerMax = 0x7fffffff;
  TRY(std::size_t marker, page_limit(request, "part-number-marker", kMarkerMax));
  if (request.get("part-number-marker").empty()) marker = 0;
  const auto id = parse_id(request.get("uploadId"));
  PartsPage page;
  if (id) {
    TRY(page, find_parts(context_, call, *id, static_cast<std::uint32_t>(marker), limit));
  }
  // After its parts, as with buckets and their objects.
  TRY(const FoundUpload upload, find_upload(context_, call));
  XmlWriter xml("ListPartsResult", kS3Namespace);
  xml.add("Bucket", request.bucket);
  xml.add("Key", encoding(request.key));
  xml.add("UploadId", request.get("uploadId"));
  add_storage(xml);
  xml.add("PartNumberMarker", std::to_string(marker));
  if (page.is_truncated) {
    xml.add("NextPartNumberMarker", std::to_string(page.parts.back().first));
  }
  xml.add("MaxParts", std::to_string(limit));
  if (encoding.is_url()) xml.add("EncodingType", "url");
  xml.add("IsTruncated", page.is_truncated ? "true" : "false");
  add_checksum(xml, upload.record);
  for (const NumberedPart& part : page.parts) add_part(xml, part);
  return xml_answer(xml);
}

}  // namespace keelson::api
