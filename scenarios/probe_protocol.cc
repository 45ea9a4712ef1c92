// Tested by tests/scenarios/probe_protocol_test.cc.
#include "scenarios/probe_protocol.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "scenarios/words.h"

namespace keelson::scenarios {

namespace {

constexpr std::string_view kNotFound = R"({"error":"not_found"})";
constexpr std::string_view kMethodNotAllowed =
    R"({"error":"method_not_allowed","message":"only GET or HEAD supported"})";

std::string probe_base(std::string_view listener) {
  return listener == "admin" ? "/admin/healthz" : "/healthz";
}

// One row of the table: what goes with a status.
struct Row {
  int status = 0;
  std::string_view body;
  bool is_json = false;
};

// The rows that are allowed for a probe of this kind; empty: only 200 is forbidden.
std::vector<Row> allowed_rows(const ProbeCall& call) {
  const bool reads = call.method == "GET" || call.method == "HEAD";
  const Row ok{200, "ok\n", false};
  const Row method_not_allowed{405, kMethodNotAllowed, true};
  const Row not_found{404, kNotFound, true};
  switch (call.target.expectation) {
    case ProbeExpectation::liveness: return {reads ? ok : method_not_allowed};
    case ProbeExpectation::leader:
      if (!call.wired) return {not_found};
      if (!reads) return {method_not_allowed};
      return {ok, {503, "not leader\n", false}};
    case ProbeExpectation::ready:
      if (!call.wired) return {not_found};
      if (!reads) return {method_not_allowed};
      return {ok, {503, "not ready\n", false}};
    case ProbeExpectation::not_found: return {not_found};
    case ProbeExpectation::not_200: return {};
  }
  check_failed("known expectation", __FILE__, __LINE__);
}

class Judge {
 public:
  Judge(const ProbeCall& call, const HttpResponse& response) : call_(call), response_(response) {}

  std::optional<ProbeViolation> violation() && { return std::move(violation_); }

  void judge(bool surplus_bytes) {
    const std::vector<Row> rows = allowed_rows(call_);
    if (rows.empty()) {
      if (response_.status == 200) fail("odd path answered 200", "it is no probe path");
      return;
    }
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& candidate) {
      return candidate.status == response_.status;
    });
    if (row == rows.end()) {
      std::string allowed;
      for (const Row& candidate : rows) allowed += fmt::format(" {}", candidate.status);
      fail(fmt::format("status {}", response_.status), "allowed:" + allowed);
      return;
    }
    judge_headers(*row);
    judge_body(*row, surplus_bytes);
  }

 private:
  void judge_headers(const Row& row) {
    expect("Content-Type",
           row.is_json ? "application/json; charset=utf-8" : "text/plain; charset=utf-8");
    expect("Cache-Control", "no-store");
    if (row.is_json) expect("X-Content-Type-Options", "nosniff");
    if (row.status == 503) expect("Retry-After", "1");
    if (row.status == 405) expect("Allow", "GET, HEAD");
    // For HEAD too: the length of what GET would carry.
    expect("Content-Length", std::to_string(row.body.size()));
  }

  void judge_body(const Row& row, bool surplus_bytes) {
    if (surplus_bytes) {
      fail("bytes after the answer", "more came than the answer has");
    } else if (call_.method != "HEAD" && response_.body != row.body) {
      fail("body", fmt::format("the body is '{}' and not '{}'", response_.body, row.body));
    }
  }

  void expect(std::string_view name, std::string_view value) {
    const std::string* found = response_.header(name);
    if (found != nullptr && *found == value && response_.header_count(name) == 1) return;
    fail(fmt::format("header {}", name),
         fmt::format("{} is {} and not '{}'", name,
                     found == nullptr ? "missing" : "'" + *found + "'", value));
  }

  void fail(std::string kind, std::string_view why) {
    if (violation_) return;
    violation_ = {std::move(kind),
                  fmt::format("{} answered {} on its {} listener to {} {}: {}", call_.node,
                              response_.status, call_.listener, call_.method, call_.target.target,
                              why)};
  }

