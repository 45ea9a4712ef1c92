#include "tools/server/real_nodes.h"

#include <csignal>
#include <cstdlib>

#include "admin/run_node.h"

namespace keelson::server {

Result<void> RealNodes::add(NodeConfig config, const std::string& data_directory,
                            DiskIo disk_io, LogFormat log_format) {
  auto running = std::make_unique<RunningNode>();
  TRY(running->real, RealEnv::open(reactor_, {.node = to_string(config.node_id),
                                              .data_directory = data_directory,
                                              .disk_io = disk_io,
                                              .log_format = log_format}));
  running->config = std::move(config);
  nodes_.push_back(std::move(running));
  return {};
}

Result<void> RealNodes::run(const std::function<void(const std::vector<Node*>&)>& on_started) {
  for (const int signal : {SIGTERM, SIGINT}) {
    reactor_.on_signal(signal, [this] {
      if (stop_requested_) std::_Exit(1);  // Asked twice: the operator does not want to wait.
      request_stop();
    });
  }
  for (const auto& running : nodes_) {
    running->real->scheduler().spawn("node", [this, &node = *running, &on_started] {
      run_one(node, on_started);
    });
  }
  reactor_.run();
  return std::move(result_);
}

void RealNodes::run_one(RunningNode& running,
                        const std::function<void(const std::vector<Node*>&)>& on_started) {
  const auto ended = run_node(running.real->env(), running.config, {
      .on_started = [&](Node& node) {
        running.started = &node;
        std::vector<Node*> started;
        for (const auto& each : nodes_) {
          if (each->started == nullptr) return;
          started.push_back(each->started);
        }
        on_started(started);
      }});
  running.has_ended = true;
  if (!ended) {
    if (result_) {
      result_ = Error{ended.error().code,
                      to_string(running.config.node_id) + ": " + ended.error().message};
    }
    request_stop();
  }
  for (const auto& each : nodes_) {
    if (!each->has_ended) return;
  }
  reactor_.stop();
}

void RealNodes::request_stop() {
  stop_requested_ = true;
  for (const auto& running : nodes_) running->real->stop_requested().set();
}

}  // namespace keelson::server
