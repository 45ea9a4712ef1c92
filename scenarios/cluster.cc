#include "scenarios/cluster.h"

#include <fmt/format.h>

#include "admin/run_node.h"
#include "core/base/check.h"

namespace keelson::scenarios {

// Asks a node for the digest of its state, which nothing outside could compute as it goes.
class Cluster::Observer : public raft::RaftObserver {
 public:
  Observer(const sim::Machine& machine, Node* const& node, ApplyObserver& told)
      : machine_(machine), node_(node), told_(told) {}

  void on_applied(GroupId group, const raft::Entry& entry) override {
    told_.on_applied(machine_, group, entry);
  }
  void on_installed(GroupId group, const raft::StateLabel& label) override {
    told_.on_installed(machine_, group, label);
  }
  void on_state_changed(GroupId group) override {
    if (node_ == nullptr) return;
    kv::StateStore& state = node_->state();
    told_.on_state(machine_, group, state.label(group).index, state.digest(group));
  }

 private:
  const sim::Machine& machine_;
  Node* const& node_;  // Null while it does not serve.
  ApplyObserver& told_;
};

Address Cluster::address(std::size_t node, int port) { return fmt::format("n{}:{}", node, port); }

Cluster::Cluster(sim::World& world, const NodeConfig& config, ApplyObserver* observer,
                 std::size_t joiners)
    : world_(world), config_(config),
      console_(std::map<std::string, Bytes>{
          {"index.html", "<!doctype html><title>Keelson</title>"}}),
      nodes_(config.peers.size() + joiners), clients_(nodes_.size()),
      start_failures_(nodes_.size()),
      protocol_versions_(nodes_.size(), config.protocol_version_max) {
  for (std::size_t number = 1; number <= nodes_.size(); ++number) {
    sim::Machine& machine = world_.add_machine(fmt::format("n{}", number));
    machines_.push_back(&machine);
    observers_.push_back(
        observer == nullptr
            ? nullptr
            : std::make_unique<Observer>(machine, nodes_[number - 1], *observer));
  }
}

Cluster::~Cluster() {
  // Programs refer to this object.
  for (sim::Machine* const machine : machines_) machine->kill();
}

void Cluster::start() {
  for (std::size_t number = 1; number <= size(); ++number) {
    sim::Machine& started = machine(number);
    if (started.is_running()) continue;
    started.start([this, number](Env& env) {
      // However the incarnation ends, nobody finds its node any more.
      struct Registration {
        Node*& place;
        Clients*& clients_place;
        ~Registration() {
          place = nullptr;
          clients_place = nullptr;
        }
      } registration{nodes_[number - 1], clients_[number - 1]};
      Clients clients{env, TaskGroup(env.scheduler)};
      start_failures_[number - 1].clear();
      NodeConfig config = config_;
      config.node_id = NodeId(number);
      config.peers.try_emplace(config.node_id, address(number, kRaftPort));
      config.protocol_version_max = protocol_versions_[number - 1];
      config.raft_listen = address(number, kRaftPort);
      config.s3_listen = address(number, kS3Port);
      config.dynamodb_listen = address(number, kDynamodbPort);
      config.sqs_listen = address(number, kSqsPort);
      config.admin_listen = address(number, kAdminPort);
      const auto on_started = [&](Node& node) {
        registration.place = &node;
        registration.clients_place = &clients;
      };
      const auto on_stopping = [&] {
        registration.clients_place = nullptr;
        (void)clients.fibers.join(Deadline::never());
      };
      const auto ended = run_node(env, config, {.on_started = on_started,
                                                .on_stopping = on_stopping,
                                                .observer = observers_[number - 1].get(),
                                                .console = &console_});
      if (!ended) start_failures_[number - 1] = ended.error().message;
    });
  }
}

bool Cluster::spawn_client(std::size_t number, std::function<void(Env&, Node&)> body) {
  Clients* const clients = clients_.at(number - 1);
  Node* const its_node = node(number);
  if (clients == nullptr || its_node == nullptr) return false;
  clients->fibers.spawn("client in the process",
                        [&env = clients->env, its_node, run = std::move(body)] {
                          run(env, *its_node);
                        });
  machine(number).spawn("turn", [](Env&) {});  // So that the world gives the process one.
  return true;
}

NodeConfig scenario_config(std::size_t nodes, std::size_t groups) {
  using std::chrono::milliseconds;
  NodeConfig config;
  config.cluster_id = "scenario";
  config.group_count = groups;
  config.bootstrap = true;
  for (std::size_t number = 1; number <= nodes; ++number) {
    config.peers.emplace(NodeId(number), Cluster::address(number, kRaftPort));
  }
  config.peer_plaintext_off_loopback = true;
  config.heartbeat_interval = milliseconds(50);
  config.election_timeout = milliseconds(250);
  config.timestamps_ahead = milliseconds(1500);
  config.transaction_ttl = milliseconds(400);
  config.probe_timeout = milliseconds(500);
  config.request_timeout = milliseconds(2000);
  config.drain_grace = milliseconds(200);
  config.drain_timeout = milliseconds(2000);
  config.wal_preallocate_bytes = 4 << 10;
  config.state_cache_bytes = 256 << 10;
  config.state_wal_bytes_limit = 256 << 10;
  config.state_checkpoint_write_bytes = 4 << 10;  // Power is lost between any two pages.
  config.disk_reserve_bytes = 16 << 10;
  return config;
}

}  // namespace keelson::scenarios
