// Dates as HTTP, SigV4 and XML write them. All are UTC; times are milliseconds since 1970-01-01.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::api {

// "Sun, 06 Nov 1994 08:49:37 GMT" (IMF-fixdate).
std::string http_date(std::int64_t wall_ms);
// "19941106T084937Z".
std::string amz_date(std::int64_t wall_ms);
// "1994-11-06T08:49:37.000Z".
std::string iso_date(std::int64_t wall_ms);

// Back to a multiple of 1000; nothing if the text is no such date.
std::optional<std::int64_t> parse_http_date(std::string_view text);
std::optional<std::int64_t> parse_amz_date(std::string_view text);

}  // namespace keelson::api
