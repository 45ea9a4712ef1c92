// Targets and the small grammars of S3's headers: lines of a method, a target, a host, a range and
// a list of ETags.
#include "core/api/date.h"
#include "core/api/s3_checksum.h"
#include "core/api/s3_records.h"
#include "core/api/s3_request.h"
#include "core/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace keelson::api {
namespace {

void check_encodings(std::string_view text) {
  for (const bool keep_slash : {false, true}) {
    CHECK(percent_decode(percent_encode(text, keep_slash)) == std::string(text));
  }
  CHECK(base64_decode(base64_encode(text)) == Bytes(text));
  if (const auto decoded = base64_decode(text)) (void)base64_encode(*decoded);
}

void check_request(const HttpRequest& http) {
  const auto request = parse_s3_request(http, {"s3.test"});
  if (!request) return;
  CHECK((*request).key.size() <= 1024);
  CHECK((*request).key.find('\0') == std::string::npos);
  (void)check_supported(http, *request);
  (void)is_valid_bucket_name((*request).bucket);
  // A bucket of the path can be named in the path again.
  const auto path = http.path();
  CHECK(path && path->ends_with((*request).key));
}

void check_range(std::string_view text, std::uint64_t size) {
  const auto range = parse_range(text, size);
  if (!range) return;
  CHECK(range->first <= size && range->count <= size - range->first);
}

}  // namespace
}  // namespace keelson::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelson::api;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check_encodings(text);
  HttpRequest http;
  http.method = take_line(text);
  http.set_target(take_line(text));
  http.headers.add("Host", std::string(take_line(text)));
  check_request(http);
  const std::string_view range = take_line(text);
  for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{10}, UINT64_MAX}) {
    check_range(range, length);
  }
  const std::string_view list = take_line(text);
  (void)etag_list_contains(list, "\"abc\"");
  (void)parse_http_date(list);
  (void)parse_amz_date(list);
  (void)parse_digest(keelson::api::DigestKind::crc32, list);
  return 0;
}
