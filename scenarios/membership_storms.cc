#include "scenarios/membership_storms.h"

#include "scenarios/storm.h"

namespace keelson::scenarios {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

void membership_change(RunContext& context) {
  run_storm(context, {.nodes = 3,
                      .safety_span = seconds(5),
                      .profile = whole_fault_model(),
                      .operations = OperatorOptions{.interval = milliseconds(120),
                                                    .transfers_per_thousand = 100},
                      .joiners = 3});
}

// Nothing but replacements, joint consensus all the way, with leaders that are cut off on either
// side of the line between the old members and the new, and nodes whose disk is lost: they are what
// replacements are for.
void replace_node(RunContext& context) {
  FaultProfile profile;
  profile.none()
      .set(FaultKind::partition, 700)
      .set(FaultKind::isolate, 500)
      .set(FaultKind::crash, 700)
      .set(FaultKind::kill, 300)
      .set(FaultKind::hold_and_release, 300)
      .set(FaultKind::slow_disk, 300)
      .set(FaultKind::wiped_disk, 300);
  profile.leader_aim_per_thousand = 700;
  run_storm(context, {.nodes = 3,
                      .safety_span = seconds(5),
                      .profile = profile,
                      .operations = OperatorOptions{.interval = milliseconds(80),
                                                    .transfers_per_thousand = 0,
                                                    .voters_least = 3,
                                                    .voters_most = 3},
                      .joiners = 2});
}

void transfer(RunContext& context) {
  FaultProfile profile = whole_fault_model();
  profile.slot = milliseconds(300);
  run_storm(context, {.profile = profile,
                      .operations = OperatorOptions{.interval = milliseconds(60),
                                                    .transfers_per_thousand = 1000,
                                                    .changes_membership = false},
                      .probe_interval = milliseconds(30)});
}

// Nodes stop in good order and come back, one after another, while the cluster serves.
void rolling_restart(RunContext& context) {
  FaultProfile profile;
  profile.none().set(FaultKind::stop, 1000);
  profile.leader_aim_per_thousand = 600;
  profile.may_be_calm = false;
  profile.slot = milliseconds(500);
  run_storm(context, {.profile = profile});
}

// A rolling upgrade, and one that is taken back, while members change and leadership is handed
// over: what an old node could not read is not sent to it.
void mixed_version(RunContext& context) {
  FaultProfile profile;
  profile.none()
      .set(FaultKind::stop, 900)
      .set(FaultKind::kill, 700)
      .set(FaultKind::crash, 500)
      .set(FaultKind::isolate, 300);
  profile.leader_aim_per_thousand = 500;
  profile.may_be_calm = false;
  run_storm(context, {.profile = profile,
                      .operations = OperatorOptions{.interval = milliseconds(100),
                                                    .transfers_per_thousand = 300},
                      .joiners = 2,
                      .versions_change = true});
}

// The links of one node go one by one and come back in another order.
void swizzle(RunContext& context) {
  FaultProfile profile;
  profile.none()
      .set(FaultKind::swizzle, 1000)
      .set(FaultKind::hold_and_release, 300)
      .set(FaultKind::crash, 200);
  profile.leader_aim_per_thousand = 500;
  profile.may_be_calm = false;
  run_storm(context, {.nodes = 5,
                      .profile = profile,
                      .operations = OperatorOptions{.interval = milliseconds(250),
                                                    .transfers_per_thousand = 500},
                      .joiners = 1});
}

// Everything at once.
void swarm(RunContext& context) {
  run_storm(context, {.safety_span = seconds(6),
                      .profile = whole_fault_model(),
                      .operations = OperatorOptions{.interval = milliseconds(200)},
                      .joiners = 2,
                      .shards = ShardOperatorOptions{},
                      .probe_interval = milliseconds(60),
                      .s3_clients = 3});
}

}  // namespace

std::vector<Scenario> membership_storms() {
  return {
      {.name = "membership_change",
       .promise = "Nodes join, vote, are demoted, replaced and removed under faults, and nothing "
                  "that was acknowledged is lost.",
       .must_reach = {"operator: learner added", "operator: learner promoted",
                      "operator: voter demoted", "operator: member removed",
                      "operator: voter replaced", "raft: configuration rolled back"},
       .run = membership_change},
      {.name = "replace_node",
       .promise = "While one node takes another's place, what is decided has the majority of both "
                  "configurations.",
       .must_reach = {"operator: voter replaced"},
       .run = replace_node},
      {.name = "transfer",
       .promise = "Leadership that is handed over, or meant to be, leaves no stale leader behind "
                  "that answers reads or probes.",
       .must_reach = {"operator: leadership handed over"},
       .run = transfer},
      {.name = "rolling_restart",
       .promise = "Nodes that stop in good order, one after another, break no promise, and probes "
                  "are red from the moment they are told to stop.",
       .must_reach = {"kv: forwarded to the leader"},
       .run = rolling_restart},
      {.name = "mixed_version",
       .promise = "Nodes of different versions make one cluster, in which nothing is said that one "
                  "of them could not read.",
       .must_reach = {"operator: leadership handed over", "operator: learner promoted"},
       .run = mixed_version},
      {.name = "swizzle",
       .promise = "Links that go one by one and come back in another order break no promise.",
       .must_reach = {"raft: leader stepped down without quorum"},
       .run = swizzle},
      {.name = "swarm",
       .promise = "Every fault and every change of membership at once break no promise.",
       .must_reach = {"operator: leadership handed over", "operator: learner promoted"},
       .run = swarm},
  };
}

}  // namespace keelson::scenarios
