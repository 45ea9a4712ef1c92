// What the nemesis does to disks: errors, no space, and harm within the fault budget.
// Tested by tests/scenarios/nemesis_test.cc.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/nemesis.h"
#include "sim/sim_disk.h"
#include "sim/world.h"

namespace keelson::scenarios {

namespace {

using sim::DiskOperation;
using sim::HarmKind;

// Bits flip more often than sectors die.
HarmKind rot_of(const FaultAction& action) {
  switch (action.others % 3) {
    case 0: return HarmKind::zeroed_sector;
    case 1: return HarmKind::flipped_bits;
    default: return HarmKind::unreadable_sector;
  }
}

}  // namespace

bool Nemesis::begin_on_disks(const FaultAction& action) {
  if (action.targets.empty()) return false;
  const std::size_t position = action.targets[0];
  sim::SimDisk& disk = node(position).disk();
  const std::string place(kFilePlaces[action.place]);
  const auto fail = [&](DiskOperation operation) {
    if (is_fragile(position)) return;  // A node that ends itself forgets as well.
    states_[position].may_fail = true;
    disk.fail_next(operation, 1, place);
  };
  switch (action.kind) {
    case FaultKind::full_disk:
      states_[position].may_fail = true;  // A node that starts needs a little space.
      disk.leave_free(action.bytes);
      return true;
    case FaultKind::read_error: fail(DiskOperation::read); return true;
    case FaultKind::write_error: fail(DiskOperation::write); return true;
    case FaultKind::sync_error: fail(DiskOperation::sync); return true;
    case FaultKind::rot: rot(action); return true;
    case FaultKind::misdirected_write: misdirect(action); return true;
    case FaultKind::misplaced_block: misplace_block(action); return true;
    case FaultKind::wiped_disk:
      keep_down(position);
      if (!budget_.may_harm(position)) return true;
      node(position).kill();
      wipe(position);
      return true;
    default: return false;
  }
}

bool Nemesis::end_on_disks(const FaultAction& action) {
  if (action.targets.empty()) return false;
  switch (action.kind) {
    case FaultKind::full_disk: node(action.targets[0]).disk().set_capacity({}); return true;
    case FaultKind::wiped_disk: let_up(action.targets[0]); return true;
    case FaultKind::read_error:
    case FaultKind::write_error:
    case FaultKind::sync_error:
    case FaultKind::rot:
    case FaultKind::misdirected_write:
    case FaultKind::misplaced_block: return true;
    default: return false;
  }
}

// Rot lies until somebody looks, which is mostly at the next start.
void Nemesis::rot(const FaultAction& action) {
  const std::size_t position = action.targets[0];
  if (!budget_.may_harm(position)) return;
  const std::string place(kFilePlaces[action.place]);
  const bool is_done = place == "wal/"
                           ? rot_in_log(position, rot_of(action))
                           : node(position).disk().harm(rot_of(action), place).has_value();
  if (is_done) crash_harmed(position, action.duration);
}

void Nemesis::misplace_block(const FaultAction& action) {
  const std::size_t position = action.targets[0];
  if (!budget_.may_harm(position)) return;
  constexpr std::size_t kPageBytes = 4096;
  const auto harm = node(position).disk().misplace_block("state/state.db", kPageBytes);
  if (harm) crash_harmed(position, action.duration);
}

// Its next start has to look at what is on the disk.
void Nemesis::crash_harmed(std::size_t position, Duration down_for) {
  budget_.harmed(position);
  states_[position].may_fail = true;
  if (!is_fragile(position)) node(position).crash();
  later(down_for, [this, position] { start_if_free(position); });
}

// Not in the last batch of the log, nor behind it: rot there looks like a tear, and a node that
// takes it for one forgets in silence (core/storage/wal.h says so).
bool Nemesis::rot_in_log(std::size_t position, HarmKind kind) {
  if (!targets_.log_at_rest) return false;
  const auto [path, end] = targets_.log_at_rest(position);
  if (end == 0) return false;
  sim::ChoiceStream& chance = world_.choices().stream("nemesis/rot");
  const std::uint64_t offset = chance.choose(end);
  const std::uint64_t most = kind == HarmKind::flipped_bits ? 2 : sim::kSectorBytes;
  return node(position)
      .disk()
      .harm_at(kind, path, offset, std::min<std::uint64_t>(most, end - offset))
      .has_value();
}

void Nemesis::misdirect(const FaultAction& action) {
  const std::size_t position = action.targets[0];
  if (!targets_.log_syncs || !budget_.may_harm(position)) return;
  budget_.harmed(position);
  NodeState& state = states_[position];
  state.may_fail = true;
  state.awaits_harm = true;
  // One batch goes astray, a seal or another batch follows, and that is durable.
  constexpr std::uint64_t kSyncsUntilSeen = 4;
  if (kFilePlaces[action.place] == "wal/") {
    state.fragile_until_sync = targets_.log_syncs(position) + kSyncsUntilSeen;
  }
  node(position).disk().misdirect_next_write(std::string(kFilePlaces[action.place]));
}

void Nemesis::wipe(std::size_t position) {
  world_.ledger().injected("disk.wiped");
  if (!node(position).disk().visible_content().files.empty()) {
    world_.ledger().effective("disk.wiped");
  }
  node(position).disk().wipe();
  budget_.harmed(position);
  states_[position].fragile_until_sync.reset();
  states_[position].awaits_harm = false;
  if (targets_.on_wiped) targets_.on_wiped(position);
}

// What was armed counts as done, until there is something that can be undone.
bool Nemesis::is_whole(std::size_t position) {
  NodeState& state = states_[position];
  if (node(position).disk().is_harmed()) state.awaits_harm = false;
  return !state.awaits_harm && targets_.is_whole && targets_.is_whole(position);
}

void Nemesis::lose_disk(std::size_t position) {
  world_.trace().note(fmt::format("nemesis: n{} loses its disk", position + 1));
  keep_down(position);
  node(position).kill();
  wipe(position);
  later(std::chrono::milliseconds(20), [this, position] { let_up(position); });
}

bool Nemesis::is_fragile(std::size_t position) {
  NodeState& state = states_[position];
  if (!state.fragile_until_sync) return false;
  if (targets_.log_syncs(position) >= *state.fragile_until_sync) state.fragile_until_sync.reset();
  return state.fragile_until_sync.has_value();
}

}  // namespace keelson::scenarios
