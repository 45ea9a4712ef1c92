// Tested by tests/core/node/ and every scenario.
#include "core/node.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/api/dynamodb_listener.h"
#include "core/api/s3_adapter.h"
#include "core/api/sqs_listener.h"
#include "core/base/check.h"

namespace keelson {

namespace {

Error wrong(std::string_view field, std::string_view what) {
  return {ErrorCode::invalid_argument, fmt::format("{}: {}", field, what)};
}

}  // namespace

Result<void> validate(const NodeConfig& config) {
  using std::chrono::milliseconds;
  if (config.cluster_id.empty()) return wrong("cluster-id", "must not be empty");
  if (!config.peers.contains(config.node_id)) {
    return wrong("peers", fmt::format("does not name this node, {}", to_string(config.node_id)));
  }
  if (config.group_count < 1 || config.group_count > 1024) {
    return wrong("groups", "must be 1 to 1024");
  }
  if (config.heartbeat_interval <= Duration::zero() ||
      config.election_timeout < 2 * config.heartbeat_interval) {
    return wrong("election-timeout-ms", "must be at least twice heartbeat-ms, which is positive");
  }
  if (config.lease < Duration::zero() || config.lease > config.election_timeout * 9 / 10) {
    // A follower may vote again after election_timeout by its clock: a tenth is for the drift.
    return wrong("lease-ms", "must be at most nine tenths of election-timeout-ms");
  }
  if (config.probe_timeout < milliseconds(100) || config.probe_timeout > milliseconds(2000)) {
    return wrong("probe-timeout-ms", "must be 100 to 2000");
  }
  if (config.drain_grace < Duration::zero() || config.drain_timeout <= config.drain_grace) {
    return wrong("drain-timeout-ms", "must be longer than drain-grace-ms");
  }
  return {};
}

// The node's log as RaftNode sees it.
class Node::Log : public raft::Persistence {
 public:
  explicit Log(storage::Wal& wal) : wal_(wal) {}

  void append(GroupId group, const std::optional<raft::HardState>& hard_state,
              const std::vector<raft::Entry>& entries) override {
    if (hard_state || !entries.empty()) wal_.append(group, hard_state, entries);
  }
  Result<void> write_and_sync(Deadline deadline) override { return wal_.write_and_sync(deadline); }

 private:
  storage::Wal& wal_;
};

// The node's transport as RaftNode and Coordinator see it, which are made before it.
class Node::Peers : public raft::MessageSender, public kv::PeerCaller {
 public:
  explicit Peers(const std::unique_ptr<raft::Transport>& transport) : transport_(transport) {}

  void send(NodeId to, GroupId group, const raft::Message& message) override {
    transport_->send(to, group, message);
  }
  Result<Bytes> call(NodeId to, BytesView request, Deadline deadline) override {
    return transport_->call(to, request, deadline);
  }

 private:
  const std::unique_ptr<raft::Transport>& transport_;
};

// The HTTP listeners and what answers on them.
class Node::Listeners {
 public:
  Listeners(Env& env, const NodeConfig& config, kv::Coordinator& coordinator,
            api::Metrics& metrics)
      : env_(env), config_(config), metrics_(metrics),
        s3_probes_(env.clock, &coordinator, metrics,
                   {.style = api::ProbeStyle::data,
                    .listener = "s3",
                    .budget = config.probe_timeout}),
        dynamodb_probes_(env.clock, &coordinator, metrics,
                         {.style = api::ProbeStyle::data,
                          .listener = "dynamodb",
                          .budget = config.probe_timeout}),
        sqs_probes_(env.clock, &coordinator, metrics,
                    {.style = api::ProbeStyle::sqs,
                     .listener = "sqs",
                     .budget = config.probe_timeout}),
        s3_(env.clock, env.random, coordinator,
            config.credentials.empty() ? nullptr : &config.credentials,
            {.region = config.region, .domains = {}}),
        dynamodb_(env.random), sqs_(env.random), probed_s3_(s3_probes_, s3_),
        probed_dynamodb_(dynamodb_probes_, dynamodb_), probed_sqs_(sqs_probes_, sqs_),
        metrics_handler_(metrics) {}

