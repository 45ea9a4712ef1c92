#include "tools/server/dev.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>

#include "tools/server/real_nodes.h"

namespace keelson::server {

namespace {

constexpr const char* kListeners[] = {"raft", "s3", "dynamodb", "sqs", "admin"};

void print_addresses(const std::vector<Node*>& nodes, bool as_json) {
  boost::json::array list;
  for (const Node* node : nodes) {
    boost::json::object entry{{"id", to_string(node->config().node_id)}};
    for (const char* name : kListeners) entry[name] = node->address(name);
    if (!as_json) {
      fmt::print("{}  s3 http://{}  dynamodb http://{}  sqs http://{}  admin http://{}/admin\n",
                 to_string(node->config().node_id), node->address("s3"), node->address("dynamodb"),
                 node->address("sqs"), node->address("admin"));
    }
    list.push_back(std::move(entry));
  }
  if (as_json) fmt::print("{}\n", boost::json::serialize(boost::json::object{{"nodes", list}}));
  std::fflush(stdout);
}

NodeConfig config_of(NodeId id, const DevOptions& options) {
  NodeConfig config;
  config.node_id = id;
  config.cluster_id = "dev";
  config.group_count = options.groups;
  config.bootstrap = true;
  config.s3_listen = config.dynamodb_listen = config.sqs_listen = config.admin_listen =
      "127.0.0.1:0";
  config.heartbeat_interval = std::chrono::milliseconds(100);
  config.election_timeout = std::chrono::milliseconds(1000);
  return config;
}

// Peers must know each other's ports before they listen, so the kernel is asked for free ones
// first.
Result<std::map<NodeId, Address>> choose_raft_addresses(RealNodes& nodes, std::size_t count) {
  std::map<NodeId, Address> addresses;
  std::vector<std::unique_ptr<Listener>> held;
  for (std::size_t i = 0; i < count; ++i) {
    TRY(auto listener, nodes.env(i).network.listen("127.0.0.1:0"));
    addresses[nodes.config(i).node_id] = listener->address();
    held.push_back(std::move(listener));
  }
  return addresses;
}

}  // namespace

Result<void> dev(const DevOptions& options) {
  RealNodes nodes;
  for (std::size_t i = 1; i <= options.nodes; ++i) {
    const NodeId id(i);
    TRY(nodes.add(config_of(id, options), options.directory + "/" + to_string(id)));
  }
  TRY(const auto addresses, choose_raft_addresses(nodes, options.nodes));
  for (std::size_t i = 0; i < options.nodes; ++i) {
    NodeConfig& config = nodes.config(i);
    config.peers = addresses;
    config.raft_listen = addresses.at(config.node_id);
    TRY(validate(config));
  }
  return nodes.run(
      [&](const std::vector<Node*>& started) { print_addresses(started, options.json); });
}

}  // namespace keelson::server
