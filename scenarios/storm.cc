#include "scenarios/storm.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/api/s3_records.h"
#include "scenarios/words.h"
#include "sim/sim_network.h"

namespace keelson::scenarios {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What the way to a node and back may add to an answer's time under these conditions.
Duration allowance(const sim::LinkConditions& links) {
  Duration allowed = milliseconds(100);
  if (links.tail_per_million > 0) allowed += 4 * links.tail_most;
  if (links.loss_per_million > 0) allowed += 16 * links.retransmit_after;
  if (links.bytes_per_second > 0) allowed += seconds(1);
  return allowed;
}

}  // namespace

Storm::Storm(RunContext& context, StormOptions options)
    : context_(context), options_(std::move(options)),
      chance_(context.choices.stream("storm/knobs")), config_(draw_config()),
      raft_checks_(context.report), stamp_check_(context.report), shard_checks_(context.report) {
  draw_operations();
  cluster_ = std::make_unique<Cluster>(context_.world, config_, this, options_.joiners);
  if (context_.watcher != nullptr) context_.watcher->on_cluster(*cluster_);
  for (std::size_t i = 0; i < cluster_->size(); ++i) {
    core_.push_back(i);
    // A rolling upgrade that has come so far.
    const bool is_old = chance_.chance(200'000);
    if (is_old) cluster_->set_protocol_version(i + 1, raft::kProtocolVersionMin);
  }
  was_wiped_.resize(cluster_->size());
  wire_tap_ = std::make_unique<WireTap>(context_.world, GroupId(0), raft_checks_, claim_,
                                        context_.report);
  add_oracles();
  if (config_.lease > Duration::zero() && !options_.broken_clocks) {
    lease_checks_ = std::make_unique<LeaseChecks>(context_.world, *cluster_, config_.group_count,
                                                  context_.report);
  }
  judge_ = &context_.world.add_machine("judge");
  S3WorkloadOptions s3_options;
  s3_options.nodes = cluster_->size();
  s3_options.clients = std::max<std::size_t>(1, options_.s3_clients);
  s3_options.interval = options_.s3_interval;
  s3_options.only_writes = options_.s3_only_writes || options_.broken_clocks;
  // Many clients need many objects, or the search for an order of theirs has no end.
  s3_options.keys_a_bucket = options_.s3_keys_a_bucket != 0
                                 ? options_.s3_keys_a_bucket
                                 : std::max<std::size_t>(2, options_.s3_clients);
  s3_options.value_bytes_most = options_.s3_value_bytes_most;
  if (config_.group_count > 1) s3_options.buckets = {"bucket-a", "bucket-b", "bucket-c"};
  s3_ = std::make_unique<S3Workload>(context_.world, s3_options, context_.report);
  if (options_.shards && chance_.chance(options_.shards_per_thousand * 1000)) {
    add_shard_operator(s3_options);
  }

  nemesis_ = std::make_unique<Nemesis>(context_.world, nemesis_targets(), draw_plan());
  if (options_.operations) {
    operator_ = std::make_unique<Operator>(context_.world, *cluster_, *options_.operations,
                                           claim_, context_.report);
  }

  ProbeWorkloadOptions probe_options;
  probe_options.nodes = cluster_->size();
  probe_options.interval = options_.probe_interval;
  probe_options.bound.budget = config_.probe_timeout;
  probe_options.bound.allowance = allowance(nemesis_->plan().conditions.links);
  probe_options.bound.drift_ppm_most = options_.profile.drift_ppm_most;
  probes_ = std::make_unique<ProbeWorkload>(context_.world, probe_options, claim_,
                                            nemesis_->disturbances(), context_.report);
}

void Storm::add_shard_operator(const S3WorkloadOptions& s3_options) {
  ShardOperatorOptions options = *options_.shards;
  options.groups = config_.group_count;
  for (const std::string& bucket : s3_options.buckets) {
    for (std::size_t i = 0; i < s3_options.keys_a_bucket; ++i) {
      options.keys.push_back(api::object_record_key(bucket, S3Workload::key(i)));
    }
  }
  shard_operator_ = std::make_unique<ShardOperator>(context_.world, *cluster_, std::move(options),
                                                    context_.report);
}

NemesisTargets Storm::nemesis_targets() {
  NemesisTargets targets;
  targets.nodes = cluster_->machines();
  targets.clients = s3_->machines();
  targets.leader = [this] { return latest_leader(); };
  targets.before_stop = [this](std::size_t node) {
    claim_.told_to_stop(NodeId(node + 1), context_.world.now());
  };
  targets.before_restart = [this](std::size_t node) {
    claim_.started_again(NodeId(node + 1));
    claim_.handed_over(NodeId(node + 1));
    if (options_.versions_change) draw_version(node);
    log_taps_[node]->on_restart();
    raft_checks_.on_restart(NodeId(node + 1));
  };
  targets.on_ended = [this](std::size_t node, sim::EndReason reason, const std::string& why) {
    return node_ended(node, reason, why);
  };
  targets.on_wiped = [this](std::size_t node) {
    log_taps_[node]->on_wiped();
    raft_checks_.on_wiped(NodeId(node + 1));
    was_wiped_[node] = true;
  };
  targets.is_whole = [this](std::size_t node) { return is_whole(node); };
  if (options_.operations && options_.operations->changes_membership) {
    CHECK(options_.operations->voters_least >= 3);
    targets.harmed_most = 1;
  }
  targets.log_at_rest = [this](std::size_t node) {
    const LogTap::Place last = log_taps_[node]->last_batch();
    return std::pair(last.path, last.offset);
  };
  targets.log_syncs = [this](std::size_t node) { return log_taps_[node]->syncs(); };
  return targets;
}

Storm::~Storm() {
  stop_machines(context_.world);
  if (context_.watcher != nullptr) context_.watcher->on_cluster_gone();
  context_.world.network().set_tap(nullptr);
  for (sim::Machine* const machine : cluster_->machines()) machine->disk().set_tap(nullptr);
}

void Storm::draw_version(std::size_t node) {
  constexpr std::uint32_t kVersions = raft::kProtocolVersionMax - raft::kProtocolVersionMin + 1;
  sim::ChoiceStream& chance = context_.choices.stream(fmt::format("storm/version/n{}", node + 1));
  const auto back = static_cast<std::uint32_t>(chance.choose(kVersions));
  cluster_->set_protocol_version(node + 1, raft::kProtocolVersionMax - back);
}

void Storm::draw_operations() {
  if (!options_.operations) return;
  if (!chance_.chance(options_.operations_per_thousand * 1000)) {
    options_.operations.reset();
    options_.joiners = 0;
    return;
  }
  options_.operations->groups = config_.group_count;
}

// Swarm: each run has a cluster of its own shape, with limits small enough to be met.
NodeConfig Storm::draw_config() {
  const std::size_t nodes =
      options_.nodes != 0 ? options_.nodes : (chance_.chance(200'000) ? 5 : 3);
  const std::size_t groups = options_.groups != 0 ? options_.groups : 1 + chance_.choose(3);
  NodeConfig config = scenario_config(nodes, groups);
  constexpr int kElectionTimeoutsMs[] = {250, 150, 400};
  config.election_timeout = milliseconds(kElectionTimeoutsMs[chance_.choose(3)]);
  config.heartbeat_interval = config.election_timeout / 5;
  constexpr int kProbeTimeoutsMs[] = {500, 100, 1000};
  config.probe_timeout = milliseconds(kProbeTimeoutsMs[chance_.choose(3)]);
  const bool lease = chance_.chance(500'000);
  if (lease && options_.leases) config.lease = config.election_timeout * 9 / 10;
  constexpr std::uint64_t kSegmentBytes[] = {64 << 20, 64 << 10, 4 << 10};
  config.wal_segment_bytes = kSegmentBytes[chance_.choose(3)];
  constexpr std::size_t kAppendBytes[] = {1 << 20, 1 << 10, 1};
  config.append_bytes_max = kAppendBytes[chance_.choose(3)];
  constexpr std::uint64_t kLogBytes[] = {16 << 20, 16 << 10, 1 << 10};
  config.log_bytes_max = kLogBytes[chance_.choose(3)];
  constexpr std::uint64_t kWalSegmentsMax[] = {16, 4, 2};
  config.wal_bytes_max = config.wal_segment_bytes * kWalSegmentsMax[chance_.choose(3)];
  constexpr std::uint64_t kPreallocated[] = {0, 4 << 10};
  config.wal_preallocate_bytes = kPreallocated[chance_.choose(2)];
  constexpr std::size_t kChunkBytes[] = {256 << 10, 4 << 10, 100};
  config.snapshot_chunk_bytes = kChunkBytes[chance_.choose(3)];
  constexpr std::uint64_t kUnsavedBytes[] = {4 << 20, 2 << 10, 0};
  config.state_unsaved_bytes_limit = kUnsavedBytes[chance_.choose(3)];
  // Shorter than the clients' patience, or they never hear how their requests end.
  constexpr int kRequestTimeoutsMs[] = {2000, 800, 300};
  config.request_timeout = milliseconds(kRequestTimeoutsMs[chance_.choose(3)]);
  if (chance_.chance(500'000)) config.peer_secret = "the secret of a storm";
  constexpr int kBalanceIntervalsMs[] = {0, 500, 2000};
  config.balance_interval =
      milliseconds(kBalanceIntervalsMs[context_.choices.stream("storm/balance").choose(3)]);
  if (options_.adjust) options_.adjust(config);
  return config;
}

FaultPlan Storm::draw_plan() {
  if (options_.plan) return *options_.plan;
  FaultProfile profile = options_.profile;
  profile.election_timeout = config_.election_timeout;
  // A lease rests on clocks that run within a tenth of each other; a clock that stands still does
  // not.
  if (config_.lease > Duration::zero() && !options_.broken_clocks) {
    profile.set(FaultKind::freeze_clock, 0);
  }
  return draw_fault_plan_in_time(context_.choices, cluster_->size(), options_.safety_span, profile);
}

void Storm::add_oracles() {
  context_.world.network().set_tap(wire_tap_.get());
  raft_checks_.expect_durable_evidence();
  raft::Configuration founders;
  for (const auto& [id, address] : config_.peers) founders.members[id] = {};
  raft_checks_.set_founders(std::move(founders));
  claim_.demand_own_entry([this](raft::Term term) {
    return raft_checks_.quorum_has_held(GroupId(0), term);
  });
  for (std::size_t number = 1; number <= cluster_->size(); ++number) {
    sim::Machine& machine = cluster_->machine(number);
    wire_tap_->add_node(machine, NodeId(number));
    log_taps_.push_back(
        std::make_unique<LogTap>(machine, NodeId(number), raft_checks_, context_.report));
    machine.disk().set_tap(log_taps_.back().get());
  }
}

std::optional<std::size_t> Storm::latest_leader() const {
  const auto reign = claim_.latest();
  if (!reign) return std::nullopt;
  return reign->node.value - 1;
}

void Storm::on_applied(const sim::Machine& machine, GroupId group, const raft::Entry& entry) {
  raft_checks_.on_applied(NodeId(machine.index()), group, entry, context_.world.now());
  stamp_check_.on_applied(group, entry, context_.world.now());
  shard_checks_.on_applied(group, entry, context_.world.now());
  if (!raft::is_configuration(entry.kind)) return;
  Committed& latest = configurations_[group];
  if (entry.index <= latest.index) return;
  const auto configuration = raft::decode_configuration(entry.data);
  CHECK(configuration.has_value());
  latest = {entry.index, *configuration};
}

void Storm::on_installed(const sim::Machine& machine, GroupId group,
                         const raft::StateLabel& label) {
  raft_checks_.on_installed(NodeId(machine.index()), group, label, context_.world.now());
}

void Storm::on_state(const sim::Machine& machine, GroupId group, raft::LogIndex index,
                     std::uint64_t digest) {
  raft_checks_.on_state(NodeId(machine.index()), group, index, digest, context_.world.now());
}

bool Storm::is_whole(std::size_t node) {
  return is_admitted(node) && !cluster_->machine(node + 1).disk().is_harmed() && has_state(node);
}

// A state that was put aside is no harm on the disk any more, and what was in it is still missing.
bool Storm::has_state(std::size_t node) {
  Node* const its_node = cluster_->node(node + 1);
  if (its_node == nullptr) return false;  // Who knows.
  for (std::size_t number = 0; number < config_.group_count; ++number) {
    if (its_node->raft().core(GroupId(number)).needs_snapshot()) return false;
  }
  return true;
}

// Whether the node is a voter of every group, by what was committed, with the disk that it has now.
bool Storm::is_admitted(std::size_t node) {
  if (!was_wiped_[node]) return true;
  const auto identity = cluster_->machine(node + 1).disk().read_visible("IDENTITY");
  if (!identity) return false;
  for (std::size_t number = 0; number < config_.group_count; ++number) {
    const auto& members = configurations_[GroupId(number)].configuration.members;
    const auto member = members.find(NodeId(node + 1));
    if (member == members.end() || !member->second.is_voter) return false;
    const auto line = fmt::format("incarnation {:016x}\n", member->second.incarnation.value);
    if (identity->find(line) == Bytes::npos) return false;
  }
  return true;
}

// True asks for a new disk: what is durable cannot be used any more, and the node says so.
bool Storm::node_ended(std::size_t node, sim::EndReason reason, const std::string& why) {
  const sim::TrueTime now = context_.world.now();
  const std::string& failure = cluster_->start_failure(node + 1);
  const bool excused = nemesis_->may_fail(node);
  const bool is_harmed = cluster_->machine(node + 1).disk().is_harmed();
  if (reason == sim::EndReason::fail_stopped) {
    context_.report.reached("node: ended itself when its disk failed");
    if (!excused) {
      context_.report.fail("node end", "fail stop",
                           fmt::format("n{} ended itself: {}", node + 1, why), now);
    }
    return is_harmed && why.find("cannot be read") != std::string::npos;
  }
  if (failure.empty()) return false;
  if (!excused) {
    context_.report.fail("node end", "start", fmt::format("n{}: {}", node + 1, failure), now);
  }
  if (is_harmed) context_.report.reached("node: refused to start on a harmed disk");
  return is_harmed;
}

void run_storm(RunContext& context, StormOptions options) {
  Storm(context, std::move(options)).run();
}

// --- phases ---

void Storm::run() {
  if (!set_up()) return;
  rage();
  if (context_.report.failed()) return;
  heal();
  if (members_change() && !settle_membership()) return;
  demand_progress();
  if (context_.report.failed()) return;
  stop_orderly();
  check();
}

bool Storm::set_up() {
  cluster_->start();
  s3_->start();
  const auto limit = context_.world.now() + seconds(20);
  const bool is_up = context_.run_until([this] { return s3_->is_set_up(); }, limit);
  if (!is_up && !context_.report.failed()) {
    context_.report.fail("liveness", "set-up", "a healthy cluster took no writes within 20 s",
                         context_.world.now());
  }
  if (is_up && options_.probes) probes_->start();
  return is_up;
}

void Storm::rage() {
  nemesis_->start();
  if (lease_checks_) lease_checks_->start();
  if (operator_) operator_->start();
  if (shard_operator_) shard_operator_->start();
  rage_ends_ = context_.world.now() + options_.safety_span;
  if (options_.strike_leaders_per_thousand > 0) watch_for_leaders();
  context_.run_until(rage_ends_);
  for (const auto& [kind, count] : nemesis_->begun()) {
    context_.report.count(name_of(kind), count);
  }
}

// Looks every millisecond whether somebody new leads.
void Storm::watch_for_leaders() {
  if (nemesis_->is_over()) return;
  const auto leader = latest_leader();
  if (leader && claim_.reigns().size() > reigns_seen_) {
    reigns_seen_ = claim_.reigns().size();
    sim::ChoiceStream& chance = context_.choices.stream("storm/strike");
    chance.begin_item();
    if (chance.chance(options_.strike_leaders_per_thousand * 1000)) strike_leader(*leader);
  }
  context_.world.at(context_.world.now() + milliseconds(1), [this] { watch_for_leaders(); });
}

void Storm::strike_leader(std::size_t leader) {
  if (options_.broken_clocks) return stop_clock_of_leader(leader);
  sim::ChoiceStream& chance = context_.choices.stream("storm/strike");
  const Duration step = config_.election_timeout / 100;
  // Half of them at once, before anybody has an entry of theirs.
  const bool at_once = chance.chance(500'000);
  const Duration delay = at_once ? Duration::zero()
                                 : step * static_cast<std::int64_t>(chance.choose(40));
  FaultAction action;
  action.kind = chance.chance(900'000) ? FaultKind::isolate : FaultKind::crash;
  action.duration = step * static_cast<std::int64_t>(50 + chance.choose(350));
  action.targets = {leader};
  context_.world.at(context_.world.now() + delay, [this, action] { nemesis_->strike(action); });
}

// It is cut off for about as long as the others need to elect another, but not for so long that
// they give up its connections: what they had answered before comes late, to a leader whose clock
// says that no time has passed.
void Storm::stop_clock_of_leader(std::size_t leader) {
  sim::ChoiceStream& chance = context_.choices.stream("storm/strike");
  const Duration step = config_.election_timeout / 100;
  const Duration delay = step * static_cast<std::int64_t>(chance.choose(200));
  FaultAction isolation;
  isolation.kind = FaultKind::isolate;
  isolation.duration = step * static_cast<std::int64_t>(100 + chance.choose(150));
  isolation.targets = {leader};
  FaultAction freeze = isolation;
  freeze.kind = FaultKind::freeze_clock;
  freeze.duration += config_.election_timeout / 2;
  context_.world.at(context_.world.now() + delay, [this, isolation, freeze] {
    // Nothing thaws a clock early.
    if (context_.world.now() + freeze.duration >= rage_ends_) return;
    nemesis_->strike(freeze);
    nemesis_->strike(isolation);
  });
}

}  // namespace keelson::scenarios
