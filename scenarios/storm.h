// Storm: a cluster of production nodes, clients, every oracle, and a nemesis, in two phases. First
// safety under any fault; then a majority core is healed for good and must make progress in a
// bounded time. The cluster scenarios are storms that differ in their options.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "scenarios/cluster.h"
#include "scenarios/fault_plan.h"
#include "scenarios/lease_checks.h"
#include "scenarios/log_tap.h"
#include "scenarios/nemesis.h"
#include "scenarios/operator.h"
#include "scenarios/probe_claim.h"
#include "scenarios/probe_workload.h"
#include "scenarios/raft_checks.h"
#include "scenarios/s3_workload.h"
#include "scenarios/scenario.h"
#include "scenarios/shard_checks.h"
#include "scenarios/shard_operator.h"
#include "scenarios/stamp_check.h"
#include "scenarios/wire_tap.h"

namespace keelson::scenarios {

struct StormOptions {
  std::size_t nodes = 0;   // 0: drawn, mostly 3.
  std::size_t groups = 0;  // 0: drawn, 1 to 3.
  Duration safety_span = std::chrono::seconds(4);
  // After the core is healed it must serve within this.
  Duration liveness_bound = std::chrono::seconds(10);
  FaultProfile profile = {};
  bool leases = true;      // Drawn on in half of the runs.
  // Clocks may stand still and run apart further than a lease allows for. Reads under a lease are
  // not linearizable then, so the objects are only written.
  bool broken_clocks = false;
  // Of the leaders of the default group, this share is isolated or loses power soon after it was
  // first heard: leaders that come and go leave the logs apart. With broken clocks its clock stops
  // while it is isolated.
  std::uint32_t strike_leaders_per_thousand = 0;
  // An operator who changes the membership and transfers leadership, in this share of the runs,
  // with nodes that may join. What is durable is not harmed in such a run: how much harm a cluster
  // survives is another question while its majorities change.
  std::optional<OperatorOptions> operations = {};
  std::uint32_t operations_per_thousand = 1000;
  std::size_t joiners = 0;
  // Shards are split and moved, in this share of the runs.
  std::optional<ShardOperatorOptions> shards = {};
  std::uint32_t shards_per_thousand = 1000;
  // Nodes are upgraded and downgraded at each restart, not only of one version or another for good.
  bool versions_change = false;
  bool probes = true;
  Duration probe_interval = std::chrono::milliseconds(100);
  std::size_t s3_clients = 2;
  Duration s3_interval = std::chrono::milliseconds(60);
  std::size_t s3_keys_a_bucket = 0;  // 0: as many as clients.
  std::size_t s3_value_bytes_most = 200;
  bool s3_only_writes = false;
  // Instead of drawing a plan; for properties and for scenarios with a script.
  std::optional<FaultPlan> plan = {};
  std::function<void(NodeConfig&)> adjust = {};  // The last word on the nodes' configuration.
};

class Storm : public ApplyObserver {
 public:
  Storm(RunContext& context, StormOptions options);
  // Ends every process.
  ~Storm() override;

  // All of it. What is wrong is in the report.
  void run();

  // --- its phases, for scenarios that do more ---

  // Starts the cluster and the clients, and waits until it serves. False if it does not.
  bool set_up();
  void rage();
  void heal();
  // Every group gets the membership of the default group, whose voters are the core then. False if
  // that takes too long.
  bool settle_membership();
  // Demands progress of the healed core. REQUIRES: heal() was called.
  void demand_progress();
  void stop_orderly();
  void check();

  // Whether the nodes of the core have applied the same entries in every group.
  bool core_has_converged();

  Cluster& cluster() { return *cluster_; }
  Nemesis& nemesis() { return *nemesis_; }
  RunContext& context() { return context_; }
  const NodeConfig& config() const { return config_; }
  ProbeClaim& claim() { return claim_; }
  // Position (from 0) of who was last seen to become leader of the default group.
  std::optional<std::size_t> latest_leader() const;

 private:
  void on_applied(const sim::Machine& machine, GroupId group, const raft::Entry& entry) override;
  void on_installed(const sim::Machine& machine, GroupId group,
                    const raft::StateLabel& label) override;
  void on_state(const sim::Machine& machine, GroupId group, raft::LogIndex index,
                std::uint64_t digest) override;
  void draw_operations();
  bool members_change() const { return operator_ && options_.operations->changes_membership; }
  void add_shard_operator(const S3WorkloadOptions& s3_options);
  void demand_settled_shards();
  NodeConfig draw_config();
  void draw_version(std::size_t node);
  FaultPlan draw_plan();
  void add_oracles();
  NemesisTargets nemesis_targets();
  bool node_ended(std::size_t node, sim::EndReason reason, const std::string& why);
  bool is_whole(std::size_t node);
  bool has_state(std::size_t node);
  bool is_admitted(std::size_t node);
  void demand_undisturbed_leader();
  void compare_contents();
  bool core_serves(Env& env);
  void watch_for_leaders();
  void strike_leader(std::size_t leader);
  void stop_clock_of_leader(std::size_t leader);

  RunContext& context_;
  StormOptions options_;
  sim::ChoiceStream& chance_;
  NodeConfig config_;
  RaftChecks raft_checks_;
  ProbeClaim claim_;
  StampCheck stamp_check_;
  ShardChecks shard_checks_;
  std::unique_ptr<WireTap> wire_tap_;
  std::vector<std::unique_ptr<LogTap>> log_taps_;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<LeaseChecks> lease_checks_;  // Null without leases, or with broken clocks.
  std::unique_ptr<Nemesis> nemesis_;
  std::unique_ptr<ProbeWorkload> probes_;
  std::unique_ptr<S3Workload> s3_;
  std::unique_ptr<Operator> operator_;  // Null without operations.
  std::unique_ptr<ShardOperator> shard_operator_;  // Null if shards stay where they are.
  sim::Machine* judge_ = nullptr;     // A client machine of the liveness phase.
  // The latest configuration of each group that was applied, and by how many nodes.
  struct Committed {
    raft::LogIndex index;
    raft::Configuration configuration;
  };
  std::map<GroupId, Committed> configurations_;
  std::vector<bool> was_wiped_;  // By node: it must be admitted anew, with its new disk.
  std::size_t reigns_seen_ = 0;
  sim::TrueTime rage_ends_;
  std::vector<std::size_t> core_;     // Positions of the nodes that are healed.
};

// A storm with these options, from its set-up to its checks: what most scenarios are.
void run_storm(RunContext& context, StormOptions options);

}  // namespace keelson::scenarios
