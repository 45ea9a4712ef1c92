// Tested by tests/core/api/probe_test.cc.
#include "core/api/probe.h"

#include <algorithm>

#include "core/base/check.h"

namespace keelson::api {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view kOk = "ok\n";
constexpr std::string_view kNotLeader = "not leader\n";
constexpr std::string_view kNotReady = "not ready\n";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Decodes the escapes that are well-formed and leaves the others, until nothing changes: a path
// that someone behind us might decode a second time is still recognised.
std::string decode_whatever_decodes(std::string_view raw) {
  std::string text(raw);
  for (bool changed = true; changed;) {
    changed = false;
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
      if (text[i] == '%' && low >= 0) {
        decoded += static_cast<char>(high * 16 + low);
        i += 2;
        changed = true;
      } else {
        decoded += text[i];
      }
    }
    text = std::move(decoded);
  }
  return text;
}

// The segments of a path as the most forgiving reader might see them: letter case, escapes,
// backslashes, parameters of a segment, blanks and control characters make no difference.
std::vector<std::string> forgiving_segments(std::string_view raw_path) {
  std::vector<std::string> segments(1);
  bool in_parameter = false;
  for (const char c : to_lower(decode_whatever_decodes(raw_path))) {
    if (c == '/' || c == '\\') {
      segments.emplace_back();
      in_parameter = false;
    } else if (c == ';' || c == '?' || c == '#') {  // The latter two were escaped: a path has none.
      in_parameter = true;
    } else if (!in_parameter && static_cast<unsigned char>(c) > ' ' && c != '\x7f') {
      segments.back() += c;
    }
  }
  return segments;
}

// Each request asks, and nearly none has it.
bool contains_without_case(std::string_view text, std::string_view lower_case) {
  const auto is_same = [](char a, char b) {
    return a == b || (a >= 'A' && a <= 'Z' && a - 'A' + 'a' == b);
  };
  for (; text.size() >= lower_case.size(); text.remove_prefix(1)) {
    if (!is_same(text.front(), lower_case.front())) continue;
    if (std::equal(lower_case.begin(), lower_case.end(), text.begin(),
                   [&](char b, char a) { return is_same(a, b); })) {
      return true;
    }
  }
  return false;
}

}  // namespace

Probes::Probes(const Clock& clock, kv::Leadership* leadership, Metrics& metrics,
               ProbeOptions options)
    : clock_(clock), leadership_(leadership), metrics_(metrics), options_(std::move(options)) {
  CHECK(options_.budget >= 100ms && options_.budget <= 2s);
  const std::string base = options_.style == ProbeStyle::admin ? "/admin/healthz" : "/healthz";
  exact_ = {
      {base, Kind::liveness}, {base + "/leader", Kind::leader}, {base + "/ready", Kind::ready}};
  if (options_.style == ProbeStyle::admin) {
    prefixes_ = {{"admin", "healthz"}};
  } else {
    prefixes_ = {{"healthz"}};
  }
  hints_ = {"healthz"};
  if (options_.style == ProbeStyle::sqs) {
    exact_["/sqs_health"] = Kind::liveness;
    exact_["/sqs_leader_health"] = Kind::leader;
    prefixes_.push_back({"sqs_health"});
    prefixes_.push_back({"sqs_leader_health"});
    hints_ = {"healthz", "_health"};
  }
}

bool Probes::owns_path(std::string_view raw_path) const {
  const auto hinted = [&](const std::string& hint) {
    return contains_without_case(raw_path, hint);
  };
  if (raw_path.find('%') == std::string_view::npos &&
      std::none_of(hints_.begin(), hints_.end(), hinted)) {
    return false;
  }
  if (exact_.contains(raw_path)) return true;  // As a probe asks: of each request three times.
  // A path that passes through a probe prefix and leaves it again ("/healthz/../bucket") counts,
  // too: who resolves dot segments when is not for us to guess.
  std::vector<std::string> resolved;
  for (const std::string& segment : forgiving_segments(raw_path)) {
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!resolved.empty()) resolved.pop_back();
      continue;
    }
    resolved.push_back(segment);
    if (std::find(prefixes_.begin(), prefixes_.end(), resolved) != prefixes_.end()) return true;
  }
  return false;
}

Probes::Kind Probes::kind_of(std::string_view raw_path) const {
  const auto found = exact_.find(raw_path);
  return found == exact_.end() ? Kind::unknown : found->second;
}

