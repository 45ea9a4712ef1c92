#include "scenarios/storms.h"

#include "scenarios/operation_paths.h"
#include "scenarios/storm.h"
#include "scenarios/transaction_storms.h"

namespace keelson::scenarios {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// --- what is stressed ---

void leader_probe(RunContext& context) {
  run_storm(context, {.profile = whole_fault_model(),
                      .operations = OperatorOptions{},
                      .operations_per_thousand = 400,
                      .joiners = 1,
                      .shards = ShardOperatorOptions{},
                      .shards_per_thousand = 400,
                      .probe_interval = milliseconds(60)});
}

void default_group(RunContext& context) {
  run_storm(context, {.groups = 3,
                      .profile = whole_fault_model(),
                      .operations = OperatorOptions{.transfers_per_thousand = 600},
                      .operations_per_thousand = 400,
                      .joiners = 1,
                      .shards = ShardOperatorOptions{},
                      .shards_per_thousand = 400,
                      .probe_interval = milliseconds(60)});
}

void s3_register(RunContext& context) {
  run_storm(context, {.profile = whole_fault_model(),
                      .probes = false,
                      .s3_clients = 4,
                      .s3_interval = milliseconds(25)});
}

void election_storm(RunContext& context) {
  FaultProfile profile;
  profile.none()
      .set(FaultKind::isolate, 700)
      .set(FaultKind::crash, 900)
      .set(FaultKind::kill, 500)
      .set(FaultKind::partition, 500);
  profile.leader_aim_per_thousand = 1000;
  profile.may_be_calm = false;
  profile.slot = milliseconds(200);
  run_storm(context, {.profile = profile, .leases = false});
}

void one_way_partition(RunContext& context) {
  FaultProfile profile;
  profile.none()
      .set(FaultKind::cut_sends, 800)
      .set(FaultKind::cut_receives, 800)
      .set(FaultKind::cut_one_way, 800)
      .set(FaultKind::hold_and_release, 500)
      .set(FaultKind::crash, 100);
  profile.leader_aim_per_thousand = 600;
  profile.may_be_calm = false;
  run_storm(context, {.profile = profile});
}

void clock_drift(RunContext& context) {
  FaultProfile profile;
  profile.bad_clocks_per_thousand = 1000;
  profile.drift_ppm_most = 40'000;  // Four in a hundred: two clocks part by less than the tenth.
  profile.set(FaultKind::step_wall_clock, 1000).set(FaultKind::freeze_clock, 800);
  run_storm_with_appends(context, {.groups = 3, .profile = profile, .s3_clients = 3});
}

void pause(RunContext& context) {
  FaultProfile profile;
  profile.none()
      .set(FaultKind::pause, 1000)
      .set(FaultKind::slow_machine, 600)
      .set(FaultKind::hold_and_release, 300)
      .set(FaultKind::crash, 100);
  profile.leader_aim_per_thousand = 800;
  profile.may_be_calm = false;
  run_storm(context, {.profile = profile, .probe_interval = milliseconds(40)});
}

// Nothing but quorum rounds may stand behind a probe here: clocks stop, or run at any speed, while
// answers of followers are stalled on cut links and come late.
void broken_clocks(RunContext& context) {
  FaultProfile profile;
  profile.none()
      .set(FaultKind::isolate, 300)
      .set(FaultKind::cut_receives, 300)
      .set(FaultKind::hold_and_release, 300)
      .set(FaultKind::pause, 300)
      .set(FaultKind::crash, 200)
      .set(FaultKind::freeze_clock, 700);
  profile.bad_network_per_thousand = 800;
  profile.bad_clocks_per_thousand = 500;
  profile.drift_ppm_most = 300'000;
  profile.leader_aim_per_thousand = 900;
  profile.may_be_calm = false;
  run_storm(context, {.profile = profile,
                      .broken_clocks = true,
                      .strike_leaders_per_thousand = 900,
                      .probe_interval = milliseconds(20),
                      .s3_interval = milliseconds(100)});
}

// Figure 8 of the Raft paper: leaders are struck as soon as they begin to replicate, entries of old
// terms wait in logs, and each goes by itself.
void figure_eight(RunContext& context) {
  FaultProfile profile;
  profile.none().set(FaultKind::slow_disk, 800);
  profile.bad_network_per_thousand = 900;
  profile.leader_aim_per_thousand = 0;
  profile.may_be_calm = false;
  run_storm(context, {.nodes = 3,
                      .groups = 1,
                      .profile = profile,
                      .leases = false,
                      .strike_leaders_per_thousand = 950,
                      .probes = false,
                      .s3_clients = 4,
                      .s3_interval = milliseconds(5),
                      .adjust = [](NodeConfig& config) {
                        config.append_bytes_max = 1;
                        config.election_timeout = milliseconds(150);
                        config.heartbeat_interval = milliseconds(30);
                      }});
}

// What a lease could be wrong about: leaders are frozen while answers of followers wait for them,
// and cut off before they hear of their successors. No probes, whose rounds would renew the lease.
void lease_edges(RunContext& context) {
  FaultProfile profile;
  profile.none()
      .set(FaultKind::pause, 900)
      .set(FaultKind::crash, 200)
      .set(FaultKind::isolate, 900)
      .set(FaultKind::cut_receives, 500)
      .set(FaultKind::hold_and_release, 300);
  profile.bad_network_per_thousand = 800;
  profile.bad_clocks_per_thousand = 500;
  profile.drift_ppm_most = 40'000;
  profile.leader_aim_per_thousand = 900;
  profile.may_be_calm = false;
  profile.slot = milliseconds(150);
  run_storm(context, {.profile = profile,
                      .probes = false,
                      .s3_clients = 4,
                      .s3_interval = milliseconds(15),
                      .adjust = [](NodeConfig& config) {
                        config.lease = config.election_timeout * 9 / 10;
                      }});
}

const std::vector<std::string_view> kAlwaysReached = {
    "kv: forwarded to the leader",
    "raft: append rejected, backed up",
    "raft: conflicting suffix truncated",
    "raft: leader stepped down without quorum",
    "raft: older term message answered",
};

}  // namespace

