// Tested by tests/scenarios/http_response_test.cc.
#include "scenarios/http_response.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace keelson::scenarios {

namespace {

constexpr std::size_t kHeadLimit = 64 << 10;
// More than nearly every answer has.
constexpr std::size_t kFieldsExpected = 16;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_without_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

// RFC 9110, 5.6.2: letters, digits, and these.
constexpr std::array<bool, 256> token_octets() {
  std::array<bool, 256> octets{};
  for (unsigned c = '0'; c <= '9'; ++c) octets[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) octets[c] = octets[c - 'a' + 'A'] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) {
    octets[static_cast<unsigned char>(c)] = true;
  }
  return octets;
}

bool is_token(std::string_view text) {
  static constexpr std::array<bool, 256> kOctets = token_octets();
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return kOctets[static_cast<unsigned char>(c)];
  });
}

bool is_field_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet == '\t' || (octet >= 0x20 && octet != 0x7f);
  });
}

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Digits of the base, without sign or space, at most 15 of them.
std::optional<std::uint64_t> number(std::string_view text, unsigned base) {
  if (text.empty() || text.size() > 15) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    unsigned digit = base;
    if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
    if (lower(c) >= 'a' && lower(c) <= 'f') digit = static_cast<unsigned>(lower(c) - 'a' + 10);
    if (digit >= base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

}  // namespace

bool HttpField::has_name(std::string_view other) const { return equal_without_case(name, other); }

const std::string* HttpResponse::header(std::string_view name) const {
  for (const HttpField& field : headers) {
    if (field.has_name(name)) return &field.value;
  }
  return nullptr;
}

std::size_t HttpResponse::header_count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::count_if(headers.begin(), headers.end(), [&](const HttpField& field) {
        return field.has_name(name);
      }));
}

HttpResponseParser::HttpResponseParser(std::string_view request_method, std::size_t body_limit)
    : is_head_request_(request_method == "HEAD"), body_limit_(body_limit) {}

HttpResponseParser::State HttpResponseParser::feed(BytesView bytes) {
  bytes_fed_ += bytes.size();
  buffer_.append(bytes);
  while (step()) {
  }
  return state_;
}

HttpResponseParser::State HttpResponseParser::end_of_stream() {
  if (state_ == State::body && framing_ == Framing::until_close) state_ = State::complete;
  keeps_connection_ = false;
  return state_;
}

// True if something was understood and there may be more.
bool HttpResponseParser::step() {
  if (state_ == State::head) return take_head();
  if (state_ != State::body) return false;
  switch (framing_) {
    case Framing::none: state_ = State::complete; return false;
    case Framing::length:
      if (buffer_.size() < content_length_) return false;
      response_.body = buffer_.substr(0, content_length_);
      buffer_.erase(0, content_length_);
      state_ = State::complete;
      return false;
    case Framing::chunked: return take_chunks();
    case Framing::until_close:
      response_.body += buffer_;
      buffer_.clear();
      if (response_.body.size() > body_limit_) return fail("the body is too long");
      return false;
  }
  return false;
}

bool HttpResponseParser::take_head() {
  const std::size_t end = buffer_.find("\r\n\r\n");
  if (end == Bytes::npos) {
    if (buffer_.size() > kHeadLimit) return fail("the head is too long");
    // Nothing that can still become a status line: say so now rather than wait for more.
    constexpr std::string_view kStart = "HTTP/1.1 ";
    if (buffer_.compare(0, kStart.size(), kStart.substr(0, buffer_.size())) != 0) {
      return fail(fmt::format("the response does not begin with HTTP/1.1 but with {}",
                              to_hex(BytesView(buffer_).substr(0, 16))));
    }
    return false;
  }
  const Bytes head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  response_ = {};
  response_.headers.reserve(kFieldsExpected);
  if (!parse_head(head)) return false;
  if (response_.status >= 100 && response_.status < 200) {
    if (response_.status == 101) return fail("the server switches protocols");
    return true;
  }
  if (!choose_framing()) return false;
  state_ = State::body;
  return true;
}

bool HttpResponseParser::parse_head(std::string_view head) {
  bool is_first = true;
  while (!head.empty()) {
    const std::size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (!is_first) {
      if (!parse_field(line)) return false;
      continue;
    }
    is_first = false;
    const auto status = line.size() >= 13 ? number(line.substr(9, 3), 10) : std::nullopt;
    if (!line.starts_with("HTTP/1.1 ") || !status || *status < 100 || *status > 599 ||
        line[12] != ' ' || !is_field_text(line)) {
      return fail(fmt::format("the status line is malformed: {}", to_hex(line.substr(0, 64))));
    }
    response_.status = static_cast<int>(*status);
    response_.reason = line.substr(13);
  }
  return true;
}

bool HttpResponseParser::parse_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon)) ||
      !is_field_text(line.substr(colon + 1))) {
    return fail(fmt::format("a header line is malformed: {}", to_hex(line.substr(0, 64))));
  }
  response_.headers.push_back(
      {std::string(line.substr(0, colon)), std::string(trim(line.substr(colon + 1)))});
  return true;
}

bool HttpResponseParser::choose_framing() {
  const std::string* connection = response_.header("Connection");
  keeps_connection_ = connection == nullptr || !equal_without_case(*connection, "close");
  const std::string* length = response_.header("Content-Length");
  const std::string* encoding = response_.header("Transfer-Encoding");
  if (length != nullptr) {
    const auto value = number(*length, 10);
    if (response_.header_count("Content-Length") != 1 || !value) {
      return fail("Content-Length is not one number");
    }
    if (encoding != nullptr) return fail("Content-Length and Transfer-Encoding together");
    content_length_ = *value;
  }
  if (encoding != nullptr && !equal_without_case(*encoding, "chunked")) {
    return fail("Transfer-Encoding is not chunked");
  }
  const bool has_no_body =
      is_head_request_ || response_.status == 204 || response_.status == 304;
  if (has_no_body) {
    framing_ = Framing::none;
  } else if (encoding != nullptr) {
    framing_ = Framing::chunked;
  } else if (length != nullptr) {
    if (content_length_ > body_limit_) return fail("the body is too long");
    framing_ = Framing::length;
  } else if (!keeps_connection_) {
    framing_ = Framing::until_close;
  } else {
    return fail("nothing says where the body ends");
  }
  return true;
}

// chunk = hex-size CRLF data CRLF; the last has size 0 and no trailers.
bool HttpResponseParser::take_chunks() {
  const std::size_t line_end = buffer_.find("\r\n");
  if (line_end == Bytes::npos) {
    return buffer_.size() > 32 ? fail("a chunk size is malformed") : false;
  }
  const auto size = number(BytesView(buffer_).substr(0, line_end), 16);
  if (!size) return fail("a chunk size is malformed");
  if (*size + response_.body.size() > body_limit_) return fail("the body is too long");
  const std::size_t chunk_end = line_end + 2 + *size;
  if (buffer_.size() < chunk_end + 2) return false;
  if (buffer_.compare(chunk_end, 2, "\r\n") != 0) return fail("a chunk does not end with CRLF");
  response_.body.append(buffer_, line_end + 2, *size);
  buffer_.erase(0, chunk_end + 2);
  if (*size == 0) state_ = State::complete;
  return *size != 0;
}

bool HttpResponseParser::fail(std::string why) {
  state_ = State::malformed;
  error_ = std::move(why);
  return false;
}

}  // namespace keelson::scenarios
