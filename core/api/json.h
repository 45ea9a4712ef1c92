// JSON, as far as it is needed: text to a value under limits, and quoting. Wraps Boost.JSON, whose
// objects keep the order of insertion.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace keelson::api {

// Parses one JSON text of at most `depth_limit` levels. Errors: invalid_argument (malformed, too
// deep, something behind it, invalid UTF-8).
Result<boost::json::value> parse_json(std::string_view text, std::size_t depth_limit = 32);

// `text` in quotation marks, escaped.
std::string json_quote(std::string_view text);

}  // namespace keelson::api
