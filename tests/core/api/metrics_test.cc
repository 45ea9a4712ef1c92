#include "core/api/metrics.h"

#include <gtest/gtest.h>

#include "tests/core/api/fakes.h"

namespace keelson::api {
namespace {

using namespace std::chrono_literals;

TEST(Metrics, AreRenderedInTheOrderOfTheirNames) {
  Metrics metrics;
  Gauge& gauge = metrics.gauge("b_gauge", "A gauge.");
  metrics.counter("a_total", "A counter.", {{"y", "2"}, {"x", "1"}}).add(3);
  metrics.counter("a_total", "A counter.", {{"x", "1"}, {"y", "2"}}).add();
  metrics.before_rendering([&] { gauge.set(-5); });
  EXPECT_EQ(metrics.render(),
            "# HELP a_total A counter.\n# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 4\n"
            "# HELP b_gauge A gauge.\n# TYPE b_gauge gauge\nb_gauge -5\n");
}

TEST(Metrics, AHistogramCountsUpToEachBound) {
  Metrics metrics;
  Histogram& histogram = metrics.histogram("h", "H.", {}, {1ms, 1s});
  for (const Duration span : {Duration(1ms), Duration(1ms + 1ns), Duration(2s)}) {
    histogram.observe(span);
  }
  EXPECT_EQ(metrics.render(),
            "# HELP h H.\n# TYPE h histogram\nh_count 3\nh_sum 2.002000001\n"
            "h_bucket{le=\"0.001\"} 1\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\n");
}

TEST(Metrics, AGaugeWhoseSeriesComeAndGoIsWrittenAnew) {
  Metrics metrics;
  metrics.gauge("lag", "L.", {{"peer", "1"}}).set(3);
  metrics.clear_gauge("lag");
  EXPECT_EQ(metrics.render(), "");
  metrics.gauge("lag", "L.", {{"peer", "2"}}).set(4);
  EXPECT_EQ(metrics.render(), "# HELP lag L.\n# TYPE lag gauge\nlag{peer=\"2\"} 4\n");
  metrics.clear_gauge("unknown");
}

TEST(MetricsHandler, AnswersOnePathOnly) {
  Metrics metrics;
  metrics.counter("a", "A.").add();
  MetricsHandler handler(metrics);
  const auto ask = [&](const std::string& method, const std::string& target) {
    return handler.handle(make_request(method, target), Deadline::never());
  };
  EXPECT_EQ(ask("GET", "/metrics").body, metrics.render());
  EXPECT_EQ(ask("GET", "/").status, 404);
  EXPECT_EQ(ask("POST", "/metrics").status, 405);
}

}  // namespace
}  // namespace keelson::api
