// Tested by tests/core/api/s3_request_test.cc.
#include "core/api/s3_request.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "core/api/date.h"
#include "core/api/s3_checksum.h"
#include "core/base/check.h"

namespace keelson::api {

namespace {

using Operation = S3Operation;
using Names = std::span<const std::string_view>;

constexpr std::size_t kKeyBytesMax = 1024;

bool is_one_of(std::string_view text, Names list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

// Well-formed UTF-8 without overlong forms and surrogates.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
    if (size == 0 || i + size > text.size()) return false;
    for (std::size_t j = 1; j < size; ++j) {
      if ((static_cast<unsigned char>(text[i + j]) & 0xC0) != 0x80) return false;
    }
    const auto second = size > 1 ? static_cast<unsigned char>(text[i + 1]) : 0x80;
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
        (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
      return false;
    }
    i += size;
  }
  return true;
}

// The bucket that the host names, or nothing.
std::optional<std::string> bucket_of_host(std::string_view host,
                                          const std::vector<std::string>& domains) {
  const std::string name = to_lower(host.substr(0, host.rfind(':')));
  for (const std::string& domain : domains) {
    const std::string suffix = "." + to_lower(domain);
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      return name.substr(0, name.size() - suffix.size());
    }
  }
  return std::nullopt;
}

// --- operations ---

enum class Level { service, bucket, object };

constexpr std::string_view kListV1[] = {"prefix", "delimiter", "marker", "max-keys",
                                        "encoding-type"};
constexpr std::string_view kListV2[] = {"prefix",      "delimiter",     "start-after",
                                        "max-keys",    "encoding-type", "continuation-token",
                                        "fetch-owner"};
constexpr std::string_view kListVersions[] = {"prefix",   "delimiter",     "key-marker",
                                              "max-keys", "encoding-type", "version-id-marker"};
constexpr std::string_view kListUploads[] = {"prefix",      "delimiter",     "key-marker",
                                             "max-uploads", "encoding-type", "upload-id-marker"};
constexpr std::string_view kListParts[] = {"max-parts", "part-number-marker", "encoding-type"};
constexpr std::string_view kRead[] = {"response-cache-control",    "response-content-disposition",
                                      "response-content-encoding", "response-content-language",
                                      "response-content-type",     "response-expires",
                                      "versionId",                 "partNumber"};
constexpr std::string_view kVersion[] = {"versionId"};
constexpr std::string_view kUpload[] = {"uploadId"};
constexpr std::string_view kListBuckets[] = {"max-buckets", "prefix", "continuation-token"};

// What method, level and, where it has one, parameter make of a request; and which further
// parameters it may have.
struct Rule {
  std::string_view method;
  Level level;
  std::string_view parameter;
  Operation operation;
  Names further = {};
  std::string_view value = {};  // Of the parameter, where it matters.
};

// Those with a parameter come before those without.
constexpr Rule kRules[] = {
    {"GET", Level::service, "", Operation::list_buckets, kListBuckets},

    {"GET", Level::bucket, "location", Operation::get_bucket_location},
    {"GET", Level::bucket, "accelerate", Operation::get_bucket_unset},
    {"GET", Level::bucket, "cors", Operation::get_bucket_unset},
    {"GET", Level::bucket, "encryption", Operation::get_bucket_unset},
    {"GET", Level::bucket, "lifecycle", Operation::get_bucket_unset},
    {"GET", Level::bucket, "logging", Operation::get_bucket_unset},
    {"GET", Level::bucket, "notification", Operation::get_bucket_unset},
    {"GET", Level::bucket, "object-lock", Operation::get_bucket_unset},
    {"GET", Level::bucket, "ownershipControls", Operation::get_bucket_unset},
    {"GET", Level::bucket, "policy", Operation::get_bucket_unset},
    {"GET", Level::bucket, "policyStatus", Operation::get_bucket_unset},
    {"GET", Level::bucket, "publicAccessBlock", Operation::get_bucket_unset},
    {"GET", Level::bucket, "replication", Operation::get_bucket_unset},
    {"GET", Level::bucket, "requestPayment", Operation::get_bucket_unset},
    {"GET", Level::bucket, "versioning", Operation::get_bucket_unset},
    {"GET", Level::bucket, "website", Operation::get_bucket_unset},
    {"GET", Level::bucket, "acl", Operation::get_bucket_acl},
    {"GET", Level::bucket, "tagging", Operation::get_bucket_tagging},
    {"GET", Level::bucket, "versions", Operation::list_object_versions, kListVersions},
    {"GET", Level::bucket, "uploads", Operation::list_multipart_uploads, kListUploads},
    {"GET", Level::bucket, "list-type", Operation::list_objects_v2, kListV2, "2"},
    {"GET", Level::bucket, "", Operation::list_objects, kListV1},
    {"HEAD", Level::bucket, "", Operation::head_bucket},
    {"PUT", Level::bucket, "acl", Operation::put_bucket_acl},
    {"PUT", Level::bucket, "tagging", Operation::put_bucket_tagging},
    {"PUT", Level::bucket, "", Operation::create_bucket},
    {"POST", Level::bucket, "delete", Operation::delete_objects},
    {"DELETE", Level::bucket, "tagging", Operation::delete_bucket_tagging},
    {"DELETE", Level::bucket, "", Operation::delete_bucket},

    {"GET", Level::object, "acl", Operation::get_object_acl, kVersion},
    {"GET", Level::object, "tagging", Operation::get_object_tagging, kVersion},
    {"GET", Level::object, "uploadId", Operation::list_parts, kListParts},
    {"GET", Level::object, "", Operation::get_object, kRead},
    {"HEAD", Level::object, "", Operation::head_object, kRead},
    {"PUT", Level::object, "tagging", Operation::put_object_tagging, kVersion},
    {"PUT", Level::object, "partNumber", Operation::upload_part, kUpload},
    {"PUT", Level::object, "", Operation::put_object},
    {"POST", Level::object, "uploads", Operation::create_multipart_upload},
    {"POST", Level::object, "uploadId", Operation::complete_multipart_upload},
    {"DELETE", Level::object, "tagging", Operation::delete_object_tagging, kVersion},
    {"DELETE", Level::object, "uploadId", Operation::abort_multipart_upload},
    {"DELETE", Level::object, "", Operation::delete_object, kVersion},
};

