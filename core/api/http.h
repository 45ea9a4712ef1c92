// HTTP as handlers see it: a request, read completely or up to its body, and the answer to it. What
// goes over the wire is http_parser.h and http_server.h.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/runtime/clock.h"
#include "core/runtime/network.h"

namespace keelson::api {

// Header fields in the order they came. Names compare without regard to case; one name may occur
// more than once.
class HttpHeaders {
 public:
  struct Field {
    std::string name;
    std::string value;
  };

  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<Field> fields) : fields_(fields) {}

  void add(std::string name, std::string value);
  // Removes every field of that name first.
  void set(std::string name, std::string value);

  // The first value of that name, or nullptr.
  const std::string* find(std::string_view name) const;
  // The first value of that name, or nothing at all: "".
  std::string_view get(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  // Whether the comma-separated lists under that name contain `token`, without regard to case.
  bool has_token(std::string_view name, std::string_view token) const;

  void clear() { fields_.clear(); }
  std::size_t size() const { return fields_.size(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<Field> fields_;
};

// A body that is too large to be held, piece by piece.
//
// Of an answer: made by the handler while it is sent. The server asks for a piece when the
// transport has taken the one before, so a client that reads slowly makes its source wait.
// Destroyed as soon as it is done with, or the client has gone.
//
// Of a request: read from the connection when the handler asks, and only then, so a handler that
// works slowly makes its client wait. See HttpHandler::streams_body.
class BodySource {
 public:
  virtual ~BodySource() = default;

  // The length of all pieces, if it is known beforehand (Content-Length). Otherwise an answer's
  // body is chunked (RFC 9112 §7.1), for a client of HTTP/1.0 ended by the connection's end.
  virtual std::optional<std::uint64_t> size() const { return std::nullopt; }

  // The next piece; an empty one is the end. May suspend until the deadline at most.
  //
  // Of an answer: after an error the server breaks the connection, so that a client never takes a
  // part for the whole.
  // Of a request: pieces are at most 64 KiB. Errors: timed_out (the deadline came: ask again if you
  // like; or the client is slower than the server bears: so says every later call),
  // connection_lost (the client has ended its side within the body), invalid_argument (malformed,
  // or more than HttpHandler::body_limit). After an error what has come is not the whole body.
  virtual Result<Bytes> next(Deadline deadline) = 0;
};

// Octets at hand, as a source.
class BytesSource : public BodySource {
 public:
  explicit BytesSource(Bytes bytes) : size_(bytes.size()), bytes_(std::move(bytes)) {}

  std::optional<std::uint64_t> size() const override { return size_; }
  Result<Bytes> next(Deadline) override { return std::exchange(bytes_, {}); }

 private:
  const std::uint64_t size_;
  Bytes bytes_;
};

struct HttpRequest {
  std::string method;  // As sent: methods are case-sensitive.
  std::string target;  // As sent: origin form, absolute form, or "*".

  // Parts of the target, still percent-encoded; of an absolute form only what follows the
  // authority. Filled in by set_target().
  std::string raw_path;  // Begins with "/", except for "*" and CONNECT.
  std::string query;     // Without the "?".

  int minor_version = 1;  // Of HTTP/1.
  HttpHeaders headers;
  Bytes body;
  // In the place of `body` where the handler streams it, else null. Good until handle() returns.
  BodySource* body_source = nullptr;
  // How long a handler that streams may take for each of its steps; see HttpHandler::handle.
  Duration step_time{};

  Address peer;
  Instant arrived;  // When the last octet had been read; of the head, where the body is streamed.

  // Takes the target apart.
  void set_target(std::string_view whole);

  // Like a new one, but it keeps some of the room it had.
  void clear();

  // raw_path percent-decoded once, or nothing if that is impossible: an escape is malformed, or
  // there is a NUL in it. Nothing is normalised.
  std::optional<std::string> path() const { return decode_path(raw_path); }

  static std::optional<std::string> decode_path(std::string_view raw);
};

struct HttpResponse {
  int status = 200;
  // Without Content-Length, Connection, Date and Transfer-Encoding: those are the server's. A value
  // may contain no control characters; the server replaces them with spaces.
  HttpHeaders headers = {};
  // For HEAD too: the server sends its length and leaves it out.
  Bytes body = {};
  // In the place of `body`, unless null. Not asked for any piece when the request was HEAD.
  std::unique_ptr<BodySource> source = {};
};

// Answers requests: a listener's whole behaviour. The server calls handle() from one fiber per
// connection, so calls may overlap wherever one suspends.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  // May suspend until the deadline at most. The fiber is killed while it is suspended when the
  // client goes away or the server stops.
  //
  // Where the body is streamed, no one deadline fits every size: `deadline` is that of the first
  // step, and each later step (what is done with one piece, what follows the last) may take
  // request.step_time from its own beginning. Waits for the client do not count: they are limited
  // by the server, whatever the deadline given to BodySource::next.
  virtual HttpResponse handle(const HttpRequest& request, Deadline deadline) = 0;

  // Whether handle() is to be called for the request with this head before its body is read, and
  // reads it itself from request.body_source. The client is told to go on (100 Continue) at the
  // first read: a refusal by the head alone costs no upload. What handle() leaves unread is read
  // away if it is little; else the connection ends with the answer. Never suspends.
  virtual bool streams_body(const HttpRequest& head) const;

  // The largest body this handler takes for the request with this head (the body is still empty),
  // transfer coding not counted. Beyond it the server answers refusal(413), or, if only the body
  // itself shows it, body_source fails. Never suspends.
  virtual std::size_t body_limit(const HttpRequest& head) const;

  // The answer to what the server refuses by itself, in this listener's shape: 400, 408, 413, 414,
  // 431, 501, 503, 505. `head` holds as much as was understood. Never suspends.
  virtual HttpResponse refusal(const HttpRequest& head, int status, std::string_view message) const;
};

// "Not Found" for 404; "Unknown" for a number without a name.
std::string_view reason_phrase(int status);

// {"error":code,"message":message} with the headers of every JSON error of Keelson's own (probes
// and admin): no-store, nosniff. An empty message is left out. Text is escaped as JSON demands.
HttpResponse json_error(int status, std::string_view code, std::string_view message = {});

// Percent-decoding once; nothing if an escape is malformed. "+" stays "+".
std::optional<std::string> percent_decode(std::string_view text);

// Percent-encodes everything but A-Z a-z 0-9 - . _ ~ and, if asked, "/": RFC 3986, as SigV4 wants.
std::string percent_encode(std::string_view text, bool keep_slash = false);

struct QueryParameter {
  std::string name;
  std::string value;
  bool has_value = false;  // Whether there was a "=".
};

// Takes a query, or a form-encoded body, apart and decodes it; "+" is a space only if
// `plus_is_space` (forms). Empty pieces are skipped. Nothing if an escape is malformed.
std::optional<std::vector<QueryParameter>> parse_query(std::string_view query, bool plus_is_space);

// ASCII only.
bool equal_without_case(std::string_view a, std::string_view b);
std::string to_lower(std::string_view text);
// Without spaces and tabs at both ends.
std::string_view trim(std::string_view text);

}  // namespace keelson::api
