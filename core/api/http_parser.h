// HTTP/1.1 on the wire: octets to messages, and messages to octets. The grammar is Boost.Beast's
// (RFC 9112); limits, and what a server must refuse beyond the grammar, are here. No I/O.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/api/http.h"

namespace keelson::api {

struct HttpParseError {
  int status = 400;  // What a server answers.
  std::string message;
};

// One request after another, from whatever pieces the octets come in.
class HttpRequestParser {
 public:
  struct Limits {
    std::size_t target_bytes = 8 * 1024;  // Beyond: 414.
    std::size_t head_bytes = 32 * 1024;   // Request line and fields; beyond: 431.
    std::size_t fields = 128;             // Beyond: 431.
  };

  explicit HttpRequestParser(const Limits& limits);
  ~HttpRequestParser();

  // Begins a new message.
  void reset();

  // Takes what it can use of `input` and returns how much that was; what it left must be presented
  // again with more behind it. Stops once when the head is complete, so that the caller can look at
  // it and set the body's limit, and for good when the message is done or has failed.
  // REQUIRES: !done() and !error().
  std::size_t put(BytesView input);

  bool head_done() const;
  bool done() const;
  const std::optional<HttpParseError>& error() const { return error_; }

  // REQUIRES: head_done(). Fails with 413 at once if the head announces more.
  void set_body_limit(std::size_t bytes);

  // Makes no room for the whole body: the caller takes away what has come with take_body().
  // REQUIRES: the body has not begun.
  void stream_body();
  // What has come of the body since the last call. REQUIRES: stream_body() was called.
  Bytes take_body();
  // How long the body is by the head; nothing if only its end will tell. REQUIRES: head_done().
  std::optional<std::uint64_t> body_size() const;
  // How much of the body has come, taken away or not.
  std::size_t body_bytes() const { return body_bytes_; }

  // As much as is known by now. REQUIRES for the second: done().
  const HttpRequest& request() const { return request_; }
  HttpRequest& request() { return request_; }

  // REQUIRES: head_done().
  bool keep_alive() const;
  bool expects_continue() const;

 private:
  class Grammar;

  void check_head();
  void fail(int status, std::string message);

  const Limits limits_;
  HttpRequest request_;
  std::optional<HttpParseError> error_;
  std::size_t head_bytes_ = 0;
  std::size_t body_limit_ = 0;
  std::size_t body_bytes_ = 0;
  bool streams_body_ = false;
  bool head_checked_ = false;
  std::unique_ptr<Grammar> grammar_;
};

// The client's side.
class HttpResponseParser {
 public:
  HttpResponseParser();
  ~HttpResponseParser();

  // Begins a new message; the answer to HEAD has no body, whatever its head says.
  void reset(bool to_head_request);

  // As above; does not stop at the head. An interim answer (100) is a message of its own.
  // REQUIRES: !done() and !error().
  std::size_t put(BytesView input);
  // The stream has ended, which may be the end of the body.
  void put_end();

  bool done() const;
  const std::optional<HttpParseError>& error() const { return error_; }
  // As much as is known by now. The header fields are all that were received. Of a body that is too
  // large to be held the caller may take away what has come.
  HttpResponse& response() { return response_; }
  bool keep_alive() const;

 private:
  class Grammar;

  HttpResponse response_;
  std::optional<HttpParseError> error_;
  std::unique_ptr<Grammar> grammar_;
};

// The interim answer that asks for the body (RFC 9110 §15.2.1).
inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// How an answer goes over the wire, apart from what it says.
struct HttpFraming {
  bool head_request = false;  // Leaves the body out, but not its length.
  bool chunks = true;         // A source of unknown size: HTTP/1.0 knows of no chunks.
  bool close = false;
  bool say_keep_alive = false;  // An HTTP/1.0 client that asked for it wants to be told.
  std::string_view date = {};   // In the form of http_date().
};

// Appends the whole answer to `out`, or its head if its body has a source.
void serialize(const HttpResponse& response, const HttpFraming& framing, std::string& out);

// Appends one chunk; an empty piece is the last (RFC 9112 §7.1).
void append_chunk(BytesView piece, std::string& out);

// Appends a request with Content-Length, if it has a body or its method calls for one. The caller
// gives Host among the headers.
void serialize(const HttpRequest& request, std::string& out);

}  // namespace keelson::api