// The rule, or nullptr if the method is none for the resource. A resource that takes the method
// with parameters only refuses it without.
const Rule* find_rule(std::string_view method, const S3Request& request) {
  const Level level = request.bucket.empty() ? Level::service
                      : request.key.empty()  ? Level::bucket
                                             : Level::object;
  for (const Rule& rule : kRules) {
    if (rule.level != level || rule.method != method) continue;
    if (rule.parameter.empty()) return &rule;
    const std::string* const given = request.parameter(rule.parameter);
    if (given != nullptr && (rule.value.empty() || *given == rule.value)) return &rule;
  }
  return nullptr;
}

Operation with_source(Operation operation, const HttpHeaders& headers) {
  if (headers.find("x-amz-copy-source") == nullptr) return operation;
  if (operation == Operation::put_object) return Operation::copy_object;
  if (operation == Operation::upload_part) return Operation::upload_part_copy;
  return operation;
}

S3Refusal unsupported(std::string_view kind, std::string_view name) {
  return {s3_error::not_implemented,
          "The " + std::string(kind) + " " + std::string(name) +
              " implies functionality that is not implemented. Nothing was changed."};
}

// --- parameters and headers that may be there ---

constexpr std::string_view kSigningParameters[] = {
    "x-id",          "X-Amz-Algorithm",     "X-Amz-Credential", "X-Amz-Date",
    "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature",  "X-Amz-Content-Sha256"};

// Without regard to case; a name that is not written as above is none of the signature, though,
// and not known.
bool is_of_signature(std::string_view name) {
  return std::any_of(std::begin(kSigningParameters), std::end(kSigningParameters),
                     [&](std::string_view known) { return equal_without_case(name, known); });
}

// Of the x-amz- family; they change nothing, or nothing that is not done.
constexpr std::string_view kHeadersOfAll[] = {
    "x-amz-date",          "x-amz-content-sha256", "x-amz-user-agent",
    "x-amz-request-payer", "x-amz-checksum-mode",  "x-amz-sdk-checksum-algorithm",
    "x-amz-trailer",       "x-amz-id-2",           "x-amz-decoded-content-length",
    "x-amz-request-id"};

constexpr std::string_view kCopyHeaders[] = {"x-amz-copy-source",
                                             "x-amz-copy-source-if-match",
                                             "x-amz-copy-source-if-none-match",
                                             "x-amz-copy-source-if-modified-since",
                                             "x-amz-copy-source-if-unmodified-since"};

bool creates_object(Operation operation) {
  return operation == Operation::put_object || operation == Operation::copy_object ||
         operation == Operation::create_multipart_upload;
}

bool is_object_read(Operation operation) {
  return operation == Operation::get_object || operation == Operation::head_object;
}

// Conditions on writes.
bool takes_match(Operation operation) {
  return operation == Operation::put_object || operation == Operation::copy_object ||
         operation == Operation::complete_multipart_upload ||
         operation == Operation::delete_object;
}

