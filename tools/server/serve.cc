#include "tools/server/serve.h"

#include <fmt/format.h>

#include "tools/server/real_nodes.h"

namespace keelson::server {

Result<void> serve(const ServeOptions& options) {
  TRY(NodeConfig config, to_config(options));
  RealNodes nodes;
  TRY(const DiskIo disk_io, parse_disk_io(options.disk_io));
  TRY(const LogFormat log_format, parse_log_format(options.log_format));
  TRY(nodes.add(std::move(config), options.data_dir, disk_io, log_format));
  return nodes.run([&](const std::vector<Node*>& started) {
    const Node& node = *started.front();
    fmt::print(stderr, "keelson: {} serves s3 {} dynamodb {} sqs {} admin {} raft {}\n",
               to_string(node.config().node_id), node.address("s3"), node.address("dynamodb"),
               node.address("sqs"), node.address("admin"), node.address("raft"));
  });
}

}  // namespace keelson::server
