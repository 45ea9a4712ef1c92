// Nodes of one process in the real world: what `serve` and `dev` share.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/node.h"
#include "net/real_env.h"

namespace keelson::server {

// Runs nodes on one reactor until all have ended.
class RealNodes {
 public:
  // Errors: those of RealEnv::open.
  Result<void> add(NodeConfig config, const std::string& data_directory,
                   DiskIo disk_io = DiskIo::automatic, LogFormat log_format = LogFormat::text);

  // The environment of the node added at `position`.
  Env& env(std::size_t position) { return nodes_.at(position)->real->env(); }
  // REQUIRES: not running.
  NodeConfig& config(std::size_t position) { return nodes_.at(position)->config; }

  // Starts every node, calls `on_started` when all serve, and returns when all have ended: by an
  // orderly stop after SIGTERM or SIGINT, or because one could not start, which ends the others
  // too.
  Result<void> run(const std::function<void(const std::vector<Node*>&)>& on_started);

 private:
  struct RunningNode {
    NodeConfig config;
    std::unique_ptr<RealEnv> real;
    Node* started = nullptr;
    bool has_ended = false;
  };

  void run_one(RunningNode& running,
               const std::function<void(const std::vector<Node*>&)>& on_started);
  void request_stop();

  Reactor reactor_;
  std::vector<std::unique_ptr<RunningNode>> nodes_;
  bool stop_requested_ = false;
  Result<void> result_;
};

}  // namespace keelson::server
