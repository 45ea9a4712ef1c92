// Requests whose body the handler reads while it comes: HttpHandler::streams_body, RequestBody.
#include "core/api/request_reader.h"
#include "core/runtime/sync.h"
#include "tests/core/api/http_world.h"

namespace keelson::api {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBodyLimit = 3'000'000;

// Reads every body under "/in" to its end; "/refuse" reads nothing, "/first" one piece, and "/step"
// opens a gate before each piece. Everything else is read by the server.
class Reads : public HttpHandler {
 public:
  explicit Reads(const Clock& clock, Scheduler& scheduler) : steps(scheduler), clock_(clock) {}

  bool streams_body(const HttpRequest& head) const override {
    return head.raw_path != "/whole";
  }
  std::size_t body_limit(const HttpRequest&) const override { return kBodyLimit; }

  HttpResponse handle(const HttpRequest& request, Deadline) override {
    struct Note {
      ~Note() { ++reads.ended; }
      Reads& reads;
    } note{*this};
    ++begun;
    got.clear();
    failure.reset();
    if (request.raw_path == "/whole") return {.status = 200, .headers = {}, .body = request.body};
    EXPECT_EQ(request.body, "");
    size = request.body_source->size();
    if (request.raw_path == "/refuse") return {.status = 403, .headers = {}, .body = "no"};
    for (;;) {
      if (request.raw_path == "/step" && !take_step(Deadline::never())) break;
      const auto piece =
          request.body_source->next(Deadline::in(clock_, patience.value_or(request.step_time)));
      if (!piece) {
        failure = piece.error().code;
        if (patience && !request.body_source->next(Deadline::never())) break;
        return {.status = 400, .headers = {}, .body = piece.error().message};
      }
      largest = std::max(largest, piece->size());
      got += *piece;
      if (piece->empty() || request.raw_path == "/first") break;
    }
    return {.status = 200, .headers = {}, .body = std::to_string(got.size())};
  }

  bool take_step(Deadline deadline) {
    while (steps_allowed == 0) {
      if (!steps.wait(deadline)) return false;
    }
    --steps_allowed;
    return true;
  }

  WaitQueue steps;
  int steps_allowed = 0;
  std::optional<Duration> patience;  // For one piece, where it is not step_time.

  // What the last request was like.
  int begun = 0;
  int ended = 0;
  std::string got;
  std::size_t largest = 0;
  std::optional<std::uint64_t> size;
  std::optional<ErrorCode> failure;

 private:
  const Clock& clock_;
};

class RequestBodyTest : public HttpWorld {
 protected:
  RequestBodyTest() {
    CHECK(server_.start("server"));
    network_.settle();
    client_ = connect();
  }
  void send(std::string_view octets) { HttpWorld::send(*client_, octets); }
  std::string receive() { return HttpWorld::receive(*client_); }
  void allow_steps(int count) {
    reads_.steps_allowed += count;
    reads_.steps.notify_all();
    network_.settle();
  }
  static std::string head(std::string_view path, std::size_t length, std::string_view more = {}) {
    return "PUT " + std::string(path) +
           " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(length) + "\r\n" +
           std::string(more) + "\r\n";
  }

