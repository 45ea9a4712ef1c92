// Nemesis: carries out a fault plan against the nodes of a world, and undoes it.
//
// Whoever leads is known to it from the oracle (ProbeClaim::latest), never from a node's own word.
// Faults of one kind may overlap: a link is open again when every cut of it is over, a machine
// starts again when nothing keeps it down.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "scenarios/disturbances.h"
#include "scenarios/fault_budget.h"
#include "scenarios/fault_plan.h"
#include "sim/disk_harm.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace keelson::scenarios {

struct NemesisTargets {
  std::vector<sim::Machine*> nodes;    // Started already: restart() repeats their program.
  std::vector<sim::Machine*> clients;  // For cut_clients.
  // The position of the node that was last seen to become leader; may be empty.
  std::function<std::optional<std::size_t>()> leader;
  // Called before a running node is told to stop in good order; may be empty.
  std::function<void(std::size_t node)> before_stop;
  // Called before a node starts again.
  std::function<void(std::size_t node)> before_restart;
  // Called when a process has ended that nobody ended from outside; may be empty. The nemesis
  // starts it again soon, as a supervisor would; with a new disk, as an operator would, if the
  // answer is true.
  std::function<bool(std::size_t node, sim::EndReason reason, const std::string& why)> on_ended;
  // Called when a node has been given an empty disk; may be empty.
  std::function<void(std::size_t node)> on_wiped;
  // Whether a node that was harmed holds again what it had promised. Without it, none ever does.
  FaultBudget::IsWhole is_whole;
  // How many may be harmed at once; without it a minority of the nodes.
  std::optional<std::size_t> harmed_most = {};
  // Where in its log the node can tell rot from a tear: in this file, before this offset.
  std::function<std::pair<std::string, std::uint64_t>(std::size_t node)> log_at_rest;
  // How many writes of the node's log have become durable so far.
  std::function<std::uint64_t(std::size_t node)> log_syncs;
};

class Nemesis {
 public:
  // The world, the machines and what the functions refer to outlive it. It takes the machines'
  // set_on_ended. It must live until the world runs no more, or until the machines are stopped.
  Nemesis(sim::World& world, NemesisTargets targets, FaultPlan plan);
  ~Nemesis();
  Nemesis(const Nemesis&) = delete;
  Nemesis& operator=(const Nemesis&) = delete;

  // Sets the conditions, and schedules the actions from now on.
  void start();

  // Does this too, now; nothing once the plan is over. REQUIRES: start() was called.
  void strike(const FaultAction& action);

  // The node loses its disk now, whatever the budget says, and is started again with an empty one.
  void lose_disk(std::size_t node);

  // Ends the plan: every link, disk and machine is well, every node runs, conditions are healthy.
  // Clocks keep their drift. Nothing goes wrong afterwards.
  void heal_everything();
  // Heals these nodes among each other and towards clients; the others are dead for good.
  // REQUIRES: core is a majority.
  void heal_core(const std::vector<std::size_t>& core);
  // The two hear nothing of each other, until everything is healed again. REQUIRES: is_over().
  void part(std::size_t one, std::size_t other);

  const Disturbances& disturbances() const { return disturbances_; }
  const FaultPlan& plan() const { return plan_; }
  // How many actions of each kind have begun.
  const std::map<FaultKind, std::uint64_t>& begun() const { return begun_; }
  bool is_over() const { return over_; }
  FaultBudget& budget() { return budget_; }
  // Whether the disk of the node was told to fail, so that the node may end itself.
  bool may_fail(std::size_t node) const { return states_[node].may_fail; }

 private:
  struct NodeState {
    std::map<FaultKind, std::uint32_t> under_way;  // Actions that keep it paused, slow, stuck.
    std::uint32_t kept_down = 0;                   // Actions that keep it from starting.
    bool is_dead = false;                          // Left out of the healed core.
    bool is_down = false;                          // As the disturbances know it.
    bool may_fail = false;                         // Its disk was told to fail.
    bool awaits_harm = false;                      // Its next write goes astray, when it comes.
    // The log of a node whose write went astray shows it only when more was written after it: until
    // so many syncs it is not ended, lest it forget in silence.
    std::optional<std::uint64_t> fragile_until_sync;
  };
  enum class LinkFault : std::uint8_t { cut, hold, clog };

  void set_conditions();
  FaultAction settle_targets(FaultAction action) const;
  void begin(const FaultAction& action);
  void end(const FaultAction& action);
  // Each returns false if the action is not of its sort.
  bool begin_on_links(const FaultAction& action);
  bool end_on_links(const FaultAction& action);
  bool begin_on_process(const FaultAction& action);
  bool end_on_process(const FaultAction& action);
  // nemesis_disks.cc
  bool begin_on_disks(const FaultAction& action);
  bool end_on_disks(const FaultAction& action);
  void rot(const FaultAction& action);
  bool rot_in_log(std::size_t node, sim::HarmKind kind);
  void misdirect(const FaultAction& action);
  void misplace_block(const FaultAction& action);
  void crash_harmed(std::size_t position, Duration down_for);
  void wipe(std::size_t node);
  bool is_whole(std::size_t node);
  bool is_fragile(std::size_t node);
  void begin_on_parts(const FaultAction& action);
  void end_on_parts(const FaultAction& action);

  // Every directed link, between nodes, that the action cuts for all of its duration.
  std::vector<std::pair<std::size_t, std::size_t>> links_cut_by(const FaultAction& action) const;
  void swizzle(const FaultAction& action);
  void reset_connections(const FaultAction& action);
  void cut_clients(std::size_t node, bool on);
  // A fault of a link is on while at least one action wants it.
  bool first_on_link(LinkFault fault, const sim::Machine& from, const sim::Machine& to);
  bool last_on_link(LinkFault fault, const sim::Machine& from, const sim::Machine& to);
  void cut(const sim::Machine& from, const sim::Machine& to);
  void heal(const sim::Machine& from, const sim::Machine& to);

  void crash_again(const FaultAction& action, sim::TrueTime until);
  void keep_down(std::size_t node);
  void let_up(std::size_t node);
  void start_if_free(std::size_t node);
  void node_ended(std::size_t node, sim::EndReason reason, const std::string& why);
  void mend(std::size_t node);
  sim::Machine& node(std::size_t position) { return *targets_.nodes[position]; }
  // Does it unless the plan is over by then.
  void later(Duration span, std::function<void()> action);

  sim::World& world_;
  const NemesisTargets targets_;
  const FaultPlan plan_;
  Disturbances disturbances_;
  std::vector<NodeState> states_;
  FaultBudget budget_;
  // By fault and the indexes of the machines.
  std::map<std::tuple<LinkFault, std::uint32_t, std::uint32_t>, std::uint32_t> on_links_;
  std::map<FaultKind, std::uint64_t> begun_;
  bool over_ = false;
};

}  // namespace keelson::scenarios
