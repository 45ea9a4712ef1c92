// Tested by tests/core/api/http_server_test.cc and tests/core/api/request_body_test.cc.
#include "core/api/request_reader.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace keelson::api {

namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::size_t kBufferBytesKept = 20 * 1024;
// Less than a client sends before it has read the answer to the last request anyway.
constexpr std::uint64_t kSkippedBytesMax = 64 * 1024;

}  // namespace

void RequestReader::parse() {
  begin_ += parser_.put(unread());
  CHECK(begin_ <= end_);
}

Result<std::size_t> RequestReader::fill(std::size_t bytes, Deadline deadline) {
  // The parser uses up everything except an unfinished line or a chunk's head, both of limited
  // size.
  const std::size_t wanted = unread().size() + bytes;
  if (buffer_bytes_ < wanted) {
    move_to_buffer(std::max(wanted, 2 * buffer_bytes_));
  } else if (begin_ > 0) {
    std::copy(buffer_.get() + begin_, buffer_.get() + end_, buffer_.get());
    end_ -= begin_;
    begin_ = 0;
  }
  TRY(const std::size_t count,
      connection_.read(std::span(buffer_.get() + end_, bytes), deadline));
  if (count == 0) return Error{ErrorCode::connection_lost, "the stream has ended"};
  end_ += count;
  return count;
}

// Not a string, as that would be filled with zeros first.
void RequestReader::move_to_buffer(std::size_t bytes) {
  CHECK(unread().size() <= bytes);
  auto buffer = std::make_unique_for_overwrite<char[]>(bytes);
  std::copy(buffer_.get() + begin_, buffer_.get() + end_, buffer.get());
  buffer_ = std::move(buffer);
  buffer_bytes_ = bytes;
  end_ -= begin_;
  begin_ = 0;
}

void RequestReader::read_away(std::size_t bytes, Deadline deadline) {
  begin_ = end_ = 0;
  for (std::size_t read_bytes = 0; read_bytes < bytes;) {
    const auto count = fill(kBufferBytesKept, deadline);
    if (!count) return;
    read_bytes += *count;
    begin_ = end_ = 0;
  }
}

void RequestReader::trim_buffer() {
  if (buffer_bytes_ <= kBufferBytesKept || unread().size() > kBufferBytesKept) return;
  move_to_buffer(kBufferBytesKept);
}

RequestBody::RequestBody(const Clock& clock, Connection& connection, RequestReader& reader,
                         const BodyPace& pace)
    : clock_(clock),
      connection_(connection),
      reader_(reader),
      pace_(pace),
      // RFC 9110 §10.1.1: whoever sends the body unasked need not be asked.
      client_awaits_continue_(reader.parser().expects_continue() && !reader.has_unread() &&
                              (!reader.parser().done() || reader.parser().body_bytes() == 0)) {
  CHECK(pace.idle_time > Duration(0) && pace.window_time > Duration(0));
}

Result<Bytes> RequestBody::next(Deadline deadline) {
  HttpRequestParser& parser = reader_.parser();
  for (;;) {
    if (failure_) return *failure_;
    // Of an empty body, too: boto3 takes the final answer that comes without it for the answer to
    // the next request on the connection.
    if (parser.done()) say_continue();
    if (!parser.done() && reader_.has_unread()) reader_.parse();
    if (parser.error()) return fail(ErrorCode::invalid_argument, parser.error()->message);
    Bytes piece = parser.take_body();
    if (!piece.empty() || parser.done()) return piece;
    TRY(await_more(deadline));
  }
}

void RequestBody::say_continue() {
  if (!client_awaits_continue_) return;
  client_awaits_continue_ = false;
  // If it fails, so does what follows.
  (void)connection_.write(kContinue, Deadline::in(clock_, pace_.idle_time));
}

Result<void> RequestBody::await_more(Deadline deadline) {
  say_continue();
  const Instant from = clock_.now();
  const Deadline limit{from + std::min(pace_.idle_time - silence_, pace_.window_time - waited_)};
  const auto count = reader_.fill(kPieceBytes, std::min(deadline, limit));
  const Duration span = clock_.now() - from;
  waited_ += span;
  silence_ = count ? Duration(0) : silence_ + span;
  window_bytes_ += count ? *count : 0;
  if (!count && count.error().code != ErrorCode::timed_out) {
    return fail(ErrorCode::connection_lost, "the body ends before it is complete");
  }
  const bool window_is_over = waited_ >= pace_.window_time;
  if (silence_ >= pace_.idle_time || (window_is_over && window_bytes_ < pace_.window_bytes_min)) {
    return fail(ErrorCode::timed_out, "the body comes too slowly");
  }
  if (window_is_over) {
    waited_ = Duration(0);
    window_bytes_ = 0;
  }
  if (!count && deadline <= limit) return count.error();
  return {};
}

Error RequestBody::fail(ErrorCode code, std::string message) {
  failure_ = Error{code, std::move(message)};
  return *failure_;
}

bool RequestBody::can_be_skipped() const {
  const HttpRequestParser& parser = reader_.parser();
  if (parser.error() || failure_) return false;
  // A client that waits for leave to send may, or may not, send its body after a final answer.
  if (client_awaits_continue_) return false;
  if (parser.done()) return true;
  return size() && *size() - parser.body_bytes() <= kSkippedBytesMax;
}

bool RequestBody::skip() {
  CHECK(can_be_skipped());
  for (;;) {
    const Result<Bytes> piece = next(Deadline::in(clock_, pace_.idle_time));
    if (!piece) return false;
    if (piece->empty()) break;
  }
  reader_.trim_buffer();
  return true;
}

}  // namespace keelson::api
