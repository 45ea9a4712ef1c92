// Tested by tests/core/api/http_server_test.cc.
#include "core/api/http_server.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/api/date.h"
#include "core/api/request_reader.h"
#include "core/base/check.h"

namespace keelson::api {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kReadBytes = 16 * 1024;
// How long, and for how much, a closing server goes on reading, so that the transport does not
// throw the answer away together with what the client still sends.
constexpr Duration kLingerTime = 1s;
constexpr std::size_t kLingerBytes = 8 * 1024 * 1024;
constexpr Duration kAcceptBackoff = 100ms;

}  // namespace

struct HttpServer::Session {
  Session(std::unique_ptr<Connection> stream, const HttpRequestParser::Limits& limits)
      : connection(std::move(stream)), peer(connection->peer()), reader(*connection, limits) {}

  HttpRequestParser& parser() { return reader.parser(); }

  std::unique_ptr<Connection> connection;
  const Address peer;
  Fiber* fiber = nullptr;
  RequestReader reader;
  bool waits_for_request = true;
  std::string out;
};

// Counts a request while it is handled, however that ends.
class HttpServer::InFlight {
 public:
  explicit InFlight(HttpServer& server) : server_(server) { change(1); }
  ~InFlight() { change(-1); }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

 private:
  void change(int amount) {
    server_.requests_in_flight_ += static_cast<std::size_t>(amount);
    server_.in_flight_gauge_.add(amount);
  }

  HttpServer& server_;
};

HttpServer::HttpServer(const Clock& clock, Scheduler& scheduler, Network& network,
                       HttpHandler& handler, Metrics& metrics, HttpServerOptions options)
    : clock_(clock),
      scheduler_(scheduler),
      network_(network),
      handler_(handler),
      options_(std::move(options)),
      refused_connections_(metrics.counter("keelson_http_connections_refused_total",
                                           "Connections beyond the limit.",
                                           {{"listener", options_.listener}})),
      connections_gauge_(metrics.gauge("keelson_http_connections", "Open connections.",
                                       {{"listener", options_.listener}})),
      in_flight_gauge_(metrics.gauge("keelson_http_requests_in_flight", "Requests being handled.",
                                     {{"listener", options_.listener}})),
      connection_fibers_(scheduler),
      accept_fiber_(scheduler) {
  CHECK(options_.connections_limit > 0);
  for (int digit = 1; digit <= 5; ++digit) {
    answers_[digit] =
        &metrics.counter("keelson_http_answers_total", "Answers, by class of status.",
                         {{"code", std::to_string(digit) + "xx"}, {"listener", options_.listener}});
  }
  answers_[0] = nullptr;
}

HttpServer::~HttpServer() {
  accept_fiber_.stop();
  connection_fibers_.stop();
  sessions_.clear();  // Sessions whose fiber never had its first turn.
}

Result<void> HttpServer::start(const Address& address) {
  CHECK(listener_ == nullptr && !draining_);
  TRY(listener_, network_.listen(address));
  accept_fiber_.spawn("http accept", [this] { accept_loop(); });
  return {};
}

Address HttpServer::address() const {
  CHECK(listener_ != nullptr);
  return listener_->address();
}

void HttpServer::accept_loop() {
  for (;;) {
    auto connection = listener_->accept(Deadline::never());
    if (!connection) {
      scheduler_.sleep_for(kAcceptBackoff);
      continue;
    }
    if (sessions_.size() >= options_.connections_limit) {
      refuse_connection(**connection);
    } else {
      open_session(*std::move(connection));
    }
  }
}

void HttpServer::refuse_connection(Connection& connection) {
  refused_connections_.add();
  std::string out;
  HttpResponse response = handler_.refusal({}, 503, "too many connections");
  response.headers.set("Retry-After", "1");
  serialize(response, {.close = true, .date = date()}, out);
  // A fresh connection has room for it; if not, the client learns from the closing.
  (void)connection.write(out, Deadline{clock_.now()});
  connection.shutdown_write();
}

void HttpServer::open_session(std::unique_ptr<Connection> connection) {
  const std::uint64_t id = next_session_++;
  Session& session =
      *(sessions_[id] = std::make_unique<Session>(std::move(connection), options_.request_limits));
  connections_gauge_.set(static_cast<std::int64_t>(sessions_.size()));
  session.connection->set_on_break([this, id] { end_session(id); });
  session.fiber = &connection_fibers_.spawn("http connection", [this, id, &session] {
    struct Forget {
      HttpServer& server;
      const std::uint64_t id;
      ~Forget() {
        server.sessions_.erase(id);
        server.connections_gauge_.set(static_cast<std::int64_t>(server.sessions_.size()));
      }
    } forget{*this, id};
    serve(session);
  });
}

// The client has gone, so whatever its request is waiting for is wanted no more.
void HttpServer::end_session(std::uint64_t session_id) {
  const std::uint64_t id = session_id;  // The argument may belong to the connection that dies here.
  const auto found = sessions_.find(id);
  CHECK(found != sessions_.end());
  connection_fibers_.kill(*found->second->fiber);
  sessions_.erase(id);  // Nothing is left of it unless the fiber never had its first turn.
  connections_gauge_.set(static_cast<std::int64_t>(sessions_.size()));
}

bool HttpServer::drain(Deadline deadline) {
  draining_ = true;
  accept_fiber_.stop();
  listener_.reset();
  for (auto next = sessions_.begin(); next != sessions_.end();) {
    const auto session = next++;
    if (session->second->waits_for_request) end_session(session->first);
  }
  const bool orderly = connection_fibers_.join(deadline);
  connection_fibers_.stop();
  sessions_.clear();
  connections_gauge_.set(0);
  return orderly;
}

