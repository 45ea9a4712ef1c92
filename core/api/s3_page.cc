// Tested by tests/core/api/s3_listing_test.cc.
#include "core/api/s3_page.h"

#include <algorithm>

#include "core/api/digest.h"
#include "core/kv/key_range.h"

namespace keelson::api {

namespace {

// The octet in front of what a token holds.
constexpr char kTokenVersion = 1;
constexpr std::uint64_t kIntegerMax = 0x7fffffff;

}  // namespace

S3Result<std::size_t> page_limit(const S3Request& request, std::string_view name,
                                 std::size_t most) {
  const std::string_view text = request.get(name);
  if (text.empty()) return most;
  const auto count = parse_count(text);
  if (!count || *count > kIntegerMax) {
    return S3Refusal{s3_error::invalid_argument,
                     "Provided " + std::string(name) + " not an integer or within integer range"};
  }
  return std::min<std::size_t>(*count, most);
}

std::string page_token(std::string_view next) {
  return base64_encode(std::string(1, kTokenVersion) + std::string(next));
}

S3Result<std::string> next_of_token(std::string_view token) {
  const auto content = base64_decode(token);
  if (!content || content->empty() || content->front() != kTokenVersion) {
    return S3Refusal{s3_error::invalid_argument,
                     "The continuation token provided is incorrect"};
  }
  return content->substr(1);
}

S3Result<NameFilter> NameFilter::of(const S3Request& request) {
  NameFilter filter{std::string(request.get("prefix")), std::string(request.get("delimiter"))};
  TRY(check_key(filter.prefix));
  TRY(check_key(filter.delimiter));
  return filter;
}

std::string_view NameFilter::common_prefix(std::string_view name) const {
  if (delimiter.empty() || !name.starts_with(prefix)) return {};
  const std::size_t at = name.find(delimiter, prefix.size());
  return at == std::string_view::npos ? std::string_view() : name.substr(0, at + delimiter.size());
}

std::string NameFilter::behind_marker(std::string_view marker) const {
  if (marker.empty()) return {};
  const std::string_view common = common_prefix(marker);
  return common.empty() ? behind(marker) : kv::end_of(common);
}

std::string behind(std::string_view name) { return std::string(name) + '\0'; }

S3Result<NameEncoding> NameEncoding::of(const S3Request& request) {
  const std::string_view type = request.get("encoding-type");
  if (!type.empty() && type != "url") {
    return S3Refusal{s3_error::invalid_argument, "Invalid Encoding Method specified in Request"};
  }
  return NameEncoding(!type.empty());
}

std::string NameEncoding::operator()(std::string_view name) const {
  if (!is_url_) return std::string(name);
  std::string encoded;
  while (true) {
    const std::size_t space = std::min(name.find(' '), name.size());
    encoded += percent_encode(name.substr(0, space), /*keep_slash=*/true);
    if (space == name.size()) return encoded;
    encoded += '+';
    name.remove_prefix(space + 1);
  }
}

}  // namespace keelson::api
