// Judges the octets of a probe's answer against the table of health and leader probes: status,
// headers, body; no body after HEAD; odd paths never 200; and the time it took.
//
// It knows nothing of who leads: probe_claim.h judges that.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/disturbances.h"
#include "scenarios/http_client.h"
#include "sim/true_time.h"

namespace keelson::scenarios {

// What a request to a listener must be met with.
enum class ProbeExpectation {
  liveness,   // 200 while the process serves.
  leader,     // 200 or 503.
  ready,      // 200 or 503.
  not_found,  // Below a probe prefix, but no probe: 404 in JSON, whatever the method.
  not_200,    // May be somebody else's path; only a 200 would be wrong.
};

struct ProbeTarget {
  std::string target;
  ProbeExpectation expectation = ProbeExpectation::leader;
};

// The probe paths of a listener, and the spellings of them that must not work. `listener` is
// "admin", "s3", "dynamodb" or "sqs".
std::vector<ProbeTarget> probe_targets(std::string_view listener);
std::vector<ProbeTarget> odd_probe_targets(std::string_view listener);
// "/healthz/leader" or "/admin/healthz/leader".
std::string leader_target(std::string_view listener);

struct ProbeCall {
  std::string node;      // For people.
  std::string listener;
  std::string method = "GET";
  ProbeTarget target;
  bool wired = true;     // False: this listener has no leader and readiness probe.
};

// A violation, if the answer is one. Calls without an answer are no evidence here.
struct ProbeViolation {
  std::string kind;     // Without nodes and times, for the fingerprint.
  std::string message;
};
std::optional<ProbeViolation> judge_probe_answer(const ProbeCall& call, const CallResult& result);

struct ProbeBound {
  sim::Duration budget = std::chrono::seconds(1);  // By the node's clock.
  // What the way there and back, and the machine, may add.
  sim::Duration allowance = std::chrono::milliseconds(100);
  std::int32_t drift_ppm_most = 0;  // How slow the node's clock may be.
};

// A violation if the answer took longer than its bound. The bound is suspended for a call during
// which the node, or the way between it and the client, was disturbed.
std::optional<ProbeViolation> judge_probe_time(const ProbeCall& call, std::string_view client,
                                               sim::TrueTime start, sim::TrueTime end,
                                               const ProbeBound& bound,
                                               const Disturbances& disturbances);

}  // namespace keelson::scenarios
