// A cluster of production nodes in a simulated world, as scenarios and benchmarks speak of it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admin/static_bundle.h"
#include "core/node.h"
#include "core/runtime/task_group.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace keelson::scenarios {

// The listeners of every node have these ports, at an address that is the machine's name.
constexpr int kRaftPort = 7000;
constexpr int kS3Port = 9000;
constexpr int kDynamodbPort = 9001;
constexpr int kSqsPort = 9002;
constexpr int kAdminPort = 8080;

// Tells of which machine an entry was applied. Only for state machine safety and digests: what a
// node says of itself proves nothing about what it told its clients.
class ApplyObserver {
 public:
  virtual ~ApplyObserver() = default;
  virtual void on_applied(const sim::Machine& machine, GroupId group, const raft::Entry& entry) = 0;
  virtual void on_installed(const sim::Machine& machine, GroupId group,
                            const raft::StateLabel& label) = 0;
  // The state after applying up to the index has this digest.
  virtual void on_state(const sim::Machine& machine, GroupId group, raft::LogIndex index,
                        std::uint64_t digest) = 0;
};

class Cluster {
 public:
  // Adds the machines n1, n2, ... to the world: the founders, who are config.peers, and then
  // `joiners`, who know of the founders and wait until an operator admits them; the founders learn
  // of them from the log. `world` and `observer` (may be null) outlive it.
  Cluster(sim::World& world, const NodeConfig& config, ApplyObserver* observer = nullptr,
          std::size_t joiners = 0);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Starts every machine that is not running.
  void start();

  std::size_t size() const { return machines_.size(); }
  const std::vector<sim::Machine*>& machines() const { return machines_; }
  // From 1.
  sim::Machine& machine(std::size_t number) { return *machines_.at(number - 1); }

  // The node on that machine while it serves, otherwise nullptr. For statistics and for waiting;
  // an oracle does not ask it.
  Node* node(std::size_t number) const { return nodes_.at(number - 1); }
  // Begins a client that lives in the node's process and uses the node itself, for what has no wire
  // protocol: false when the node does not serve. It is killed with the process, wherever it is; a
  // process that is told to stop waits for it first, as it does for requests. REQUIRES: all that it
  // asks has deadlines.
  bool spawn_client(std::size_t number, std::function<void(Env&, Node&)> body);
  // Why the last start of the node failed; empty if it did not.
  const std::string& start_failure(std::size_t number) const {
    return start_failures_.at(number - 1);
  }

  // The highest version of the peer protocol that the node offers from its next start on: less than
  // the present one makes it a node that was not upgraded yet.
  void set_protocol_version(std::size_t number, std::uint32_t version) {
    protocol_versions_.at(number - 1) = version;
  }

  static Address address(std::size_t node, int port);

 private:
  class Observer;

  sim::World& world_;
  // What is there while a node serves.
  struct Clients {
    Env& env;
    TaskGroup fibers;
  };

  const NodeConfig config_;
  const admin::StaticBundle console_;
  std::vector<sim::Machine*> machines_;
  std::vector<Node*> nodes_;
  std::vector<Clients*> clients_;
  std::vector<std::unique_ptr<Observer>> observers_;
  std::vector<std::string> start_failures_;
  std::vector<std::uint32_t> protocol_versions_;
};

// The configuration that scenarios start from: short timeouts, so that rare things happen soon.
NodeConfig scenario_config(std::size_t nodes, std::size_t groups);

}  // namespace keelson::scenarios
