// Tested by tests/core/api/http_parser_test.cc.
#include "core/api/http_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <iterator>
#include <utility>

#include "core/base/check.h"

namespace keelson::api {

namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

std::string_view view(beast::string_view text) {
  return {text.data(), text.size()};
}

constexpr std::size_t kMostUnparsedChunkHeadBytes = 4096;
// "0\r\n\r\n", without which no chunked body ends.
constexpr std::size_t kLastChunkBytes = 5;

// Beast aborts the process (1.81, parse_chunk_header) if it is shown the last chunk of an empty
// body once without its end, and then again by one octet more. So it sees no first chunk that is
// shorter than such a body.
template <typename Grammar>
std::size_t put_piece(Grammar& grammar, BytesView input, beast::error_code& code) {
  if (grammar.is_header_done() && grammar.chunked() && !grammar.has_chunk() &&
      input.size() < kLastChunkBytes) {
    code = http::error::need_more;
    return 0;
  }
  return grammar.put({input.data(), input.size()}, code);
}

}  // namespace

// Beast's grammar with our request as the place where everything goes; no second copy of the
// fields.
class HttpRequestParser::Grammar : public http::basic_parser<true> {
 public:
  Grammar(HttpRequestParser& owner) : owner_(owner) {
    header_limit(static_cast<std::uint32_t>(owner.limits_.head_bytes));
    body_limit(boost::none);
  }

  // The head of one was read.
  bool has_chunk() const { return has_chunk_; }

 private:
  using error_code = beast::error_code;

  void on_request_impl(http::verb, beast::string_view method, beast::string_view target,
                       int version, error_code&) override {
    owner_.request_.method = view(method);
    owner_.request_.set_target(view(target));
    owner_.request_.minor_version = version % 10;
    if (target.size() > owner_.limits_.target_bytes) owner_.fail(414, "the target is too long");
  }

  void on_response_impl(int, beast::string_view, int, error_code&) override { CHECK(false); }

  void on_field_impl(http::field, beast::string_view name, beast::string_view value,
                     error_code&) override {
    // Fields behind a chunked body must not pass for fields of the head.
    if (owner_.head_checked_) return;
    owner_.request_.headers.add(std::string(view(name)), std::string(view(value)));
    if (owner_.request_.headers.size() > owner_.limits_.fields) {
      owner_.fail(431, "too many header fields");
    }
  }

  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
    if (length && !owner_.streams_body_) owner_.request_.body.reserve(*length);
  }
  std::size_t on_body_impl(beast::string_view piece, error_code&) override { return add(piece); }
  void on_chunk_header_impl(std::uint64_t size, beast::string_view, error_code&) override {
    has_chunk_ = true;
    if (size > owner_.body_limit_ - owner_.body_bytes_) {
      owner_.fail(413, "the body is too large");
    }
  }
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view piece, error_code&) override {
    return add(piece);
  }
  void on_finish_impl(error_code&) override {}

  std::size_t add(beast::string_view piece) {
    if (owner_.error_) return piece.size();
    CHECK(owner_.body_bytes_ + piece.size() <= owner_.body_limit_);
    owner_.request_.body.append(piece.data(), piece.size());
    owner_.body_bytes_ += piece.size();
    return piece.size();
  }

  HttpRequestParser& owner_;
  bool has_chunk_ = false;
};

HttpRequestParser::HttpRequestParser(const Limits& limits)
    : limits_(limits), grammar_(std::make_unique<Grammar>(*this)) {
  CHECK(limits.target_bytes < limits.head_bytes);
}

HttpRequestParser::~HttpRequestParser() = default;

void HttpRequestParser::reset() {
  request_.clear();
  error_.reset();
  head_bytes_ = 0;
  body_limit_ = 0;
  body_bytes_ = 0;
  streams_body_ = false;
  head_checked_ = false;
  // Beast's parser is good for one message: another takes its place.
  std::destroy_at(grammar_.get());
  std::construct_at(grammar_.get(), *this);
}

void HttpRequestParser::fail(int status, std::string message) {
  if (!error_) error_ = HttpParseError{status, std::move(message)};
}

