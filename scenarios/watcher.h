// Watcher: is shown a run's wire and its cluster, so that a person may see them later
// (tools/show). It changes nothing: a run has the same digest whether it is watched or not.
#pragma once

#include "sim/sim_network.h"

namespace keelson::scenarios {

class Cluster;

class Watcher : public sim::NetworkTap {
 public:
  // The world has begun. It outlives the watching.
  virtual void on_world(sim::World& world) = 0;
  // The cluster is about to start, and is valid until on_cluster_gone().
  virtual void on_cluster(const Cluster& cluster) = 0;
  virtual void on_cluster_gone() = 0;
};

}  // namespace keelson::scenarios
