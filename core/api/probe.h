// Health probes: liveness, leader and readiness, written once for every HTTP listener.
//
// The leader probe's promise: when it answers 200, this node was the rightful leader of the default
// group at some instant between the arrival of the request and the answer. It rests on a quorum
// round that began after the request had been read completely, never on local state, a lease, a
// cached verdict, or a round that was already under way. Whatever is not verified in time is 503.
//
// Paths are matched octet by octet. Whatever else lies below a probe path, however it is spelled
// (escapes, dot segments, doubled slashes, letter case), is 404 here, so that no handler behind the
// probes can be tricked into answering a load balancer with 200.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/http.h"
#include "core/api/metrics.h"
#include "core/kv/store.h"

namespace keelson::api {

// Which paths a listener's probes have.
enum class ProbeStyle {
  admin,  // /admin/healthz, /admin/healthz/leader, /admin/healthz/ready
  data,   // /healthz, /healthz/leader, /healthz/ready
  sqs,    // those of data, /sqs_health and /sqs_leader_health
};

struct ProbeOptions {
  ProbeStyle style = ProbeStyle::data;
  std::string listener;                       // "s3": a label of metrics.
  Duration budget = std::chrono::seconds(1);  // From arrival to answer; 100 ms to 2 s.
};

class Probes {
 public:
  static constexpr std::size_t kBodyLimit = 1024;

  // Without `leadership` the leader and readiness probes are not wired: 404. The references outlive
  // this object. REQUIRES: 100 ms <= options.budget <= 2 s.
  Probes(const Clock& clock, kv::Leadership* leadership, Metrics& metrics, ProbeOptions options);

  // Whether the request is for a probe or for anything below one. Such a request is answered here
  // and goes no further. Local.
  bool owns(const HttpRequest& request) const { return owns_path(request.raw_path); }
  bool owns_path(std::string_view raw_path) const;

  // The answer, or nothing if the request is not ours. Suspends only for a leader probe on a node
  // that believes it leads, until the budget after request.arrived at most.
  std::optional<HttpResponse> try_answer(const HttpRequest& request);

  // The answer to a probe that the server refused by itself (a body beyond kBodyLimit).
  static HttpResponse refusal(int status, std::string_view message);

 private:
  enum class Kind { liveness, leader, ready, unknown };

  Kind kind_of(std::string_view raw_path) const;
  HttpResponse evaluate(Kind kind, const HttpRequest& request);
  bool is_rightful_leader(Deadline deadline);
  HttpResponse red(std::string_view body) const;
  void count(Kind kind, int status, Duration span);
  void count_failure(const std::string& reason);

  const Clock& clock_;
  kv::Leadership* const leadership_;  // May be null.
  Metrics& metrics_;
  const ProbeOptions options_;

  std::map<std::string, Kind, std::less<>> exact_;
  std::vector<std::vector<std::string>> prefixes_;  // As segments.
  std::vector<std::string> hints_;  // A path without escapes that holds none of them is not ours.

  struct Series {
    std::map<int, Counter*> answers;  // By status.
    Histogram* duration = nullptr;
  };
  std::map<Kind, Series> series_;
};

// A listener: its probes first, and only what is not theirs goes on to the handler behind.
class ProbedHandler : public HttpHandler {
 public:
  ProbedHandler(Probes& probes, HttpHandler& behind) : probes_(probes), behind_(behind) {}

  HttpResponse handle(const HttpRequest& request, Deadline deadline) override;
  bool streams_body(const HttpRequest& head) const override;
  std::size_t body_limit(const HttpRequest& head) const override;
  HttpResponse refusal(const HttpRequest& head, int status,
                       std::string_view message) const override;

 private:
  Probes& probes_;
  HttpHandler& behind_;
};

}  // namespace keelson::api