bool allows_amz_header(std::string_view name, std::string_view value, Operation operation) {
  if (is_one_of(name, kHeadersOfAll)) return true;
  if (checksum_of_header(name)) return is_write(operation);
  const bool copies =
      operation == Operation::copy_object || operation == Operation::upload_part_copy;
  if (is_one_of(name, kCopyHeaders)) return copies;
  if (name == "x-amz-copy-source-range") return operation == Operation::upload_part_copy;
  if (name == "x-amz-metadata-directive") return operation == Operation::copy_object;
  if (name == "x-amz-checksum-algorithm") {
    return operation == Operation::copy_object || operation == Operation::create_multipart_upload;
  }
  if (name == "x-amz-checksum-type") {
    return operation == Operation::create_multipart_upload ||
           operation == Operation::complete_multipart_upload;
  }
  if (name.starts_with("x-amz-meta-")) return creates_object(operation);
  if (name == "x-amz-tagging") return creates_object(operation);
  if (name == "x-amz-tagging-directive") return operation == Operation::copy_object;
  if (name == "x-amz-storage-class") return creates_object(operation) && value == "STANDARD";
  if (name == "x-amz-acl") {
    return operation == Operation::create_bucket || operation == Operation::put_bucket_acl ||
           (creates_object(operation) && value == "private");
  }
  if (name == "x-amz-object-ownership") {
    return operation == Operation::create_bucket && value == "BucketOwnerEnforced";
  }
  if (name == "x-amz-mp-object-size") return operation == Operation::complete_multipart_upload;
  if (name == "x-amz-bucket-object-lock-enabled") return equal_without_case(value, "false");
  return false;
}

bool is_checksum_of_nothing(const QueryParameter& parameter) {
  const auto kind = checksum_of_header(parameter.name);
  return kind && trim(parameter.value) == base64_encode(digest(*kind, ""));
}

}  // namespace

const std::string* S3Request::parameter(std::string_view name) const {
  for (const QueryParameter& parameter : parameters) {
    if (parameter.name == name) return &parameter.value;
  }
  return nullptr;
}

std::string_view S3Request::get(std::string_view name) const {
  const std::string* const found = parameter(name);
  return found == nullptr ? std::string_view() : *found;
}

S3Result<void> check_key(std::string_view key) {
  if (key.size() > kKeyBytesMax) return S3Refusal{s3_error::key_too_long};
  if (!is_utf8(key) || key.find('\0') != std::string_view::npos) {
    return S3Refusal{s3_error::invalid_uri, "The key is not UTF-8."};
  }
  return {};
}

S3Result<std::optional<HttpRequest>> with_headers_of_query(const HttpRequest& request) {
  const auto parameters = parse_query(request.query, /*plus_is_space=*/true);
  if (!parameters) return S3Refusal{s3_error::invalid_uri};
  const bool is_presigned =
      std::any_of(parameters->begin(), parameters->end(),
                  [](const auto& parameter) { return parameter.name == "X-Amz-Signature"; });
  if (!is_presigned) return std::optional<HttpRequest>();
  HttpRequest meant = request;
  meant.query.clear();
  const bool says_nothing_of_the_body =
      std::any_of(parameters->begin(), parameters->end(), is_checksum_of_nothing);
  for (const QueryParameter& parameter : *parameters) {
    const std::string name = to_lower(parameter.name);
    if (says_nothing_of_the_body &&
        (is_checksum_of_nothing(parameter) || name == "x-amz-sdk-checksum-algorithm")) {
      continue;
    }
    if (name.starts_with("x-amz-") && !is_of_signature(name)) {
      if (meant.headers.find(name) != nullptr) {
        return S3Refusal{s3_error::invalid_argument, parameter.name + " occurs twice"};
      }
      meant.headers.add(name, std::string(trim(parameter.value)));
      continue;
    }
    if (!meant.query.empty()) meant.query += '&';
    meant.query += percent_encode(parameter.name);
    if (parameter.has_value) meant.query += '=' + percent_encode(parameter.value);
  }
  return std::optional(std::move(meant));
}

S3Result<S3Request> parse_s3_request(const HttpRequest& http,
                                     const std::vector<std::string>& domains) {
  S3Request request;
  const auto path = http.path();
  auto parameters = parse_query(http.query, /*plus_is_space=*/true);
  if (!path || !path->starts_with('/') || !parameters) return S3Refusal{s3_error::invalid_uri};
  request.parameters = *std::move(parameters);
  const std::string_view resource = std::string_view(*path).substr(1);
  if (auto bucket = bucket_of_host(http.headers.get("Host"), domains)) {
    request.bucket = *std::move(bucket);
    request.key = resource;
  } else {
    const std::size_t slash = std::min(resource.find('/'), resource.size());
    request.bucket = resource.substr(0, slash);
    request.key = resource.substr(std::min(slash + 1, resource.size()));
    if (request.bucket.empty() && !request.key.empty()) {
      return S3Refusal{s3_error::invalid_bucket_name};
    }
  }
  TRY(check_key(request.key));
  const Rule* const rule = find_rule(http.method, request);
  if (rule == nullptr) return S3Refusal{s3_error::method_not_allowed};
  request.operation = with_source(rule->operation, http.headers);
  return request;
}

