// The reading side of a server's connection: octets as they come, and of them one request after
// another, the body of which may be taken piece by piece.
#pragma once

#include <memory>
#include <optional>

#include "core/api/http.h"
#include "core/api/http_parser.h"
#include "core/runtime/network.h"

namespace keelson::api {

class RequestReader {
 public:
  // The connection outlives this object, which alone reads from it.
  RequestReader(Connection& connection, const HttpRequestParser::Limits& limits)
      : connection_(connection), parser_(limits) {}

  HttpRequestParser& parser() { return parser_; }
  const HttpRequestParser& parser() const { return parser_; }

  // Whether octets have been read that the parser has not used: part of a line, or what follows a
  // request's end.
  bool has_unread() const { return begin_ < end_; }

  // Hands what is unread to the parser. REQUIRES: those of HttpRequestParser::put.
  void parse();

  // Reads at least one octet more, and at most `bytes`; how many. Errors: timed_out,
  // connection_lost (also at the end of the stream).
  Result<std::size_t> fill(std::size_t bytes, Deadline deadline);

  // Reads and forgets until the end of the stream, `bytes`, or the deadline.
  void read_away(std::size_t bytes, Deadline deadline);

  // Gives back room that only large pieces needed.
  void trim_buffer();

 private:
  BytesView unread() const { return {buffer_.get() + begin_, end_ - begin_}; }
  // Another buffer of `bytes`, with what is unread at its front. REQUIRES: that fits.
  void move_to_buffer(std::size_t bytes);

  Connection& connection_;
  HttpRequestParser parser_;
  std::unique_ptr<char[]> buffer_;  // Octets [begin_, end_) were read and not yet parsed.
  std::size_t buffer_bytes_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// How slow a client may be with a body that is streamed. Only the time in which the server waits
// for it counts.
struct BodyPace {
  Duration idle_time;            // Without a single octet.
  Duration window_time;          // In each such span of waiting there must come
  std::size_t window_bytes_min;  // so much, however it drips.
};

// The body of the request whose head `reader` has read, as its handler sees it.
class RequestBody : public BodySource {
 public:
  // The references outlive this object. REQUIRES: stream_body() was called.
  RequestBody(const Clock& clock, Connection& connection, RequestReader& reader,
              const BodyPace& pace);

  std::optional<std::uint64_t> size() const override { return reader_.parser().body_size(); }
  Result<Bytes> next(Deadline deadline) override;

  // Whether so little is left unread that the connection can go on with the next request. Never
  // suspends.
  bool can_be_skipped() const;
  // Reads away what is left; false if it does not come. REQUIRES: can_be_skipped().
  bool skip();

 private:
  void say_continue();
  Result<void> await_more(Deadline deadline);
  Error fail(ErrorCode code, std::string message);

  const Clock& clock_;
  Connection& connection_;
  RequestReader& reader_;
  const BodyPace pace_;

  bool client_awaits_continue_;
  std::optional<Error> failure_;  // What every later call says.
  Duration silence_{};            // Waited since the last octet.
  Duration waited_{};             // In this window, and
  std::size_t window_bytes_ = 0;  // what came in it.
};

}  // namespace keelson::api
