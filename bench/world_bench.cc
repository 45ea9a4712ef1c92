// What a simulated world costs: three whole production nodes, idle, loaded with faults on, and
// saturated with replicated HTTP writes that every oracle checks ("compacting": with logs of 1 MiB,
// which are cut all the time). One core, one world.
//
//   keelson-world-bench idle|asked|loaded|saturated|compacting [--seconds N [--groups N]]
//
// Prints one line of JSON. The clock that measures is this program's own; the world has none of it.
#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "bench/production_limits.h"
#include "core/runtime/fiber.h"
#include "scenarios/storm.h"
#include "sim/choices.h"
#include "sim/world.h"

namespace keelson::bench {
namespace {

using WallClock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

long resident_peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

struct Figures {
  double virtual_seconds = 0;
  double wall_seconds = 0;
  std::uint64_t events = 0;
  std::uint64_t writes = 0;
  std::uint64_t probes = 0;
};

void print(const std::string& name, const Figures& figures) {
  fmt::print(
      "{{\"world\":\"{}\",\"virtual_seconds\":{:.1f},\"wall_seconds\":{:.3f},"
      "\"times_real_time\":{:.0f},\"events_per_second\":{:.0f},\"operations_per_second\":{:.0f},"
      "\"operations\":{},\"probes\":{},\"resident_peak_mib\":{:.1f}}}\n",
      name, figures.virtual_seconds, figures.wall_seconds,
      figures.virtual_seconds / figures.wall_seconds,
      static_cast<double>(figures.events) / figures.wall_seconds,
      static_cast<double>(figures.writes) / figures.wall_seconds, figures.writes, figures.probes,
      static_cast<double>(resident_peak_kib()) / 1024);
}

double since(WallClock::time_point start) {
  return std::chrono::duration<double>(WallClock::now() - start).count();
}

// Three nodes, nobody asks them anything.
void idle(int span_seconds, std::size_t groups) {
  sim::Choices choices(1);
  sim::World world(choices);
  NodeConfig config = scenarios::scenario_config(3, groups);
  use_production_limits(config);
  scenarios::Cluster cluster(world, config);
  cluster.start();
  world.run_for(seconds(10));
  const auto events = world.events().taken();
  const auto start = WallClock::now();
  world.run_for(seconds(span_seconds));
  print(groups == 1 ? "idle" : fmt::format("idle, {} groups", groups),
        {.virtual_seconds = static_cast<double>(span_seconds),
         .wall_seconds = since(start),
         .events = world.events().taken() - events});
}

// A storm without an end: set up, then clients and, if wanted, faults for the span.
void storm(const std::string& name, int span_seconds, scenarios::StormOptions options) {
  sim::Choices choices(7);
  sim::World world(choices);
  scenarios::Report report;
  scenarios::RunContext context{.world = world, .choices = choices, .report = report};
  options.nodes = 3;
  options.groups = 1;
  options.safety_span = seconds(span_seconds);
  options.adjust = [adjust = options.adjust](NodeConfig& config) {
    use_production_limits(config);
    if (adjust) adjust(config);
  };
  scenarios::Storm storm(context, std::move(options));
  if (!storm.set_up()) {
    fmt::print(stderr, "the world did not come up: {}\n", report.failure()->message);
    std::exit(1);
  }
  const auto events = world.events().taken();
  const auto virtual_start = world.now();
  const auto start = WallClock::now();
  storm.rage();
  storm.check();  // The history is judged within the measured time.
  const double wall = since(start);
  if (report.failed()) {
    fmt::print(stderr, "{}: {}\n", report.failure()->oracle, report.failure()->message);
    std::exit(1);
  }
  const auto& counts = report.counts();
  const auto count = [&](std::string_view what) {
    const auto found = counts.find(what);
    return found == counts.end() ? 0 : found->second;
  };
  print(name,
        {.virtual_seconds = static_cast<double>((world.now() - virtual_start).count()) / 1e9,
         .wall_seconds = wall,
         .events = world.events().taken() - events,
         .writes = count("s3 operations ok"),
         .probes = count("probes answered 200") + count("probes answered 503")});
}

void use_short_logs(NodeConfig& config) {
  config.log_bytes_max = config.wal_segment_bytes = config.state_unsaved_bytes_limit = 1 << 20;
  config.wal_bytes_max = 3 << 20;
}

}  // namespace
}  // namespace keelson::bench

int main(int argc, char** argv) {
  using namespace keelson;
  using std::chrono::milliseconds;
  const std::string what = argc > 1 ? argv[1] : "";
  const int span = argc > 3 ? std::atoi(argv[3]) : 0;
  if (what == "idle") {
    const int groups = argc > 5 ? std::atoi(argv[5]) : 0;
    bench::idle(span > 0 ? span : 10'000, groups > 0 ? static_cast<std::size_t>(groups) : 1);
  } else if (what == "asked" || what == "loaded") {
    scenarios::FaultProfile profile;
    profile.may_be_calm = false;
    profile.slot = std::chrono::seconds(2);
    // 20 object operations and 12 probes a virtual second: as many are asked for, or, "loaded", so
    // many more that as many are answered, while faults hold up the rest.
    const bool all_answered = what == "loaded";
    bench::storm(what, span > 0 ? span : 300,
                 {.profile = profile,
                  .probe_interval = milliseconds(all_answered ? 600 : 1000),
                  .s3_clients = 8,
                  .s3_interval = milliseconds(all_answered ? 90 : 400)});
  } else if (what == "saturated" || what == "compacting") {
    scenarios::FaultProfile calm;
    calm.none();
    calm.bad_network_per_thousand = calm.bad_disk_per_thousand = calm.bad_clocks_per_thousand = 0;
    bench::storm(what, span > 0 ? span : 2,
                 {.profile = calm, .probes = false, .s3_clients = 64,
                  .s3_interval = Duration(1),
                  .s3_only_writes = true,
                  .adjust = what == "compacting" ? bench::use_short_logs : nullptr});
  } else {
    fmt::print(stderr,
               "usage: keelson-world-bench idle|asked|loaded|saturated|compacting "
               "[--seconds N [--groups N]]\n");
    return 2;
  }
  return 0;
}
