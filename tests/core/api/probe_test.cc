// Every row of the probes' contract, on every style of listener.
#include "core/api/probe.h"

#include <gtest/gtest.h>

#include "core/runtime/scheduler.h"
#include "tests/core/api/fakes.h"
#include "tests/core/runtime/manual_clock.h"

namespace keelson::api {
namespace {

using namespace std::chrono_literals;

// Whatever reaches the handler behind the probes would be 200: the console's index page, say.
class Index : public HttpHandler {
 public:
  HttpResponse handle(const HttpRequest&, Deadline) override {
    return {.status = 200, .headers = {}, .body = "index"};
  }
};

struct Listener {
  ProbeStyle style;
  std::string liveness, leader, ready;  // ready is "" where there is none.
};

std::ostream& operator<<(std::ostream& out, const Listener& listener) {
  return out << listener.leader;
}

class ProbeTest : public testing::TestWithParam<Listener> {
 protected:
  HttpResponse ask(const std::string& method, const std::string& target, Bytes body = {}) {
    HttpRequest request = make_request(method, target, {}, std::move(body));
    request.arrived = clock_.now();
    return handler_.handle(request, Deadline::in(clock_, 30s));
  }

  static void expect_text(const HttpResponse& response, int status, const std::string& body) {
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.body, body);
    EXPECT_EQ(response.headers.get("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(response.headers.get("Cache-Control"), "no-store");
  }
  static void expect_red(const HttpResponse& response, const std::string& body) {
    expect_text(response, 503, body);
    EXPECT_EQ(response.headers.get("Retry-After"), "1");
    EXPECT_EQ(response.headers.get("X-Keelson-Term"), "7");
    EXPECT_EQ(response.headers.get("X-Keelson-Leader-Hint"), "n2");
  }
  static void expect_json(const HttpResponse& response, int status, const std::string& body) {
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.body, body);
    EXPECT_EQ(response.headers.get("Content-Type"), "application/json; charset=utf-8");
    EXPECT_EQ(response.headers.get("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(response.headers.get("Cache-Control"), "no-store");
  }

  ManualClock clock_;
  FakeLeadership leadership_;
  Metrics metrics_;
  Probes probes_{
      clock_, &leadership_, metrics_, {.style = GetParam().style, .listener = "x", .budget = 1s}};
  Index index_;
  ProbedHandler handler_{probes_, index_};
};

TEST_P(ProbeTest, LivenessIsOkWhateverTheNodeIsDoing) {
  leadership_.leads = leadership_.ready = false;
  leadership_.draining = true;
  expect_text(ask("GET", GetParam().liveness), 200, "ok\n");
  EXPECT_EQ(leadership_.rounds, 0);
}

TEST_P(ProbeTest, ARightfulLeaderIsOk) {
  expect_text(ask("GET", GetParam().leader), 200, "ok\n");
  expect_text(ask("HEAD", GetParam().leader), 200, "ok\n");  // The server leaves the body out.
  EXPECT_EQ(leadership_.rounds, 2) << "each probe wants a round of its own";
}

TEST_P(ProbeTest, AQueryChangesNothing) {
  expect_text(ask("GET", GetParam().leader + "?a=b"), 200, "ok\n");
  expect_text(ask("GET", "http://any.host:80" + GetParam().leader), 200, "ok\n");
  leadership_.leads = false;
  expect_red(ask("GET", GetParam().leader + "?/../index"), "not leader\n");
  expect_red(ask("GET", "http://any.host:80" + GetParam().leader), "not leader\n");
}

TEST_P(ProbeTest, AFollowerAnswersAtOnceAndSendsNothing) {
  leadership_.leads = false;
  expect_red(ask("GET", GetParam().leader), "not leader\n");
  EXPECT_EQ(leadership_.rounds, 0);
}

TEST_P(ProbeTest, ADrainingLeaderIsRedWithoutARound) {
  leadership_.draining = true;
  expect_red(ask("GET", GetParam().leader), "not leader\n");
  EXPECT_EQ(leadership_.rounds, 0);
}

TEST_P(ProbeTest, AnyFailureOfTheRoundIsRed) {
  for (const ErrorCode code :
       {ErrorCode::timed_out, ErrorCode::not_leader, ErrorCode::unavailable}) {
    leadership_.verify = [&](Deadline) { return Error{code, ""}; };
    expect_red(ask("GET", GetParam().leader), "not leader\n");
  }
}

TEST_P(ProbeTest, LeadershipLostWhileTheRoundRanIsRed) {
  leadership_.verify = [&](Deadline) -> Result<void> {
    leadership_.leads = false;
    return {};
  };
  expect_red(ask("GET", GetParam().leader), "not leader\n");
}

TEST_P(ProbeTest, ADrainBegunWhileTheRoundRanIsRed) {
  leadership_.verify = [&](Deadline) -> Result<void> {
    leadership_.draining = true;
    return {};
  };
  expect_red(ask("GET", GetParam().leader), "not leader\n");
}

TEST_P(ProbeTest, ARoundThatReturnsAfterTheBudgetIsRed) {
  leadership_.verify = [&](Deadline deadline) -> Result<void> {
    clock_.advance_to(deadline.at + 1ns);
    return {};
  };
  expect_red(ask("GET", GetParam().leader), "not leader\n");
}

TEST_P(ProbeTest, TheBudgetCountsFromTheArrival) {
  HttpRequest request = make_request("GET", GetParam().leader);
  request.arrived = clock_.now();
  clock_.advance_to(clock_.now() + 300ms);
  EXPECT_EQ(handler_.handle(request, Deadline::never()).status, 200);
  EXPECT_EQ(leadership_.last_deadline.at, request.arrived + 1s);
  clock_.advance_to(request.arrived + 1s);
  EXPECT_EQ(handler_.handle(request, Deadline::never()).status, 503);
  EXPECT_EQ(leadership_.rounds, 1) << "no round for a probe whose time is over";
}

TEST_P(ProbeTest, ReadinessIsLocal) {
  if (GetParam().ready.empty()) return;
  leadership_.leads = false;
  expect_text(ask("GET", GetParam().ready), 200, "ok\n");
  leadership_.draining = true;
  expect_red(ask("GET", GetParam().ready), "not ready\n");
  leadership_.draining = false;
  leadership_.ready = false;
  expect_red(ask("GET", GetParam().ready), "not ready\n");
  EXPECT_EQ(leadership_.rounds, 0);
}

TEST_P(ProbeTest, AnUnknownLeaderIsNoHint) {
  leadership_.leads = false;
  leadership_.hint.reset();
  EXPECT_EQ(ask("GET", GetParam().leader).headers.find("X-Keelson-Leader-Hint"), nullptr);
}

TEST_P(ProbeTest, OtherMethodsAreRefusedOnWiredProbesOnly) {
  for (const std::string& path : {GetParam().liveness, GetParam().leader}) {
    for (const std::string method : {"POST", "PUT", "DELETE", "OPTIONS", "get"}) {
      const HttpResponse response = ask(method, path);
      expect_json(response, 405,
                  R"({"error":"method_not_allowed","message":"only GET or HEAD supported"})");
      EXPECT_EQ(response.headers.get("Allow"), "GET, HEAD");
    }
  }
  expect_json(ask("POST", GetParam().leader + "/x"), 404, R"({"error":"not_found"})");
}

TEST_P(ProbeTest, UnwiredProbesAreNotFoundWhateverTheMethod) {
  Probes unwired(clock_, nullptr, metrics_, {.style = GetParam().style, .listener = "unwired"});
  for (const std::string method : {"GET", "HEAD", "POST"}) {
    const auto response = unwired.try_answer(make_request(method, GetParam().leader));
    ASSERT_TRUE(response.has_value());
    expect_json(*response, 404, R"({"error":"not_found"})");
  }
  EXPECT_EQ(unwired.try_answer(make_request("GET", GetParam().liveness))->status, 200);
}

TEST_P(ProbeTest, EveryOtherSpellingBelowAProbeIsNotFound) {
  const std::string& base = GetParam().liveness;
  const std::string& leader = GetParam().leader;
  std::string upper = leader;
  upper[1] = static_cast<char>(upper[1] - 'a' + 'A');
  const std::vector<std::string> odd = {base + "/",
                                        base + "//",
                                        leader + "/",
                                        leader + "//",
                                        base + "/x",
                                        leader + "/x",
                                        "/" + leader,
                                        "/." + leader,
                                        "/x/.." + leader,
                                        "/.." + leader,
                                        leader + "/.",
                                        leader + "/..",
                                        base + "/../x",
                                        leader + "/../../x",
                                        base + "/./leader",
                                        base + "//leader",
                                        base + "/%2e%2e/x",
                                        base + "%2Fleader",
                                        base + "%2fleader",
                                        base + "/%",
                                        base + "/%zz",
                                        base + "/%00",
                                        base + "%00",
                                        base + "%20",
                                        base + "%3Fx",
                                        leader + "%23",
                                        base + ";v=1/leader",
                                        base + ";v=1",
                                        base + "\\leader",
                                        upper,
                                        "/%" + to_hex(leader.substr(1, 1)) + leader.substr(2),
                                        "/%25" + to_hex(leader.substr(1, 1)) + leader.substr(2),
                                        "http://h" + leader + "/",
                                        "http://h" + base + "/%6ceader",
                                        base + "/%6ceader",
                                        base + "/LEADER",
                                        base + "/Leader",
                                        base + "/le%61der?x=1"};
  for (const std::string& target : odd) {
    const HttpResponse response = ask("GET", target);
    EXPECT_NE(response.status, 200) << target;
    expect_json(response, 404, R"({"error":"not_found"})");
    if (HasFailure()) FAIL() << target;
  }
  EXPECT_EQ(leadership_.rounds, 0);
}

TEST_P(ProbeTest, PathsBesideTheProbesGoOn) {
  for (const std::string target :
       {"/", "/admin", "/bucket/healthz", "/healthzz", "/xhealthz/leader", "/admin/healthzz",
        "/bucket/sqs_health", "/a%20b", "/%zz", "/index?path=/healthz"}) {
    EXPECT_EQ(ask("GET", target).body, "index") << target;
  }
}

TEST_P(ProbeTest, ABodyAboveOneKibibyteIsRefused) {
  EXPECT_EQ(ask("GET", GetParam().leader, Bytes(1024, 'x')).status, 200);
  EXPECT_EQ(ask("GET", GetParam().leader, Bytes(1025, 'x')).status, 413);
  EXPECT_EQ(handler_.body_limit(make_request("POST", GetParam().leader)), 1024u);
  EXPECT_EQ(handler_.body_limit(make_request("POST", "/other")), 64 * 1024u);
}

TEST_P(ProbeTest, AnswersAreCounted) {
  ask("GET", GetParam().leader);
  leadership_.leads = false;
  ask("GET", GetParam().leader);
  leadership_.leads = true;
  leadership_.verify = [&](Deadline) { return Error{ErrorCode::timed_out, ""}; };
  ask("GET", GetParam().leader);
  const std::string text = metrics_.render();
  EXPECT_NE(text.find("keelson_probe_requests_total"
                      R"({code="200",listener="x",probe="leader"} 1)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("keelson_probe_requests_total"
                      R"({code="503",listener="x",probe="leader"} 2)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(R"(keelson_leader_verify_failures_total{reason="timed_out"} 1)"),
            std::string::npos)
      << text;
}

INSTANTIATE_TEST_SUITE_P(
    EveryListener, ProbeTest,
    testing::Values(Listener{ProbeStyle::admin, "/admin/healthz", "/admin/healthz/leader",
                             "/admin/healthz/ready"},
                    Listener{ProbeStyle::data, "/healthz", "/healthz/leader", "/healthz/ready"},
                    Listener{ProbeStyle::sqs, "/healthz", "/healthz/leader", "/healthz/ready"},
                    Listener{ProbeStyle::sqs, "/sqs_health", "/sqs_leader_health", ""}));

}  // namespace
}  // namespace keelson::api
