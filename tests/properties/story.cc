// Tested by tests/properties/generators_test.cc, and by what shrinking_test.cc prints.
#include "tests/properties/story.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "core/base/check.h"
#include "core/node.h"
#include "core/runtime/env.h"
#include "core/runtime/fiber.h"
#include "core/runtime/task_group.h"
#include "scenarios/s3_client.h"
#include "scenarios/storm.h"
#include "scenarios/words.h"

namespace keelson::properties {

namespace {

using namespace std::chrono_literals;
using scenarios::Storm;
using scenarios::StormOptions;

// While it lives, a failed CHECK tells the story before it ends the process.
class CheckTeller {
 public:
  explicit CheckTeller(const Story& story) {
    set_check_handler(
        [](void* told, std::string_view expression, const char* file, int line) {
          std::cerr << file << ":" << line << ": CHECK failed: " << expression << "\nin the story\n"
                    << describe(*static_cast<const Story*>(told)) << std::endl;
          std::abort();
        },
        const_cast<Story*>(&story));
  }
  ~CheckTeller() { set_check_handler(nullptr, nullptr); }
  CheckTeller(const CheckTeller&) = delete;
  CheckTeller& operator=(const CheckTeller&) = delete;
};

// One client machine that does nothing but write, through every node at once, and the longest time
// in which no write of it succeeded.
class Writers {
 public:
  Writers(sim::World& world, std::size_t nodes) : world_(world), nodes_(nodes) {}

  void start() {
    last_success_ = world_.now();
    world_.add_machine("writer").start([this](Env& env) {
      TaskGroup fibers(env.scheduler);
      for (std::size_t node = 1; node <= nodes_; ++node) {
        fibers.spawn("writer", [&, node] { write(env, node); });
      }
      (void)fibers.join(Deadline::never());
    });
  }
  // No success counts any more.
  void stop() {
    success();
    is_over_ = true;
  }
  Duration longest_without() const { return longest_without_; }
  std::uint64_t successes() const { return successes_ - 1; }

 private:
  void write(Env& env, std::size_t node) {
    scenarios::S3Client s3(env, scenarios::Cluster::address(node, scenarios::kS3Port), "bucket-a");
    const scenarios::Call call{.kind = scenarios::Call::Kind::put, .value = "w", .expected = {}};
    const std::string key = fmt::format("written-through-n{}", node);
    while (!is_over_) {
      const auto answer = s3.perform(key, call, Deadline::in(env.clock, 500ms));
      if (answer.outcome == scenarios::Outcome::ok && !is_over_) success();
      env.scheduler.sleep_for(20ms);
    }
  }
  void success() {
    longest_without_ = std::max(longest_without_, world_.now() - last_success_);
    last_success_ = world_.now();
    ++successes_;
  }

