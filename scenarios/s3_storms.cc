#include "scenarios/s3_storms.h"

#include <fmt/format.h>

#include <utility>

#include "core/api/s3_records.h"
#include "scenarios/s3_full_workload.h"
#include "scenarios/storm.h"
#include "scenarios/words.h"

namespace keelson::scenarios {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kSetUpBound = seconds(20);
constexpr Duration kSettleBound = seconds(15);

// Bodies of some hundred octets lie in several chunks, and what nobody refers to is collected
// within the run.
void use_small_bodies(NodeConfig& config) {
  config.s3_inline_bytes_max = 16;
  config.s3_chunk_bytes = 64;
  config.s3_part_bytes_min = 32;
  config.s3_collect_interval = milliseconds(300);
  config.s3_collect_grace = config.request_timeout;
}

bool wait_for(RunContext& context, Duration bound, const std::string& what,
              const std::function<bool()>& condition) {
  if (context.run_until(condition, context.world.now() + bound)) return true;
  context.report.fail("liveness", "s3", fmt::format("{} within {}", what, say(bound)),
                      context.world.now());
  return false;
}

void s3_full(RunContext& context) {
  const S3FullOptions full_options;
  // Pages are to be put together of what several groups have.
  ShardOperatorOptions shards{.interval = milliseconds(100), .splits_per_thousand = 500};
  shards.keys = {api::object_record_key(full_options.bucket, "a/1"),
                 api::object_record_key(full_options.bucket, "b"),
                 api::object_record_key(full_options.bucket, "c")};
  Storm storm(context, {.nodes = full_options.nodes,
                        .shards = std::move(shards),
                        .shards_per_thousand = 600,
                        .probes = false,
                        .s3_clients = 1,
                        .s3_interval = milliseconds(200),
                        .adjust = use_small_bodies});
  S3FullWorkload full(context.world, full_options, context.report);
  // Clients refer to the workload, which goes before the storm does.
  struct StopsAll {
    ~StopsAll() { stop_machines(world); }
    sim::World& world;
  } const stops_all{context.world};
  if (!storm.set_up()) return;
  full.start();
  if (!wait_for(context, kSetUpBound, "no bucket was created", [&] { return full.is_set_up(); })) {
    return;
  }
  storm.rage();
  if (context.report.failed()) return;
  storm.heal();
  full.stop();
  storm.demand_progress();
  full.settle();
  if (context.report.failed() ||
      !wait_for(context, kSettleBound, "after the cluster serves again, no page was listed",
                [&] { return full.is_settled() && full.has_stopped(); })) {
    return;
  }
  storm.stop_orderly();
  storm.check();
  if (!context.report.failed()) full.check();
}

}  // namespace

std::vector<Scenario> s3_storms() {
  return {
      {.name = "s3_full",
       .promise = "A bucket is linearizable as a whole: objects, conditions, copies, uploads in "
                  "parts whose answers get lost, and listings whose pages come from any node.",
       .must_reach = {"s3 full: a condition was refused",
                      "s3 full: two objects were deleted at once",
                      "s3 full: an object was copied", "s3 full: a page was listed",
                      "s3 full: a listing went on elsewhere", "s3 full: an upload was completed",
                      "s3 full: an upload was completed again", "s3 full: an upload was aborted"},
       .run = s3_full},
  };
}

}  // namespace keelson::scenarios
