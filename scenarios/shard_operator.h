// ShardOperator: splits shards and moves them between groups while a storm goes on, as an operator
// with a console would: it asks any node, by the map that the node shows it, and what it asks for
// may be refused, be lost, or happen although nobody says so.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/bytes.h"
#include "scenarios/cluster.h"
#include "scenarios/report.h"
#include "sim/choices.h"
#include "sim/world.h"

namespace keelson::scenarios {

struct ShardOperatorOptions {
  // Between two things that it does, from half of it to one and a half.
  Duration interval = std::chrono::milliseconds(200);
  // What share of them are splits; the others are moves.
  std::uint32_t splits_per_thousand = 300;
  std::size_t shards_most = 12;  // Above that it splits no more.
  // Where it may split, beside anywhere: keys that clients use.
  std::vector<Bytes> keys = {};
  std::size_t groups = 1;
};

class ShardOperator {
 public:
  // The arguments outlive the operator, which must outlive the cluster's processes.
  ShardOperator(sim::World& world, Cluster& cluster, ShardOperatorOptions options, Report& report);

  void start();
  void stop() { is_stopped_ = true; }

  // Whether no shard is moving, by what every one of these nodes (from 1) knows.
  bool is_settled(const std::vector<std::size_t>& nodes) const;

 private:
  void act();
  kv::ShardChange draw_split();
  kv::ShardChange draw_move(const kv::ShardMap& known);

  sim::World& world_;
  Cluster& cluster_;
  const ShardOperatorOptions options_;
  Report& report_;
  sim::ChoiceStream& chance_;
  bool is_stopped_ = false;
};

}  // namespace keelson::scenarios
