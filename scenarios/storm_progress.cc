// The second phase of a storm: what a healed core owes, and what the oracles say in the end.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "scenarios/http_client.h"
#include "scenarios/storm.h"
#include "scenarios/words.h"

namespace keelson::scenarios {

using std::chrono::milliseconds;
using std::chrono::seconds;

void Storm::heal() {
  s3_->stop();
  if (operator_) operator_->stop();
  if (shard_operator_) shard_operator_->stop();
  // A node that was harmed cannot stand in for one that is dead, and who is a majority is another
  // question when members change.
  const bool may_leave_dead = !members_change() && nemesis_->budget().harmed_count() == 0;
  if (chance_.chance(500'000) && may_leave_dead) {
    // The rest is dead for good: a majority must do without it.
    const std::size_t majority = core_.size() / 2 + 1;
    const std::size_t first = chance_.choose(core_.size());
    std::rotate(core_.begin(), core_.begin() + static_cast<std::ptrdiff_t>(first), core_.end());
    core_.resize(majority);
    std::sort(core_.begin(), core_.end());
    nemesis_->heal_core(core_);
  } else {
    nemesis_->heal_everything();
  }
  context_.world.trace().note(fmt::format("healed; {} nodes must serve", core_.size()));
}

bool Storm::settle_membership() {
  operator_->settle();
  const auto limit = context_.world.now() + options_.liveness_bound;
  const bool is_settled = context_.run_until([this] { return operator_->is_settled(); }, limit);
  if (!is_settled && !context_.report.failed()) {
    context_.report.fail("liveness", "membership",
                         fmt::format("{} after faults ended the groups do not have one membership",
                                     say(options_.liveness_bound)),
                         context_.world.now());
  }
  if (!is_settled) return false;
  core_.clear();
  for (const NodeId voter : operator_->voters()) core_.push_back(voter.value - 1);
  return true;
}

// One node of the core answers 200, on all listeners, the others 503, and a write sent to it
// succeeds.
bool Storm::core_serves(Env& env) {
  std::optional<std::size_t> leader;
  for (const std::size_t position : core_) {
    std::size_t answered_200 = 0;
    for (const Listener& listener : http_listeners()) {
      HttpClient client(env.network, env.scheduler,
                        Cluster::address(position + 1, listener.port));
      const auto result = client.call({.method = "GET",
                                       .target = leader_target(listener.name),
                                       .headers = {},
                                       .body = {}},
                                      Deadline::in(env.clock, seconds(1)));
      if (result.end != CallResult::End::answered) return false;
      if (result.response.status == 200) ++answered_200;
    }
    if (answered_200 == 0) continue;
    if (answered_200 != http_listeners().size() || leader) return false;
    leader = position;
  }
  if (!leader) return false;
  S3Client s3(env, Cluster::address(*leader + 1, kS3Port), "bucket-a");
  return s3.perform("progress", {.kind = Call::Kind::put, .value = "made", .expected = {}},
                    Deadline::in(env.clock, seconds(1)))
             .outcome == Outcome::ok;
}

void Storm::demand_progress() {
  bool serves = false;
  judge_->start([&](Env& env) {
    while (!(serves = core_serves(env))) env.scheduler.sleep_for(milliseconds(20));
  });
  const auto limit = context_.world.now() + options_.liveness_bound;
  const bool made = context_.run_until([&] { return serves && s3_->has_stopped(); }, limit);
  if (!made && !context_.report.failed()) {
    context_.report.fail(
        "liveness", "no progress",
        fmt::format("{} after faults ended, {}", say(options_.liveness_bound),
                    serves ? "a client still waits for its answer"
                           : "no single node answers 200 on all listeners and takes a write"),
        context_.world.now());
  }
  judge_->kill();  // It refers to this function's variables.
  if (made && shard_operator_) demand_settled_shards();
  if (made && !context_.report.failed()) compare_contents();
  const bool all_are_there = core_.size() == cluster_->size() && core_.size() > 2;
  if (context_.report.failed() || !all_are_there || !chance_.chance(300'000)) return;
  demand_undisturbed_leader();
}

// A move that has begun ends.
void Storm::demand_settled_shards() {
  std::vector<std::size_t> nodes;
  for (const std::size_t position : core_) nodes.push_back(position + 1);
  const auto limit = context_.world.now() + options_.liveness_bound;
  const bool settled =
      context_.run_until([&] { return shard_operator_->is_settled(nodes); }, limit);
  if (settled || context_.report.failed()) return;
  context_.report.fail("liveness", "a shard is on its way",
                       fmt::format("{} after faults ended a shard is still moving",
                                   say(options_.liveness_bound)),
                       context_.world.now());
}

// A node that hears everybody but the leader must not keep the others from being led. All have
// caught up: no disk is busy with what was slow. A node that meets only now what had harmed its
// disk ends, and with it the leader's quorum: nothing can be demanded then.
void Storm::demand_undisturbed_leader() {
  const auto lives = [&] {
    std::uint64_t sum = 0;
    for (const sim::Machine* machine : cluster_->machines()) sum += machine->incarnation();
    return sum;
  };
  const std::uint64_t lives_before = lives();
  // Elections that were under way may still end.
  if (!context_.run_for(4 * config_.election_timeout)) return;
  const std::size_t leader = *latest_leader();
  const std::size_t others = cluster_->size() - 1;
  nemesis_->part(leader, (leader + 1 + chance_.choose(others)) % cluster_->size());
  const std::size_t reigns = claim_.reigns().size();
  if (!context_.run_for(8 * config_.election_timeout)) return;
  const bool is_judged = lives() == lives_before;
  if (is_judged) {
    context_.report.reached("storm: the leader stayed although a follower did not hear it");
  }
  if (is_judged && claim_.reigns().size() > reigns) {
    context_.report.fail("liveness", "leader disturbed",
                         fmt::format("a node that heard nothing from n{}, but from the others, "
                                     "made them elect another leader",
                                     leader + 1),
                         context_.world.now());
  }
  nemesis_->heal_everything();
}

// Every node of the core has applied the same entries, in every group.
bool Storm::core_has_converged() {
  for (std::size_t number = 0; number < config_.group_count; ++number) {
    const GroupId group(number);
    std::set<raft::LogIndex> applied;
    for (const std::size_t position : core_) {
      Node* const node = cluster_->node(position + 1);
      // One that was told to stop goes on for a while, and is then started again.
      if (node == nullptr || node->coordinator().is_draining()) return false;
      applied.insert(node->state().label(group).index);
    }
    if (applied.size() > 1) return false;
  }
  return true;
}

// "replicas' digests equal at equal applied index": of everything replicated, tokens included.
void Storm::compare_contents() {
  const auto limit = context_.world.now() + options_.liveness_bound;
  const bool converged = context_.run_until([&] { return core_has_converged(); }, limit);
  if (context_.report.failed()) return;
  if (!converged) {
    context_.report.fail("liveness", "replicas apart",
                         fmt::format("{} after faults ended some node has not applied what others "
                                     "have",
                                     say(options_.liveness_bound)),
                         context_.world.now());
    return;
  }
  std::map<GroupId, std::map<std::pair<raft::LogIndex, std::uint64_t>, std::size_t>> contents;
  std::size_t waiting = core_.size();
  for (const std::size_t position : core_) {
    cluster_->machine(position + 1).spawn("content digest", [&, position](Env&) {
      kv::StateStore& state = cluster_->node(position + 1)->state();
      for (std::size_t number = 0; number < config_.group_count; ++number) {
        const GroupId group(number);
        const raft::LogIndex index = state.label(group).index;
        const auto digest = state.content_digest(group);
        if (digest && state.label(group).index == index)
          contents[group][{index, *digest}] = position;
      }
      --waiting;
    });
  }
  if (!context_.run_until([&] { return waiting == 0; }, limit)) {
    return stop_machines(context_.world);  // What still waits refers to this function's variables.
  }
  for (const auto& [group, found] : contents) {
    for (auto one = found.begin(), next = std::next(one); next != found.end(); ++one, ++next) {
      if (one->first.first != next->first.first) continue;
      context_.report.fail("equal digests", "contents have parted",
                           fmt::format("n{} and n{} have applied {} up to {} and differ",
                                       one->second + 1, next->second + 1, to_string(group),
                                       one->first.first.value),
                           context_.world.now());
    }
  }
}

void Storm::stop_orderly() {
  std::size_t running = 0;
  for (const std::size_t position : core_) {
    sim::Machine& machine = cluster_->machine(position + 1);
    if (!machine.is_running()) continue;  // Between an orderly stop and its supervisor's restart.
    machine.set_on_ended([&, position](sim::EndReason reason, const std::string& why) {
      --running;
      if (reason == sim::EndReason::returned && why.empty()) return;
      // Rot may be found as late as this.
      const bool is_harmed = cluster_->machine(position + 1).disk().is_harmed();
      if (is_harmed && reason == sim::EndReason::fail_stopped) return;
      context_.report.fail("orderly stop", "left over",
                           fmt::format("n{} {} when told to stop: {}", position + 1,
                                       name_of(reason), why),
                           context_.world.now());
    });
    ++running;
    claim_.told_to_stop(NodeId(position + 1), context_.world.now());
    machine.request_stop();
  }
  // A clock that is slow shows the timeout later.
  const Duration bound = config_.drain_timeout / (1'000'000 - options_.profile.drift_ppm_most) *
                             1'000'000 + milliseconds(500);
  const auto limit = context_.world.now() + bound;
  const bool stopped = context_.run_until([&] { return running == 0; }, limit);
  for (const std::size_t position : core_) cluster_->machine(position + 1).set_on_ended({});
  if (!stopped && !context_.report.failed()) {
    context_.report.fail("orderly stop", "bound",
                         fmt::format("{} nodes still run {} after they were told to stop", running,
                                     say(bound)),
                         context_.world.now());
  }
}

void Storm::check() {
  raft_checks_.finish();
  if (context_.report.failed()) return;
  s3_->check();
  context_.report.count("raft messages seen", wire_tap_->raft_messages());
  for (const auto& tap : log_taps_) context_.report.count("log batches seen", tap->batches());
  context_.report.count("entries applied", raft_checks_.seen().applied);
  context_.report.count("stamps compared", stamp_check_.seen());
  if (shard_operator_) context_.report.count("shards moved", shard_checks_.ended());
  context_.report.count("snapshots installed", raft_checks_.seen().installed);
  context_.report.count("states compared", raft_checks_.seen().states_compared);
  const QuorumChecks::Seen& quorums = raft_checks_.seen_quorums();
  if (lease_checks_) context_.report.count("leases seen", lease_checks_->seen());
  context_.report.count("quorums recomputed", quorums.elections + quorums.commits);
  // The oracles must have looked: a run in which they saw nothing proves nothing.
  if (wire_tap_->raft_messages() == 0 || raft_checks_.seen().durable_records == 0 ||
      quorums.elections == 0 || quorums.commits == 0) {
    context_.report.fail("vacuity", "blind", "the oracles saw no message, record or quorum",
                         context_.world.now());
  }
}

}  // namespace keelson::scenarios
