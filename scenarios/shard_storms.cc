#include "scenarios/shard_storms.h"

#include "scenarios/transaction_storms.h"

namespace keelson::scenarios {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

FaultProfile aimed_at_leaders() {
  FaultProfile profile;
  profile.leader_aim_per_thousand = 600;
  return profile;
}

// Buckets with many objects, and lists that are scanned, are cut into pieces, and the pieces change
// their groups.
void split_under_load(RunContext& context) {
  run_storm_with_appends(context, {.groups = 2,
                                   .safety_span = seconds(5),
                                   .profile = aimed_at_leaders(),
                                   .shards = ShardOperatorOptions{.interval = milliseconds(120),
                                                                  .splits_per_thousand = 500},
                                   .probes = false,
                                   .s3_clients = 4,
                                   .s3_interval = milliseconds(30),
                                   .s3_keys_a_bucket = 8});
}

void move_range(RunContext& context) {
  run_storm_with_cycle(context, {.groups = 3,
                                 .safety_span = seconds(5),
                                 .profile = aimed_at_leaders(),
                                 .shards = ShardOperatorOptions{.interval = milliseconds(150),
                                                                .splits_per_thousand = 200},
                                 .probes = false,
                                 .s3_clients = 2,
                                 .s3_interval = milliseconds(60)});
}

}  // namespace

std::vector<Scenario> shard_storms() {
  return {
      {.name = "split_under_load",
       .promise = "Shards that are split and moved while they are written to and read lose nothing "
                  "and answer with nothing old.",
       .must_reach = {"shards: split", "shards: began to move", "kv: a shard has moved",
                      "kv: a batch over several groups", "kv: a read over several groups",
                      "kv: a batch came after its shard had moved"},
       .run = split_under_load},
      {.name = "move_range",
       .promise = "Transactions are serializable while the shards of their keys move from group to "
                  "group, whoever dies.",
       .must_reach = {"kv: a shard has moved", "kv: a move waited for a transaction",
                      "kv: a transaction came after a shard had moved",
                      "cycle: the ring was permuted"},
       .run = move_range},
  };
}

}  // namespace keelson::scenarios
