// Three production nodes in a healthy simulated world, for tests of the layers between Raft's core
// and the listeners.
#pragma once

#include <optional>
#include <utility>

#include "core/node.h"
#include "scenarios/cluster.h"
#include "sim/choices.h"
#include "sim/sim_network.h"
#include "sim/world.h"

namespace keelson {

class WorldOfNodes {
 public:
  explicit WorldOfNodes(std::size_t nodes = 3, std::size_t groups = 1)
      : choices_(1), world_(choices_), cluster_(world_,
                                                scenarios::scenario_config(nodes, groups)) {
    cluster_.start();
  }

  sim::World& world() { return world_; }
  scenarios::Cluster& cluster() { return cluster_; }

  // The node that leads the group now, by its own word; 0 when none does.
  std::size_t leader(GroupId group = GroupId(0)) const {
    for (std::size_t number = 1; number <= cluster_.size(); ++number) {
      Node* const node = cluster_.node(number);
      if (node != nullptr && node->raft().core(group).role() == raft::Role::leader) return number;
    }
    return 0;
  }

  // Waits until a node leads and everybody knows it; returns its number.
  std::size_t elect(GroupId group = GroupId(0)) {
    const bool elected = world_.run_until(
        [&] {
          const std::size_t number = leader(group);
          if (number == 0) return false;
          for (std::size_t each = 1; each <= cluster_.size(); ++each) {
            Node* const node = cluster_.node(each);
            if (node == nullptr) return false;
            if (node->raft().core(group).leader() != NodeId(number)) return false;
          }
          return true;
        },
        world_.now() + std::chrono::seconds(10));
    CHECK(elected);
    return leader(group);
  }

  // Runs `body` on a fiber of that node's process and returns what it returned.
  template <typename Body>
  auto on(std::size_t number, Body body) {
    std::optional<decltype(body(std::declval<Node&>()))> result;
    cluster_.machine(number).spawn("test", [&](Env&) { result = body(*cluster_.node(number)); });
    CHECK(world_.run_until([&] { return result.has_value(); },
                           world_.now() + std::chrono::seconds(60)));
    return *std::move(result);
  }

  // Begins `body` on a fiber of that node's process.
  template <typename Body>
  void begin_on(std::size_t number, Body body) {
    cluster_.machine(number).spawn("test",
                                   [this, number, body](Env&) { body(*cluster_.node(number)); });
  }

  void run_for(sim::Duration span) { world_.run_for(span); }

 private:
  sim::Choices choices_;
  sim::World world_;
  scenarios::Cluster cluster_;
};

}  // namespace keelson