  const ProbeCall& call_;
  const HttpResponse& response_;
  std::optional<ProbeViolation> violation_;
};

}  // namespace

std::string leader_target(std::string_view listener) { return probe_base(listener) + "/leader"; }

std::vector<ProbeTarget> probe_targets(std::string_view listener) {
  const std::string base = probe_base(listener);
  std::vector<ProbeTarget> targets = {{base, ProbeExpectation::liveness},
                                      {base + "/leader", ProbeExpectation::leader},
                                      {base + "/ready", ProbeExpectation::ready}};
  if (listener == "sqs") {
    targets.push_back({"/sqs_health", ProbeExpectation::liveness});
    targets.push_back({"/sqs_leader_health", ProbeExpectation::leader});
  }
  return targets;
}

std::vector<ProbeTarget> odd_probe_targets(std::string_view listener) {
  const std::string base = probe_base(listener);
  std::vector<ProbeTarget> targets;
  for (const char* odd : {"/", "/leader/", "/leader/x", "//leader", "/./leader", "/leader/.",
                          "/x/../leader", "/leade%72", "/%6ceader", "/leader%2f", "/leader%00",
                          "/unknown", "/ready/", "/index.html"}) {
    targets.push_back({base + odd, ProbeExpectation::not_found});
  }
  if (listener == "sqs") {
    for (const char* odd : {"/sqs_leader_health/", "/sqs_health/leader", "/sqs_leader_health/x"}) {
      targets.push_back({odd, ProbeExpectation::not_found});
    }
  }
  // These leave the prefix, or only look like it: whoever answers, it is no leader's 200.
  for (const std::string& odd :
       {"/" + base + "/leader", "/x/.." + base + "/leader", base + "%2fleader",
        std::string("/HEALTHZ/LEADER"), "/." + base + "/leader"}) {
    targets.push_back({odd, ProbeExpectation::not_200});
  }
  // On the admin listener every path outside of the prefix is the console's, which has a page.
  if (listener != "admin") targets.push_back({base + "x/leader", ProbeExpectation::not_200});
  return targets;
}

std::optional<ProbeViolation> judge_probe_answer(const ProbeCall& call,
                                                 const CallResult& result) {
  if (result.end == CallResult::End::malformed) {
    return ProbeViolation{"malformed answer",
                          fmt::format("{} answered {} {} on its {} listener with something that is "
                                      "not HTTP/1.1: {}",
                                      call.node, call.method, call.target.target, call.listener,
                                      result.why)};
  }
  if (result.end != CallResult::End::answered) return std::nullopt;
  Judge judge(call, result.response);
  judge.judge(result.surplus_bytes);
  return std::move(judge).violation();
}

std::optional<ProbeViolation> judge_probe_time(const ProbeCall& call, std::string_view client,
                                               sim::TrueTime start, sim::TrueTime end,
                                               const ProbeBound& bound,
                                               const Disturbances& disturbances) {
  // A clock that is slow by d ppm shows the budget after budget / (1 - d / 10^6) of true time.
  CHECK(bound.drift_ppm_most >= 0 && bound.drift_ppm_most < 1'000'000);
  const sim::Duration stretched(bound.budget.count() / (1'000'000 - bound.drift_ppm_most) *
                                1'000'000);
  const sim::Duration most = stretched + bound.allowance;
  if (end - start <= most) return std::nullopt;
  if (disturbances.touched(call.node, start, end) ||
      disturbances.touched(client, start, end) ||
      disturbances.touched_link(call.node, client, start, end)) {
    return std::nullopt;
  }
  return ProbeViolation{
      "answer took too long",
      fmt::format("{} took from {} to {} to answer {} {} on its {} listener, longer than {}, "
                  "although neither it nor the way to it was disturbed",
                  call.node, say(start), say(end), call.method, call.target.target, call.listener,
                  say(most))};
}

}  // namespace keelson::scenarios
