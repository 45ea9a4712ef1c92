#include "scenarios/disk_storms.h"

#include "scenarios/storm.h"

namespace keelson::scenarios {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Faults of the disk alone, and what makes them matter: the ends of processes.
FaultProfile disks_alone() {
  FaultProfile profile;
  profile.none();
  profile.bad_network_per_thousand = 200;
  profile.bad_clocks_per_thousand = 0;
  profile.bad_disk_per_thousand = 1000;
  profile.leader_aim_per_thousand = 500;
  profile.may_be_calm = false;
  return profile;
}

// Small limits: segments, logs and chunks are outgrown all the time.
void small_logs(NodeConfig& config) {
  config.wal_segment_bytes = 4 << 10;
  config.wal_bytes_max = 12 << 10;
  config.log_bytes_max = 2 << 10;
}

void torn_write(RunContext& context) {
  FaultProfile profile = disks_alone();
  profile.set(FaultKind::crash, 1000)
      .set(FaultKind::crash_all, 700)
      .set(FaultKind::slow_disk, 500);
  profile.slot = milliseconds(150);
  run_storm(context, {.profile = profile,
                      .probes = false,
                      .s3_clients = 4,
                      .s3_interval = milliseconds(15)});
}

// Writes take as long as elections do: a leader whose disk stalls is replaced while entries that
// nobody else has wait for it, and those of its successor come before they are written.
void slow_disks(RunContext& context) {
  FaultProfile profile = disks_alone();
  profile.set(FaultKind::slow_disk, 1000).set(FaultKind::isolate, 300).set(FaultKind::crash, 300);
  profile.sync_latency_most = milliseconds(70);
  profile.leader_aim_per_thousand = 1000;
  profile.slot = milliseconds(150);
  run_storm(context, {.nodes = 3,
                      .groups = 1,
                      .profile = profile,
                      .leases = false,
                      .probes = false,
                      .s3_clients = 6,
                      .s3_interval = milliseconds(5),
                      .adjust = [](NodeConfig& config) {
                        config.append_bytes_max = 1;  // Entries come and are acknowledged singly.
                        config.election_timeout = milliseconds(150);
                        config.heartbeat_interval = milliseconds(30);
                      }});
}

void lost_sync(RunContext& context) {
  FaultProfile profile = disks_alone();
  profile.set(FaultKind::sync_error, 1000)
      .set(FaultKind::write_error, 600)
      .set(FaultKind::read_error, 300)
      .set(FaultKind::crash, 700)
      .set(FaultKind::crash_all, 300);
  profile.leader_aim_per_thousand = 700;
  profile.slot = milliseconds(150);
  run_storm(context, {.profile = profile,
                      .probes = false,
                      .s3_clients = 4,
                      .s3_interval = milliseconds(15)});
}

void disk_full(RunContext& context) {
  FaultProfile profile = disks_alone();
  profile.set(FaultKind::full_disk, 1000)
      .set(FaultKind::crash, 300)
      .set(FaultKind::isolate, 300);
  profile.leader_aim_per_thousand = 600;
  run_storm(context, {.profile = profile,
                      .s3_clients = 4,
                      .s3_interval = milliseconds(20),
                      .adjust = small_logs});
}

void rot(RunContext& context) {
  FaultProfile profile = disks_alone();
  profile.set(FaultKind::rot, 1000)
      .set(FaultKind::misdirected_write, 500)
      .set(FaultKind::crash, 500)
      .set(FaultKind::crash_all, 200);
  profile.leader_aim_per_thousand = 500;
  run_storm(context, {.safety_span = seconds(5),
                      .profile = profile,
                      .probes = false,
                      .s3_clients = 3,
                      .s3_interval = milliseconds(20)});
}

// A state of many pages, written to its place often.
void misplaced_pages(RunContext& context) {
  FaultProfile profile = disks_alone();
  profile.set(FaultKind::misplaced_block, 1000).set(FaultKind::crash, 300);
  profile.leader_aim_per_thousand = 300;
  profile.slot = milliseconds(200);
  run_storm(context, {.nodes = 3,
                      .groups = 1,
                      .profile = profile,
                      .leases = false,
                      .probes = false,
                      .s3_clients = 6,
                      .s3_interval = milliseconds(5),
                      .s3_keys_a_bucket = 100,
                      .s3_value_bytes_most = 600,
                      .adjust = [](NodeConfig& config) {
                        config.election_timeout = milliseconds(150);
                        config.heartbeat_interval = milliseconds(30);
                        // Compacted often, but with enough left for a node that was away.
                        config.wal_segment_bytes = 4 << 20;
                        config.wal_bytes_max = 64 << 20;
                        config.log_bytes_max = 64 << 10;
                        config.state_unsaved_bytes_limit = 0;
                      }});
}

void wiped_disk(RunContext& context) {
  FaultProfile profile = disks_alone();
  profile.set(FaultKind::wiped_disk, 1000)
      .set(FaultKind::crash, 500)
      .set(FaultKind::isolate, 500)
      .set(FaultKind::partition, 300);
  profile.leader_aim_per_thousand = 500;
  run_storm(context, {.safety_span = seconds(5),
                      .profile = profile,
                      .s3_clients = 3,
                      .s3_interval = milliseconds(30)});
}

// Followers that come back find that what they need is gone everywhere.
void snapshot_catch_up(RunContext& context) {
  FaultProfile profile = disks_alone();
  profile.set(FaultKind::isolate, 1000)
      .set(FaultKind::crash, 800)
      .set(FaultKind::kill, 500)
      .set(FaultKind::reset_connections, 500)
      .set(FaultKind::slow_disk, 300);
  profile.bad_network_per_thousand = 600;
  profile.leader_aim_per_thousand = 200;
  run_storm(context, {.profile = profile,
                      .probes = false,
                      .s3_clients = 4,
                      .s3_interval = milliseconds(10),
                      .adjust = [](NodeConfig& config) {
                        small_logs(config);
                        config.snapshot_chunk_bytes = 400;
                      }});
}

void crash_loop(RunContext& context) {
  FaultProfile profile = disks_alone();
  profile.set(FaultKind::crash_loop, 1000)
      .set(FaultKind::crash, 500)
      .set(FaultKind::slow_disk, 500);
  run_storm(context, {.profile = profile,
                      .s3_clients = 3,
                      .s3_interval = milliseconds(20),
                      .adjust = small_logs});
}

}  // namespace

