// HttpServer: one listener's accept loop and its connections, each a fiber that reads a request,
// asks the handler, and writes the answer, until one side has had enough.
//
// Every wait has a limit: the first octet of a request (idle_time), its head (head_time), all of it
// (request_time), the handler (handle_time), and the answer (write_time). An answer with a source
// is limited piece by piece: handle_time to make one, write_time to send it. A body that the
// handler streams is limited by its pace instead of request_time: a client may fall silent for
// body_idle_time, and must send body_window_bytes_min in every body_window_time that it lets us
// wait.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/api/http.h"
#include "core/api/http_parser.h"
#include "core/api/metrics.h"
#include "core/runtime/network.h"
#include "core/runtime/scheduler.h"
#include "core/runtime/task_group.h"

namespace keelson::api {

class RequestBody;

struct HttpServerOptions {
  std::string listener;  // "admin", "s3": a label of metrics.
  HttpRequestParser::Limits request_limits = {};
  std::size_t connections_limit = 4096;  // Beyond: 503, and the connection is closed.
  Duration idle_time = std::chrono::seconds(60);
  Duration head_time = std::chrono::seconds(10);
  Duration request_time = std::chrono::seconds(60);
  Duration handle_time = std::chrono::seconds(30);
  Duration write_time = std::chrono::seconds(30);
  Duration body_idle_time = std::chrono::seconds(30);
  Duration body_window_time = std::chrono::seconds(60);
  std::size_t body_window_bytes_min = 64 * 1024;
};

class HttpServer {
 public:
  // The references outlive the server.
  HttpServer(const Clock& clock, Scheduler& scheduler, Network& network, HttpHandler& handler,
             Metrics& metrics, HttpServerOptions options);
  // Kills what is left.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Begins to accept. Errors: those of Network::listen. REQUIRES: called once.
  Result<void> start(const Address& address);

  // Where it listens. REQUIRES: started and not drained.
  Address address() const;

  // Orderly end: accepts no more, closes connections that wait for a request, lets the requests in
  // flight finish until the deadline, and kills the rest. True if nothing had to be killed. Answers
  // given meanwhile carry "Connection: close".
  bool drain(Deadline deadline);

  std::size_t connection_count() const { return sessions_.size(); }
  std::size_t requests_in_flight() const { return requests_in_flight_; }

 private:
  struct Session;
  class InFlight;

  void accept_loop();
  void open_session(std::unique_ptr<Connection> connection);
  void refuse_connection(Connection& connection);
  void end_session(std::uint64_t id);

  void serve(Session& session);
  bool serve_one(Session& session);
  enum class Reading { complete, streamed, refused, closed };
  Reading read_request(Session& session);
  bool respond(Session& session, RequestBody* body);
  bool answer(Session& session, const HttpResponse& response, bool close);
  bool stream(Session& session, BodySource& source);
  bool refuse(Session& session, int status, std::string_view message);

  std::string_view date();

  const Clock& clock_;
  Scheduler& scheduler_;
  Network& network_;
  HttpHandler& handler_;
  const HttpServerOptions options_;

  bool draining_ = false;
  std::size_t requests_in_flight_ = 0;
  std::string date_;
  std::int64_t date_second_ = -1;

  Counter* answers_[6];  // By the status code's first digit.
  Counter& refused_connections_;
  Gauge& connections_gauge_;
  Gauge& in_flight_gauge_;

  std::unique_ptr<Listener> listener_;
  std::map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  std::uint64_t next_session_ = 1;
  // Last, so that the fibers end before what they use.
  TaskGroup connection_fibers_;
  TaskGroup accept_fiber_;
};

}  // namespace keelson::api
