// FaultPlan: what will go wrong in a run, as a value: the conditions that hold throughout, and the
// actions of the nemesis with their times. It is drawn from the choices (swarm: each seed first
// draws which kinds of fault are on and how strong), or built by hand or by a generator of
// properties.
//
// A crash loses only what was not synced, so any number of nodes may crash. What harms what was
// durable (rot, misdirected writes, a wiped disk) stays within the fault budget (fault_budget.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/choices.h"
#include "sim/links.h"
#include "sim/sim_disk.h"
#include "sim/true_time.h"

namespace keelson::scenarios {

using sim::Duration;

// What the nemesis can do. What it does to the network it does between nodes; clients are cut off
// only by cut_clients, as nobody could see a stale leader otherwise.
enum class FaultKind : std::uint8_t {
  // The network.
  partition,          // targets[0 .. others) from the rest, both ways.
  isolate,            // One node from all others.
  cut_sends,          // It can hear but not speak.
  cut_receives,       // It can speak but not hear.
  cut_one_way,        // targets[0] to targets[1].
  ring,               // Each node keeps only its two neighbours.
  bridge,             // Two halves that only targets[0] hears.
  swizzle,            // The links of targets[0] are cut one by one and healed in another order.
  hold_and_release,   // What targets[0] sends targets[1] arrives much later, after reconnects too.
  clog,               // It takes longer from targets[0] to targets[1].
  reset_connections,  // Between targets[0] and all others.
  cut_clients,        // Clients do not reach targets[0].
  // Processes. They come back after the duration.
  crash,              // Loss of power.
  crash_all,          // Of every node at once.
  kill,               // SIGKILL.
  stop,               // An orderly stop.
  crash_loop,         // Crashes again and again, soon after each start.
  pause,
  slow_machine,
  // Disks and clocks.
  slow_disk,
  stuck_disk,
  full_disk,          // `amount` bytes of space are left, and then there is more again.
  read_error,         // The next operation of the sort fails with io_error.
  write_error,
  sync_error,         // And drops what it should have saved.
  // Harm to what is durable, of at most a minority at a time.
  rot,                // Bits flip, or a sector is lost, in the log, the state or the identity.
  misdirected_write,
  misplaced_block,    // A page of the state lies in the place of another, too.
  wiped_disk,         // The node comes back with an empty one, under its old name.
  // Clocks.
  step_wall_clock,
  freeze_clock,
};

constexpr std::size_t kFaultKinds = static_cast<std::size_t>(FaultKind::freeze_clock) + 1;

// The kinds of files that a fault of the disk may choose.
inline constexpr std::string_view kFilePlaces[] = {"wal/", "state/", "IDENTITY"};

// Whether the kind chooses one of them.
constexpr bool is_about_files(FaultKind kind) {
  return kind >= FaultKind::read_error && kind <= FaultKind::misdirected_write;
}

// "cut_one_way", as in profiles and counts.
std::string_view name_of(FaultKind kind);

struct FaultAction {
  FaultKind kind = FaultKind::partition;
  Duration at{};        // Since the plan began.
  Duration duration{};  // Until it is undone; crashed nodes start again then.
  // Positions of nodes, from 0. At least those that the kind needs, all different.
  std::vector<std::size_t> targets;
  // targets[0] is taken for whoever led last when the action begins, if somebody did.
  bool aims_at_leader = false;
  std::size_t others = 1;   // partition: how many of the targets are on one side.
  Duration amount{};        // How slow, how long between crashes, how far the clock steps.
  std::uint64_t bytes = 0;  // full_disk: left free.
  std::size_t place = 0;    // Of faults of one file: which of kFilePlaces.

  bool operator==(const FaultAction&) const = default;
};

// "1.200s: isolate n2 (or whoever leads) for 800ms".
std::string describe(const FaultAction& action);

struct NodeClock {
  std::int32_t drift_ppm = 0;
  std::int64_t wall_offset_ms = 0;
};

struct Conditions {
  sim::LinkConditions links;
  sim::DiskConditions disks;
  std::vector<NodeClock> clocks;  // By node; missing ones are right.
};

struct FaultPlan {
  Conditions conditions;
  std::vector<FaultAction> actions;  // By time.
  // Further actions, at most one in each of so many slots of time, drawn when the slot begins: what
  // will go wrong is open until then.
  std::function<std::optional<FaultAction>(std::size_t slot)> draw_later = {};
  Duration slot{};
  std::size_t slots = 0;
};

// Several lines.
std::string describe(const FaultPlan& plan);

// How a scenario shifts the draw towards what it is about.
struct FaultProfile {
  // How likely each kind is to be on in a run, in a thousand. By FaultKind.
  std::vector<std::uint32_t> on_per_thousand = std::vector<std::uint32_t>(kFaultKinds, 500);
  std::uint32_t bad_network_per_thousand = 500;  // Tails, losses, pieces, small windows.
  std::uint32_t bad_disk_per_thousand = 500;     // Slow syncs, lost and torn writes.
  std::uint32_t bad_clocks_per_thousand = 500;   // Drift and offsets.
  Duration sync_latency_most{};  // Syncs take a tenth of it to all of it; 0: as disks are drawn.
  std::int32_t drift_ppm_most = 1'000;
  std::uint32_t leader_aim_per_thousand = 500;   // Of actions that aim at one node.
  bool may_be_calm = true;                       // One seed in eight is without any fault.
  Duration election_timeout = std::chrono::milliseconds(250);
  Duration slot = std::chrono::milliseconds(250);  // At most one action begins in each.

  FaultProfile& set(FaultKind kind, std::uint32_t per_thousand) {
    on_per_thousand[static_cast<std::size_t>(kind)] = per_thousand;
    return *this;
  }
  // Only the kinds that are set afterwards.
  FaultProfile& none() {
    on_per_thousand.assign(kFaultKinds, 0);
    return *this;
  }
};

// Every kind, aimed at the leader more often than not.
FaultProfile whole_fault_model();

// Actions begin within `span`, and end by then; they are drawn later. Reads the streams "plan/..."
// only, which outlive the plan. REQUIRES: nodes >= 1.
FaultPlan draw_fault_plan_in_time(sim::Choices& choices, std::size_t nodes, Duration span,
                                  const FaultProfile& profile = {});

// The same with all actions drawn at once.
FaultPlan draw_fault_plan(sim::Choices& choices, std::size_t nodes, Duration span,
                          const FaultProfile& profile = {});

// Whether the targets fit the kind in a cluster of so many nodes; for plans that were not drawn.
bool is_valid(const FaultAction& action, std::size_t nodes);

}  // namespace keelson::scenarios
