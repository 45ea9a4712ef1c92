// Metrics of one node: counters, gauges and histograms in ordered containers, rendered in the
// Prometheus text format. Owned by the node and handed to whoever counts; nothing is global, and
// nothing here suspends.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/http.h"
#include "core/runtime/histogram.h"

namespace keelson::api {

class Counter {
 public:
  void add(std::uint64_t amount = 1) { value_ += amount; }
  // For a count that is kept elsewhere and copied here before rendering. REQUIRES: it never falls.
  void set_total(std::uint64_t total);
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

class Gauge {
 public:
  void set(std::int64_t value) { value_ = value; }
  void add(std::int64_t amount) { value_ += amount; }
  std::int64_t value() const { return value_; }

 private:
  std::int64_t value_ = 0;
};

class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;

  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // The series of that name and these labels, made on the first call. References stay valid as long
  // as this object. REQUIRES: a name has one kind.
  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const Labels& labels,
                       std::vector<Duration> bounds);
  // Removes every series of the gauge: for those whose labels come and go. References to them end.
  void clear_gauge(std::string_view name);

  // Called before each rendering, to bring gauges up to date. Must not suspend.
  void before_rendering(std::function<void()> refresh);

  // The Prometheus text format, version 0.0.4, families by name and series by labels.
  std::string render() const;

 private:
  struct Family;
  Family& family(std::string_view name, std::string_view help);

  std::map<std::string, Family, std::less<>> families_;
  std::vector<std::function<void()>> refreshes_;
};

// GET and HEAD /metrics; everything else is 404 or 405.
class MetricsHandler : public HttpHandler {
 public:
  explicit MetricsHandler(const Metrics& metrics) : metrics_(metrics) {}

  HttpResponse handle(const HttpRequest& request, Deadline deadline) override;
  std::size_t body_limit(const HttpRequest&) const override { return 1024; }

 private:
  const Metrics& metrics_;
};

}  // namespace keelson::api
