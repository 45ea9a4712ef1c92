#include "scenarios/http_client.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "core/runtime/env.h"
#include "scenarios/s3_client.h"
#include "scenarios/scenario.h"
#include "sim/machine.h"
#include "sim/sim_network.h"

namespace keelson::scenarios {
namespace {

using namespace std::chrono_literals;
using End = CallResult::End;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

// A world with a client "c1" and a server "n1" that reads a request's head and answers as told.
class HttpClientTest : public testing::Test {
 protected:
  ~HttpClientTest() override { stop_machines(world_); }

  // `answer` is called with the connection and the number of the request on it.
  using Answer = std::function<void(Env&, Connection&, int)>;
  void serve(Answer answer) {
    server_.start([this, answer](Env& env) {
      const auto listener = env.network.listen("n1:80");
      ASSERT_TRUE(listener.has_value());
      while (true) {
        auto connection = (*listener)->accept(Deadline::never());
        if (!connection) return;
        ++connections_;
        serve_connection(env, **connection, answer);
      }
    });
  }
  void serve_connection(Env& env, Connection& connection, const Answer& answer) {
    std::array<char, 1024> chunk;
    for (int number = 0;; ++number) {
      Bytes request;
      while (request.find("\r\n\r\n") == Bytes::npos) {
        const auto count = connection.read(chunk, Deadline::never());
        if (!count || *count == 0) return;
        request.append(chunk.data(), *count);
        received_ += *count;
      }
      requests_.push_back(request);
      answer(env, connection, number);
    }
  }
  static void say(Connection& connection, BytesView bytes) {
    (void)connection.write(bytes, Deadline::never());
  }
  void answer_ok() {
    serve([](Env&, Connection& connection, int) { say(connection, kOk); });
  }

  void client(std::function<void(Env&, HttpClient&)> body) {
    client_.start([this, body](Env& env) {
      env.scheduler.sleep_for(10ms);
      HttpClient http(env.network, env.scheduler, "n1:80");
      body(env, http);
      done_ = true;
    });
    world_.run_for(10s);
    EXPECT_TRUE(done_);
  }