S3Result<void> check_supported(const HttpRequest& http, const S3Request& request) {
  const Operation operation = request.operation;
  const Rule* const rule = find_rule(http.method, request);
  CHECK(rule != nullptr);
  for (const QueryParameter& parameter : request.parameters) {
    if (parameter.name == "X-Amz-Security-Token") return S3Refusal{s3_error::invalid_token};
    const bool is_known = parameter.name == rule->parameter ||
                          is_one_of(parameter.name, rule->further) ||
                          is_one_of(parameter.name, kSigningParameters);
    if (!is_known) return unsupported("parameter", parameter.name);
  }
  for (const auto& field : http.headers) {
    const std::string name = to_lower(field.name);
    if (name == "x-amz-security-token") return S3Refusal{s3_error::invalid_token};
    if (name.starts_with("x-amz-") && !allows_amz_header(name, field.value, operation)) {
      return unsupported("header", name);
    }
  }
  for (const std::string_view name : {"If-Match", "If-None-Match"}) {
    if (!is_object_read(operation) && !takes_match(operation) && http.headers.find(name)) {
      return unsupported("header", name);
    }
  }
  for (const std::string_view name : {"If-Modified-Since", "If-Unmodified-Since"}) {
    if (!is_object_read(operation) && http.headers.find(name)) return unsupported("header", name);
  }
  if (http.headers.find("Content-Range") != nullptr) return unsupported("header", "Content-Range");
  const std::string* const version = request.parameter("versionId");
  if (version != nullptr && *version != "null") {
    return S3Refusal{s3_error::invalid_argument, "Invalid version id specified"};
  }
  return {};
}

bool is_write(Operation operation) {
  switch (operation) {
    case Operation::list_buckets:
    case Operation::head_bucket:
    case Operation::get_bucket_location:
    case Operation::get_bucket_unset:
    case Operation::get_bucket_acl:
    case Operation::get_bucket_tagging:
    case Operation::list_objects:
    case Operation::list_objects_v2:
    case Operation::list_object_versions:
    case Operation::get_object:
    case Operation::head_object:
    case Operation::get_object_acl:
    case Operation::get_object_tagging:
    case Operation::list_parts:
    case Operation::list_multipart_uploads: return false;
    default: return true;
  }
}

bool has_object_body(Operation operation) {
  return operation == Operation::put_object || operation == Operation::upload_part;
}

bool etag_list_contains(std::string_view list, std::string_view etag) {
  CHECK(etag.size() >= 2 && etag.front() == '"' && etag.back() == '"');
  const std::string_view bare = etag.substr(1, etag.size() - 2);
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    std::string_view item = trim(list.substr(0, end));
    if (item.starts_with("W/")) item.remove_prefix(2);
    if (item == "*" || item == etag || item == bare) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

// RFC 9110 §13.2.2: the ETag conditions come before, and displace, the dated ones.
int judge_read_conditions(const HttpHeaders& headers, std::string_view etag,
                          std::int64_t modified_ms, const ConditionNames& names) {
  const std::int64_t modified_second = modified_ms / 1000;
  if (const std::string* const list = headers.find(names.match)) {
    if (!etag_list_contains(*list, etag)) return 412;
  } else if (const auto date = parse_http_date(headers.get(names.unmodified_since))) {
    if (modified_second > *date / 1000) return 412;
  }
  if (const std::string* const list = headers.find(names.none_match)) {
    if (etag_list_contains(*list, etag)) return 304;
  } else if (const auto date = parse_http_date(headers.get(names.modified_since))) {
    if (modified_second <= *date / 1000) return 304;
  }
  return 200;
}

std::optional<ByteRange> parse_range(std::string_view text, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos || text.find(',') != std::string_view::npos) return {};
  const std::string_view from = trim(text.substr(0, dash));
  const std::string_view to = trim(text.substr(dash + 1));
  const auto last = parse_count(to);
  if (from.empty()) {  // The last so many octets.
    if (!last) return std::nullopt;
    const std::uint64_t count = std::min(*last, size);
    return ByteRange{size - count, count};
  }
  const auto first = parse_count(from);
  if (!first || (!to.empty() && (!last || *last < *first))) return std::nullopt;
  if (*first >= size) return ByteRange{0, 0};
  const std::uint64_t end = to.empty() ? size : std::min<std::uint64_t>(size - 1, *last) + 1;
  return ByteRange{*first, end - *first};
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t value = 0;
  if (text.empty()) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace keelson::api
