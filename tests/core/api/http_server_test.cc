#include "core/api/http_server.h"

#include <gtest/gtest.h>

#include "core/api/http_parser.h"
#include "core/runtime/sync.h"
#include "tests/core/api/http_world.h"

namespace keelson::api {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

// Echoes; "/wait" waits for a gate first.
class Echo : public HttpHandler {
 public:
  explicit Echo(Scheduler& scheduler) : gate(scheduler) {}

  HttpResponse handle(const HttpRequest& request, Deadline deadline) override {
    struct Note {
      ~Note() { ++echo.ended; }
      Echo& echo;
    } note{*this};
    ++begun;
    arrivals.push_back(request.arrived);
    if (request.raw_path == "/wait" && !gate.wait(deadline))
      return {.status = 504, .headers = {}, .body = {}};
    return {.status = 200, .headers = {}, .body = request.method + request.target + request.body};
  }
  std::size_t body_limit(const HttpRequest&) const override { return 10; }

  Event gate;
  int begun = 0;
  int ended = 0;
  std::vector<Instant> arrivals;
};

class HttpServerTest : public HttpWorld {
 protected:
  HttpServerTest() { start({.listener = "test"}); }

  void start(HttpServerOptions options) {
    server_ = nullptr;
    server_ = std::make_unique<HttpServer>(clock_, scheduler_, network_, echo_, metrics_, options);
    ASSERT_TRUE(server_->start("server"));
    network_.settle();
  }

