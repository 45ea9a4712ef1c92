// A strict parser of HTTP/1.1 responses, for clients that judge a server.
//
// It shares no code with the server and forgives nothing: what RFC 9112 lets a lenient client
// overlook (a bare LF, two Content-Lengths, a body that nothing frames) is malformed here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"

namespace keelson::scenarios {

struct HttpField {
  std::string name;
  std::string value;

  // Without regard to case.
  bool has_name(std::string_view other) const;
};

struct HttpResponse {
  int status = 0;
  std::string reason;
  std::vector<HttpField> headers;
  Bytes body;

  // The first value of that name, without regard to case, or nullptr.
  const std::string* header(std::string_view name) const;
  std::size_t header_count(std::string_view name) const;
};

class HttpResponseParser {
 public:
  enum class State {
    head,       // More bytes are needed before the status and headers are known.
    body,       // The head is known.
    complete,
    malformed,  // error() says why. Final.
  };

  // `request_method` decides whether a body may follow. Interim (1xx) responses are skipped.
  explicit HttpResponseParser(std::string_view request_method, std::size_t body_limit = 64 << 20);

  // Takes the next bytes of the stream. What follows the response stays in rest().
  State feed(BytesView bytes);
  // The stream has ended. `complete` if that ends the body rightly; otherwise the state stays.
  State end_of_stream();

  State state() const { return state_; }
  // REQUIRES: state() is body or complete for the head; complete for the body.
  const HttpResponse& response() const { return response_; }
  HttpResponse take_response() { return std::move(response_); }
  const std::string& error() const { return error_; }
  // Bytes after the end of the response. REQUIRES: complete.
  const Bytes& rest() const { return buffer_; }
  bool keeps_connection() const { return keeps_connection_; }
  std::uint64_t bytes_fed() const { return bytes_fed_; }

 private:
  enum class Framing { none, length, chunked, until_close };

  bool step();
  bool take_head();
  bool parse_head(std::string_view head);
  bool parse_field(std::string_view line);
  bool choose_framing();
  bool take_chunks();
  bool fail(std::string why);

  const bool is_head_request_;
  const std::size_t body_limit_;
  State state_ = State::head;
  Bytes buffer_;  // Fed and not yet understood.
  HttpResponse response_;
  Framing framing_ = Framing::none;
  std::uint64_t content_length_ = 0;
  bool keeps_connection_ = true;
  std::uint64_t bytes_fed_ = 0;
  std::string error_;
};

}  // namespace keelson::scenarios