void HttpServer::serve(Session& session) {
  while (serve_one(session)) {
  }
  session.connection->shutdown_write();
  session.reader.read_away(kLingerBytes, Deadline::in(clock_, kLingerTime));
}

// False once the connection is done with.
bool HttpServer::serve_one(Session& session) {
  session.parser().reset();
  session.waits_for_request = true;
  const Reading reading = read_request(session);
  HttpRequest& request = session.parser().request();
  request.peer = session.peer;
  request.arrived = clock_.now();
  switch (reading) {
    case Reading::closed:
      return false;
    case Reading::refused:
      return refuse(session, session.parser().error()->status, session.parser().error()->message);
    case Reading::complete:
      return respond(session, nullptr);
    case Reading::streamed:
      break;
  }
  session.parser().stream_body();
  RequestBody body(clock_, *session.connection, session.reader,
                   {.idle_time = options_.body_idle_time,
                    .window_time = options_.body_window_time,
                    .window_bytes_min = options_.body_window_bytes_min});
  request.body_source = &body;
  request.step_time = options_.handle_time;
  return respond(session, &body) && body.skip();
}

// `body` is the one that is streamed, if it is.
bool HttpServer::respond(Session& session, RequestBody* body) {
  HttpRequest& request = session.parser().request();
  std::optional<InFlight> counted(std::in_place, *this);
  const HttpResponse response =
      handler_.handle(request, Deadline::in(clock_, options_.handle_time));
  if (!response.source) counted.reset();
  request.body_source = nullptr;
  const bool ends_with_connection =
      response.source && !response.source->size() && request.minor_version == 0;
  const bool close = draining_ || !session.parser().keep_alive() || ends_with_connection ||
                     (body != nullptr && !body->can_be_skipped());
  return answer(session, response, close) && !close && !draining_;
}

HttpServer::Reading HttpServer::read_request(Session& session) {
  RequestReader& reader = session.reader;
  HttpRequestParser& parser = reader.parser();
  if (!reader.has_unread() &&
      !reader.fill(kReadBytes, Deadline::in(clock_, options_.idle_time))) {
    return Reading::closed;
  }
  session.waits_for_request = false;
  const Deadline head_deadline = Deadline::in(clock_, options_.head_time);
  const Deadline request_deadline = Deadline::in(clock_, options_.request_time);
  bool had_head = false;
  for (;;) {
    reader.parse();
    if (parser.error()) return Reading::refused;
    if (parser.head_done() && !had_head) {
      had_head = true;
      parser.set_body_limit(handler_.body_limit(parser.request()));
      if (parser.error()) return Reading::refused;
      if (handler_.streams_body(parser.request())) return Reading::streamed;
      if (parser.done()) return Reading::complete;
      if (reader.has_unread()) continue;
      // If it fails, so does the read that follows.
      if (parser.expects_continue()) {
        (void)session.connection->write(kContinue, Deadline::in(clock_, options_.write_time));
      }
    }
    if (parser.done()) return Reading::complete;
    const Deadline deadline =
        had_head ? request_deadline : std::min(head_deadline, request_deadline);
    if (const auto more = reader.fill(kReadBytes, deadline); !more) {
      // Half a request, and no more comes.
      if (more.error().code != ErrorCode::timed_out) return Reading::closed;
      refuse(session, 408, "the request took too long to arrive");
      return Reading::closed;
    }
  }
}

bool HttpServer::answer(Session& session, const HttpResponse& response, bool close) {
  CHECK(response.status >= 200 && response.status <= 599);
  answers_[response.status / 100]->add();
  const HttpRequest& request = session.parser().request();
  session.out.clear();
  serialize(response,
            {.head_request = request.method == "HEAD",
             .chunks = request.minor_version > 0,
             .close = close,
             .say_keep_alive = request.minor_version == 0,
             .date = date()},
            session.out);
  const bool has_body = response.status != 204 && response.status != 304;
  bool is_whole =
      session.connection->write(session.out, Deadline::in(clock_, options_.write_time)).has_value();
  if (is_whole && response.source && has_body && request.method != "HEAD") {
    is_whole = stream(session, *response.source);
  }
  if (!is_whole) session.connection->reset();  // Part of it may be out: nothing else may follow.
  return is_whole;
}

bool HttpServer::stream(Session& session, BodySource& source) {
  const std::optional<std::uint64_t> size = source.size();
  const bool in_chunks = !size && session.parser().request().minor_version > 0;
  std::uint64_t sent = 0;
  for (bool is_end = false; !is_end;) {
    const Result<Bytes> piece = source.next(Deadline::in(clock_, options_.handle_time));
    if (!piece) return false;
    is_end = piece->empty();
    sent += piece->size();
    if (size && sent > *size) return false;  // What is beyond would be taken for another answer.
    BytesView octets = *piece;
    if (in_chunks) {
      session.out.clear();
      append_chunk(octets, session.out);
      octets = session.out;
    }
    const Deadline deadline = Deadline::in(clock_, options_.write_time);
    if (!octets.empty() && !session.connection->write(octets, deadline)) return false;
  }
  return !size || sent == *size;
}

// What cannot be understood cannot be told apart from what follows it, so a refusal is the last
// word.
bool HttpServer::refuse(Session& session, int status, std::string_view message) {
  (void)answer(session, handler_.refusal(session.parser().request(), status, message), true);
  return false;
}

std::string_view HttpServer::date() {
  const std::int64_t second = clock_.wall_ms() / 1000;
  if (second != date_second_) {
    date_ = http_date(second * 1000);
    date_second_ = second;
  }
  return date_;
}

}  // namespace keelson::api
