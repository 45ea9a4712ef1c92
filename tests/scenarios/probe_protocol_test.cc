#include "scenarios/probe_protocol.h"

#include <gtest/gtest.h>

namespace keelson::scenarios {
namespace {

using namespace std::chrono_literals;
using sim::TrueTime;

constexpr std::string_view kJson = R"({"error":"not_found"})";

class ProbeProtocolTest : public testing::Test {
 protected:
  static CallResult answer(int status, std::string body, bool is_json = false) {
    CallResult result;
    result.end = CallResult::End::answered;
    result.response.status = status;
    result.response.headers = {
        {"Content-Type", is_json ? "application/json; charset=utf-8" : "text/plain; charset=utf-8"},
        {"Cache-Control", "no-store"},
        {"Content-Length", std::to_string(body.size())}};
    if (is_json) result.response.headers.push_back({"X-Content-Type-Options", "nosniff"});
    if (status == 503) result.response.headers.push_back({"Retry-After", "1"});
    if (status == 405) result.response.headers.push_back({"Allow", "GET, HEAD"});
    result.response.body = std::move(body);
    return result;
  }
  std::string judge(const CallResult& result) const {
    const auto violation = judge_probe_answer(call_, result);
    return violation ? violation->kind : "fine";
  }

  ProbeCall call_{.node = "n1", .listener = "s3", .target = {"/healthz/leader"}};
};

TEST_F(ProbeProtocolTest, TheTableIsFine) {
  EXPECT_EQ(judge(answer(200, "ok\n")), "fine");
  EXPECT_EQ(judge(answer(503, "not leader\n")), "fine");
  call_.target.expectation = ProbeExpectation::ready;
  EXPECT_EQ(judge(answer(503, "not ready\n")), "fine");
  call_.target.expectation = ProbeExpectation::not_found;
  EXPECT_EQ(judge(answer(404, std::string(kJson), true)), "fine");
  call_.target.expectation = ProbeExpectation::leader;
  call_.wired = false;
  EXPECT_EQ(judge(answer(404, std::string(kJson), true)), "fine");
  call_.wired = true;
  call_.method = "POST";
  EXPECT_EQ(judge(answer(405,
                         R"({"error":"method_not_allowed","message":"only GET or HEAD supported"})",
                         true)),
            "fine");
}

TEST_F(ProbeProtocolTest, WrongStatusesBodiesAndHeadersAreSeen) {
  EXPECT_EQ(judge(answer(302, "ok\n")), "status 302");
  EXPECT_EQ(judge(answer(200, "ok")), "header Content-Length");
  CallResult wrong = answer(200, "no\n");
  EXPECT_EQ(judge(wrong), "body");
  wrong = answer(503, "not leader\n");
  wrong.response.headers.pop_back();
  EXPECT_EQ(judge(wrong), "header Retry-After");
  wrong = answer(200, "ok\n");
  wrong.response.headers[1].value = "max-age=1";
  EXPECT_EQ(judge(wrong), "header Cache-Control");
  wrong = answer(200, "ok\n");
  wrong.response.headers.push_back({"content-type", "text/plain; charset=utf-8"});
  EXPECT_EQ(judge(wrong), "header Content-Type");
}

TEST_F(ProbeProtocolTest, MethodsThatPassOrLackAllowAreSeen) {
  call_.method = "DELETE";
  EXPECT_EQ(judge(answer(200, "ok\n")), "status 200");
  CallResult wrong =
      answer(405, R"({"error":"method_not_allowed","message":"only GET or HEAD supported"})", true);
  wrong.response.headers.pop_back();
  EXPECT_EQ(judge(wrong), "header Allow");
}

TEST_F(ProbeProtocolTest, HeadHasTheLengthAndNoBody) {
  call_.method = "HEAD";
  CallResult head = answer(200, "ok\n");
  head.response.body.clear();
  EXPECT_EQ(judge(head), "fine");
  head.surplus_bytes = true;
  EXPECT_EQ(judge(head), "bytes after the answer");
}

TEST_F(ProbeProtocolTest, AnOddPathIsNever200) {
  for (const char* listener : {"admin", "s3", "dynamodb", "sqs"}) {
    call_.listener = listener;
    EXPECT_GT(odd_probe_targets(listener).size(), 10u);
    for (const ProbeTarget& target : odd_probe_targets(listener)) {
      call_.target = target;
      EXPECT_NE(judge(answer(200, "ok\n")), "fine") << target.target;
      EXPECT_EQ(judge(answer(404, std::string(kJson), true)), "fine") << target.target;
    }
    for (const ProbeTarget& target : probe_targets(listener)) {
      call_.target = target;
      EXPECT_EQ(judge(answer(200, "ok\n")), "fine") << target.target;
    }
  }
}

TEST_F(ProbeProtocolTest, NoAnswerIsNoEvidenceButGarbageIs) {
  CallResult result;
  EXPECT_EQ(judge(result), "fine");
  result.end = CallResult::End::malformed;
  EXPECT_EQ(judge(result), "malformed answer");
}

TEST_F(ProbeProtocolTest, ALateAnswerIsSeenUnlessTheNodeOrItsWayWasDisturbed) {
  Disturbances disturbances;
  const ProbeBound bound{.budget = 1s, .allowance = 100ms, .drift_ppm_most = 0};
  const auto late = [&](std::int64_t start_ms, std::int64_t end_ms) {
    return judge_probe_time(call_, "c1", TrueTime{start_ms * 1'000'000},
                            TrueTime{end_ms * 1'000'000}, bound, disturbances)
        .has_value();
  };
  EXPECT_FALSE(late(0, 1100));
  EXPECT_TRUE(late(0, 1101));
  disturbances.begin("n1", TrueTime{2'000'000'000});
  EXPECT_TRUE(late(500, 1999));
  EXPECT_FALSE(late(1000, 2500));
  disturbances.end("n1", TrueTime{3'000'000'000});
  EXPECT_FALSE(late(2900, 4500));
  EXPECT_TRUE(late(3001, 4500));
  disturbances.begin_link("c1", "n1", TrueTime{5'000'000'000});
  EXPECT_FALSE(late(4500, 6000));
  disturbances.end_all(TrueTime{6'000'000'000});
  EXPECT_TRUE(late(6001, 8000));
}

TEST_F(ProbeProtocolTest, ABoundIsStretchedByTheClocksDrift) {
  const Disturbances none;
  ProbeBound bound{.budget = 1s, .allowance = 0ms, .drift_ppm_most = 100'000};
  EXPECT_FALSE(judge_probe_time(call_, "c1", TrueTime{0}, TrueTime{1'111'000'000}, bound, none));
  EXPECT_TRUE(judge_probe_time(call_, "c1", TrueTime{0}, TrueTime{1'112'000'000}, bound, none));
}

}  // namespace
}  // namespace keelson::scenarios
