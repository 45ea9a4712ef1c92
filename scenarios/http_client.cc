// Tested by tests/scenarios/http_client_test.cc against a scripted server in a simulated world.
#include "scenarios/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/base/check.h"

namespace keelson::scenarios {

namespace {

// More than nearly every head has.
constexpr std::size_t kHeadBytesExpected = 512;

bool has_field(const std::vector<HttpField>& fields, std::string_view name) {
  return std::any_of(fields.begin(), fields.end(),
                     [&](const HttpField& field) { return field.has_name(name); });
}

CallResult ended(CallResult::End end, std::string why, bool timed_out = false) {
  CallResult result;
  result.end = end;
  result.why = std::move(why);
  result.timed_out = timed_out;
  return result;
}

}  // namespace

HttpClient::HttpClient(Network& network, Scheduler& scheduler, Address server)
    : network_(network), scheduler_(scheduler), server_(std::move(server)) {}

CallResult HttpClient::call(const HttpRequest& request, Deadline deadline,
                            const Manners& manners, const OnStatus& on_status) {
  const bool reused = connection_ != nullptr;
  if (!reused) {
    auto connection = network_.connect(server_, deadline);
    if (!connection) {
      return ended(CallResult::End::never_sent, "connect: " + connection.error().message,
                   connection.error().code == ErrorCode::timed_out);
    }
    connection_ = std::move(*connection);
    connection_was_used_ = false;
  }
  const Bytes bytes = encode(request);
  if (auto sent = send(bytes, manners, deadline); !sent) {
    connection_.reset();
    return ended(CallResult::End::unknown, "send: " + sent.error().message,
                 sent.error().code == ErrorCode::timed_out);
  }
  CallResult result = receive(request, manners, deadline, on_status);
  result.reused = reused;
  if (!result.keeps_connection || result.surplus_bytes) connection_.reset();
  return result;
}

Result<void> HttpClient::send(BytesView bytes, const Manners& manners, Deadline deadline) {
  const auto gone = [&](std::string why) -> Result<void> {
    return Error{ErrorCode::connection_lost, std::move(why)};
  };
  switch (manners.kind) {
    case Manners::Kind::half_request:
    case Manners::Kind::disconnect: {
      const std::size_t part =
          std::min(bytes.size() - 1, bytes.size() * manners.part_per_thousand / 1000);
      if (part > 0) TRY(connection_->write(bytes.substr(0, part), deadline));
      scheduler_.sleep_until(std::min(scheduler_.clock().now() + manners.pause, deadline.at));
      if (manners.kind == Manners::Kind::disconnect) connection_->reset();
      return gone("the client left in the middle of its request");
    }
    case Manners::Kind::leave:
      TRY(connection_->write(bytes, deadline));
      scheduler_.sleep_until(std::min(scheduler_.clock().now() + manners.pause, deadline.at));
      connection_->reset();
      return gone("the client left without reading");
    case Manners::Kind::slow_sender:
      while (!bytes.empty()) {
        const std::size_t piece = std::clamp<std::size_t>(manners.piece_bytes, 1, bytes.size());
        TRY(connection_->write(bytes.substr(0, piece), deadline));
        bytes.remove_prefix(piece);
        if (bytes.empty()) break;
        if (scheduler_.clock().now() + manners.pause > deadline.at) {
          return Error{ErrorCode::timed_out, "the deadline passed while sending slowly"};
        }
        scheduler_.sleep_for(manners.pause);
      }
      return {};
    default: return connection_->write(bytes, deadline);
  }
}

CallResult HttpClient::receive(const HttpRequest& request, const Manners& manners,
                               Deadline deadline, const OnStatus& on_status) {
  HttpResponseParser parser(request.method);
  CallResult result;
  std::array<char, 4096> chunk;
  const bool is_slow = manners.kind == Manners::Kind::slow_reader;
  const std::size_t chunk_bytes =
      is_slow ? std::clamp<std::size_t>(manners.piece_bytes, 1, chunk.size()) : chunk.size();
  bool told = false;
  while (parser.state() == HttpResponseParser::State::head ||
         parser.state() == HttpResponseParser::State::body) {
    auto count = connection_->read(std::span(chunk.data(), chunk_bytes), deadline);
    if (!count) {
      result.why = "receive: " + count.error().message;
      result.timed_out = count.error().code == ErrorCode::timed_out;
      break;
    }
    if (*count == 0) {
      if (parser.end_of_stream() != HttpResponseParser::State::complete) {
        result.why = parser.bytes_fed() == 0 ? "the server closed the connection without an answer"
                                             : "the server closed the connection mid-answer";
      }
      break;
    }
    parser.feed(BytesView(chunk.data(), *count));
    const bool head_is_known = parser.state() == HttpResponseParser::State::body ||
                               parser.state() == HttpResponseParser::State::complete;
    if (head_is_known && !told) {
      told = true;
      if (on_status) on_status(parser.response().status);
      if (manners.kind == Manners::Kind::reset_after_status) {
        connection_->reset();
        result.why = "the client left after the status";
        break;
      }
    }
    if (is_slow) {
      scheduler_.sleep_until(std::min(scheduler_.clock().now() + manners.pause, deadline.at));
    }
  }
  if (parser.state() == HttpResponseParser::State::complete && result.why.empty()) {
    result.end = CallResult::End::answered;
    result.surplus_bytes = !parser.rest().empty();
    result.keeps_connection = parser.keeps_connection();
  } else if (parser.state() == HttpResponseParser::State::malformed) {
    result.end = CallResult::End::malformed;
    result.why = parser.error();
  }
  result.response = parser.take_response();
  return result;
}

Bytes HttpClient::encode(const HttpRequest& request) const {
  Bytes bytes;
  bytes.reserve(kHeadBytesExpected + request.body.size());
  bytes.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
  if (!has_field(request.headers, "Host")) bytes += "Host: " + server_ + "\r\n";
  for (const HttpField& field : request.headers) {
    bytes.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  const bool wants_length = !request.body.empty() || request.method == "PUT" ||
                            request.method == "POST";
  if (wants_length && !has_field(request.headers, "Content-Length") &&
      !has_field(request.headers, "Transfer-Encoding")) {
    bytes += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  bytes.append("\r\n").append(request.body);
  return bytes;
}

}  // namespace keelson::scenarios
