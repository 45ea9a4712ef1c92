// Story: one simulated run as a value: the cluster's shape, the fault plan, how busy the clients
// are, and the seed of everything else. Properties are promises about every story; a generator
// makes stories (stories.h), and what is left of one after shrinking is told in words.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/fault_plan.h"
#include "scenarios/probe_claim.h"
#include "scenarios/report.h"
#include "sim/trace.h"

namespace keelson {
class StackPool;
}

namespace keelson::properties {

using scenarios::Duration;
using scenarios::FaultAction;
using scenarios::FaultKind;
using scenarios::FaultPlan;

struct Shape {
  std::size_t nodes = 3;
  std::size_t groups = 1;
  Duration election_timeout = std::chrono::milliseconds(250);
  bool leases = false;
  std::uint64_t wal_segment_bytes = 64 << 20;
};

struct Story {
  Shape shape;
  FaultPlan plan;
  std::size_t s3_clients = 2;
  std::uint64_t seed = 0;  // Of whatever the plan leaves open: schedules, delays, clients.
};

// Several lines; everything that a generator varies is in them.
std::string describe(const Story& story);
// How rapidcheck prints a story; it demands the name.
void showValue(const Story& story, std::ostream& out);

struct PlayOptions {
  Duration safety_span = std::chrono::seconds(3);
  Duration liveness_bound = std::chrono::seconds(10);
  std::optional<Duration> probe_interval = std::chrono::milliseconds(100);
  Duration s3_interval = std::chrono::milliseconds(60);
  std::int32_t drift_ppm_most = 1'000;
  // Ends when the plan does: without healing, progress, orderly stop and check of the history.
  bool only_the_storm = false;
  // One more client for each node, whose only aim is to write: fills longest_without_write.
  bool writers = false;
  sim::Trace::Listener listener = {};
  sim::Trace::Detail detail = sim::Trace::Detail::rare;
  StackPool* stacks = nullptr;
};

// What was seen of a story when it was played.
struct Seen {
  std::optional<scenarios::Failure> failure;
  std::uint64_t digest = 0;
  std::uint64_t events = 0;
  sim::TrueTime plan_began;
  std::vector<scenarios::Reign> reigns;    // Of the default group.
  std::uint64_t answered_200 = 0;
  std::uint64_t contested_200 = 0;
  std::map<std::string, std::uint64_t> counts;
  // Between two writes that succeeded, or one and an end of the plan.
  Duration longest_without_write{};
  std::uint64_t writes = 0;
  // From the healing until one node answered 200 everywhere and took a write, and every client
  // had its answer.
  Duration served_after{};
  // When that was so for a second: by group, what is in the replicas of the nodes that run ("57
  // entries, content 8f0c...") in the order of the nodes.
  std::map<std::string, std::vector<std::string>> replicas;
};

// Plays it in a world of its own, under every oracle. A failed CHECK inside prints the story and
// ends the process.
Seen play(const Story& story, const PlayOptions& options = {});

}  // namespace keelson::properties