  Result<void> open() {
    TRY(serve("s3", config_.s3_listen, probed_s3_));
    TRY(serve("dynamodb", config_.dynamodb_listen, probed_dynamodb_));
    TRY(serve("sqs", config_.sqs_listen, probed_sqs_));
    if (!config_.metrics_listen.empty()) {
      TRY(serve("metrics", config_.metrics_listen, metrics_handler_));
    }
    return {};
  }

  Result<void> serve(const std::string& name, const Address& address, api::HttpHandler& handler) {
    api::HttpServerOptions options;
    options.listener = name;
    options.connections_limit = config_.connections_max;
    options.handle_time = std::max(config_.request_timeout, config_.probe_timeout);
    auto server = std::make_unique<api::HttpServer>(env_.clock, env_.scheduler, env_.network,
                                                    handler, metrics_, std::move(options));
    if (auto started = server->start(address); !started) {
      return Error{started.error().code,
                   fmt::format("{}-listen: {}", name, started.error().message)};
    }
    const bool is_new = servers_.emplace(name, std::move(server)).second;
    CHECK(is_new);
    return {};
  }

  void drain(Deadline deadline) {
    TaskGroup draining(env_.scheduler);
    for (const auto& [name, server] : servers_) {
      draining.spawn("drain listener", [this, &name = name, &server = *server, deadline] {
        if (!server.drain(deadline)) {
          SOMETIMES(env_.marks, "node: requests cut off by the drain's deadline");
          env_.log.event(name, "requests were cut off by the drain's deadline");
        }
      });
    }
    (void)draining.join(Deadline::never());  // Each has the deadline itself.
  }

  const api::HttpServer& server(const std::string& name) const { return *servers_.at(name); }

  std::size_t connections() const {
    std::size_t count = 0;
    for (const auto& [name, server] : servers_) count += server->connection_count();
    return count;
  }

