// The faults of disks are in nemesis_disks.cc.
// Tested by tests/scenarios/nemesis_test.cc.
#include "scenarios/nemesis.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "sim/sim_disk.h"
#include "sim/sim_network.h"

namespace keelson::scenarios {

namespace {

using namespace std::chrono_literals;

// How soon a supervisor starts a process that has ended by itself.
constexpr Duration kSupervisorDelay = 100ms;
// How long a crash loop leaves the machine without power.
constexpr Duration kCrashLoopDown = 10ms;

}  // namespace

Nemesis::Nemesis(sim::World& world, NemesisTargets targets, FaultPlan plan)
    : world_(world),
      targets_(std::move(targets)),
      plan_(std::move(plan)),
      states_(targets_.nodes.size()),
      budget_(targets_.nodes.size(),
              targets_.harmed_most.value_or(FaultBudget::minority_of(targets_.nodes.size())),
              [this](std::size_t position) { return is_whole(position); }) {
  for (const FaultAction& action : plan_.actions) {
    CHECK(is_valid(action, targets_.nodes.size()));
  }
  for (std::size_t position = 0; position < targets_.nodes.size(); ++position) {
    node(position).set_on_ended([this, position](sim::EndReason reason, const std::string& why) {
      node_ended(position, reason, why);
    });
  }
}

Nemesis::~Nemesis() {
  for (sim::Machine* const machine : targets_.nodes) machine->set_on_ended({});
}

void Nemesis::start() {
  set_conditions();
  for (const FaultAction& action : plan_.actions) {
    later(action.at, [this, action] { begin(settle_targets(action)); });
  }
  for (std::size_t slot = 0; slot < plan_.slots; ++slot) {
    const Duration begins = plan_.slot * static_cast<std::int64_t>(slot);
    later(begins, [this, slot, begins] {
      const auto action = plan_.draw_later(slot);
      if (!action) return;
      CHECK(is_valid(*action, states_.size()));
      later(action->at - begins, [this, action = *action] { begin(settle_targets(action)); });
    });
  }
}

void Nemesis::set_conditions() {
  const Conditions& conditions = plan_.conditions;
  world_.network().set_conditions(conditions.links);
  for (std::size_t position = 0; position < targets_.nodes.size(); ++position) {
    node(position).disk().set_conditions(conditions.disks);
    if (position >= conditions.clocks.size()) continue;
    const NodeClock& clock = conditions.clocks[position];
    if (clock.drift_ppm != 0) node(position).clock().set_drift_ppm(clock.drift_ppm);
    if (clock.wall_offset_ms != 0) node(position).clock().set_wall_offset(clock.wall_offset_ms);
  }
}

void Nemesis::strike(const FaultAction& action) {
  CHECK(is_valid(action, states_.size()));
  if (!over_) begin(action);
}

void Nemesis::heal_everything() {
  over_ = true;
  on_links_.clear();
  world_.network().heal_all();
  world_.network().set_conditions({});
  disturbances_.end_all(world_.now());
  for (std::size_t position = 0; position < states_.size(); ++position) mend(position);
  world_.trace().note("nemesis: everything is healed");
}

void Nemesis::heal_core(const std::vector<std::size_t>& core) {
  CHECK(core.size() * 2 > states_.size());
  for (std::size_t position = 0; position < states_.size(); ++position) {
    const bool is_left_out = std::find(core.begin(), core.end(), position) == core.end();
    if (!is_left_out) continue;
    states_[position].is_dead = true;
    node(position).crash();
  }
  heal_everything();
  for (std::size_t position = 0; position < states_.size(); ++position) {
    if (states_[position].is_dead) disturbances_.begin(node(position).name(), world_.now());
  }
}

void Nemesis::part(std::size_t one, std::size_t other) {
  CHECK(over_ && one != other);
  world_.trace().note(fmt::format("nemesis: n{} and n{} are parted", one + 1, other + 1));
  cut(node(one), node(other));
  cut(node(other), node(one));
}

void Nemesis::mend(std::size_t position) {
  NodeState& state = states_[position];
  sim::Machine& machine = node(position);
  state.under_way.clear();
  state.kept_down = 0;
  state.is_down = false;
  machine.resume();
  machine.set_slowness(0ms);
  machine.disk().heal();
  machine.disk().set_conditions({});
  start_if_free(position);
}

void Nemesis::later(Duration span, std::function<void()> action) {
  world_.at(world_.now() + span, [this, action = std::move(action)] {
    if (!over_) action();
  });
}

FaultAction Nemesis::settle_targets(FaultAction action) const {
  if (!action.aims_at_leader || !targets_.leader) return action;
  const std::optional<std::size_t> leader = targets_.leader();
  if (!leader) return action;
  const auto found = std::find(action.targets.begin(), action.targets.end(), *leader);
  if (found != action.targets.end()) {
    std::swap(*found, action.targets.front());
  } else {
    action.targets.front() = *leader;
  }
  return action;
}

void Nemesis::begin(const FaultAction& action) {
  ++begun_[action.kind];
  world_.trace().note("nemesis: " + describe(action));
  const bool is_begun =
      begin_on_links(action) || begin_on_process(action) || begin_on_disks(action);
  if (!is_begun) begin_on_parts(action);
  later(action.duration, [this, action] { end(action); });
}

void Nemesis::end(const FaultAction& action) {
  const bool is_ended = end_on_links(action) || end_on_process(action) || end_on_disks(action);
  if (!is_ended) end_on_parts(action);
}

// --- links ---

bool Nemesis::begin_on_links(const FaultAction& action) {
  switch (action.kind) {
    case FaultKind::swizzle: swizzle(action); return true;
    case FaultKind::reset_connections: reset_connections(action); return true;
    case FaultKind::cut_clients: cut_clients(action.targets[0], true); return true;
    case FaultKind::hold_and_release:
    case FaultKind::clog: {
      const sim::Machine& from = node(action.targets[0]);
      const sim::Machine& to = node(action.targets[1]);
      if (action.kind == FaultKind::clog) {
        (void)first_on_link(LinkFault::clog, from, to);
        world_.network().clog(from, to, action.amount);
      } else {
        (void)first_on_link(LinkFault::hold, from, to);
        world_.network().hold(from, to);
      }
      return true;
    }
    default: break;
  }
  const auto links = links_cut_by(action);
  for (const auto& [from, to] : links) cut(node(from), node(to));
  return !links.empty();
}

bool Nemesis::end_on_links(const FaultAction& action) {
  switch (action.kind) {
    case FaultKind::swizzle:
    case FaultKind::reset_connections: return true;
    case FaultKind::cut_clients: cut_clients(action.targets[0], false); return true;
    case FaultKind::hold_and_release:
    case FaultKind::clog: {
      const sim::Machine& from = node(action.targets[0]);
      const sim::Machine& to = node(action.targets[1]);
      if (action.kind == FaultKind::clog) {
        if (last_on_link(LinkFault::clog, from, to)) world_.network().clog(from, to, 0ms);
      } else if (last_on_link(LinkFault::hold, from, to)) {
        world_.network().release(from, to);
      }
      return true;
    }
    default: break;
  }
  const auto links = links_cut_by(action);
  for (const auto& [from, to] : links) heal(node(from), node(to));
  return !links.empty();
}

std::vector<std::pair<std::size_t, std::size_t>> Nemesis::links_cut_by(
    const FaultAction& action) const {
  std::vector<std::pair<std::size_t, std::size_t>> links;
  const std::size_t count = targets_.nodes.size();
  // Two nodes are cut from each other where `separates` says so.
  const auto cut_where = [&](auto separates) {
    for (std::size_t from = 0; from < count; ++from) {
      for (std::size_t to = 0; to < count; ++to) {
        if (from != to && separates(from, to)) links.emplace_back(from, to);
      }
    }
  };
  const std::vector<std::size_t>& targets = action.targets;
  const auto rank = [&](std::size_t position) {
    return static_cast<std::size_t>(std::find(targets.begin(), targets.end(), position) -
                                    targets.begin());
  };
  switch (action.kind) {
    case FaultKind::partition:
      cut_where([&](std::size_t from, std::size_t to) {
        return (rank(from) < action.others) != (rank(to) < action.others);
      });
      break;
    case FaultKind::isolate:
      cut_where([&](std::size_t from, std::size_t to) {
        return from == targets[0] || to == targets[0];
      });
      break;
    case FaultKind::cut_sends:
      cut_where([&](std::size_t from, std::size_t) { return from == targets[0]; });
      break;
    case FaultKind::cut_receives:
      cut_where([&](std::size_t, std::size_t to) { return to == targets[0]; });
      break;
    case FaultKind::cut_one_way: links.emplace_back(targets[0], targets[1]); break;
    case FaultKind::ring:
      cut_where([&](std::size_t from, std::size_t to) {
        const std::size_t step = (to + count - from) % count;
        return step != 1 && step != count - 1;
      });
      break;
    case FaultKind::bridge:
      cut_where([&](std::size_t from, std::size_t to) {
        if (from == targets[0] || to == targets[0]) return false;
        return (rank(from) <= count / 2) != (rank(to) <= count / 2);
      });
      break;
    default: break;
  }
  return links;
}

// The links of one node go one by one in the first half, in the order of the targets, and come back
// in the second, in the order of the nodes.
void Nemesis::swizzle(const FaultAction& action) {
  const std::size_t hub = action.targets[0];
  std::vector<std::size_t> others;
  for (const std::size_t position : action.targets) {
    if (position != hub) others.push_back(position);
  }
  if (others.empty()) return;
  const Duration step = action.duration / static_cast<std::int64_t>(2 * others.size());
  Duration at = 0ms;
  const auto both_ways = [this, hub](std::size_t other, bool is_cut) {
    if (is_cut) {
      cut(node(hub), node(other));
      cut(node(other), node(hub));
    } else {
      heal(node(hub), node(other));
      heal(node(other), node(hub));
    }
  };
  for (const std::size_t other : others) {
    later(at, [both_ways, other] { both_ways(other, true); });
    at += step;
  }
  std::sort(others.begin(), others.end());
  for (const std::size_t other : others) {
    at += step;
    later(at, [both_ways, other] { both_ways(other, false); });
  }
}

void Nemesis::reset_connections(const FaultAction& action) {
  const sim::Machine& victim = node(action.targets[0]);
  constexpr std::uint32_t kAll = 1'000'000;
  for (std::size_t other = 0; other < states_.size(); ++other) {
    if (other == action.targets[0]) continue;
    if (action.others % 2 == 1) {
      world_.network().reset_connections(victim, node(other), kAll);
    } else {
      world_.network().reset_one_side(victim, node(other), kAll);
    }
  }
}

void Nemesis::cut_clients(std::size_t position, bool on) {
  const sim::Machine& machine = node(position);
  for (sim::Machine* const client : targets_.clients) {
    if (on) {
      disturbances_.begin_link(machine.name(), client->name(), world_.now());
      cut(*client, machine);
      cut(machine, *client);
    } else {
      disturbances_.end_link(machine.name(), client->name(), world_.now());
      heal(*client, machine);
      heal(machine, *client);
    }
  }
}

bool Nemesis::first_on_link(LinkFault fault, const sim::Machine& from, const sim::Machine& to) {
  return on_links_[{fault, from.index(), to.index()}]++ == 0;
}

bool Nemesis::last_on_link(LinkFault fault, const sim::Machine& from, const sim::Machine& to) {
  std::uint32_t& count = on_links_[{fault, from.index(), to.index()}];
  CHECK(count > 0);
  return --count == 0;
}

void Nemesis::cut(const sim::Machine& from, const sim::Machine& to) {
  if (first_on_link(LinkFault::cut, from, to)) world_.network().cut(from, to);
}

void Nemesis::heal(const sim::Machine& from, const sim::Machine& to) {
  if (last_on_link(LinkFault::cut, from, to)) world_.network().heal(from, to);
}

// --- processes ---

bool Nemesis::begin_on_process(const FaultAction& action) {
  switch (action.kind) {
    case FaultKind::crash:
      keep_down(action.targets[0]);
      if (!is_fragile(action.targets[0])) node(action.targets[0]).crash();
      return true;
    case FaultKind::crash_all:
      for (std::size_t position = 0; position < states_.size(); ++position) {
        keep_down(position);
        if (!is_fragile(position)) node(position).crash();
      }
      return true;
    case FaultKind::kill:
      keep_down(action.targets[0]);
      if (!is_fragile(action.targets[0])) node(action.targets[0]).kill();
      return true;
    case FaultKind::stop:
      keep_down(action.targets[0]);
      if (!node(action.targets[0]).is_running() || is_fragile(action.targets[0])) return true;
      if (targets_.before_stop) targets_.before_stop(action.targets[0]);
      node(action.targets[0]).request_stop();
      return true;
    case FaultKind::crash_loop:
      crash_again(action, world_.now() + action.duration);
      return true;
    default: return false;
  }
}

bool Nemesis::end_on_process(const FaultAction& action) {
  switch (action.kind) {
    case FaultKind::crash:
    case FaultKind::kill:
    case FaultKind::stop: let_up(action.targets[0]); return true;
    case FaultKind::crash_all:
      for (std::size_t position = 0; position < states_.size(); ++position) let_up(position);
      return true;
    case FaultKind::crash_loop: return true;
    default: return false;
  }
}

void Nemesis::crash_again(const FaultAction& action, sim::TrueTime until) {
  const std::size_t victim = action.targets[0];
  keep_down(victim);
  if (!is_fragile(victim)) node(victim).crash();
  later(kCrashLoopDown, [this, action, until, victim] {
    let_up(victim);
    if (world_.now() + action.amount >= until) return;
    later(action.amount, [this, action, until] { crash_again(action, until); });
  });
}

void Nemesis::keep_down(std::size_t position) { ++states_[position].kept_down; }

void Nemesis::let_up(std::size_t position) {
  CHECK(states_[position].kept_down > 0);
  --states_[position].kept_down;
  start_if_free(position);
}

void Nemesis::start_if_free(std::size_t position) {
  NodeState& state = states_[position];
  if (state.kept_down > 0 || state.is_dead || node(position).is_running()) return;
  if (std::exchange(state.is_down, false)) disturbances_.end(node(position).name(), world_.now());
  if (targets_.before_restart) targets_.before_restart(position);
  node(position).restart();
}

void Nemesis::node_ended(std::size_t position, sim::EndReason reason, const std::string& why) {
  NodeState& state = states_[position];
  if (!std::exchange(state.is_down, true)) {
    disturbances_.begin(node(position).name(), world_.now());
  }
  if (reason == sim::EndReason::crashed || reason == sim::EndReason::killed) return;
  if (targets_.on_ended && targets_.on_ended(position, reason, why)) wipe(position);
  // Whether a supervisor may start it is asked again when the time has come, plan or no plan.
  world_.at(world_.now() + kSupervisorDelay, [this, position] { start_if_free(position); });
}

// --- machines' parts ---

void Nemesis::begin_on_parts(const FaultAction& action) {
  const std::size_t position = action.targets[0];
  sim::Machine& machine = node(position);
  ++states_[position].under_way[action.kind];
  switch (action.kind) {
    case FaultKind::pause:
      disturbances_.begin(machine.name(), world_.now());
      machine.pause();
      break;
    case FaultKind::slow_machine:
      disturbances_.begin(machine.name(), world_.now());
      machine.set_slowness(action.amount);
      break;
    case FaultKind::freeze_clock:
      disturbances_.begin(machine.name(), world_.now());
      machine.clock().freeze(action.duration);
      break;
    case FaultKind::step_wall_clock:
      machine.clock().step_wall(action.amount / 1ms);
      break;
    case FaultKind::slow_disk: machine.disk().slow_down(action.amount); break;
    case FaultKind::stuck_disk: machine.disk().stick(); break;
    default: break;  // A link fault that cuts nothing in a cluster so small.
  }
}

void Nemesis::end_on_parts(const FaultAction& action) {
  const std::size_t position = action.targets[0];
  sim::Machine& machine = node(position);
  std::uint32_t& count = states_[position].under_way[action.kind];
  CHECK(count > 0);
  const bool is_last = --count == 0;
  switch (action.kind) {
    case FaultKind::pause:
      disturbances_.end(machine.name(), world_.now());
      if (is_last) machine.resume();
      break;
    case FaultKind::slow_machine:
      disturbances_.end(machine.name(), world_.now());
      if (is_last) machine.set_slowness(0ms);
      break;
    case FaultKind::freeze_clock: disturbances_.end(machine.name(), world_.now()); break;
    case FaultKind::slow_disk:
      if (is_last) machine.disk().slow_down(0ms);
      break;
    case FaultKind::stuck_disk:
      if (is_last) machine.disk().unstick();
      break;
    default: break;
  }
}

}  // namespace keelson::scenarios
