// Tested by tests/admin/static_bundle_test.cc.
#include "admin/static_bundle.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "core/base/check.h"

namespace keelson::admin {

namespace {

constexpr std::string_view kIndex = "index.html";

std::string_view content_type_of(std::string_view path) {
  using Entry = std::pair<std::string_view, std::string_view>;
  static constexpr std::array kTypes{
      Entry{"css", "text/css; charset=utf-8"},
      Entry{"html", "text/html; charset=utf-8"},
      Entry{"ico", "image/x-icon"},
      Entry{"js", "text/javascript; charset=utf-8"},
      Entry{"json", "application/json; charset=utf-8"},
      Entry{"map", "application/json; charset=utf-8"},
      Entry{"png", "image/png"},
      Entry{"svg", "image/svg+xml"},
      Entry{"txt", "text/plain; charset=utf-8"},
      Entry{"wasm", "application/wasm"},
      Entry{"webmanifest", "application/manifest+json"},
      Entry{"woff2", "font/woff2"},
  };
  const std::string_view extension = path.substr(path.rfind('.') + 1);
  const auto found = std::find_if(kTypes.begin(), kTypes.end(),
                                  [&](const Entry& entry) { return entry.first == extension; });
  return found != kTypes.end() ? found->second : "application/octet-stream";
}

bool is_hash_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

// "app-Bx3kQ9zT.js", as bundlers name files: eight characters of base64url or more behind a dash or
// a dot, not all of them small letters, as a word would have it.
bool has_hashed_name(std::string_view path) {
  constexpr std::size_t kHashLength = 8;
  std::string_view stem = path.substr(path.rfind('/') + 1);
  stem = stem.substr(0, stem.rfind('.'));
  if (stem.size() < kHashLength + 1) return false;
  const std::string_view hash = stem.substr(stem.size() - kHashLength);
  const char before = stem[stem.size() - kHashLength - 1];
  const bool is_word = std::all_of(hash.begin(), hash.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || c == '-' || c == '_';
  });
  return (before == '-' || before == '.') && !is_word &&
         std::all_of(hash.begin(), hash.end(), is_hash_character);
}

// Whether a list of entity tags ("*", or tags with commas between) contains `etag`. Weak tags match
// only where the comparison may be weak.
bool lists_etag(std::string_view list, std::string_view etag, bool weak_matches) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view tag = api::trim(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    if (tag == "*") return true;
    if (weak_matches && tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == etag) return true;
  }
  return false;
}

std::optional<std::size_t> parse_number(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

struct Range {
  std::size_t first = 0;
  std::size_t last = 0;  // Inclusive, as on the wire.
};

enum class RangeVerdict { ignore, partial, unsatisfiable };

// RFC 9110, 14.1.2: "bytes=first-last", "bytes=first-" or "bytes=-suffix" of a whole of `size`.
std::pair<RangeVerdict, Range> parse_range(std::string_view header, std::size_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit)) return {RangeVerdict::ignore, {}};
  const std::string_view spec = api::trim(header.substr(kUnit.size()));
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos || spec.find(',') != std::string_view::npos) {
    return {RangeVerdict::ignore, {}};
  }
  const std::optional<std::size_t> left = parse_number(spec.substr(0, dash));
  const std::optional<std::size_t> right = parse_number(spec.substr(dash + 1));
  if (dash == 0) {
    if (!right) return {RangeVerdict::ignore, {}};
    if (*right == 0 || size == 0) return {RangeVerdict::unsatisfiable, {}};
    return {RangeVerdict::partial, {size - std::min(*right, size), size - 1}};
  }
  const bool is_open = dash + 1 == spec.size();
  if (!left || (!right && !is_open) || (right && *right < *left)) {
    return {RangeVerdict::ignore, {}};
  }
  if (*left >= size) return {RangeVerdict::unsatisfiable, {}};
  return {RangeVerdict::partial, {*left, is_open ? size - 1 : std::min(*right, size - 1)}};
}

// What 200, 206 and 304 have in common.
api::HttpHeaders validators_of(const StaticFile& file) {
  api::HttpHeaders headers;
  headers.add("ETag", file.etag);
  headers.add("Cache-Control",
              file.is_hashed ? "public, max-age=31536000, immutable" : "no-cache");
  headers.add("X-Content-Type-Options", "nosniff");
  return headers;
}

}  // namespace

StaticBundle::StaticBundle(std::map<std::string, Bytes> files) {
  for (auto& [path, content] : files) {
    Bytes hash;
    append_u64(hash, hash64(content));
    files_[path] = StaticFile{.content = std::move(content),
                              .content_type = std::string(content_type_of(path)),
                              .etag = '"' + to_hex(hash) + '"',
                              .is_hashed = has_hashed_name(path)};
  }
  CHECK(find(kIndex) != nullptr);
}

const StaticFile& StaticBundle::index() const { return *find(kIndex); }

const StaticFile* StaticBundle::find(std::string_view path) const {
  const auto found = files_.find(path);
  return found != files_.end() ? &found->second : nullptr;
}

api::HttpResponse serve_file(const StaticFile& file, const api::HttpRequest& request) {
  // The order of RFC 9110, 13.2.2. There are no dates, so the conditions on dates do not apply.
  const std::string* if_match = request.headers.find("If-Match");
  if (if_match != nullptr && !lists_etag(*if_match, file.etag, false)) {
    return api::json_error(412, "precondition_failed");
  }
  api::HttpResponse response{.status = 200, .headers = validators_of(file), .body = {}};
  const std::string* if_none_match = request.headers.find("If-None-Match");
  if (if_none_match != nullptr && lists_etag(*if_none_match, file.etag, true)) {
    response.status = 304;
    return response;
  }
  response.headers.add("Accept-Ranges", "bytes");
  const std::string* range = request.headers.find("Range");
  const std::string* if_range = request.headers.find("If-Range");
  const bool range_applies = range != nullptr && request.method == "GET" &&
                             (if_range == nullptr || *if_range == file.etag);
  const auto [verdict, span] = range_applies ? parse_range(*range, file.content.size())
                                             : std::pair(RangeVerdict::ignore, Range{});
  const std::string size = std::to_string(file.content.size());
  if (verdict == RangeVerdict::unsatisfiable) {
    api::HttpResponse refusal = api::json_error(416, "range_not_satisfiable");
    refusal.headers.add("Content-Range", "bytes */" + size);
    return refusal;
  }
  response.headers.add("Content-Type", file.content_type);
  if (verdict == RangeVerdict::ignore) {
    response.body = file.content;
    return response;
  }
  CHECK(span.first <= span.last && span.last < file.content.size());
  response.status = 206;
  response.headers.add("Content-Range", "bytes " + std::to_string(span.first) + '-' +
                                            std::to_string(span.last) + '/' + size);
  response.body = file.content.substr(span.first, span.last - span.first + 1);
  return response;
}

api::HttpResponse serve_index(const StaticFile& file) {
  api::HttpResponse response{.status = 200, .headers = {}, .body = file.content};
  response.headers.add("Content-Type", file.content_type);
  response.headers.add("Cache-Control", "no-store");
  response.headers.add("X-Content-Type-Options", "nosniff");
  return response;
}

}  // namespace keelson::admin