std::optional<HttpResponse> Probes::try_answer(const HttpRequest& request) {
  if (!owns(request)) return std::nullopt;
  Kind kind = kind_of(request.raw_path);
  if (leadership_ == nullptr && kind != Kind::liveness) kind = Kind::unknown;
  HttpResponse response = evaluate(kind, request);
  count(kind, response.status, clock_.now() - request.arrived);
  return response;
}

HttpResponse Probes::evaluate(Kind kind, const HttpRequest& request) {
  if (kind == Kind::unknown) return json_error(404, "not_found");
  if (request.body.size() > kBodyLimit) return refusal(413, "a probe has no use for a body");
  if (request.method != "GET" && request.method != "HEAD") {
    HttpResponse refused = json_error(405, "method_not_allowed", "only GET or HEAD supported");
    refused.headers.add("Allow", "GET, HEAD");
    return refused;
  }
  bool green = true;
  if (kind == Kind::leader) {
    green = is_rightful_leader(Deadline{request.arrived + options_.budget});
  } else if (kind == Kind::ready) {
    green = leadership_->is_ready() && !leadership_->is_draining();
  }
  if (!green) return red(kind == Kind::leader ? kNotLeader : kNotReady);
  HttpResponse response{.status = 200, .headers = {}, .body = Bytes(kOk)};
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.headers.add("Cache-Control", "no-store");
  return response;
}

bool Probes::is_rightful_leader(Deadline deadline) {
  // Local and free, so that followers answer at once and send nothing.
  if (leadership_->is_draining() || !leadership_->is_leader()) return false;
  if (clock_.now() >= deadline.at) {
    count_failure("late");
    return false;
  }
  if (const auto verified = leadership_->verify_leader(deadline); !verified) {
    count_failure(name_of(verified.error().code));
    return false;
  }
  // The round suspended us: leadership may have gone since, a drain begun, or the time run out.
  if (leadership_->is_draining() || !leadership_->is_leader()) {
    count_failure("lost_meanwhile");
    return false;
  }
  if (clock_.now() > deadline.at) {
    count_failure("late");
    return false;
  }
  return true;
}

HttpResponse Probes::red(std::string_view body) const {
  HttpResponse response{.status = 503, .headers = {}, .body = Bytes(body)};
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.headers.add("Cache-Control", "no-store");
  response.headers.add("Retry-After", "1");
  if (const auto hint = leadership_->leader_hint()) {
    response.headers.add("X-Keelson-Leader-Hint", to_string(*hint));
  }
  response.headers.add("X-Keelson-Term", std::to_string(leadership_->term().value));
  return response;
}

HttpResponse Probes::refusal(int status, std::string_view message) {
  return json_error(status, status == 413 ? "payload_too_large" : "bad_request", message);
}

void Probes::count(Kind kind, int status, Duration span) {
  static constexpr std::string_view kNames[] = {"liveness", "leader", "ready", "unknown"};
  Series& series = series_[kind];
  const std::string name(kNames[static_cast<std::size_t>(kind)]);
  if (series.duration == nullptr) {
    series.duration = &metrics_.histogram(
        "keelson_probe_duration_seconds", "From arrival to answer.",
        {{"listener", options_.listener}, {"probe", name}}, Histogram::request_bounds());
  }
  Counter*& answers = series.answers[status];
  if (answers == nullptr) {
    answers = &metrics_.counter(
        "keelson_probe_requests_total", "Answers of probes.",
        {{"code", std::to_string(status)}, {"listener", options_.listener}, {"probe", name}});
  }
  answers->add();
  series.duration->observe(span);
}

void Probes::count_failure(const std::string& reason) {
  metrics_
      .counter("keelson_leader_verify_failures_total",
               "Leader probes on a self-styled leader that were not verified.",
               {{"reason", reason}})
      .add();
}

HttpResponse ProbedHandler::handle(const HttpRequest& request, Deadline deadline) {
  if (auto answer = probes_.try_answer(request)) return *std::move(answer);
  return behind_.handle(request, deadline);
}

bool ProbedHandler::streams_body(const HttpRequest& head) const {
  return !probes_.owns(head) && behind_.streams_body(head);
}

std::size_t ProbedHandler::body_limit(const HttpRequest& head) const {
  return probes_.owns(head) ? Probes::kBodyLimit : behind_.body_limit(head);
}

HttpResponse ProbedHandler::refusal(const HttpRequest& head, int status,
                                    std::string_view message) const {
  return probes_.owns(head) ? Probes::refusal(status, message)
                            : behind_.refusal(head, status, message);
}

}  // namespace keelson::api