  Echo echo_{scheduler_};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersOneRequestAfterAnotherOnOneConnection) {
  const auto client = connect();
  const std::string answer =
      "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 4\r\n\r\nGET/";
  for (int i = 0; i < 3; ++i) {
    send(*client, kGet);
    EXPECT_EQ(receive(*client), answer);
  }
  EXPECT_EQ(server_->connection_count(), 1u);
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrderWithOneWriteEach) {
  const auto client = connect();
  const std::size_t before = network_.writes();
  send(*client,
       "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
       "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string answers = receive(*client);
  const auto first = answers.find("GET/1"), second = answers.find("POST/2x"),
             third = answers.find("GET/3");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos);
  EXPECT_EQ(network_.writes() - before, 1u + 3u) << "the client's and one an answer";
}

TEST_F(HttpServerTest, HeadHasTheLengthButNotTheBody) {
  const auto client = connect();
  send(*client, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string answer = receive(*client);
  EXPECT_NE(answer.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST_F(HttpServerTest, ClosesWhenAskedToAndAfterHttp10) {
  for (const std::string request :
       {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}) {
    const auto client = connect();
    send(*client, request);
    const std::string answer = receive(*client);
    EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("GET/<end>")) << answer;
  }
  pass(2s);
  EXPECT_EQ(server_->connection_count(), 0u);
  const auto client = connect();
  send(*client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_NE(receive(*client).find("Connection: keep-alive\r\n"), std::string::npos);
  EXPECT_EQ(server_->connection_count(), 1u);
}

TEST_F(HttpServerTest, RefusesWhatIsMalformedAndCloses) {
  const auto client = connect();
  send(*client, "GET / HTTP/1.1\r\nbad\r\n\r\n");
  const std::string answer = receive(*client);
  EXPECT_EQ(status_line(answer), "HTTP/1.1 400 Bad Request");
  EXPECT_TRUE(answer.ends_with("<end>"));
  EXPECT_EQ(echo_.begun, 0);
}

TEST_F(HttpServerTest, RefusesABodyBeyondTheHandlersLimit) {
  const auto client = connect();
  send(*client, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(status_line(receive(*client)), "HTTP/1.1 413 Content Too Large");
}

TEST_F(HttpServerTest, SaysContinueOnlyIfTheBodyIsAwaited) {
  const auto client = connect();
  const std::string head =
      "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
  send(*client, head);
  EXPECT_EQ(receive(*client), "HTTP/1.1 100 Continue\r\n\r\n");
  send(*client, "ab");
  EXPECT_TRUE(receive(*client).ends_with("PUT/ab"));
  send(*client, head + "cd");
  EXPECT_EQ(status_line(receive(*client)), "HTTP/1.1 200 OK");
}

TEST_F(HttpServerTest, AnIdleConnectionIsClosedWithoutAWord) {
  const auto client = connect();
  pass(59s);
  EXPECT_EQ(receive(*client), "");
  pass(3s);
  EXPECT_EQ(receive(*client), "<end>");
  EXPECT_EQ(server_->connection_count(), 0u);
}

TEST_F(HttpServerTest, ASlowHeadIsGivenUpHoweverItDrips) {
  const auto client = connect();
  send(*client, "GET / HTTP/1.1\r\n");
  for (int i = 0; i < 9; ++i) {
    pass(1s);
    send(*client, "A: b\r\n");
    EXPECT_EQ(receive(*client), "");
  }
  pass(1s);
  EXPECT_EQ(status_line(receive(*client)), "HTTP/1.1 408 Request Timeout");
  pass(2s);
  EXPECT_EQ(server_->connection_count(), 0u);
}

TEST_F(HttpServerTest, AHalfSentBodyIsGivenUpAtTheDeadline) {
  const auto client = connect();
  send(*client, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc");
  pass(59s);
  EXPECT_EQ(receive(*client), "");
  pass(1s);
  EXPECT_EQ(status_line(receive(*client)), "HTTP/1.1 408 Request Timeout");
  EXPECT_EQ(echo_.begun, 0);
}

TEST_F(HttpServerTest, TheArrivalIsWhenTheLastOctetWasRead) {
  const auto client = connect();
  send(*client, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na");
  pass(5s);
  send(*client, "b");
  ASSERT_EQ(echo_.arrivals.size(), 1u);
  EXPECT_EQ(echo_.arrivals[0], Instant{} + 5s);
}

TEST_F(HttpServerTest, AResetByTheClientCancelsItsRequest) {
  const auto client = connect();
  send(*client, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(server_->requests_in_flight(), 1u);
  client->reset();
  network_.settle();
  EXPECT_EQ(echo_.ended, 1);
  EXPECT_EQ(server_->requests_in_flight(), 0u);
  EXPECT_EQ(server_->connection_count(), 0u);
}

TEST_F(HttpServerTest, AHalfCloseDoesNotCancel) {
  const auto client = connect();
  send(*client, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  client->shutdown_write();
  network_.settle();
  EXPECT_EQ(server_->requests_in_flight(), 1u);
  echo_.gate.set();
  EXPECT_TRUE(receive(*client).ends_with("GET/wait<end>"));
}

TEST_F(HttpServerTest, AResetBeforeTheFirstTurnLeavesNothingBehind) {
  auto client = network_.connect("server", Deadline::never());
  ASSERT_TRUE(client.has_value());
  (*client)->reset();
  network_.settle();
  EXPECT_EQ(server_->connection_count(), 0u);
}

TEST_F(HttpServerTest, AClientThatDoesNotReadIsGivenUp) {
  network_.set_capacity(8);
  const auto client = connect();
  clients_.spawn("client", [&] { (void)client->write(kGet, Deadline::never()); });
  pass(29s);
  EXPECT_EQ(server_->connection_count(), 1u);
  pass(2s);
  EXPECT_EQ(server_->connection_count(), 0u);
}

TEST_F(HttpServerTest, ConnectionsBeyondTheLimitAreRefused) {
  start({.listener = "test", .connections_limit = 2});
  const auto a = connect();
  const auto b = connect();
  auto c = connect();
  EXPECT_EQ(status_line(receive(*c)), "HTTP/1.1 503 Service Unavailable");
  c = nullptr;
  b->reset();
  network_.settle();
  const auto d = connect();
  send(*d, kGet);
  EXPECT_EQ(status_line(receive(*d)), "HTTP/1.1 200 OK");
}

TEST_F(HttpServerTest, ADrainLetsRequestsFinishAndSaysClose) {
  const auto idle = connect();
  const auto busy = connect();
  send(*busy, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  std::optional<bool> orderly;
  clients_.spawn("drain", [&] { orderly = server_->drain(Deadline::in(clock_, 5s)); });
  network_.settle();
  EXPECT_EQ(receive(*idle), "<end>");
  EXPECT_FALSE(network_.connect("server", Deadline::never()).has_value()) << "still accepts";
  EXPECT_FALSE(orderly.has_value());
  echo_.gate.set();
  const std::string answer = receive(*busy);
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("GET/wait<end>"));
  pass(2s);
  EXPECT_EQ(orderly, true);
}

TEST_F(HttpServerTest, ADrainKillsWhatIsLeftAtItsDeadline) {
  const auto busy = connect();
  send(*busy, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  std::optional<bool> orderly;
  clients_.spawn("drain", [&] { orderly = server_->drain(Deadline::in(clock_, 5s)); });
  pass(4s);
  EXPECT_FALSE(orderly.has_value());
  pass(1s);
  EXPECT_EQ(orderly, false);
  EXPECT_EQ(echo_.ended, 1);
  EXPECT_EQ(server_->requests_in_flight(), 0u);
}

TEST_F(HttpServerTest, ItsDestructorKillsWhatItServes) {
  const auto busy = connect();
  send(*busy, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  server_ = nullptr;
  EXPECT_EQ(echo_.ended, 1);
}

}  // namespace
}  // namespace keelson::api
