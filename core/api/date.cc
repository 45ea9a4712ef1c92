// Tested by tests/core/api/http_test.cc.
#include "core/api/date.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

namespace keelson::api {

namespace {

constexpr std::array<std::string_view, 7> kDayNames = {"Thu", "Fri", "Sat", "Sun",
                                                       "Mon", "Tue", "Wed"};  // 1970-01-01 first.
constexpr std::array<std::string_view, 12> kMonthNames = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void append_number(std::string& out, std::int64_t value, int digits) {
  char text[20];
  for (int i = digits; i-- > 0; value /= 10) text[i] = static_cast<char>('0' + value % 10);
  out.append(text, static_cast<std::size_t>(digits));
}

// Nothing unless all of `text` is digits.
std::optional<int> parse_number(std::string_view text) {
  int value = 0;
  if (text.empty() || text.front() == '-') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct CivilTime {
  int year, month, day, hour, minute, second;
};

CivilTime civil_time(std::int64_t wall_ms) {
  using namespace std::chrono;
  const sys_seconds whole(floor<seconds>(milliseconds(wall_ms)));
  const sys_days day = floor<days>(whole);
  const year_month_day date(day);
  const std::int64_t second = (whole - day).count();
  return {static_cast<int>(date.year()),
          static_cast<int>(static_cast<unsigned>(date.month())),
          static_cast<int>(static_cast<unsigned>(date.day())),
          static_cast<int>(second / 3600),
          static_cast<int>(second / 60 % 60),
          static_cast<int>(second % 60)};
}

std::optional<std::int64_t> wall_ms_of(const CivilTime& time) {
  using namespace std::chrono;
  const year_month_day date(year(time.year), month(static_cast<unsigned>(time.month)),
                            day(static_cast<unsigned>(time.day)));
  if (!date.ok() || time.hour > 23 || time.minute > 59 || time.second > 60) return std::nullopt;
  const std::int64_t second = time.hour * 3600 + time.minute * 60 + time.second;
  return (sys_days(date).time_since_epoch().count() * 86'400 + second) * 1000;
}

}  // namespace

std::string http_date(std::int64_t wall_ms) {
  const CivilTime time = civil_time(wall_ms);
  const std::int64_t day = wall_ms >= 0 ? wall_ms / 86'400'000 : (wall_ms + 1) / 86'400'000 - 1;
  std::string out(kDayNames[static_cast<std::size_t>((day % 7 + 7) % 7)]);
  out += ", ";
  append_number(out, time.day, 2);
  out += ' ';
  out += kMonthNames[static_cast<std::size_t>(time.month - 1)];
  out += ' ';
  append_number(out, time.year, 4);
  out += ' ';
  append_number(out, time.hour, 2);
  out += ':';
  append_number(out, time.minute, 2);
  out += ':';
  append_number(out, time.second, 2);
  out += " GMT";
  return out;
}

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  // "Sun, 06 Nov 1994 08:49:37 GMT": every field has its fixed place.
  if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' ||
      text[16] != ' ' || text[19] != ':' || text[22] != ':' || text.substr(25) != " GMT") {
    return std::nullopt;
  }
  const auto month = std::find(kMonthNames.begin(), kMonthNames.end(), text.substr(8, 3));
  const auto day = parse_number(text.substr(5, 2));
  const auto year = parse_number(text.substr(12, 4));
  const auto hour = parse_number(text.substr(17, 2));
  const auto minute = parse_number(text.substr(20, 2));
  const auto second = parse_number(text.substr(23, 2));
  if (month == kMonthNames.end() || !day || !year || !hour || !minute || !second) return {};
  return wall_ms_of(
      {*year, static_cast<int>(month - kMonthNames.begin()) + 1, *day, *hour, *minute, *second});
}

std::string amz_date(std::int64_t wall_ms) {
  const CivilTime time = civil_time(wall_ms);
  std::string out;
  append_number(out, time.year, 4);
  append_number(out, time.month, 2);
  append_number(out, time.day, 2);
  out += 'T';
  append_number(out, time.hour, 2);
  append_number(out, time.minute, 2);
  append_number(out, time.second, 2);
  out += 'Z';
  return out;
}

std::string iso_date(std::int64_t wall_ms) {
  const std::string compact = amz_date(wall_ms);
  std::string out = compact.substr(0, 4);
  for (const auto& [separator, at] :
       {std::pair{'-', 4}, {'-', 6}, {'T', 9}, {':', 11}, {':', 13}}) {
    out += separator;
    out += compact.substr(static_cast<std::size_t>(at), 2);
  }
  out += '.';
  append_number(out, (wall_ms % 1000 + 1000) % 1000, 3);
  out += 'Z';
  return out;
}

std::optional<std::int64_t> parse_amz_date(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const auto year = parse_number(text.substr(0, 4));
  const auto month = parse_number(text.substr(4, 2));
  const auto day = parse_number(text.substr(6, 2));
  const auto hour = parse_number(text.substr(9, 2));
  const auto minute = parse_number(text.substr(11, 2));
  const auto second = parse_number(text.substr(13, 2));
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  return wall_ms_of({*year, *month, *day, *hour, *minute, *second});
}

}  // namespace keelson::api