 private:
  Env& env_;
  const NodeConfig& config_;
  api::Metrics& metrics_;
  api::Probes s3_probes_;
  api::Probes dynamodb_probes_;
  api::Probes sqs_probes_;
  api::S3Adapter s3_;
  api::DynamoDbListener dynamodb_;
  api::SqsListener sqs_;
  api::ProbedHandler probed_s3_;
  api::ProbedHandler probed_dynamodb_;
  api::ProbedHandler probed_sqs_;
  api::MetricsHandler metrics_handler_;
  // Last, so that connections end before what answers them.
  std::map<std::string, std::unique_ptr<api::HttpServer>> servers_;
};

Node::Node(Env& env, NodeConfig config, raft::RaftObserver* observer)
    : env_(env), config_(std::move(config)), observer_(observer) {
  metrics_.before_rendering([this] { refresh_metrics(); });
}

Node::~Node() = default;

void Node::refresh_metrics() {
  if (!raft_) return;
  for (const GroupId group : raft_->groups()) {
    const api::Metrics::Labels labels{{"group", to_string(group)}};
    const raft::Raft& core = raft_->core(group);
    const auto set = [&](const char* name, const char* help, std::uint64_t value) {
      metrics_.gauge(name, help, labels).set(static_cast<std::int64_t>(value));
    };
    set("keelson_raft_term", "Current term", core.current_term().value);
    set("keelson_raft_is_leader", "1 while this node believes it leads the group",
        core.role() == raft::Role::leader ? 1 : 0);
    set("keelson_raft_commit_index", "Commit index", core.commit_index().value);
    set("keelson_raft_applied_index", "Last applied index", raft_->last_applied(group).value);
    set("keelson_raft_last_log_index", "Last index of the log", core.last_log_index().value);
  }
  const auto rounds = raft_->read_rounds(coordinator_->default_group());
  metrics_.counter("keelson_probe_rounds_total",
                   "Quorum rounds of the default group begun for probes and reads")
      .set_total(rounds.begun);
  metrics_.counter("keelson_probe_shared_total", "Probes and reads that shared such a round")
      .set_total(rounds.shared);
}

Result<void> Node::start() {
  TRY(validate(config_));
  TRY(open_log());
  build_groups();
  if (auto started = transport_->start(config_.raft_listen); !started) {
    return Error{started.error().code, "raft-listen: " + started.error().message};
  }
  raft_->start();
  return open_listeners();
}

Result<void> Node::open_log() {
  const auto deadline = Deadline::in(env_.clock, config_.start_timeout);
  const storage::Identity identity{.cluster_id = config_.cluster_id, .node_id = config_.node_id};
  TRY(const bool is_ours, storage::check_identity(env_.disk, identity, deadline));
  if (!is_ours && !config_.bootstrap) {
    return wrong("bootstrap", "the data directory is empty; say --bootstrap if that is right");
  }
  TRY(wal_, storage::open_data_directory(env_, identity,
                                         {.segment_bytes = config_.wal_segment_bytes}, deadline));
  log_ = std::make_unique<Log>(*wal_);
  return {};
}

void Node::build_groups() {
  raft::Options options;
  options.id = config_.node_id;
  options.heartbeat_interval = config_.heartbeat_interval;
  options.election_timeout = config_.election_timeout;
  options.lease = config_.lease;
  options.append_bytes_max = config_.append_bytes_max;
  raft::TransportOptions transport_options{
      .self = config_.node_id,
      .cluster_id = config_.cluster_id,
      .peers = {},
      .ping_interval = config_.election_timeout / 2,
      .idle_timeout = config_.election_timeout * 2};
  for (const auto& [id, address] : config_.peers) {
    options.voters.push_back(id);
    if (id != config_.node_id) transport_options.peers.emplace(id, address);
  }

  peers_ = std::make_unique<Peers>(transport_);
  raft_ = std::make_unique<raft::RaftNode>(env_, *log_, *peers_, observer_);
  std::map<GroupId, kv::Replica*> replicas;
  kv::CoordinatorOptions coordinator_options;
  coordinator_options.self = config_.node_id;
  for (std::size_t i = 0; i < config_.group_count; ++i) {
    const GroupId group(i);
    auto recovered = wal_->take_recovered(group);
    replicas_.emplace(group, std::make_unique<kv::Replica>(env_.marks));
    replicas.emplace(group, replicas_.at(group).get());
    raft_->add_group(group, options,
                     {.hard_state = recovered.hard_state, .log = std::move(recovered.entries)},
                     *replicas_.at(group));
    coordinator_options.groups.push_back(group);
  }
  coordinator_ = std::make_unique<kv::Coordinator>(env_, std::move(coordinator_options), *raft_,
                                                   *peers_, std::move(replicas));
  raft::TransportHandler& handler = *this;
  transport_ = std::make_unique<raft::Transport>(env_, std::move(transport_options), handler);
}

Result<void> Node::open_listeners() {
  listeners_ = std::make_unique<Listeners>(env_, config_, *coordinator_, metrics_);
  return listeners_->open();
}

Result<void> Node::serve(const std::string& listener_name, const Address& address,
                         api::HttpHandler& handler) {
  return listeners_->serve(listener_name, address, handler);
}

Address Node::address(const std::string& listener_name) const {
  if (listener_name == "raft") return transport_->address();
  return listeners_->server(listener_name).address();
}

std::size_t Node::connections() const { return listeners_ ? listeners_->connections() : 0; }

void Node::drain(Deadline deadline) {
  coordinator_->begin_drain();
  env_.scheduler.sleep_until(std::min(env_.clock.now() + config_.drain_grace, deadline.at));
  listeners_->drain(deadline);
  raft_->stop();
  transport_->stop();
}

void Node::on_message(NodeId from, GroupId group, const raft::Message& message) {
  raft_->receive(from, group, message);
}

Bytes Node::on_call(NodeId, Bytes request) { return coordinator_->serve_forwarded(request); }

}  // namespace keelson
