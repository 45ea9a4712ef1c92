// A whole node with its admin listener, from start to orderly stop: what `keelson serve`,
// `keelson dev` and every scenario run.
#pragma once

#include <functional>

#include "admin/static_bundle.h"
#include "core/node.h"

namespace keelson {

struct RunNodeHooks {
  // Called once every listener serves. The node is valid until run_node returns.
  std::function<void(Node&)> on_started = {};
  // Called when the node was told to stop and its probes are red, before it drains: what uses it
  // from outside ends here.
  std::function<void()> on_stopping = {};
  // Outlives the node; may be null.
  raft::RaftObserver* observer = nullptr;
  // The console's files, served by the admin listener. Outlives the node; null: there is none.
  const admin::StaticBundle* console = nullptr;
};

// Runs a node until env.stop_requested is set and then drains it within config.drain_timeout; a
// node that is asked to stop before there was a cluster for it ends at once, and that is no error.
// Returns an error if it cannot start: those of Node::start. May suspend for as long as the node
// lives.
Result<void> run_node(Env& env, const NodeConfig& config, const RunNodeHooks& hooks = {});

}  // namespace keelson
