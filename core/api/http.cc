// Tested by tests/core/api/http_test.cc.
#include "core/api/http.h"

#include <algorithm>

#include "core/api/json.h"

namespace keelson::api {

namespace {

// More than most requests and answers have: room for them is made once.
constexpr std::size_t kFieldsExpected = 8;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

void HttpHeaders::add(std::string name, std::string value) {
  if (fields_.empty()) fields_.reserve(kFieldsExpected);
  fields_.push_back({std::move(name), std::move(value)});
}

void HttpHeaders::set(std::string name, std::string value) {
  std::erase_if(fields_, [&](const Field& field) { return equal_without_case(field.name, name); });
  add(std::move(name), std::move(value));
}

const std::string* HttpHeaders::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (equal_without_case(field.name, name)) return &field.value;
  }
  return nullptr;
}

std::string_view HttpHeaders::get(std::string_view name) const {
  const std::string* const value = find(name);
  return value != nullptr ? std::string_view(*value) : std::string_view();
}

std::size_t HttpHeaders::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::count_if(fields_.begin(), fields_.end(),
                    [&](const Field& field) { return equal_without_case(field.name, name); }));
}

bool HttpHeaders::has_token(std::string_view name, std::string_view token) const {
  for (const Field& field : fields_) {
    if (!equal_without_case(field.name, name)) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      if (equal_without_case(trim(rest.substr(0, comma)), token)) return true;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return false;
}

void HttpRequest::set_target(std::string_view whole) {
  target = whole;
  std::string_view rest = target;
  // RFC 9112 §3.2.2: a server must accept the absolute form, whose path is that of the origin form.
  const std::size_t scheme_end = rest.find("://");
  if (!rest.starts_with('/') && scheme_end != std::string_view::npos &&
      rest.substr(0, scheme_end).find_first_of("/?") == std::string_view::npos) {
    rest.remove_prefix(scheme_end + 3);
    rest.remove_prefix(std::min(rest.find_first_of("/?"), rest.size()));
  }
  // A fragment has no business in a request; what is behind it names nothing.
  rest = rest.substr(0, rest.find('#'));
  const std::size_t question = rest.find('?');
  raw_path = rest.substr(0, question);
  query = question == std::string_view::npos ? std::string_view() : rest.substr(question + 1);
  if (raw_path.empty()) raw_path = "/";
}

void HttpRequest::clear() {
  constexpr std::size_t kBodyKept = 16 * 1024;
  method.clear();
  target.clear();
  raw_path.clear();
  query.clear();
  minor_version = 1;
  headers.clear();
  body.clear();
  if (body.capacity() > kBodyKept) body.shrink_to_fit();
  body_source = nullptr;
  step_time = {};
  peer.clear();
  arrived = {};
}

std::optional<std::string> HttpRequest::decode_path(std::string_view raw) {
  std::optional<std::string> decoded = percent_decode(raw);
  if (decoded && decoded->find('\0') != std::string::npos) return std::nullopt;
  return decoded;
}

bool HttpHandler::streams_body(const HttpRequest&) const {
  return false;
}

std::size_t HttpHandler::body_limit(const HttpRequest&) const {
  return 64 * 1024;
}

HttpResponse HttpHandler::refusal(const HttpRequest&, int status, std::string_view message) const {
  HttpResponse response{.status = status, .headers = {}, .body = std::string(message) + "\n"};
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.headers.add("Cache-Control", "no-store");
  return response;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

std::optional<std::string> percent_decode(std::string_view text) {
  if (text.find('%') == std::string_view::npos) return std::string(text);
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::string percent_encode(std::string_view text, bool keep_slash) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c) || (keep_slash && c == '/')) {
      encoded += c;
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[octet >> 4];
    encoded += kDigits[octet & 15];
  }
  return encoded;
}

std::optional<std::vector<QueryParameter>> parse_query(std::string_view query, bool plus_is_space) {
  const auto decode = [&](std::string_view piece) {
    if (!plus_is_space || piece.find('+') == std::string_view::npos) return percent_decode(piece);
    std::string spaced(piece);
    std::replace(spaced.begin(), spaced.end(), '+', ' ');
    return percent_decode(spaced);
  };
  std::vector<QueryParameter> parameters;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view piece = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (piece.empty()) continue;
    const std::size_t equals = piece.find('=');
    auto name = decode(piece.substr(0, equals));
    auto value =
        equals == std::string_view::npos ? std::string() : decode(piece.substr(equals + 1));
    if (!name || !value) return std::nullopt;
    parameters.push_back({*std::move(name), *std::move(value), equals != std::string_view::npos});
  }
  return parameters;
}

bool equal_without_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return x == y || lower(x) == lower(y);
         });
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

HttpResponse json_error(int status, std::string_view code, std::string_view message) {
  HttpResponse response{.status = status, .headers = {}, .body = {}};
  response.headers.add("Content-Type", "application/json; charset=utf-8");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("Cache-Control", "no-store");
  response.body = "{\"error\":" + json_quote(code);
  if (!message.empty()) response.body += ",\"message\":" + json_quote(message);
  response.body += '}';
  return response;
}

}  // namespace keelson::api