  sim::Choices choices_{7};
  sim::World world_{choices_};
  sim::Machine& server_ = world_.add_machine("n1");
  sim::Machine& client_ = world_.add_machine("c1");
  std::vector<Bytes> requests_;
  std::size_t received_ = 0;
  int connections_ = 0;
  bool done_ = false;
};

TEST_F(HttpClientTest, CallsShareAConnectionThatIsKeptAlive) {
  answer_ok();
  client([](Env& env, HttpClient& http) {
    for (int i = 0; i < 3; ++i) {
      int status_seen = 0;
      const CallResult result = http.call({}, Deadline::in(env.clock, 1s), {},
                                          [&](int status) { status_seen = status; });
      EXPECT_EQ(result.end, End::answered) << result.why;
      EXPECT_EQ(result.response.body, "ok\n");
      EXPECT_EQ(result.reused, i > 0);
      EXPECT_EQ(status_seen, 200);
    }
  });
  EXPECT_EQ(connections_, 1);
  EXPECT_EQ(requests_[0], "GET / HTTP/1.1\r\nHost: n1:80\r\n\r\n");
}

TEST_F(HttpClientTest, ARefusedConnectionIsNeverSent) {
  client([](Env& env, HttpClient& http) {
    const CallResult result = http.call({}, Deadline::in(env.clock, 1s));
    EXPECT_EQ(result.end, End::never_sent);
  });
}

TEST_F(HttpClientTest, SilenceAndABrokenAnswerAreUnknown) {
  serve([](Env&, Connection& connection, int) {
    say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\no");
    connection.shutdown_write();
  });
  client([](Env& env, HttpClient& http) {
    const CallResult result = http.call({}, Deadline::in(env.clock, 1s));
    EXPECT_EQ(result.end, End::unknown);
    EXPECT_FALSE(result.timed_out);
    EXPECT_FALSE(http.is_connected());
  });
}

TEST_F(HttpClientTest, ADeadlineEndsAnUnansweredCallOnTime) {
  serve([](Env&, Connection&, int) {});
  client([](Env& env, HttpClient& http) {
    const Instant start = env.clock.now();
    const CallResult result = http.call({}, Deadline::in(env.clock, 300ms));
    EXPECT_EQ(result.end, End::unknown);
    EXPECT_TRUE(result.timed_out);
    EXPECT_EQ(env.clock.now() - start, Duration(300ms));
  });
}

TEST_F(HttpClientTest, WhatIsNotHttpIsMalformedAndABodyAfterHeadIsSurplus) {
  serve([](Env&, Connection& connection, int number) {
    say(connection, number == 0 ? kOk : std::string_view("ok\n"));
  });
  client([](Env& env, HttpClient& http) {
    HttpRequest head;
    head.method = "HEAD";
    EXPECT_TRUE(http.call(head, Deadline::in(env.clock, 1s)).surplus_bytes);
    EXPECT_FALSE(http.is_connected());
    EXPECT_EQ(http.call({}, Deadline::in(env.clock, 1s)).end, End::answered);
    EXPECT_EQ(http.call({}, Deadline::in(env.clock, 1s)).end, End::malformed);
  });
}

TEST_F(HttpClientTest, BadMannersLeaveTheServerWithWhatTheySay) {
  answer_ok();
  client([this](Env& env, HttpClient& http) {
    const auto call = [&](Manners manners) {
      return http.call({}, Deadline::in(env.clock, 1s), manners);
    };
    EXPECT_EQ(call({.kind = Manners::Kind::half_request, .pause = 5ms}).end, End::unknown);
    EXPECT_EQ(call({.kind = Manners::Kind::disconnect, .pause = 5ms}).end, End::unknown);
    env.scheduler.sleep_for(50ms);
    EXPECT_TRUE(requests_.empty());
    EXPECT_GT(received_, 0u);
    EXPECT_EQ(call({.kind = Manners::Kind::leave, .pause = 5ms}).end, End::unknown);
    EXPECT_EQ(requests_.size(), 1u);
    const CallResult reset = call({.kind = Manners::Kind::reset_after_status});
    EXPECT_EQ(reset.end, End::unknown);
    EXPECT_EQ(reset.response.status, 200);
    EXPECT_EQ(call({.kind = Manners::Kind::slow_sender, .pause = 1ms, .piece_bytes = 3}).end,
              End::answered);
    EXPECT_EQ(call({.kind = Manners::Kind::slow_reader, .pause = 1ms, .piece_bytes = 2}).end,
              End::answered);
  });
}

class S3ClientTest : public HttpClientTest {
 protected:
  void answer_with(std::string status, std::string headers, std::string body) {
    serve([=](Env&, Connection& connection, int) {
      say(connection, "HTTP/1.1 " + status + "\r\n" + headers +
                          "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    });
  }
  S3Answer perform(Call call) {
    S3Answer answer;
    client([&](Env& env, HttpClient&) {
      S3Client s3(env, "n1:80", "bucket", S3Keys{"key", "secret"});
      answer = s3.perform("x", call, Deadline::in(env.clock, 1s));
    });
    return answer;
  }
};

TEST_F(S3ClientTest, AGetReturnsTheValueAndChecksItsEtag) {
  answer_with("200 OK", "ETag: " + S3Client::etag_of("abc") + "\r\n", "abc");
  const S3Answer answer = perform({Call::Kind::get, {}, {}});
  EXPECT_EQ(answer.outcome, Outcome::ok);
  EXPECT_EQ(answer.answer.value, "abc");
  EXPECT_EQ(answer.violation, "");
  EXPECT_NE(requests_[0].find("Authorization: AWS4-HMAC-SHA256 Credential=key/"), Bytes::npos);
}

TEST_F(S3ClientTest, AWrongEtagIsAViolation) {
  answer_with("200 OK", "ETag: " + S3Client::etag_of("abd") + "\r\n", "abc");
  EXPECT_NE(perform({Call::Kind::get, {}, {}}).violation, "");
}

TEST_F(S3ClientTest, AbsenceIsAnAnswerOnlyIfTheKeyIsWhatIsMissing) {
  answer_with("404 Not Found", "", "<Error><Code>NoSuchKey</Code></Error>");
  const S3Answer answer = perform({Call::Kind::get, {}, {}});
  EXPECT_EQ(answer.outcome, Outcome::ok);
  EXPECT_EQ(answer.answer.value, std::nullopt);
}

TEST_F(S3ClientTest, ARefusedConditionIsAnAnswer) {
  answer_with("412 Precondition Failed", "", "<Error><Code>PreconditionFailed</Code></Error>");
  const S3Answer answer = perform({Call::Kind::put_if_absent, "v", {}});
  EXPECT_EQ(answer.outcome, Outcome::ok);
  EXPECT_FALSE(answer.answer.condition_held);
  EXPECT_NE(requests_[0].find("If-None-Match: *\r\n"), Bytes::npos);
}

TEST_F(S3ClientTest, AFailureIsSureOnlyIfTheServerVouchesForIt) {
  HttpResponse response;
  response.status = 503;
  EXPECT_EQ(classify_s3(response, true), Outcome::unknown);
  EXPECT_EQ(classify_s3(response, false), Outcome::fail);
  response.headers = {{"X-Keelson-Outcome", "unknown"}};
  EXPECT_EQ(classify_s3(response, true), Outcome::unknown);
  response.headers = {{"X-Keelson-Outcome", "not_applied"}};
  EXPECT_EQ(classify_s3(response, true), Outcome::fail);
  response = {};
  response.status = 403;
  EXPECT_EQ(classify_s3(response, true), Outcome::fail);
}

}  // namespace
}  // namespace keelson::scenarios
