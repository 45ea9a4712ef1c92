// Tested by tests/properties/generators_test.cc.
#include "tests/properties/stories.h"

#include <rapidcheck.h>

#include <algorithm>
#include <array>

#include "core/base/check.h"

namespace keelson::properties {

namespace {

using namespace std::chrono_literals;
using scenarios::Conditions;
using scenarios::NodeClock;

constexpr std::size_t kNodesMost = 5;
constexpr Duration kStep = 10ms;

// An action before it is known how many nodes there are: numbers that shrink to 0, each on its own.
struct Sketch {
  std::size_t kind = 0;  // Position among the kinds that are allowed.
  std::int64_t at = 0;   // In steps.
  std::int64_t duration = 1;
  std::array<std::size_t, kNodesMost> order{};  // The nth target among those that are left.
  bool aims_at_leader = false;
  std::size_t others = 0;
  std::int64_t amount = 1;  // In a thousandth of the most that the kind takes.
};

// Uniform over the whole range at any size, and shrinking to `least`; only the number of actions
// grows with the size.
template <typename T>
rc::Gen<T> within(T least, T most) {
  return rc::gen::resize(rc::kNominalSize, rc::gen::inRange<T>(least, most + 1));
}

// Shrinks to false.
rc::Gen<bool> chance(int percent) {
  return rc::gen::map(within(0, 99), [percent](int drawn) { return drawn >= 100 - percent; });
}

// Shrinks to the first.
template <typename T>
rc::Gen<T> one_of(std::vector<T> values) {
  auto position = within<std::size_t>(0, values.size() - 1);
  return rc::gen::map(position,
                      [values = std::move(values)](std::size_t at) { return values[at]; });
}

rc::Gen<Sketch> sketches(const StoryBounds& bounds, std::size_t kinds) {
  const std::int64_t steps = bounds.safety_span / kStep;
  // As often short as long.
  const auto duration =
      rc::gen::oneOf(within<std::int64_t>(1, 40), within<std::int64_t>(1, steps));
  return rc::gen::apply(
      [](std::size_t kind, std::int64_t at, std::int64_t lasts,
         const std::array<std::size_t, kNodesMost>& order, bool aims, std::size_t others,
         std::int64_t amount) {
        return Sketch{kind, at, lasts, order, aims, others, amount};
      },
      within<std::size_t>(0, kinds - 1), within<std::int64_t>(0, steps - 1), duration,
      rc::gen::container<std::array<std::size_t, kNodesMost>>(within<std::size_t>(0, 59)),
      chance(bounds.leader_aim_percent), within<std::size_t>(0, 59),
      within<std::int64_t>(1, 1000));
}

// How many targets the plan names; the rest of the nodes is meant where it says none.
std::size_t targets_named(FaultKind kind, std::size_t nodes) {
  switch (kind) {
    case FaultKind::ring:
    case FaultKind::crash_all: return 0;
    case FaultKind::cut_one_way:
    case FaultKind::hold_and_release:
    case FaultKind::clog: return 2;
    case FaultKind::partition:
    case FaultKind::bridge:
    case FaultKind::swizzle: return nodes;
    default: return 1;
  }
}

Duration amount_most(FaultKind kind) {
  switch (kind) {
    case FaultKind::clog: return 500ms;
    case FaultKind::slow_machine: return 50ms;
    case FaultKind::slow_disk: return 400ms;
    case FaultKind::crash_loop: return 300ms;
    case FaultKind::step_wall_clock: return 100s;
    default: return 0ms;
  }
}

bool is_directed(FaultKind kind) {
  return kind == FaultKind::cut_one_way || kind == FaultKind::hold_and_release ||
         kind == FaultKind::clog;
}

// The order's numbers as a permutation of the nodes; zeros give n1, n2, ...
std::vector<std::size_t> order_of(const Sketch& sketch, std::size_t nodes) {
  std::vector<std::size_t> left;
  for (std::size_t node = 0; node < nodes; ++node) left.push_back(node);
  std::vector<std::size_t> order;
  for (std::size_t nth = 0; nth < nodes; ++nth) {
    const auto chosen = left.begin() + static_cast<std::ptrdiff_t>(sketch.order[nth] % left.size());
    order.push_back(*chosen);
    left.erase(chosen);
  }
  return order;
}

FaultAction action_of(const Sketch& sketch, FaultKind kind, std::size_t nodes,
                      std::optional<std::size_t> victim, Duration span) {
  FaultAction action;
  action.kind = kind;
  action.at = kStep * sketch.at;
  action.duration = std::min<Duration>(kStep * sketch.duration, span - action.at);
  action.amount = amount_most(kind) / 1000 * sketch.amount;
  if (kind == FaultKind::full_disk) action.bytes = 64 * static_cast<std::uint64_t>(sketch.amount);
  if (is_about_files(kind)) action.place = sketch.others % 2;
  action.targets = order_of(sketch, nodes);
  action.aims_at_leader = sketch.aims_at_leader;
  action.others = 1 + sketch.others % std::max<std::size_t>(1, nodes / 2);
  if (victim) {
    const auto found = std::find(action.targets.begin(), action.targets.end(), *victim);
    std::iter_swap(action.targets.begin(), found);
    action.aims_at_leader = false;  // It would be about another node.
    action.others = 1;
    const bool is_towards = is_directed(kind) && sketch.others % 2 == 1;
    if (is_towards) std::swap(action.targets[0], action.targets[1]);
  }
  action.targets.resize(targets_named(kind, nodes));
  if (action.targets.empty()) action.aims_at_leader = false;
  return action;
}

// By time, then by kind, so that plans which differ only in the order they were drawn in are one.
std::vector<FaultAction> actions_of(std::vector<Sketch> drawn,
                                    const std::vector<FaultKind>& kinds, const Shape& shape,
                                    std::optional<std::size_t> victim, Duration span) {
  std::stable_sort(drawn.begin(), drawn.end(), [](const Sketch& a, const Sketch& b) {
    return std::pair(a.at, a.kind) < std::pair(b.at, b.kind);
  });
  std::vector<FaultAction> actions;
  for (const Sketch& sketch : drawn) {
    const FaultKind kind = kinds[sketch.kind];
    // A lease rests on clocks that go on; one that stands still is beyond what it promises.
    if (kind == FaultKind::freeze_clock && shape.leases) continue;
    FaultAction action = action_of(sketch, kind, shape.nodes, victim, span);
    if (is_valid(action, shape.nodes)) actions.push_back(std::move(action));  // A ring of 3 is not.
  }
  return actions;
}

rc::Gen<sim::LinkConditions> links() {
  using Base = std::pair<Duration, Duration>;
  const std::vector<Base> bases{{100us, 500us}, {1ms, 5ms}, {50us, 20ms}};
  return rc::gen::apply(
      [](const Base& base, std::uint32_t tail, Duration tail_unit, std::uint32_t loss) {
        sim::LinkConditions conditions;
        conditions.base_delay_least = base.first;
        conditions.base_delay_most = base.second;
        conditions.tail_per_million = tail;
        if (tail > 0) conditions.tail_unit = tail_unit;
        conditions.loss_per_million = loss;
        return conditions;
      },
      one_of(bases), one_of<std::uint32_t>({0, 0, 1'000, 10'000, 50'000}),
      one_of<Duration>({200us, 5ms, 30ms}), one_of<std::uint32_t>({0, 0, 1'000, 10'000}));
}

rc::Gen<sim::DiskConditions> disks() {
  constexpr std::uint32_t kAll = 1'000'000;
  const std::vector<sim::LossShares> fates{
      {}, {kAll, kAll, 0, kAll}, {0, 300'000, 300'000, 300'000}};
  return rc::gen::apply(
      [](Duration sync, std::uint32_t tail, const sim::LossShares& fate) {
        sim::DiskConditions conditions;
        conditions.sync_latency = sync;
        conditions.tail_per_million = tail;
        if (tail > 0) conditions.tail_unit = 20ms;
        conditions.at_power_loss = fate;
        return conditions;
      },
      one_of<Duration>({500us, 500us, 100us, 3ms, 15ms}),
      one_of<std::uint32_t>({0, 0, 1'000, 20'000}), one_of(fates));
}

rc::Gen<NodeClock> clocks(std::int32_t drift_ppm_most) {
  return rc::gen::apply(
      [](std::int32_t drift, bool is_slow, std::int64_t offset) {
        return NodeClock{is_slow ? -drift : drift, offset * 1'000};
      },
      within<std::int32_t>(0, drift_ppm_most), chance(50),
      rc::gen::oneOf(rc::gen::just<std::int64_t>(0), within<std::int64_t>(-60, 60)));
}

rc::Gen<Conditions> conditions_of(const StoryBounds& bounds) {
  if (!bounds.bad_conditions) return rc::gen::just(Conditions{});
  // Each part is healthy in half of the stories, or it would be hard to tell what matters.
  return rc::gen::apply(
      [](const sim::LinkConditions& bad_links, const sim::DiskConditions& bad_disks,
         const std::vector<NodeClock>& bad_clocks, bool has_links, bool has_disks,
         bool has_clocks) {
        Conditions conditions;
        if (has_links) conditions.links = bad_links;
        if (has_disks) conditions.disks = bad_disks;
        if (has_clocks) conditions.clocks = bad_clocks;
        return conditions;
      },
      links(), disks(),
      rc::gen::container<std::vector<NodeClock>>(kNodesMost, clocks(bounds.drift_ppm_most)),
      chance(50), chance(50), chance(50));
}

rc::Gen<Shape> shapes(const StoryBounds& bounds) {
  return rc::gen::apply(
      [bounds](bool is_five, std::size_t groups, Duration election_timeout, bool leases,
               std::uint64_t segment) {
        return Shape{.nodes = bounds.nodes.value_or(is_five ? 5 : 3),
                     .groups = bounds.groups.value_or(groups),
                     .election_timeout = election_timeout,
                     .leases = bounds.leases.value_or(leases),
                     .wal_segment_bytes = segment};
      },
      chance(20), within<std::size_t>(1, 3), one_of<Duration>({250ms, 150ms, 400ms}), chance(50),
      one_of<std::uint64_t>({64 << 20, 64 << 10, 4 << 10}));
}

}  // namespace

const std::vector<FaultKind>& kinds_by_simplicity() {
  using enum FaultKind;
  static const std::vector<FaultKind> kinds{
      crash,       kill,         stop,       pause,            isolate,      cut_clients,
      partition,   cut_sends,    cut_receives, cut_one_way,    reset_connections, bridge,
      ring,        swizzle,      clog,       hold_and_release, crash_all,    crash_loop,
      slow_machine, slow_disk,   stuck_disk, step_wall_clock,  freeze_clock, full_disk,
      read_error,  write_error,  sync_error, rot,              misdirected_write, misplaced_block,
      wiped_disk};
  return kinds;
}

rc::Gen<Story> stories(const StoryBounds& bounds) {
  std::vector<FaultKind> kinds = bounds.kinds.empty() ? kinds_by_simplicity() : bounds.kinds;
  if (bounds.one_victim) {
    std::erase(kinds, FaultKind::crash_all);
    std::erase(kinds, FaultKind::ring);
    std::erase(kinds, FaultKind::bridge);
  }
  CHECK(!kinds.empty());
  // At size 100 the longest list has actions_most of them.
  const double share = static_cast<double>(bounds.actions_most) / rc::kNominalSize;
  const auto actions = rc::gen::scale(
      share, rc::gen::container<std::vector<Sketch>>(sketches(bounds, kinds.size())));
  return rc::gen::apply(
      [bounds, kinds](const std::vector<Sketch>& drawn, std::size_t victim,
                      Conditions conditions, const Shape& shape, std::size_t s3_clients,
                      std::uint64_t seed) {
        Story story;
        story.shape = shape;
        story.s3_clients = s3_clients;
        story.seed = seed;
        if (!conditions.clocks.empty()) conditions.clocks.resize(shape.nodes);
        story.plan.conditions = std::move(conditions);
        story.plan.actions = actions_of(
            drawn, kinds, shape,
            bounds.one_victim ? std::optional(victim % shape.nodes) : std::nullopt,
            bounds.safety_span);
        return story;
      },
      actions, within<std::size_t>(0, 59), conditions_of(bounds), shapes(bounds),
      within<std::size_t>(1, bounds.s3_clients_most),
      // Another seed is another run, not a simpler one.
      rc::gen::noShrink(within<std::uint64_t>(0, 999'999)));
}

}  // namespace keelson::properties
