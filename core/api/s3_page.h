// What listings have in common: how long a page is, where the next one begins, and how names are
// written. A page token says where to go on and nothing else: every node understands it, whoever
// leads by then.
#pragma once

#include <string>
#include <string_view>

#include "core/api/s3_call.h"

namespace keelson::api {

// The number that the parameter `name` has, `most` if it has none or a larger one. Errors:
// InvalidArgument.
S3Result<std::size_t> page_limit(const S3Request& request, std::string_view name,
                                 std::size_t most);

// A token for a page that begins with the first name at or behind `next`.
std::string page_token(std::string_view next);
// Back to `next`. Errors: InvalidArgument.
S3Result<std::string> next_of_token(std::string_view token);

// Which names a listing is to have, as `prefix` and `delimiter` say. Names that are alike up to and
// with the first delimiter behind the prefix are one: their common prefix.
struct NameFilter {
  std::string prefix;
  std::string delimiter;  // Empty: every name is one.

  // Errors: InvalidURI, KeyTooLongError.
  static S3Result<NameFilter> of(const S3Request& request);

  // Of a name that begins with the prefix; empty if it is one of its own.
  std::string_view common_prefix(std::string_view name) const;
  // Where a page begins that comes after `marker`: a name, or a common prefix, all of which is
  // passed over. Nothing comes before "".
  std::string behind_marker(std::string_view marker) const;
};

// The name that comes directly behind `name`.
std::string behind(std::string_view name);

// How names are written: as they are, or percent-encoded (encoding-type=url).
class NameEncoding {
 public:
  // Errors: InvalidArgument.
  static S3Result<NameEncoding> of(const S3Request& request);

  bool is_url() const { return is_url_; }
  // As HTML forms are encoded, but for "/": "a b+c" becomes "a+b%2Bc".
  std::string operator()(std::string_view name) const;

 private:
  explicit NameEncoding(bool is_url) : is_url_(is_url) {}

  bool is_url_;
};

}  // namespace keelson::api
