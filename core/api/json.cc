// Tested by tests/core/api/http_test.cc.
#include "core/api/json.h"

#include <boost/json.hpp>

namespace keelson::api {

Result<boost::json::value> parse_json(std::string_view text, std::size_t depth_limit) {
  boost::json::parse_options options;
  options.max_depth = depth_limit;
  boost::json::stream_parser parser({}, options);
  boost::system::error_code error;
  parser.write(text.data(), text.size(), error);  // Refuses what comes after the value.
  if (!error) parser.finish(error);
  if (error) return Error{ErrorCode::invalid_argument, "JSON: " + error.message()};
  return parser.release();
}

std::string json_quote(std::string_view text) {
  return boost::json::serialize(boost::json::string_view(text.data(), text.size()));
}

}  // namespace keelson::api