std::vector<Scenario> storms() {
  return {
      {.name = "leader_probe",
       .promise = "A stale leader never answers 200 on a leader probe, on any listener, by any "
                  "spelling of its path, under the whole fault model.",
       .must_reach = together(kAlwaysReached, probe_paths()),
       .run = leader_probe},
      {.name = "default_group",
       .promise = "Leading some other group never makes a leader probe answer 200.",
       .must_reach = {"kv: forwarded to the leader"},
       .run = default_group},
      {.name = "s3_register",
       .promise = "S3 objects are linearizable through retries to other nodes, whatever fails.",
       .must_reach = together({"s3: a client moved on to another node"}, s3_paths()),
       .run = s3_register},
      {.name = "election_storm",
       .promise = "Leaders that die as soon as they win lose nothing and never share a term.",
       .must_reach = {"raft: conflicting suffix truncated"},
       .run = election_storm},
      {.name = "one_way_partition",
       .promise = "A node that can speak but not hear, or hear but not speak, breaks no promise "
                  "and holds nobody up for long.",
       .must_reach = {"raft: leader stepped down without quorum",
                      "storm: the leader stayed although a follower did not hear it"},
       .run = one_way_partition},
      {.name = "clock_drift",
       .promise = "Reads stay linearizable, transactions over several groups serializable, and "
                  "probes honest when clocks drift, step and stop.",
       .must_reach = {"raft: read under a lease", "list append: over several groups"},
       .run = clock_drift},
      {.name = "pause",
       .promise = "A leader that was frozen for longer than its lease wakes up as no leader.",
       .must_reach = together({"raft: leader stepped down without quorum"}, probe_paths()),
       .run = pause},
      {.name = "broken_clocks",
       .promise = "A leader probe trusts no clock: while clocks stop or race, and leases are on, a "
                  "stale leader still never answers 200.",
       .must_reach = {"probe: a 200 while a newer leader appeared"},
       .run = broken_clocks},
      {.name = "figure_eight",
       .promise = "An entry of an earlier term is never taken for committed by counting its "
                  "copies, however leaders come and go.",
       .must_reach = {"raft: conflicting suffix truncated"},
       .run = figure_eight},
      {.name = "lease_edges",
       .promise = "Reads under a lease stay linearizable when leaders are frozen and cut off at "
                  "the worst of times.",
       .must_reach = together({"raft: read under a lease"}, s3_paths()),
       .run = lease_edges},
  };
}

}  // namespace keelson::scenarios