  sim::World& world_;
  const std::size_t nodes_;
  sim::TrueTime last_success_;
  Duration longest_without_{};
  std::uint64_t successes_ = 0;
  bool is_over_ = false;
};

StormOptions storm_options(const Story& story, const PlayOptions& options) {
  StormOptions storm;
  storm.nodes = story.shape.nodes;
  storm.groups = story.shape.groups;
  storm.safety_span = options.safety_span;
  storm.liveness_bound = options.liveness_bound;
  storm.profile.drift_ppm_most = options.drift_ppm_most;
  storm.probes = options.probe_interval.has_value();
  storm.probe_interval = options.probe_interval.value_or(100ms);
  storm.s3_clients = story.s3_clients;
  storm.s3_interval = options.s3_interval;
  storm.plan = story.plan;
  storm.adjust = [shape = story.shape](NodeConfig& config) {
    config.election_timeout = shape.election_timeout;
    config.heartbeat_interval = shape.election_timeout / 5;
    config.lease = shape.leases ? shape.election_timeout * 9 / 10 : Duration::zero();
    config.wal_segment_bytes = shape.wal_segment_bytes;
    config.wal_bytes_max = 4 * shape.wal_segment_bytes;
  };
  return storm;
}

void note_replicas(Storm& storm, const Shape& shape, Seen& seen) {
  for (std::size_t number = 1; number <= shape.nodes; ++number) {
    Node* const node = storm.cluster().node(number);
    if (node == nullptr) continue;  // Left out of the healed core.
    for (std::uint32_t group = 0; group < shape.groups; ++group) {
      const kv::StateStore& state = node->state();
      seen.replicas[fmt::format("g{}", group)].push_back(
          fmt::format("{} entries, digest {:016x}", state.label(GroupId(group)).index.value,
                      state.digest(GroupId(group))));
    }
  }
}

// Each phase only when the one before held.
void play_phases(Storm& storm, const Story& story, const PlayOptions& options, Writers& writers,
                 Seen& seen) {
  sim::World& world = storm.context().world;
  const scenarios::Report& report = storm.context().report;
  if (!storm.set_up()) return;
  seen.plan_began = world.now();
  if (options.writers) writers.start();
  storm.rage();
  if (options.writers) {
    writers.stop();
    seen.longest_without_write = writers.longest_without();
    seen.writes = writers.successes();
  }
  if (report.failed() || options.only_the_storm) return;
  storm.heal();
  const sim::TrueTime healed = world.now();
  storm.demand_progress();
  seen.served_after = world.now() - healed;
  if (report.failed()) return;
  // A leader appends for its timestamps, even when nobody asks anything: the replicas are equal
  // between two such entries.
  storm.context().run_until([&] { return storm.core_has_converged(); }, world.now() + 1s);
  if (report.failed()) return;
  note_replicas(storm, story.shape, seen);
  storm.stop_orderly();
  storm.check();
}

std::string_view fate_of_unsynced(const sim::LossShares& shares) {
  if (shares.lose_all_per_million >= 1'000'000) return "is lost";
  const bool is_kept = shares.lose_all_per_million == 0 && shares.lose_write_per_million == 0 &&
                       shares.tear_write_per_million == 0 && shares.lose_entry_per_million == 0;
  return is_kept ? "is kept" : "is kept, lost or torn";
}

}  // namespace

std::string describe(const Story& story) {
  const Shape& shape = story.shape;
  return fmt::format(
             "{} nodes, {} group{}, election timeout {}, {}leases, log segments of {} KiB, "
             "{} S3 client{}, seed {}\n"
             "at a loss of power what is not synced {}\n",
             shape.nodes, shape.groups, shape.groups == 1 ? "" : "s",
             scenarios::say(shape.election_timeout), shape.leases ? "" : "no ",
             shape.wal_segment_bytes >> 10, story.s3_clients, story.s3_clients == 1 ? "" : "s",
             story.seed, fate_of_unsynced(story.plan.conditions.disks.at_power_loss)) +
         scenarios::describe(story.plan);
}

void showValue(const Story& story, std::ostream& out) { out << describe(story); }

Seen play(const Story& story, const PlayOptions& options) {
  const CheckTeller teller(story);
  Seen seen;
  sim::Choices choices(story.seed);
  scenarios::Report report;
  sim::WorldOptions world_options;
  world_options.stacks = options.stacks;
  sim::World world(choices, world_options);
  if (options.listener) world.trace().set_listener(options.listener, options.detail);
  scenarios::RunContext context{.world = world, .choices = choices, .report = report};
  Writers writers(world, story.shape.nodes);
  {
    Storm storm(context, storm_options(story, options));
    play_phases(storm, story, options, writers, seen);
    seen.reigns = storm.claim().reigns();
    seen.answered_200 = storm.claim().answered_200();
    seen.contested_200 = storm.claim().contested_200();
  }
  seen.failure = report.failure();
  seen.digest = world.trace().digest();
  seen.events = world.events().taken();
  for (const auto& [what, times] : report.counts()) seen.counts.emplace(what, times);
  return seen;
}

}  // namespace keelson::properties
