// Tested by tests/tools/keelson_bench_test.py.
#include "tools/load/report.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <iterator>

namespace keelson::load {

namespace {

constexpr std::size_t kLargeBytes = 4096;  // From here on octets a second say more.

double per_second(const Figures& figures) {
  return static_cast<double>(figures.expected) * 1e9 / static_cast<double>(figures.span_ns);
}

double mib_per_second(const Figures& figures) {
  return static_cast<double>(figures.bytes) / (1 << 20) * 1e9 /
         static_cast<double>(figures.span_ns);
}

double microseconds(std::int64_t nanoseconds) {
  return static_cast<double>(nanoseconds / 100) / 10;
}

std::string milliseconds(std::int64_t nanoseconds) {
  return fmt::format("{:.3f}", static_cast<double>(nanoseconds) / 1e6);
}

boost::json::object percentiles(const Histogram& latency) {
  return {{"p50", microseconds(latency.at(500))},
          {"p90", microseconds(latency.at(900))},
          {"p99", microseconds(latency.at(990))},
          {"p99_9", microseconds(latency.at(999))},
          {"max", microseconds(latency.max())}};
}

const char* name_of(SessionKind::Protocol protocol) {
  switch (protocol) {
    case SessionKind::Protocol::s3: return "s3";
    case SessionKind::Protocol::etcd: return "etcd";
    case SessionKind::Protocol::floor: return "floor";
  }
  return "";
}

}  // namespace

std::string text_of(const Plan& plan, const Figures& figures) {
  std::string text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "{} clients on {} connections to {}, {}\n", plan.clients, plan.connections,
                 fmt::join(figures.endpoints, ", "),
                 plan.rate > 0 ? fmt::format("{} requests/s asked for", plan.rate)
                               : std::string("each asks again when answered"));
  fmt::format_to(out, "  {:.0f} answers/s as expected ({} in {:.1f} s)\n", per_second(figures),
                 figures.expected, static_cast<double>(figures.span_ns) / 1e9);
  if (plan.mix.value_bytes >= kLargeBytes && figures.bytes > 0) {
    fmt::format_to(out, "  {:.1f} MiB/s\n", mib_per_second(figures));
  }
  const auto line = [&](const char* what, const Histogram& latency) {
    if (latency.count() == 0) return;
    fmt::format_to(out, "  {:<9} p50 {}  p90 {}  p99 {}  p99.9 {}  max {} ms\n", what,
                   milliseconds(latency.at(500)), milliseconds(latency.at(900)),
                   milliseconds(latency.at(990)), milliseconds(latency.at(999)),
                   milliseconds(latency.max()));
  };
  line("latency", figures.latency);
  if (figures.put_latency.count() > 0 && figures.get_latency.count() > 0) {
    line("  put", figures.put_latency);
    line("  get", figures.get_latency);
  }
  for (const auto& [status, count] : figures.statuses) {
    if (status != 200) fmt::format_to(out, "  {}: {}\n", name_of_status(status), count);
  }
  if (figures.unexpected > 0) {
    fmt::format_to(out, "  {} answers were not as expected\n", figures.unexpected);
  }
  return text;
}

std::string json_of(const Plan& plan, const Figures& figures) {
  boost::json::object statuses;
  for (const auto& [status, count] : figures.statuses) statuses[name_of_status(status)] = count;
  boost::json::object report{
      {"protocol", name_of(plan.kind.protocol)},
      {"endpoints", boost::json::value_from(figures.endpoints)},
      {"clients", plan.clients},
      {"connections", plan.connections},
      {"rate", plan.rate},
      {"value_bytes", plan.mix.value_bytes},
      {"keys", plan.mix.keys},
      {"read_percent", plan.mix.read_percent},
      {"probes", plan.mix.probes},
      {"seconds", static_cast<double>(figures.span_ns) / 1e9},
      {"operations", figures.expected},
      {"operations_per_second", per_second(figures)},
      {"mib_per_second", mib_per_second(figures)},
      {"latency_us", percentiles(figures.latency)},
      {"statuses", std::move(statuses)},
      {"unexpected", figures.unexpected},
      {"connections_lost", figures.connections_lost}};
  if (figures.put_latency.count() > 0) {
    report["put_latency_us"] = percentiles(figures.put_latency);
  }
  if (figures.get_latency.count() > 0) {
    report["get_latency_us"] = percentiles(figures.get_latency);
  }
  return boost::json::serialize(report) + "\n";
}

}  // namespace keelson::load
