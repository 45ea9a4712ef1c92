// Answers whose body is made while it is sent: core/api/http.h, BodySource.
#include <gtest/gtest.h>

#include "core/api/http_server.h"
#include "core/runtime/sync.h"
#include "tests/core/api/http_world.h"

namespace keelson::api {
namespace {

using namespace std::chrono_literals;

// What the test wants of a source, and what has become of it.
struct Plan {
  std::vector<Result<Bytes>> pieces;
  std::optional<std::uint64_t> size;
  Event* gate = nullptr;  // The second piece waits for it.
  std::size_t given = 0;
  int living = 0;
};

class PlannedSource : public BodySource {
 public:
  explicit PlannedSource(Plan& plan) : plan_(plan) { ++plan_.living; }
  ~PlannedSource() override { --plan_.living; }

  std::optional<std::uint64_t> size() const override { return plan_.size; }
  Result<Bytes> next(Deadline deadline) override {
    if (plan_.given == 1 && plan_.gate != nullptr && !plan_.gate->wait(deadline)) {
      return Error{ErrorCode::timed_out, "gate"};
    }
    if (plan_.given == plan_.pieces.size()) return Bytes();
    return plan_.pieces[plan_.given++];
  }

 private:
  Plan& plan_;
};

class Streams : public HttpHandler {
 public:
  HttpResponse handle(const HttpRequest& request, Deadline) override {
    if (request.raw_path == "/plain") return {.status = 200, .headers = {}, .body = "plain"};
    HttpResponse response;
    response.source = std::make_unique<PlannedSource>(plan);
    return response;
  }
  Plan plan;
};

class BodySourceTest : public HttpWorld {
 protected:
  BodySourceTest() {
    CHECK(server_.start("server"));
    network_.settle();
    client_ = connect();
  }
  void send(std::string_view octets) { HttpWorld::send(*client_, octets); }
  std::string receive(std::size_t most = SIZE_MAX) { return HttpWorld::receive(*client_, most); }

  Streams streams_;
  HttpServer server_{clock_, scheduler_, network_, streams_, metrics_, {.listener = "test"}};
  std::unique_ptr<Connection> client_;
};

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
constexpr std::string_view kPlain = "GET /plain HTTP/1.1\r\nHost: h\r\n\r\n";

TEST_F(BodySourceTest, ABodyOfUnknownSizeGoesInChunksAndTheConnectionGoesOn) {
  streams_.plan.pieces = {Bytes("hello "), Bytes(17, 'x')};
  send(kGet);
  const std::string answer = receive();
  EXPECT_NE(answer.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(answer.find("Content-Length"), std::string::npos);
  EXPECT_EQ(body_of(answer), "6\r\nhello \r\n11\r\n" + Bytes(17, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(streams_.plan.living, 0);
  send(kPlain);
  EXPECT_EQ(body_of(receive()), "plain");
}

TEST_F(BodySourceTest, ABodyOfKnownSizeHasALength) {
  streams_.plan.pieces = {Bytes("hello "), Bytes("world")};
  streams_.plan.size = 11;
  send(kGet);
  const std::string answer = receive();
  EXPECT_NE(answer.find("Content-Length: 11\r\n"), std::string::npos);
  EXPECT_EQ(body_of(answer), "hello world");
  send(kPlain);
  EXPECT_EQ(body_of(receive()), "plain");
}

TEST_F(BodySourceTest, AnErrorBreaksTheConnectionSoThatAPartIsNotTakenForTheWhole) {
  streams_.plan.pieces = {Bytes("begun"), Error{ErrorCode::io_error, "disk"}};
  send(kGet);
  const std::string answer = receive();
  EXPECT_TRUE(answer.ends_with("<reset>")) << answer;
  EXPECT_EQ(answer.find("0\r\n\r\n"), std::string::npos);
}

TEST_F(BodySourceTest, PiecesThatAreNotTheAnnouncedSizeBreakTheConnection) {
  streams_.plan.pieces = {Bytes("hello")};
  for (const std::uint64_t size : {4, 6}) {
    streams_.plan.size = size;
    streams_.plan.given = 0;
    client_ = connect();
    send(kGet);
    EXPECT_TRUE(receive().ends_with("<reset>")) << size;
  }
}

TEST_F(BodySourceTest, HeadAsksTheSourceForNothing) {
  streams_.plan.pieces = {Bytes("hello")};
  send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(receive().ends_with("\r\n\r\n"));
  EXPECT_EQ(streams_.plan.given, 0u);
  EXPECT_EQ(streams_.plan.living, 0);
  send(kPlain);
  EXPECT_EQ(body_of(receive()), "plain");
}

TEST_F(BodySourceTest, ForHttp10TheEndOfTheConnectionIsTheEndOfTheBody) {
  streams_.plan.pieces = {Bytes("hello "), Bytes("world")};
  send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string answer = receive();
  EXPECT_EQ(answer.find("Transfer-Encoding"), std::string::npos);
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(body_of(answer), "hello world<end>");
}

TEST_F(BodySourceTest, AClientThatDoesNotReadMakesTheSourceWait) {
  network_.set_capacity(1000);
  for (int i = 0; i < 100; ++i) streams_.plan.pieces.push_back(Bytes(100, 'x'));
  send(kGet);
  EXPECT_LE(streams_.plan.given, 11u);
  EXPECT_EQ(server_.requests_in_flight(), 1u);
  std::size_t read = 0;
  while (read < 5000) read += receive(500).size();
  EXPECT_GE(streams_.plan.given, 40u);
  EXPECT_LE(streams_.plan.given, 65u);
  EXPECT_EQ(streams_.plan.living, 1);
}

TEST_F(BodySourceTest, AClientThatStopsReadingIsDroppedAfterTheWriteTime) {
  network_.set_capacity(1000);
  streams_.plan.pieces = {Bytes(5000, 'x')};
  send(kGet);
  run_until(network_, scheduler_, clock_, clock_.now() + 29s);
  EXPECT_EQ(streams_.plan.living, 1);
  run_until(network_, scheduler_, clock_, clock_.now() + 2s);
  EXPECT_EQ(streams_.plan.living, 0);
}

TEST_F(BodySourceTest, ASourceEndsWhenItsClientGoesAway) {
  Event gate(scheduler_);
  streams_.plan.gate = &gate;
  streams_.plan.pieces = {Bytes("one"), Bytes("two")};
  send(kGet);
  EXPECT_EQ(streams_.plan.living, 1);
  EXPECT_EQ(server_.requests_in_flight(), 1u);
  client_->reset();
  network_.settle();
  EXPECT_EQ(streams_.plan.living, 0);
  EXPECT_EQ(server_.requests_in_flight(), 0u);
  EXPECT_EQ(server_.connection_count(), 0u);
}

TEST_F(BodySourceTest, ADrainLetsAStreamFinishAndEndsItsConnection) {
  Event gate(scheduler_);
  streams_.plan.gate = &gate;
  streams_.plan.pieces = {Bytes("one"), Bytes("two")};
  send(kGet);
  bool orderly = false;
  clients_.spawn("drain", [&] { orderly = server_.drain(Deadline{clock_.now() + 5s}); });
  network_.settle();
  gate.set();
  network_.settle();
  EXPECT_TRUE(receive().ends_with("0\r\n\r\n<end>"));
  run_until(network_, scheduler_, clock_, clock_.now() + 2s);
  EXPECT_TRUE(orderly);
}

}  // namespace
}  // namespace keelson::api