std::vector<Scenario> disk_storms() {
  return {
      {.name = "torn_write",
       .promise = "Power lost in the middle of a write tears what was not promised, and nothing "
                  "else.",
       .must_reach = {"wal: torn tail cut"},
       .run = torn_write},
      {.name = "slow_disks",
       .promise = "However long writes take, and whoever leads meanwhile, nothing is acknowledged "
                  "before it is durable as it stands.",
       .must_reach = {"raft: conflicting suffix truncated"},
       .run = slow_disks},
      {.name = "lost_sync",
       .promise = "A node whose sync fails ends rather than try again, and what was acknowledged "
                  "is still there.",
       .must_reach = {"node: ended itself when its disk failed"},
       .run = lost_sync},
      {.name = "disk_full",
       .promise = "A node without space acknowledges nothing, leaves the lead to one that has "
                  "some, and takes writes again when there is space.",
       .must_reach = {"raft: leader without space stepped down", "raft: space returned"},
       .run = disk_full},
      {.name = "rot",
       .promise = "What rotted or went astray on a minority of disks is found before anybody "
                  "relies on it, and comes back from the peers.",
       .must_reach = {"node: refused to start on a harmed disk", "node: damaged state put aside",
                      "raft: lost disk admitted as learner"},
       .run = rot},
      {.name = "misplaced_pages",
       .promise = "A page of the state that lies in the place of another is found before anybody "
                  "relies on it, and the state comes back from the peers.",
       .must_reach = {"node: damaged state put aside"},
       .run = misplaced_pages},
      {.name = "wiped_disk",
       .promise = "A node that comes back with an empty disk has no vote before the others have "
                  "admitted it and it has caught up.",
       .must_reach = {"node: came back without its disk", "raft: learner promoted",
                      "raft: message of another data directory refused"},
       .run = wiped_disk},
      {.name = "snapshot_catch_up",
       .promise = "A follower that needs what every log has forgotten is brought up to date by a "
                  "snapshot, while writes go on.",
       .must_reach = {"raft: log compacted", "raft: snapshot installed",
                      "raft: snapshot chunk sent again"},
       .run = snapshot_catch_up},
      {.name = "crash_loop",
       .promise = "A node that loses power again and again, in the middle of its recovery too, "
                  "forgets nothing.",
       .must_reach = {"wal: torn tail cut"},
       .run = crash_loop},
  };
}

}  // namespace keelson::scenarios
