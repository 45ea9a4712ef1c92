// Probe clients: on every listener of every node, GET and HEAD, the paths of the table and
// spellings that must not work, kept-alive and new connections, good and bad manners. Each answer
// is judged by the claim (probe_claim.h), by its octets and by its time (probe_protocol.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/runtime/env.h"
#include "scenarios/disturbances.h"
#include "scenarios/probe_claim.h"
#include "scenarios/probe_protocol.h"
#include "scenarios/report.h"
#include "sim/choices.h"
#include "sim/world.h"

namespace keelson::scenarios {

struct Listener {
  std::string name;  // "s3"
  int port;
};
// The four HTTP listeners of every node.
const std::vector<Listener>& http_listeners();

struct ProbeWorkloadOptions {
  std::size_t nodes = 3;
  // Between a call to a listener and the next: half to one and a half of this.
  sim::Duration interval = std::chrono::milliseconds(100);
  std::uint32_t odd_path_per_thousand = 100;
  std::uint32_t bad_manners_per_thousand = 100;
  ProbeBound bound;
};

class ProbeCaller;

class ProbeWorkload {
 public:
  // Adds client machines p1, p2, ... one for each node, to the world. References outlive it.
  ProbeWorkload(sim::World& world, const ProbeWorkloadOptions& options, ProbeClaim& claim,
                const Disturbances& disturbances, Report& report);

  const std::vector<sim::Machine*>& machines() const { return machines_; }
  // Begins to probe; ends when the machines do.
  void start();

 private:
  void probe_listener(Env& env, std::size_t node, const Listener& listener);
  void probe_once(Env& env, ProbeCaller& caller);
  void judge(const ProbeCall& call, const ProbeObservation& seen, const CallResult& result);

  sim::World& world_;
  const ProbeWorkloadOptions options_;
  ProbeClaim& claim_;
  const Disturbances& disturbances_;
  Report& report_;
  std::vector<sim::Machine*> machines_;
};

}  // namespace keelson::scenarios
