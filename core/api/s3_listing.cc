// Objects. Tested by tests/core/api/s3_listing_test.cc.
#include "core/api/s3_listing.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/api/date.h"
#include "core/api/s3_page.h"
#include "core/api/s3_xml.h"
#include "core/base/check.h"

namespace keelson::api {

namespace {

constexpr std::size_t kKeysOnPage = 1000;

// What the three listings of objects are asked alike.
struct Asked {
  NameFilter filter;
  NameEncoding encoding;
  std::size_t limit;
  std::string from;  // The first name that may be on the page.

  static S3Result<Asked> of(const S3Request& request) {
    TRY(const std::size_t limit, page_limit(request, "max-keys", kKeysOnPage));
    TRY(const NameEncoding encoding, NameEncoding::of(request));
    TRY(NameFilter filter, NameFilter::of(request));
    return Asked{std::move(filter), encoding, limit, {}};
  }
};

struct Page {
  std::vector<std::pair<std::string, ObjectHead>> objects;
  std::vector<std::string> prefixes;
  std::string last;           // The last object or prefix.
  bool ends_in_prefix = false;
  bool is_truncated = false;
  std::string next;           // Where the next page begins, if it is.

  std::size_t count() const { return objects.size() + prefixes.size(); }

  S3Result<void> add(std::string name, const kv::ScannedRow& row) {
    last = name;
    ends_in_prefix = row.is_folded;
    next = row.is_folded ? kv::end_of(name) : behind(name);
    if (row.is_folded) {
      prefixes.push_back(std::move(name));
      return {};
    }
    TRY(ObjectHead head, decode_record<ObjectHead>(row.value.value));
    objects.emplace_back(std::move(name), std::move(head));
    return {};
  }
};

S3Result<Page> find_page(const S3Context& context, const S3Call& call, const Asked& asked) {
  const std::string& bucket = call.request.bucket;
  if (!is_valid_bucket_name(bucket)) return S3Refusal{s3_error::invalid_bucket_name};
  const Bytes root = object_record_prefix(bucket);
  const kv::KeyRange range = object_records(bucket, asked.filter.prefix);
  kv::ScanRequest scan{.from = std::max(range.from, root + asked.from),
                       .to = range.to,
                       .rows_limit = asked.limit + 1,  // One more tells whether there is more.
                       .value_octets = ObjectHead::kBytesMax};
  if (!asked.filter.delimiter.empty()) {
    scan.folding = kv::Folding{range.from.size(), asked.filter.delimiter};
  }
  Page page;
  // A scan may end before the first row it finds: nobody is given a page with nothing but the
  // promise of another one.
  while (asked.limit > 0 && page.count() == 0 && scan.from < range.to) {
    TRY(const kv::ScanReply reply, context.store.scan(scan, call.deadline()));
    page.is_truncated = reply.rows.size() > asked.limit;
    for (const kv::ScannedRow& row : reply.rows) {
      CHECK(row.key.starts_with(root));
      if (page.count() == asked.limit) break;
      TRY(page.add(row.key.substr(root.size()), row));
    }
    // The next page begins behind this one's last row, not where the scan ended: what was not there
    // yet in between may be by then.
    if (reply.covered_to != range.to) page.is_truncated = true;
    scan.from = reply.covered_to;
  }
  TRY(context.store.find_bucket(bucket, call.deadline()));
  return page;
}

// --- documents ---

void add_name(XmlWriter& xml, const Asked& asked, std::string_view element,
              std::string_view name) {
  xml.add(element, asked.encoding(name));
}

// What they all begin with, but for their own markers.
void add_asked(XmlWriter& xml, const S3Call& call, const Asked& asked, const Page& page) {
  xml.add("Name", call.request.bucket);
  add_name(xml, asked, "Prefix", asked.filter.prefix);
  xml.add("MaxKeys", std::to_string(asked.limit));
  if (!asked.filter.delimiter.empty()) add_name(xml, asked, "Delimiter", asked.filter.delimiter);
  if (asked.encoding.is_url()) xml.add("EncodingType", "url");
  xml.add("IsTruncated", page.is_truncated ? "true" : "false");
}

struct ObjectForm {
  std::string_view element = "Contents";
  bool has_owner = true;
  bool has_version = false;
};

void add_rows(XmlWriter& xml, const Asked& asked, const Page& page, const ObjectForm& form) {
  for (const auto& [key, head] : page.objects) {
    xml.begin(form.element);
    add_name(xml, asked, "Key", key);
    if (form.has_version) {
      xml.add("VersionId", "null");
      xml.add("IsLatest", "true");
    }
    xml.add("LastModified", iso_date(head.modified_ms));
    xml.add("ETag", head.quoted_etag());
    if (!head.checksum_algorithm.empty()) xml.add("ChecksumAlgorithm", head.checksum_algorithm);
    if (!head.checksum_type.empty()) xml.add("ChecksumType", head.checksum_type);
    xml.add("Size", std::to_string(head.size));
    if (form.has_owner) add_owner(xml);
    xml.add("StorageClass", "STANDARD");
    xml.end();
  }
  for (const std::string& prefix : page.prefixes) {
    xml.begin("CommonPrefixes");
    add_name(xml, asked, "Prefix", prefix);
    xml.end();
  }
}

}  // namespace

S3Result<HttpResponse> S3Listing::objects_v2(const S3Call& call) {
  const S3Request& request = call.request;
  TRY(Asked asked, Asked::of(request));
  const std::string_view start_after = request.get("start-after");
  TRY(check_key(start_after));
  const std::string* const token = request.parameter("continuation-token");
  if (token != nullptr) {
    TRY(asked.from, next_of_token(*token));
  } else if (!start_after.empty()) {
    // Of a common prefix what is behind it may still be listed, unlike with the markers of old.
    asked.from = behind(start_after);
  }
  TRY(const Page page, find_page(context_, call, asked));
  XmlWriter xml("ListBucketResult", kS3Namespace);
  add_asked(xml, call, asked, page);
  xml.add("KeyCount", std::to_string(page.count()));
  if (!start_after.empty()) add_name(xml, asked, "StartAfter", start_after);
  if (token != nullptr) xml.add("ContinuationToken", *token);
  if (page.is_truncated) xml.add("NextContinuationToken", page_token(page.next));
  add_rows(xml, asked, page, {.has_owner = request.get("fetch-owner") == "true"});
  return xml_answer(xml);
}

S3Result<HttpResponse> S3Listing::objects_v1(const S3Call& call) {
  TRY(Asked asked, Asked::of(call.request));
  const std::string_view marker = call.request.get("marker");
  TRY(check_key(marker));
  asked.from = asked.filter.behind_marker(marker);
  TRY(const Page page, find_page(context_, call, asked));
  XmlWriter xml("ListBucketResult", kS3Namespace);
  add_asked(xml, call, asked, page);
  add_name(xml, asked, "Marker", marker);
  // Without a delimiter the last key is the marker, and clients take it.
  if (page.is_truncated && !asked.filter.delimiter.empty()) {
    add_name(xml, asked, "NextMarker", page.last);
  }
  add_rows(xml, asked, page, {});
  return xml_answer(xml);
}

S3Result<HttpResponse> S3Listing::versions(const S3Call& call) {
  const S3Request& request = call.request;
  TRY(Asked asked, Asked::of(request));
  const std::string_view key = request.get("key-marker");
  const std::string_view version = request.get("version-id-marker");
  TRY(check_key(key));
  if (!version.empty() && key.empty()) {
    return S3Refusal{s3_error::invalid_argument,
                     "A version-id marker cannot be specified without a key marker."};
  }
  if (!version.empty() && version != "null") {
    return S3Refusal{s3_error::invalid_argument, "Invalid version id specified"};
  }
  // A key has one version: behind it there is the next key.
  asked.from = asked.filter.behind_marker(key);
  TRY(const Page page, find_page(context_, call, asked));
  XmlWriter xml("ListVersionsResult", kS3Namespace);
  add_asked(xml, call, asked, page);
  add_name(xml, asked, "KeyMarker", key);
  xml.add("VersionIdMarker", version);
  if (page.is_truncated) {
    add_name(xml, asked, "NextKeyMarker", page.last);
    if (!page.ends_in_prefix) xml.add("NextVersionIdMarker", "null");
  }
  add_rows(xml, asked, page, {.element = "Version", .has_version = true});
  return xml_answer(xml);
}

}  // namespace keelson::api