std::size_t HttpRequestParser::put(BytesView input) {
  CHECK(!done() && !error_);
  std::size_t used = 0;
  if (!grammar_->got_some()) {
    // RFC 9112 §2.2: empty lines before a request line are skipped.
    while (used < input.size() && (input[used] == '\r' || input[used] == '\n')) ++used;
    head_bytes_ += used;
    if (used == input.size()) {
      if (head_bytes_ > limits_.head_bytes) fail(400, "nothing but empty lines");
      return used;
    }
  }
  const bool had_head = grammar_->is_header_done();
  while (!error_ && !grammar_->is_done() && grammar_->is_header_done() == had_head) {
    beast::error_code code;
    const std::size_t taken = put_piece(*grammar_, input.substr(used), code);
    used += taken;
    if (!had_head) head_bytes_ += taken;
    if (error_) break;
    const std::size_t left = input.size() - used;
    if (code == http::error::need_more) {
      // Beast limits each piece of the head that it sees at once; the sum is ours to limit.
      if (!had_head && head_bytes_ + left >= limits_.head_bytes) code = http::error::header_limit;
      if (had_head && left > kMostUnparsedChunkHeadBytes) fail(400, "a chunk's head is too long");
    }
    if (code == http::error::header_limit) {
      const bool in_first_line = request_.method.empty() && input.find('\n', used) == input.npos;
      in_first_line ? fail(414, "the request line is too long")
                    : fail(431, "the header is too long");
    } else if (code == http::error::bad_version) {
      // HTTP/2.0 and the like, as opposed to no version at all.
      const bool versioned = input.find(" HTTP/") != BytesView::npos;
      versioned ? fail(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
                : fail(400, "the request line is malformed");
    } else if (code && code != http::error::need_more) {
      fail(400, "malformed HTTP: " + code.message());
    }
    if (code == http::error::need_more || (taken == 0 && left == 0)) break;
  }
  if (!error_ && grammar_->is_header_done() && !head_checked_) check_head();
  return used;
}

// What the grammar lets pass but a server must not: RFC 9112 §3.2, §6.1, §6.3.
void HttpRequestParser::check_head() {
  head_checked_ = true;
  const HttpHeaders& headers = request_.headers;
  const std::size_t encodings = headers.count("Transfer-Encoding");
  if (encodings > 0 && request_.minor_version == 0) {
    return fail(400, "HTTP/1.0 knows no Transfer-Encoding");
  }
  if (encodings > 1 ||
      (encodings == 1 && !equal_without_case(headers.get("Transfer-Encoding"), "chunked"))) {
    return fail(501, "the only known Transfer-Encoding is chunked");
  }
  const std::size_t hosts = headers.count("Host");
  if (hosts > 1 || (hosts == 0 && request_.minor_version > 0)) {
    return fail(400, "exactly one Host is wanted");
  }
}

void HttpRequestParser::set_body_limit(std::size_t bytes) {
  CHECK(head_done());
  body_limit_ = bytes;
  const auto length = grammar_->content_length();
  if (length && *length > bytes) fail(413, "the body is too large");
}

void HttpRequestParser::stream_body() {
  CHECK(head_done() && body_bytes_ == 0);
  streams_body_ = true;
}

Bytes HttpRequestParser::take_body() {
  CHECK(streams_body_);
  return std::exchange(request_.body, {});
}

std::optional<std::uint64_t> HttpRequestParser::body_size() const {
  CHECK(head_done());
  if (grammar_->chunked()) return std::nullopt;
  const auto length = grammar_->content_length();
  return length ? *length : 0;
}

bool HttpRequestParser::head_done() const {
  return head_checked_;
}
bool HttpRequestParser::done() const {
  return head_checked_ && grammar_->is_done();
}

bool HttpRequestParser::keep_alive() const {
  CHECK(head_done());
  return grammar_->keep_alive();
}

bool HttpRequestParser::expects_continue() const {
  CHECK(head_done());
  return request_.minor_version > 0 && request_.headers.has_token("Expect", "100-continue");
}

class HttpResponseParser::Grammar : public http::basic_parser<false> {
 public:
  Grammar(HttpResponse& response, bool to_head_request) : response_(response) {
    header_limit(64 * 1024);
    body_limit(boost::none);
    skip(to_head_request);
  }

  bool has_chunk() const { return has_chunk_; }

 private:
  using error_code = beast::error_code;

  void on_request_impl(http::verb, beast::string_view, beast::string_view, int,
                       error_code&) override {
    CHECK(false);
  }
  void on_response_impl(int status, beast::string_view, int, error_code&) override {
    response_.status = status;
  }
  void on_field_impl(http::field, beast::string_view name, beast::string_view value,
                     error_code&) override {
    response_.headers.add(std::string(view(name)), std::string(view(value)));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(beast::string_view piece, error_code&) override {
    response_.body.append(piece.data(), piece.size());
    return piece.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {
    has_chunk_ = true;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view piece, error_code&) override {
    response_.body.append(piece.data(), piece.size());
    return piece.size();
  }
  void on_finish_impl(error_code&) override {}

  HttpResponse& response_;
  bool has_chunk_ = false;
};

HttpResponseParser::HttpResponseParser() {
  reset(false);
}
HttpResponseParser::~HttpResponseParser() = default;

void HttpResponseParser::reset(bool to_head_request) {
  response_ = HttpResponse();
  error_.reset();
  grammar_ = std::make_unique<Grammar>(response_, to_head_request);
}

std::size_t HttpResponseParser::put(BytesView input) {
  CHECK(!done() && !error_);
  std::size_t used = 0;
  beast::error_code code;
  while (!done() && !code) {
    const std::size_t taken = put_piece(*grammar_, input.substr(used), code);
    used += taken;
    if (taken == 0) break;
  }
  if (code && code != http::error::need_more) error_ = {400, "malformed HTTP: " + code.message()};
  return used;
}

void HttpResponseParser::put_end() {
  if (done()) return;
  beast::error_code code = http::error::partial_message;
  if (grammar_->got_some()) grammar_->put_eof(code);
  if (code) error_ = {400, "the stream ended within an answer"};
}

bool HttpResponseParser::done() const {
  return grammar_->is_done();
}

bool HttpResponseParser::keep_alive() const {
  CHECK(done());
  return grammar_->keep_alive();
}

namespace {

void append_number(std::string& out, std::uint64_t number) {
  char digits[20];
  char* const end = digits + sizeof(digits);
  char* first = end;
  do {
    *--first = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  out.append(first, static_cast<std::size_t>(end - first));
}

// A value that came from a client (stored metadata, response-* overrides) must not end its line.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  const auto may_not_be = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  };
  out += name;
  out += ": ";
  out += value;
  if (std::any_of(value.begin(), value.end(), may_not_be)) {
    std::replace_if(out.end() - static_cast<std::ptrdiff_t>(value.size()), out.end(), may_not_be,
                    ' ');
  }
  out += "\r\n";
}

}  // namespace

void serialize(const HttpResponse& response, const HttpFraming& framing, std::string& out) {
  const bool may_have_body =
      response.status >= 200 && response.status != 204 && response.status != 304;
  out.reserve(out.size() + 512 + (framing.head_request ? 0 : response.body.size()));
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(response.status));
  out += ' ';
  out += reason_phrase(response.status);
  out += "\r\n";
  if (!framing.date.empty()) append_field(out, "Date", framing.date);
  for (const auto& [name, value] : response.headers) append_field(out, name, value);
  const auto size = response.source ? response.source->size() : response.body.size();
  if (may_have_body && size) {
    out += "Content-Length: ";
    append_number(out, *size);
    out += "\r\n";
  } else if (may_have_body && framing.chunks) {
    out += "Transfer-Encoding: chunked\r\n";
  }
  if (framing.close) {
    out += "Connection: close\r\n";
  } else if (framing.say_keep_alive) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  if (may_have_body && !framing.head_request) out += response.body;
}

void append_chunk(BytesView piece, std::string& out) {
  fmt::format_to(std::back_inserter(out), "{:x}\r\n", piece.size());
  out += piece;
  out += "\r\n";
}

void serialize(const HttpRequest& request, std::string& out) {
  out += request.method;
  out += ' ';
  out += request.target;
  out += " HTTP/1.";
  append_number(out, static_cast<std::uint64_t>(request.minor_version));
  out += "\r\n";
  for (const auto& [name, value] : request.headers) append_field(out, name, value);
  if (!request.body.empty() || request.method == "PUT" || request.method == "POST") {
    out += "Content-Length: ";
    append_number(out, request.body.size());
    out += "\r\n";
  }
  out += "\r\n";
  out += request.body;
}

}  // namespace keelson::api
