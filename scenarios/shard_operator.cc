// Tested by the scenarios split_under_load and move_range.
#include "scenarios/shard_operator.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/kv/spread.h"
#include "scenarios/client_trace.h"

namespace keelson::scenarios {

namespace {

constexpr Duration kPatience = std::chrono::milliseconds(500);

}  // namespace

ShardOperator::ShardOperator(sim::World& world, Cluster& cluster, ShardOperatorOptions options,
                             Report& report)
    : world_(world), cluster_(cluster), options_(std::move(options)), report_(report),
      chance_(world.choices().stream("shards")) {}

void ShardOperator::start() {
  const auto spread = static_cast<std::uint64_t>(options_.interval.count()) + 1;
  const Duration delay = options_.interval / 2 + Duration(chance_.choose(spread));
  world_.at(world_.now() + delay, [this] {
    if (is_stopped_) return;
    act();
    start();
  });
}

void ShardOperator::act() {
  const std::size_t number = 1 + chance_.choose(cluster_.size());
  Node* const node = cluster_.node(number);
  if (node == nullptr) return;
  const kv::ShardMap known = node->coordinator().shards();
  const bool splits = chance_.chance(options_.splits_per_thousand * 1000) &&
                      known.shards().size() < options_.shards_most;
  const kv::ShardChange change = splits ? draw_split() : draw_move(known);
  cluster_.spawn_client(number, [this, number, change, splits, version = known.version()](
                                    Env& env, Node& its_node) {
    sim::Machine& machine = cluster_.machine(number);
    const std::uint64_t traced = trace_call(
        machine, splits ? "operator: split a shard" : "operator: move a shard", machine.name());
    const auto done = its_node.coordinator().change_shards(change, version,
                                                           Deadline::in(env.clock, kPatience));
    trace_return(machine, traced, done ? nullptr : &done.error());
    if (done) report_.reached(splits ? "shards: split" : "shards: began to move");
    world_.trace().note(fmt::format("shards: {} asked of {}: {}", splits ? "a split" : "a move",
                                    to_string(its_node.config().node_id),
                                    done ? "done" : done.error().message));
  });
}

kv::ShardChange ShardOperator::draw_split() {
  if (!options_.keys.empty() && chance_.chance(700'000)) {
    return kv::SplitShard{options_.keys[chance_.choose(options_.keys.size())]};
  }
  return kv::SplitShard{kv::nth_spread(chance_.choose(kv::kSpreads))};
}

// Mostly of a shard that somebody uses.
kv::ShardChange ShardOperator::draw_move(const kv::ShardMap& known) {
  const GroupId to(chance_.choose(options_.groups));
  if (!options_.keys.empty() && chance_.chance(800'000)) {
    const Bytes& key = options_.keys[chance_.choose(options_.keys.size())];
    return kv::MoveShard{known.range_of(key).from, to};
  }
  return kv::MoveShard{known.shards()[chance_.choose(known.shards().size())].from, to};
}

bool ShardOperator::is_settled(const std::vector<std::size_t>& nodes) const {
  return std::all_of(nodes.begin(), nodes.end(), [this](std::size_t number) {
    Node* const node = cluster_.node(number);
    return node != nullptr && !node->coordinator().shards().move();
  });
}

}  // namespace keelson::scenarios
