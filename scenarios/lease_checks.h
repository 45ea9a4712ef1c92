// Two leases of a group are never valid at one true instant: the one thing a lease must be, looked
// at from outside, with true time. A node is asked what it believes, by its own clock; what it
// believes is what is judged.
#pragma once

#include <cstdint>

#include "scenarios/cluster.h"
#include "scenarios/report.h"
#include "sim/world.h"

namespace keelson::scenarios {

class LeaseChecks {
 public:
  // The arguments outlive this object, which must live as long as the world runs.
  LeaseChecks(sim::World& world, const Cluster& cluster, std::size_t groups, Report& report)
      : world_(world), cluster_(cluster), groups_(groups), report_(report) {}

  // Looks every millisecond from now on.
  void start();

  // How often somebody held a lease when it looked.
  std::uint64_t seen() const { return seen_; }

 private:
  void look(GroupId group);

  sim::World& world_;
  const Cluster& cluster_;
  const std::size_t groups_;
  Report& report_;
  std::uint64_t seen_ = 0;
};

}  // namespace keelson::scenarios
