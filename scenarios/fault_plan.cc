// Tested by tests/scenarios/fault_plan_test.cc.
#include "scenarios/fault_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <utility>

#include "core/base/check.h"
#include "scenarios/words.h"

namespace keelson::scenarios {

namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, kFaultKinds> kNames = {
    "partition", "isolate",           "cut_sends",   "cut_receives", "cut_one_way", "ring",
    "bridge",    "swizzle",           "hold_and_release", "clog",    "reset_connections",
    "cut_clients", "crash",           "crash_all",   "kill",         "stop",        "crash_loop",
    "pause",     "slow_machine",      "slow_disk",   "stuck_disk",   "full_disk",
    "read_error", "write_error",      "sync_error",  "rot",          "misdirected_write",
    "misplaced_block", "wiped_disk", "step_wall_clock",  "freeze_clock"};

// How many different nodes a kind speaks of; 0: of none or of all.
std::size_t targets_needed(FaultKind kind) {
  switch (kind) {
    case FaultKind::ring:
    case FaultKind::crash_all: return 0;
    case FaultKind::cut_one_way:
    case FaultKind::hold_and_release:
    case FaultKind::clog: return 2;
    default: return 1;
  }
}

// The fewest nodes with which the kind means anything.
std::size_t nodes_needed(FaultKind kind) {
  switch (kind) {
    case FaultKind::ring: return 4;
    case FaultKind::bridge: return 3;
    case FaultKind::partition:
    case FaultKind::isolate:
    case FaultKind::cut_sends:
    case FaultKind::cut_receives:
    case FaultKind::cut_one_way:
    case FaultKind::swizzle:
    case FaultKind::hold_and_release:
    case FaultKind::clog:
    case FaultKind::reset_connections: return 2;
    case FaultKind::rot:
    case FaultKind::misdirected_write:
    case FaultKind::misplaced_block:
    case FaultKind::wiped_disk: return 3;  // One of fewer is no minority.
    default: return 1;
  }
}

template <typename T, std::size_t size>
T pick(sim::ChoiceStream& stream, const T (&from)[size]) {
  return from[stream.choose(size)];
}

// Uniform in [least, most], in steps of a thousandth; `least` at 0.
Duration between(sim::ChoiceStream& stream, Duration least, Duration most) {
  return least + (most - least) / 1000 * static_cast<std::int64_t>(stream.choose(1001));
}

void draw_links(sim::ChoiceStream& stream, sim::LinkConditions& links) {
  switch (stream.choose(4)) {
    case 1: links.base_delay_least = 1ms, links.base_delay_most = 5ms; break;
    case 2: links.base_delay_least = 50us, links.base_delay_most = 20ms; break;
    default: break;
  }
  links.tail_per_million = pick<std::uint32_t>(stream, {0, 1'000, 10'000, 50'000});
  links.tail_unit = pick<Duration>(stream, {200us, 5ms, 30ms});
  links.loss_per_million = pick<std::uint32_t>(stream, {0, 0, 1'000, 10'000});
  links.retransmit_after = pick<Duration>(stream, {200ms, 50ms});
  links.segment_per_million = pick<std::uint32_t>(stream, {0, 10'000, 200'000});
  links.short_read_per_million = pick<std::uint32_t>(stream, {0, 10'000, 200'000});
  links.refuse_per_million = pick<std::uint32_t>(stream, {0, 0, 50'000});
  links.bytes_per_second = pick<std::uint64_t>(stream, {0, 0, 10'000'000, 1'000'000});
  links.window_bytes = pick<std::size_t>(stream, {256 << 10, 64 << 10, 4 << 10});
  links.give_up_after = pick<Duration>(stream, {15s, 2s});
}

void draw_disks(sim::ChoiceStream& stream, sim::DiskConditions& disks) {
  disks.sync_latency = pick<Duration>(stream, {500us, 100us, 3ms, 15ms});
  disks.write_latency = pick<Duration>(stream, {0us, 0us, 100us});
  disks.tail_per_million = pick<std::uint32_t>(stream, {0, 1'000, 20'000});
  disks.tail_unit = pick<Duration>(stream, {1ms, 20ms});
  disks.at_power_loss.lose_all_per_million = pick<std::uint32_t>(stream, {0, 500'000, 1'000'000});
  disks.at_power_loss.lose_write_per_million = pick<std::uint32_t>(stream, {0, 300'000});
  disks.at_power_loss.tear_write_per_million = pick<std::uint32_t>(stream, {0, 300'000});
  disks.at_power_loss.lose_entry_per_million = pick<std::uint32_t>(stream, {0, 500'000});
}

NodeClock draw_clock(sim::ChoiceStream& stream, std::int32_t drift_ppm_most) {
  NodeClock clock;
  const auto most = static_cast<std::uint64_t>(drift_ppm_most);
  const auto drift = static_cast<std::int32_t>(stream.choose(most + 1));
  clock.drift_ppm = stream.choose(2) == 0 ? drift : -drift;
  const auto offset = static_cast<std::int64_t>(stream.rarely(500'000, 60'000));
  clock.wall_offset_ms = stream.choose(2) == 0 ? offset : -offset;
  return clock;
}

std::vector<std::size_t> draw_order(sim::ChoiceStream& stream, std::size_t nodes) {
  std::vector<std::size_t> order(nodes);
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = 0; i + 1 < nodes; ++i) {
    std::swap(order[i], order[i + stream.choose(nodes - i)]);
  }
  return order;
}

// Shorter than a heartbeat, about an election timeout, or so long that everybody notices.
Duration draw_duration(sim::ChoiceStream& stream, Duration election_timeout) {
  switch (stream.choose(4)) {
    case 0: return between(stream, election_timeout / 20, election_timeout / 2);
    case 1:
    case 2: return between(stream, election_timeout / 2, election_timeout * 3);
    default: return between(stream, election_timeout * 3, election_timeout * 12);
  }
}

FaultAction draw_action(sim::ChoiceStream& stream, FaultKind kind, std::size_t nodes,
                        const FaultProfile& profile) {
  FaultAction action;
  action.kind = kind;
  action.duration = draw_duration(stream, profile.election_timeout);
  action.targets = draw_order(stream, nodes);
  action.aims_at_leader = stream.chance(profile.leader_aim_per_thousand * 1000);
  action.others = 1 + stream.choose(std::max<std::size_t>(1, nodes / 2));
  switch (kind) {
    case FaultKind::clog: action.amount = between(stream, 5ms, 500ms); break;
    case FaultKind::slow_machine: action.amount = between(stream, 1ms, 60ms); break;
    case FaultKind::slow_disk: action.amount = between(stream, 5ms, 400ms); break;
    case FaultKind::crash_loop: action.amount = between(stream, 200us, 300ms); break;
    case FaultKind::full_disk: action.bytes = stream.choose(64 << 10); break;
    case FaultKind::read_error:
    case FaultKind::write_error:
    case FaultKind::sync_error:
    case FaultKind::misdirected_write: action.place = stream.choose(2); break;
    case FaultKind::rot: action.place = stream.choose(std::size(kFilePlaces)); break;
    case FaultKind::step_wall_clock:
      action.amount = between(stream, 10ms, 100s);
      if (stream.choose(2) == 1) action.amount = -action.amount;
      break;
    default: break;
  }
  if (targets_needed(kind) == 0) action.targets.clear();
  if (targets_needed(kind) == 2) action.targets.resize(2);
  const bool is_about_one = targets_needed(kind) == 1 && kind != FaultKind::partition &&
                            kind != FaultKind::bridge && kind != FaultKind::swizzle;
  if (is_about_one) action.targets.resize(1);
  if (action.targets.empty()) action.aims_at_leader = false;
  return action;
}

// As the swarm draws it: which kinds are on, and how busy the nemesis is. What is off is not
// impossible, so that a run that was shrunk need not say what was on.
struct Swarm {
  std::vector<std::uint32_t> weights;  // By kind.
  std::uint32_t busy_per_million = 0;
};

constexpr std::uint32_t kHardlyEver = 1;

Swarm draw_swarm(sim::ChoiceStream& stream, bool is_calm, std::size_t nodes,
                 const FaultProfile& profile) {
  Swarm swarm;
  bool any_is_on = false;
  for (std::size_t kind = 0; kind < kFaultKinds; ++kind) {
    const bool is_on = stream.chance(profile.on_per_thousand[kind] * 1000);
    const bool is_possible = profile.on_per_thousand[kind] > 0 &&
                             nodes >= nodes_needed(static_cast<FaultKind>(kind));
    swarm.weights.push_back(!is_possible ? 0 : is_on ? 1'000'000 : kHardlyEver);
    any_is_on = any_is_on || (is_on && is_possible);
  }
  const auto busy = pick<std::uint32_t>(stream, {100'000, 250'000, 500'000, 800'000});
  swarm.busy_per_million = is_calm || !any_is_on ? kHardlyEver : busy;
  return swarm;
}

std::optional<FaultAction> draw_slot(sim::Choices& choices, std::size_t slot, const Swarm& swarm,
                                     std::size_t nodes, Duration span,
                                     const FaultProfile& profile) {
  // A stream a slot: to leave one action out changes no other.
  sim::ChoiceStream& stream = choices.stream(fmt::format("plan/slot/{}", slot));
  if (!stream.chance(swarm.busy_per_million)) return std::nullopt;
  const auto kind = static_cast<FaultKind>(stream.choose_weighted(swarm.weights));
  const Duration offset = between(stream, 0ms, profile.slot);
  FaultAction action = draw_action(stream, kind, nodes, profile);
  action.at = profile.slot * static_cast<std::int64_t>(slot) + offset;
  action.duration = std::min(action.duration, span - action.at);
  return action;
}

}  // namespace

std::string_view name_of(FaultKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

FaultProfile whole_fault_model() {
  FaultProfile profile;
  profile.leader_aim_per_thousand = 700;
  return profile;
}

FaultPlan draw_fault_plan_in_time(sim::Choices& choices, std::size_t nodes, Duration span,
                                  const FaultProfile& profile) {
  CHECK(nodes >= 1);
  CHECK(profile.on_per_thousand.size() == kFaultKinds);
  CHECK(profile.slot > Duration::zero());
  FaultPlan plan;
  sim::ChoiceStream& stream = choices.stream("plan/swarm");
  // 0, and so every stream of zeros, is the calm run.
  const bool is_calm = profile.may_be_calm && stream.choose(8) == 0;
  const auto likely = [is_calm](std::uint32_t per_thousand) {
    return is_calm ? std::min(per_thousand, kHardlyEver) : per_thousand * 1000;
  };
  if (stream.chance(likely(profile.bad_network_per_thousand))) {
    draw_links(choices.stream("plan/links"), plan.conditions.links);
  }
  if (stream.chance(likely(profile.bad_disk_per_thousand))) {
    draw_disks(choices.stream("plan/disks"), plan.conditions.disks);
  }
  if (profile.sync_latency_most > Duration::zero() && !is_calm) {
    plan.conditions.disks.sync_latency = between(
        choices.stream("plan/syncs"), profile.sync_latency_most / 10, profile.sync_latency_most);
  }
  if (stream.chance(likely(profile.bad_clocks_per_thousand))) {
    for (std::size_t node = 0; node < nodes; ++node) {
      plan.conditions.clocks.push_back(
          draw_clock(choices.stream("plan/clocks"), profile.drift_ppm_most));
    }
  }
  Swarm swarm = draw_swarm(stream, is_calm, nodes, profile);
  const bool is_anything_possible =
      std::any_of(swarm.weights.begin(), swarm.weights.end(), [](auto each) { return each > 0; });
  if (!is_anything_possible) return plan;
  plan.slot = profile.slot;
  plan.slots = static_cast<std::size_t>(span / profile.slot);
  plan.draw_later = [&choices, swarm = std::move(swarm), nodes, span, profile](std::size_t slot) {
    return draw_slot(choices, slot, swarm, nodes, span, profile);
  };
  return plan;
}

FaultPlan draw_fault_plan(sim::Choices& choices, std::size_t nodes, Duration span,
                          const FaultProfile& profile) {
  FaultPlan plan = draw_fault_plan_in_time(choices, nodes, span, profile);
  for (std::size_t slot = 0; slot < plan.slots; ++slot) {
    if (auto action = plan.draw_later(slot)) plan.actions.push_back(*std::move(action));
  }
  plan.draw_later = {};
  plan.slots = 0;
  return plan;
}

bool is_valid(const FaultAction& action, std::size_t nodes) {
  const std::set<std::size_t> different(action.targets.begin(), action.targets.end());
  return nodes >= nodes_needed(action.kind) && action.at >= Duration::zero() &&
         action.duration >= Duration::zero() &&
         different.size() == action.targets.size() &&
         action.targets.size() >= targets_needed(action.kind) &&
         (different.empty() || *different.rbegin() < nodes) &&
         action.place < std::size(kFilePlaces) &&
         (!action.aims_at_leader || !action.targets.empty()) &&
         (action.kind != FaultKind::partition ||
          (action.others >= 1 && action.others < nodes && action.others <= action.targets.size()));
}

std::string describe(const FaultAction& action) {
  std::string text = fmt::format("{}: {}", say(sim::TrueTime{action.at.count()}),
                                 name_of(action.kind));
  const std::size_t shown =
      action.kind == FaultKind::partition ? action.others : action.targets.size();
  for (std::size_t i = 0; i < shown && i < action.targets.size(); ++i) {
    text += fmt::format(" n{}", action.targets[i] + 1);
    if (i == 0 && action.aims_at_leader) text += " (or whoever leads)";
  }
  if (is_about_files(action.kind)) text += fmt::format(" in {}", kFilePlaces[action.place]);
  if (action.kind == FaultKind::full_disk) text += fmt::format(" with {} bytes left", action.bytes);
  if (action.amount != Duration::zero()) text += " by " + say(action.amount);
  return text + " for " + say(action.duration);
}

std::string describe(const FaultPlan& plan) {
  const sim::LinkConditions& links = plan.conditions.links;
  const sim::DiskConditions& disks = plan.conditions.disks;
  std::string text = fmt::format(
      "links: {} to {}, tail {} ppm of {}, loss {} ppm; disks: sync {}, tail {} ppm of {}\n",
      say(links.base_delay_least), say(links.base_delay_most), links.tail_per_million,
      say(links.tail_unit), links.loss_per_million, say(disks.sync_latency),
      disks.tail_per_million, say(disks.tail_unit));
  for (std::size_t node = 0; node < plan.conditions.clocks.size(); ++node) {
    const NodeClock& clock = plan.conditions.clocks[node];
    text += fmt::format("n{}: clock drifts {} ppm, wall clock off by {}ms\n", node + 1,
                        clock.drift_ppm, clock.wall_offset_ms);
  }
  for (const FaultAction& action : plan.actions) text += describe(action) + "\n";
  return text;
}

}  // namespace keelson::scenarios