  Reads reads_{clock_, scheduler_};
  HttpServer server_{clock_,
                     scheduler_,
                     network_,
                     reads_,
                     metrics_,
                     {.listener = "test",
                      .body_idle_time = 30s,
                      .body_window_time = 60s,
                      .body_window_bytes_min = 100}};
  std::unique_ptr<Connection> client_;
};

constexpr std::string_view kChunkedHead =
    "PUT /in HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view kExpect = "Expect: 100-continue\r\n";

TEST_F(RequestBodyTest, TheHandlerReadsABodyOfKnownLengthInBoundedPieces) {
  const std::string body(2'000'000, 'x');
  send(head("/in", body.size()) + body);
  EXPECT_EQ(body_of(receive()), "2000000");
  EXPECT_EQ(reads_.got, body);
  EXPECT_EQ(reads_.size, 2'000'000u);
  EXPECT_GT(reads_.largest, 1000u);
  EXPECT_LE(reads_.largest, 64u * 1024);
}

TEST_F(RequestBodyTest, AChunkedBodyHasNoSizeAndNoFramingLeft) {
  send(std::string(kChunkedHead) + "3\r\nabc\r\nA;x=y\r\n01234");
  EXPECT_EQ(reads_.got, "abc01234");
  send("56789\r\n0\r\nAuthorization: forged\r\n\r\n");
  EXPECT_EQ(body_of(receive()), "13");
  EXPECT_EQ(reads_.got, "abc0123456789");
  EXPECT_EQ(reads_.size, std::nullopt);
}

TEST_F(RequestBodyTest, NoBodyIsAnEmptyBody) {
  send("GET /in HTTP/1.1\r\nHost: h\r\n\r\n" + head("/in", 0));
  const std::string answers = receive();
  EXPECT_EQ(reads_.begun, 2);
  EXPECT_EQ(reads_.size, 0u);
  EXPECT_TRUE(answers.ends_with("\r\n\r\n0")) << answers;
}

TEST_F(RequestBodyTest, TheNextRequestOnTheConnectionIsServedAfterAStreamedOne) {
  send(head("/in", 3) + "abc" + std::string(kChunkedHead) + "1\r\nd\r\n0\r\n\r\n" +
       head("/whole", 2) + "ef" + head("/in", 1) + "g");
  const std::string answers = receive();
  EXPECT_EQ(reads_.begun, 4);
  EXPECT_EQ(reads_.got, "g");
  EXPECT_NE(answers.find("\r\n\r\nefHTTP/1.1 200"), std::string::npos) << answers;
}

TEST_F(RequestBodyTest, NothingIsReadFromTheConnectionWhileTheHandlerDoesNotAsk) {
  constexpr std::size_t kCapacity = 1000;
  network_.set_capacity(kCapacity);
  std::size_t written = 0;
  clients_.spawn("client", [&] {
    (void)client_->write(head("/step", 200'000), Deadline::never());
    for (; written < 200'000; written += 100) {
      if (!client_->write(std::string(100, 'x'), Deadline::never())) return;
    }
  });
  network_.settle();
  ASSERT_EQ(reads_.begun, 1);
  // The head has been read, and what came along with it; the transport is full.
  EXPECT_LE(written, 2 * kCapacity);
  pass(3600s);
  EXPECT_LE(written, 2 * kCapacity) << "waiting for the handler is not the client's fault";
  const std::size_t before = written;
  allow_steps(3);
  EXPECT_GT(written, before);
  EXPECT_LE(written, before + 4 * kCapacity);
  EXPECT_LE(reads_.got.size(), before + 4 * kCapacity);
  allow_steps(1000);
  EXPECT_EQ(reads_.got.size(), 200'000u);
  EXPECT_EQ(body_of(receive()), "200000");
}

TEST_F(RequestBodyTest, ContinueIsSaidAtTheFirstReadOnly) {
  send(head("/step", 4, kExpect));
  EXPECT_EQ(reads_.begun, 1);
  EXPECT_EQ(receive(), "");
  allow_steps(1);
  EXPECT_EQ(receive(), "HTTP/1.1 100 Continue\r\n\r\n");
  send("ab");
  EXPECT_EQ(receive(), "");
  allow_steps(2);
  send("cd");
  EXPECT_EQ(status_line(receive()), "HTTP/1.1 200 OK");
}

TEST_F(RequestBodyTest, ContinueIsSaidForAnEmptyBodyToo) {
  send(head("/step", 0, kExpect));
  EXPECT_EQ(receive(), "");
  allow_steps(1);
  const std::string answer = receive();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_FALSE(answer.ends_with("<end>"));
}

TEST_F(RequestBodyTest, ARefusalOfAnEmptyBodyWithoutContinueClosesToo) {
  send(head("/refuse", 0, kExpect));
  EXPECT_TRUE(receive().ends_with("no<end>"));
}

TEST_F(RequestBodyTest, ARefusalByTheHeadCostsNoUpload) {
  send(head("/refuse", 1'000'000, kExpect));
  const std::string answer = receive();
  EXPECT_EQ(status_line(answer), "HTTP/1.1 403 Forbidden");
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("no<end>"));
  EXPECT_EQ(answer.find("100 Continue"), std::string::npos);
}

TEST_F(RequestBodyTest, LittleThatIsLeftUnreadIsReadAwayAndTheConnectionGoesOn) {
  send(head("/refuse", 1000) + std::string(600, 'x'));
  const std::string answer = receive();
  EXPECT_EQ(status_line(answer), "HTTP/1.1 403 Forbidden");
  EXPECT_EQ(answer.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("no")) << "the answer does not wait for the rest";
  send(std::string(400, 'x') + head("/in", 1) + "y");
  EXPECT_EQ(body_of(receive()), "1");
}

TEST_F(RequestBodyTest, MuchThatIsLeftUnreadEndsTheConnectionBehindTheAnswer) {
  for (const std::string_view path : {"/refuse", "/first"}) {
    client_ = connect();
    send(head(path, 2'000'000) + std::string(2'000'000, 'x'));
    const std::string answer = receive();
    EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos) << path;
    EXPECT_TRUE(answer.ends_with("<end>")) << path;
    pass(2s);
    EXPECT_EQ(server_.connection_count(), 0u);
  }
  client_ = connect();
  send("PUT /refuse HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_TRUE(receive().ends_with("no<end>")) << "nobody knows how much is left";
}

TEST_F(RequestBodyTest, ARestThatNeverComesEndsTheConnection) {
  send(head("/refuse", 1000));
  EXPECT_TRUE(receive().ends_with("no"));
  pass(29s);
  EXPECT_EQ(server_.connection_count(), 1u);
  pass(3s);
  EXPECT_EQ(server_.connection_count(), 0u);
}

TEST_F(RequestBodyTest, ABodyBeyondTheLimitIsRefusedByItsHeadOrFailsOnTheWay) {
  send(head("/in", kBodyLimit + 1, kExpect));
  EXPECT_EQ(status_line(receive()), "HTTP/1.1 413 Content Too Large");
  EXPECT_EQ(reads_.begun, 0);

  client_ = connect();
  std::string chunked(kChunkedHead);
  for (int i = 0; i < 3; ++i) append_chunk(std::string(1'000'000, 'x'), chunked);
  send(chunked);
  receive();
  EXPECT_EQ(reads_.got.size(), 3'000'000u);
  EXPECT_EQ(reads_.failure, std::nullopt);
  send("1\r\n");
  EXPECT_EQ(reads_.failure, ErrorCode::invalid_argument);
  EXPECT_TRUE(receive().ends_with("too large<end>"));
}

TEST_F(RequestBodyTest, MalformedChunksFailAndEndTheConnection) {
  send(std::string(kChunkedHead) + "3\r\nabc\r\nZZ\r\n");
  EXPECT_EQ(reads_.failure, ErrorCode::invalid_argument);
  const std::string answer = receive();
  EXPECT_EQ(status_line(answer), "HTTP/1.1 400 Bad Request");
  EXPECT_TRUE(answer.ends_with("<end>"));
}

TEST_F(RequestBodyTest, ABodyCutShortFailsAndTheAnswerStillArrives) {
  for (const std::string& begun :
       {head("/in", 10) + "abc", std::string(kChunkedHead) + "5\r\nabc"}) {
    client_ = connect();
    send(begun);
    client_->shutdown_write();
    network_.settle();
    EXPECT_EQ(reads_.failure, ErrorCode::connection_lost);
    EXPECT_EQ(reads_.got, "abc");
    EXPECT_EQ(status_line(receive()), "HTTP/1.1 400 Bad Request");
  }
}

TEST_F(RequestBodyTest, AClientThatGoesAwayWithinTheBodyEndsTheHandlersFiber) {
  // Where it reads, and where it waits for something else.
  for (const std::string_view path : {"/in", "/step"}) {
    client_ = connect();
    send(head(path, 10) + "abc");
    EXPECT_EQ(server_.requests_in_flight(), 1u);
    client_->reset();
    network_.settle();
    EXPECT_EQ(reads_.ended, reads_.begun) << path;
    EXPECT_EQ(server_.requests_in_flight(), 0u);
    EXPECT_EQ(server_.connection_count(), 0u) << path;
  }
}

TEST_F(RequestBodyTest, TheHandlersDeadlineComesAndItMayAskAgain) {
  reads_.patience = 5s;
  send(head("/in", 3) + "a");
  pass(5s);
  EXPECT_EQ(reads_.failure, ErrorCode::timed_out);
  EXPECT_EQ(reads_.ended, 0);
  send("b");
  EXPECT_EQ(reads_.ended, 1) << "it was given the next piece";
}

TEST_F(RequestBodyTest, ASilentClientIsGivenUpWhateverTheHandlersDeadline) {
  reads_.patience = 1h;
  send(head("/in", 3) + "a");
  pass(29s);
  EXPECT_EQ(reads_.ended, 0);
  pass(1s);
  EXPECT_EQ(reads_.failure, ErrorCode::timed_out);
  EXPECT_EQ(reads_.ended, 1) << "the failure stays";
  EXPECT_NE(receive().find("Connection: close\r\n"), std::string::npos);
}

TEST_F(RequestBodyTest, AClientThatDripsIsGivenUpAtTheEndOfTheWindow) {
  reads_.patience = 1h;
  send(head("/in", 1000));
  for (int i = 0; i < 59; ++i) {
    send("x");
    pass(1s);
  }
  EXPECT_EQ(reads_.ended, 0);
  pass(2s);
  EXPECT_EQ(reads_.failure, ErrorCode::timed_out);
}

TEST_F(RequestBodyTest, ASlowButSteadyClientMayTakeLongerThanAWholeRequestMay) {
  send(head("/in", 1000));
  for (int i = 0; i < 250; ++i) {
    EXPECT_EQ(reads_.ended, 0) << i;
    send("xxxx");
    pass(1s);
  }
  EXPECT_EQ(body_of(receive()), "1000");
}

TEST_F(RequestBodyTest, ADrainLetsAStreamedRequestFinishWithinItsBound) {
  std::optional<bool> orderly;
  send(head("/in", 4) + "ab");
  clients_.spawn("drain", [&] { orderly = server_.drain(Deadline::in(clock_, 5s)); });
  pass(4s);
  EXPECT_FALSE(orderly.has_value());
  send("cd");
  const std::string answer = receive();
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("4<end>"));
  client_ = nullptr;
  pass(1s);
  EXPECT_EQ(orderly, true);
}

TEST_F(RequestBodyTest, ADrainKillsAStreamedRequestAtItsDeadline) {
  std::optional<bool> orderly;
  send(head("/in", 4) + "ab");
  clients_.spawn("drain", [&] { orderly = server_.drain(Deadline::in(clock_, 5s)); });
  pass(5s);
  EXPECT_EQ(orderly, false);
  EXPECT_EQ(reads_.ended, 1);
}

}  // namespace
}  // namespace keelson::api
