// Tested by tests/core/api/metrics_test.cc.
#include "core/api/metrics.h"

#include <prometheus/text_serializer.h>

#include <sstream>

#include "core/base/check.h"

namespace keelson::api {

namespace {

// Prometheus wants seconds as a number with a fraction; nothing but the rendering is decided by it.
double seconds(Duration span) {
  return static_cast<double>(span.count()) / 1e9;
}

prometheus::ClientMetric labelled(const Metrics::Labels& labels) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : labels) metric.label.push_back({name, value});
  return metric;
}

}  // namespace

void Counter::set_total(std::uint64_t total) {
  CHECK(total >= value_);
  value_ = total;
}

struct Metrics::Family {
  std::string help;
  // One of these is in use.
  std::map<Labels, Counter> counters;
  std::map<Labels, Gauge> gauges;
  std::map<Labels, Histogram> histograms;
};

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

Metrics::Family& Metrics::family(std::string_view name, std::string_view help) {
  const auto found = families_.find(name);
  if (found != families_.end()) return found->second;
  Family& made = families_[std::string(name)];
  made.help = help;
  return made;
}

Counter& Metrics::counter(std::string_view name, std::string_view help, const Labels& labels) {
  Family& of = family(name, help);
  CHECK(of.gauges.empty() && of.histograms.empty());
  return of.counters[labels];
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  Family& of = family(name, help);
  CHECK(of.counters.empty() && of.histograms.empty());
  return of.gauges[labels];
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help, const Labels& labels,
                              std::vector<Duration> bounds) {
  Family& of = family(name, help);
  CHECK(of.counters.empty() && of.gauges.empty());
  return of.histograms.try_emplace(labels, std::move(bounds)).first->second;
}

void Metrics::clear_gauge(std::string_view name) {
  const auto found = families_.find(name);
  if (found != families_.end()) found->second.gauges.clear();
}

void Metrics::before_rendering(std::function<void()> refresh) {
  refreshes_.push_back(std::move(refresh));
}

std::string Metrics::render() const {
  for (const auto& refresh : refreshes_) refresh();
  std::vector<prometheus::MetricFamily> rendered;
  for (const auto& [name, family] : families_) {
    if (family.counters.empty() && family.gauges.empty() && family.histograms.empty()) continue;
    prometheus::MetricFamily out{name, family.help, prometheus::MetricType::Untyped, {}};
    for (const auto& [labels, counter] : family.counters) {
      out.type = prometheus::MetricType::Counter;
      out.metric.push_back(labelled(labels));
      out.metric.back().counter.value = static_cast<double>(counter.value());
    }
    for (const auto& [labels, gauge] : family.gauges) {
      out.type = prometheus::MetricType::Gauge;
      out.metric.push_back(labelled(labels));
      out.metric.back().gauge.value = static_cast<double>(gauge.value());
    }
    for (const auto& [labels, histogram] : family.histograms) {
      out.type = prometheus::MetricType::Histogram;
      out.metric.push_back(labelled(labels));
      auto& values = out.metric.back().histogram;
      for (std::size_t i = 0; i < histogram.bounds().size(); ++i) {
        values.sample_count += histogram.counts()[i];
        values.bucket.push_back({values.sample_count, seconds(histogram.bounds()[i])});
      }
      values.sample_count += histogram.counts().back();
      values.sample_sum = seconds(histogram.sum());
    }
    rendered.push_back(std::move(out));
  }
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, rendered);
  return text.str();
}

HttpResponse MetricsHandler::handle(const HttpRequest& request, Deadline) {
  if (request.raw_path != "/metrics") return json_error(404, "not_found");
  if (request.method != "GET" && request.method != "HEAD") {
    HttpResponse refused = json_error(405, "method_not_allowed", "only GET or HEAD supported");
    refused.headers.add("Allow", "GET, HEAD");
    return refused;
  }
  HttpResponse response;
  response.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.headers.add("Cache-Control", "no-store");
  response.body = metrics_.render();
  return response;
}

}  // namespace keelson::api
