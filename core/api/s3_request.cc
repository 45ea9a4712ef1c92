// Tested by tests/core/api/s3_adapter_test.cc.
#include "core/api/s3_request.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/api/date.h"
#include "core/api/digest.h"
#include "core/base/check.h"

namespace keelson::api {

namespace {

constexpr std::size_t kKeyBytesMax = 1024;

template <std::size_t n>
bool is_one_of(std::string_view text, const std::array<std::string_view, n>& list) {
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

std::optional<S3Operation> operation_of(std::string_view method, const S3Request& request) {
  const bool on_object = !request.key.empty();
  if (request.bucket.empty()) {
    if (method == "GET") return S3Operation::list_buckets;
    return std::nullopt;
  }
  if (method == "GET") return on_object ? S3Operation::get_object : S3Operation::list_objects;
  if (method == "HEAD") return on_object ? S3Operation::head_object : S3Operation::head_bucket;
  if (method == "PUT") return on_object ? S3Operation::put_object : S3Operation::create_bucket;
  if (method == "DELETE") {
    return on_object ? S3Operation::delete_object : S3Operation::delete_bucket;
  }
  return std::nullopt;
}

bool is_object_read(S3Operation operation) {
  return operation == S3Operation::get_object || operation == S3Operation::head_object;
}

S3Refusal unsupported(std::string_view kind, std::string_view name) {
  return {s3_error::not_implemented,
          "The " + std::string(kind) + " " + std::string(name) +
              " implies functionality that is not implemented. Nothing was changed."};
}

constexpr std::array<std::string_view, 7> kSigningParameters = {
    "x-id",          "X-Amz-Algorithm",     "X-Amz-Credential", "X-Amz-Date",
    "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"};

constexpr std::array<std::string_view, 6> kResponseOverrides = {
    "response-cache-control",    "response-content-disposition", "response-content-encoding",
    "response-content-language", "response-content-type",        "response-expires"};

// Of the x-amz- family; they change nothing, or nothing that is not done.
constexpr std::array<std::string_view, 11> kHeadersOfAll = {
    "x-amz-date",          "x-amz-content-sha256", "x-amz-user-agent",
    "x-amz-request-payer", "x-amz-checksum-mode",  "x-amz-sdk-checksum-algorithm",
    "x-amz-trailer",       "x-amz-checksum-type",  "x-amz-decoded-content-length",
    "x-amz-id-2",          "x-amz-request-id"};

constexpr std::array<std::string_view, 4> kChecksums = {
    "x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-sha1",
    "x-amz-checksum-sha256"};

std::optional<S3Refusal> find_unsupported_amz_header(const HttpHeaders::Field& field,
                                                     S3Operation operation) {
  const std::string name = to_lower(field.name);
  if (!name.starts_with("x-amz-") || is_one_of(name, kHeadersOfAll)) return std::nullopt;
  if (name == "x-amz-security-token") return S3Refusal{s3_error::invalid_token, {}};
  const bool is_put = operation == S3Operation::put_object;
  if (is_put && (name.starts_with("x-amz-meta-") || is_one_of(name, kChecksums))) return {};
  if (is_put && name == "x-amz-storage-class" && field.value == "STANDARD") return {};
  if ((is_put || operation == S3Operation::create_bucket) && name == "x-amz-acl" &&
      field.value == "private") {
    return {};
  }
  if (operation == S3Operation::create_bucket && name == "x-amz-object-ownership" &&
      field.value == "BucketOwnerEnforced") {
    return {};
  }
  return unsupported("header", name);
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

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t value = 0;
  if (text.empty()) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

const std::string* S3Request::parameter(std::string_view name) const {
  for (const QueryParameter& parameter : parameters) {
    if (parameter.name == name) return &parameter.value;
  }
  return nullptr;
}

std::variant<S3Request, S3Refusal> parse_s3_request(const HttpRequest& http,
                                                    const std::vector<std::string>& domains) {
  S3Request request;
  const auto path = http.path();
  auto parameters = parse_query(http.query, /*plus_is_space=*/true);
  if (!path || !path->starts_with('/') || !parameters) return S3Refusal{s3_error::invalid_uri, {}};
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
      return S3Refusal{s3_error::invalid_bucket_name, {}};
    }
  }
  if (request.key.size() > kKeyBytesMax) return S3Refusal{s3_error::key_too_long, {}};
  if (!is_utf8(request.key)) return S3Refusal{s3_error::invalid_uri, "The key is not UTF-8."};
  const auto operation = operation_of(http.method, request);
  if (!operation) return S3Refusal{s3_error::method_not_allowed, {}};
  request.operation = *operation;
  return request;
}

std::optional<S3Refusal> find_unsupported(const HttpRequest& http, const S3Request& request) {
  for (const QueryParameter& parameter : request.parameters) {
    if (is_one_of(parameter.name, kSigningParameters)) continue;
    if (parameter.name == "X-Amz-Security-Token") return S3Refusal{s3_error::invalid_token, {}};
    const bool overrides = is_one_of(parameter.name, kResponseOverrides);
    if (overrides && is_object_read(request.operation)) continue;
    return unsupported("parameter", parameter.name);
  }
  for (const auto& field : http.headers) {
    if (auto refusal = find_unsupported_amz_header(field, request.operation)) return refusal;
  }
  const bool is_read = is_object_read(request.operation);
  const bool is_put = request.operation == S3Operation::put_object;
  for (const std::string_view name : {"If-Match", "If-None-Match"}) {
    if (!is_read && !is_put && http.headers.find(name) != nullptr)
      return unsupported("header", name);
  }
  for (const std::string_view name : {"If-Modified-Since", "If-Unmodified-Since"}) {
    if (!is_read && http.headers.find(name) != nullptr) return unsupported("header", name);
  }
  if (http.headers.find("Content-Range") != nullptr) return unsupported("header", "Content-Range");
  return std::nullopt;
}

std::optional<S3Refusal> check_digests(const HttpHeaders& fields, BytesView body) {
  for (const auto& field : fields) {
    const std::string name = to_lower(field.name);
    const bool is_md5 = name == "content-md5";
    if (!is_md5 && !is_one_of(name, kChecksums)) continue;
    const Bytes actual = is_md5 ? md5(body) : checksum(name, body);
    const auto claimed = base64_decode(field.value);
    if (!claimed || claimed->size() != actual.size()) {
      return S3Refusal{s3_error::invalid_digest, "The " + name + " you specified is not valid."};
    }
    if (*claimed != actual) {
      return S3Refusal{s3_error::bad_digest,
                       "The " + name + " you specified did not match what we received."};
    }
  }
  return std::nullopt;
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
                          std::int64_t modified_ms) {
  const std::int64_t modified_second = modified_ms / 1000;
  if (const std::string* const list = headers.find("If-Match")) {
    if (!etag_list_contains(*list, etag)) return 412;
  } else if (const auto date = parse_http_date(headers.get("If-Unmodified-Since"))) {
    if (modified_second > *date / 1000) return 412;
  }
  if (const std::string* const list = headers.find("If-None-Match")) {
    if (etag_list_contains(*list, etag)) return 304;
  } else if (const auto date = parse_http_date(headers.get("If-Modified-Since"))) {
    if (modified_second <= *date / 1000) return 304;
  }
  return 200;
}

std::optional<ByteRange> parse_range(std::string_view text, std::size_t size) {
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
    const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(*last, size));
    return ByteRange{size - count, count};
  }
  const auto first = parse_count(from);
  if (!first || (!to.empty() && (!last || *last < *first))) return std::nullopt;
  if (*first >= size) return ByteRange{0, 0};
  const std::uint64_t end = to.empty() ? size : std::min<std::uint64_t>(size - 1, *last) + 1;
  return ByteRange{static_cast<std::size_t>(*first), static_cast<std::size_t>(end - *first)};
}

}  // namespace keelson::api
