// Tested by tests/core/node/ and every scenario.
#include "core/node.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/api/dynamodb_listener.h"
#include "core/api/s3_adapter.h"
#include "core/api/s3_collector.h"
#include "core/api/sqs_listener.h"
#include "core/base/check.h"
#include "core/node_metrics.h"
#include "core/runtime/address.h"

namespace keelson {

namespace {

constexpr std::size_t kPeerSecretSizeMin = 16;

Error wrong(std::string_view field, std::string_view what) {
  return {ErrorCode::invalid_argument, fmt::format("{}: {}", field, what)};
}

Result<void> validate_sizes(const NodeConfig& config) {
  if (config.wal_segment_bytes < 4 << 10 || config.wal_segment_bytes > std::uint64_t{4} << 30) {
    return wrong("wal-segment-bytes", "must be 4 KiB to 4 GiB");
  }
  if (config.wal_preallocate_bytes > config.wal_segment_bytes) {
    return wrong("wal-preallocate-bytes", "must be at most wal-segment-bytes");
  }
  if (config.wal_bytes_max < 2 * config.wal_segment_bytes) {
    // The segment that is being written stays, and the others are given back whole.
    return wrong("wal-bytes-max", "must be at least twice wal-segment-bytes");
  }
  if (config.log_bytes_max < 1 << 10) return wrong("log-bytes-max", "must be at least 1 KiB");
  if (config.snapshot_chunk_bytes < 1 || config.snapshot_chunk_bytes > 8 << 20) {
    return wrong("snapshot-chunk-bytes", "must be 1 byte to 8 MiB");  // A message holds it whole.
  }
  if (config.state_cache_bytes < 64 << 10) {
    return wrong("state-cache-bytes", "must be at least 64 KiB");
  }
  if (config.disk_reserve_bytes > std::uint64_t{1} << 50) {
    return wrong("disk-reserve-bytes", "must be at most 1 PiB: no disk would ever have space");
  }
  return {};
}

Result<void> validate_unprotected(std::string_view field, const Address& address) {
  TRY(const HostAndPort parts, split_address(address));
  if (is_loopback(parts)) return {};
  return wrong(field, fmt::format("{} is not on loopback, and nothing would protect what peers "
                                  "say: give --peer-secret-file, or --peer-cert, --peer-key and "
                                  "--peer-ca, or accept that by --peer-plaintext-off-loopback",
                                  address));
}

Result<void> validate_peers(const NodeConfig& config) {
  if (!config.peers.contains(config.node_id)) {
    return wrong("peers", fmt::format("does not name this node, {}", to_string(config.node_id)));
  }
  if (config.protocol_version_max < raft::kProtocolVersionMin ||
      config.protocol_version_max > raft::kProtocolVersionMax) {
    return wrong("protocol-version-max", fmt::format("must be {} to {}", raft::kProtocolVersionMin,
                                                     raft::kProtocolVersionMax));
  }
  if (!config.peer_secret.empty() && config.peer_secret.size() < kPeerSecretSizeMin) {
    return wrong("peer-secret-file", fmt::format("the secret must have {} octets at least: "
                                                 "openssl rand -hex 32 makes a good one",
                                                 kPeerSecretSizeMin));
  }
  const raft::TlsMaterial& tls = config.peer_tls;
  if (!tls.empty() && (tls.certificate.empty() || tls.key.empty() || tls.authorities.empty())) {
    return wrong("peer-cert, peer-key, peer-ca", "must be given all three or not at all");
  }
  const bool is_protected = !config.peer_secret.empty() || !tls.empty();
  if (is_protected || config.peer_plaintext_off_loopback) return {};
  if (!config.raft_listen.empty()) TRY(validate_unprotected("raft-listen", config.raft_listen));
  for (const auto& [id, address] : config.peers) TRY(validate_unprotected("peers", address));
  return {};
}

}  // namespace

Result<void> validate(const NodeConfig& config) {
  using std::chrono::milliseconds;
  if (config.cluster_id.empty()) return wrong("cluster-id", "must not be empty");
  TRY(validate_peers(config));
  if (config.group_count < 1 || config.group_count > 1024) {
    return wrong("groups", "must be 1 to 1024");
  }
  if (config.heartbeat_interval <= Duration::zero() ||
      config.election_timeout < 2 * config.heartbeat_interval) {
    return wrong("election-timeout-ms", "must be at least twice heartbeat-ms, which is positive");
  }
  if (config.lease < Duration::zero() || config.lease > raft::lease_max(config.election_timeout)) {
    return wrong("lease-ms", "must be at most nine tenths of election-timeout-ms");
  }
  if (config.timestamps_ahead < milliseconds(100)) {
    return wrong("timestamps-ahead-ms", "must be at least 100");
  }
  if (config.transaction_ttl < milliseconds(10)) {
    return wrong("transaction-ttl-ms", "must be at least 10");
  }
  if (config.balance_interval != Duration::zero() &&
      config.balance_interval < config.election_timeout) {
    return wrong("balance-interval-ms", "must be 0 or at least election-timeout-ms");
  }
  if (config.probe_timeout < milliseconds(100) || config.probe_timeout > milliseconds(2000)) {
    return wrong("probe-timeout-ms", "must be 100 to 2000");
  }
  if (config.drain_grace < Duration::zero() || config.drain_timeout <= config.drain_grace) {
    return wrong("drain-timeout-ms", "must be longer than drain-grace-ms");
  }
  if (config.s3_collect_interval <= Duration::zero() ||
      config.s3_collect_grace < config.request_timeout) {
    return wrong("s3-collect-grace-s", "must be at least the request timeout, and the interval 1");
  }
  return validate_sizes(config);
}

// The node's log as RaftNode sees it.
class Node::Log : public raft::Persistence {
 public:
  explicit Log(storage::Wal& wal) : wal_(wal) {}

  void append(GroupId group, const std::optional<raft::HardState>& hard_state,
              const std::vector<raft::Entry>& entries) override {
    wal_.append(group, hard_state, entries);
  }
  void cut(GroupId group, const raft::LogStart& start) override { wal_.cut(group, start); }
  void restart(GroupId group, const raft::LogStart& start) override { wal_.restart(group, start); }
  Result<void> write_and_sync(Deadline deadline) override { return wal_.write_and_sync(deadline); }
  Result<void> remove_unneeded(Deadline deadline) override {
    return wal_.remove_unneeded(deadline);
  }
  std::uint64_t bytes() const override { return wal_.bytes(); }
  std::vector<GroupId> groups_in_oldest() const override {
    return wal_.groups_in_oldest_segment();
  }

 private:
  storage::Wal& wal_;
};

// Calls of one kind to the peers: the first octet says who answers them.
class Node::Calls : public kv::PeerCaller {
 public:
  enum class Kind : char { forwarded = 1, founding = 2, admin = 3 };

  Calls(const std::unique_ptr<raft::Transport>& transport, Kind kind)
      : transport_(transport), kind_(kind) {}

  Result<Bytes> call(NodeId to, BytesView request, Deadline deadline) override {
    Bytes bytes(1, static_cast<char>(kind_));
    bytes += request;
    return transport_->call(to, bytes, deadline);
  }

 private:
  const std::unique_ptr<raft::Transport>& transport_;
  const Kind kind_;
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
        s3_(env.clock, env.scheduler, env.random, coordinator,
            config.credentials.empty() ? nullptr : &config.credentials,
            {.region = config.region,
             .domains = config.s3_domains,
             .chunk_bytes = config.s3_chunk_bytes,
             .inline_bytes_max = config.s3_inline_bytes_max,
             .part_bytes_min = config.s3_part_bytes_min}),
        s3_collector_(s3_.context(), coordinator,
                      {.interval = config.s3_collect_interval,
                       .writer_grace = config.s3_collect_grace,
                       .reader_grace = config.s3_collect_grace,
                       .step_time = config.request_timeout}),
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
    s3_collector_.start();
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
    s3_collector_.stop();
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
  api::S3Collector s3_collector_;
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
  metrics_.before_rendering([this] {
    if (raft_) refresh_metrics(metrics_, {*raft_, *coordinator_, *wal_, *state_, config_.node_id});
  });
}

Node::~Node() = default;

Result<bool> Node::start() {
  TRY(validate(config_));
  const auto deadline = Deadline::in(env_.clock, config_.start_timeout);
  TRY(open_data_directory(deadline));
  TRY(open_state(deadline));
  TRY(open_tls());
  connect_peers();
  if (auto started = transport_->start(config_.raft_listen); !started) {
    return Error{started.error().code, "raft-listen: " + started.error().message};
  }
  TRY(const bool is_founded, found());
  if (!is_founded) {
    transport_->stop();
    return false;
  }
  build_groups();
  raft_->start();
  coordinator_->start();
  TRY(open_listeners());
  return true;
}

Result<void> Node::open_data_directory(Deadline deadline) {
  const storage::WalOptions options{.segment_bytes = config_.wal_segment_bytes,
                                    .preallocate_bytes = config_.wal_preallocate_bytes};
  TRY(wal_, storage::open_data_directory(
                env_, {.cluster_id = config_.cluster_id, .node_id = config_.node_id}, options,
                deadline));
  TRY(const auto identity, storage::read_identity(env_.disk, deadline));
  CHECK(identity.has_value());
  identity_ = *identity;
  log_ = std::make_unique<Log>(*wal_);
  return {};
}

// The state is what the log made of it: when it is damaged, the log or a peer makes it anew.
Result<void> Node::open_state(Deadline deadline) {
  kv::StateStoreOptions options;
  options.chunk_bytes = config_.snapshot_chunk_bytes;
  options.cache_bytes = config_.state_cache_bytes;
  options.wal_bytes_limit = config_.state_wal_bytes_limit;
  options.checkpoint_write_bytes = config_.state_checkpoint_write_bytes;
  options.unsaved_bytes_limit = config_.state_unsaved_bytes_limit;
  auto opened = kv::StateStore::open(env_, options, deadline);
  if (!opened && opened.error().code == ErrorCode::corrupt) {
    SOMETIMES(env_.marks, "node: damaged state put aside");
    env_.log.event("node", "puts the damaged state aside: " + opened.error().message);
    TRY(kv::StateStore::set_aside(env_, options, deadline));
    opened = kv::StateStore::open(env_, options, deadline);
  }
  TRY(state_, std::move(opened));
  return {};
}

Result<void> Node::open_tls() {
  if (config_.peer_tls.empty()) return {};
  TRY(tls_, raft::TlsContext::make(config_.peer_tls, env_.clock));
  return {};
}

void Node::connect_peers() {
  raft::TransportOptions options{.self = config_.node_id,
                                 .incarnation = identity_.incarnation,
                                 .cluster_id = config_.cluster_id,
                                 .peers = config_.peers,
                                 .tls = tls_.get(),
                                 .secret = config_.peer_secret,
                                 .version_max = config_.protocol_version_max,
                                 .ping_interval = config_.election_timeout / 2,
                                 .idle_timeout = config_.election_timeout * 2};
  options.peers.erase(config_.node_id);
  raft::TransportHandler& handler = *this;
  transport_ = std::make_unique<raft::Transport>(env_, std::move(options), handler);
  founding_calls_ = std::make_unique<Calls>(transport_, Calls::Kind::founding);
  forwarding_calls_ = std::make_unique<Calls>(transport_, Calls::Kind::forwarded);
  admin_calls_ = std::make_unique<Calls>(transport_, Calls::Kind::admin);
  founding_ = std::make_unique<Founding>(env_, *founding_calls_, config_.node_id,
                                         identity_.incarnation, identity_.founders);
}

// False when the node was asked to stop while it waited.
Result<bool> Node::found() {
  if (!identity_.founders.empty()) return true;
  std::vector<NodeId> others;
  for (const auto& [id, address] : config_.peers) {
    if (id != config_.node_id) others.push_back(id);
  }
  auto founders = founding_->agree(others, config_.bootstrap);
  if (!founders) return false;
  identity_.founders = *std::move(founders);
  TRY(storage::write_identity(env_.disk, identity_,
                              Deadline::in(env_.clock, config_.start_timeout)));
  founding_->set_founders(identity_.founders);
  return true;
}

void Node::build_groups() {
  raft::Options options;
  options.id = config_.node_id;
  options.incarnation = identity_.incarnation;
  options.heartbeat_interval = config_.heartbeat_interval;
  options.election_timeout = config_.election_timeout;
  options.lease = config_.lease;
  options.append_bytes_max = config_.append_bytes_max;
  raft::RaftNodeOptions node_options;
  node_options.timer_grain = config_.heartbeat_interval / 16;
  node_options.log_bytes_max = config_.log_bytes_max;
  node_options.wal_bytes_max = config_.wal_bytes_max;
  node_options.compaction_interval = config_.heartbeat_interval;
  node_options.disk_reserve_bytes = config_.disk_reserve_bytes;
  node_options.snapshot_patience = config_.election_timeout;
  node_options.balance_interval = config_.balance_interval;
  raft_ = std::make_unique<raft::RaftNode>(env_, node_options, *log_, *state_, *transport_,
                                           observer_);
  // The groups begin with the founders. Who is none of them learns from a leader who belongs to
  // them.
  raft::Configuration founders;
  const auto self = identity_.founders.find(config_.node_id);
  if (self != identity_.founders.end() && self->second == identity_.incarnation) {
    for (const auto& [id, incarnation] : identity_.founders) {
      founders.members[id] = {.incarnation = incarnation, .is_voter = true};
    }
  }
  kv::CoordinatorOptions coordinator_options;
  coordinator_options.self = config_.node_id;
  coordinator_options.timestamps.ahead = config_.timestamps_ahead;
  coordinator_options.transaction_ttl = config_.transaction_ttl;
  coordinator_options.shard_interval = 5 * config_.heartbeat_interval;
  for (std::size_t i = 0; i < config_.group_count; ++i) {
    const GroupId group(i);
    auto recovered = wal_->take_recovered(group);
    raft_->add_group(group, options,
                     {.hard_state = recovered.hard_state,
                      .start = recovered.start,
                      .log = std::move(recovered.entries),
                      .state = state_->label(group)},
                     founders);
    coordinator_options.groups.push_back(group);
  }
  coordinator_ = std::make_unique<kv::Coordinator>(env_, std::move(coordinator_options), *raft_,
                                                   *forwarding_calls_, *state_);
}

Result<void> Node::open_listeners() {
  listeners_ = std::make_unique<Listeners>(env_, config_, *coordinator_, metrics_);
  return listeners_->open();
}

Result<void> Node::serve(const std::string& listener_name, const Address& address,
                         api::HttpHandler& handler) {
  return listeners_->serve(listener_name, address, handler);
}

void Node::serve_admin_calls(std::function<Bytes(NodeId from, Bytes request)> serve) {
  serve_admin_call_ = std::move(serve);
}

Result<Bytes> Node::call_admin(NodeId to, BytesView request, Deadline deadline) {
  return admin_calls_->call(to, request, deadline);
}

Address Node::address(const std::string& listener_name) const {
  if (listener_name == "raft") return transport_->address();
  return listeners_->server(listener_name).address();
}

std::size_t Node::connections() const { return listeners_ ? listeners_->connections() : 0; }

void Node::begin_drain() { coordinator_->begin_drain(); }

void Node::drain(Deadline deadline) {
  begin_drain();
  env_.scheduler.sleep_until(std::min(env_.clock.now() + config_.drain_grace, deadline.at));
  hand_leadership_over(deadline);
  listeners_->drain(deadline);
  coordinator_->stop();
  raft_->stop();
  transport_->stop();
}

// Before the listeners close, so that the end of this node costs the cluster no election timeout:
// what clients ask meanwhile is forwarded to the new leaders.
void Node::hand_leadership_over(Deadline deadline) {
  TaskGroup transfers(env_.scheduler);
  for (const GroupId group : raft_->groups()) {
    if (raft_->core(group).role() != raft::Role::leader) continue;
    transfers.spawn("hand over", [this, group, deadline] {
      const auto leader = raft_->transfer_leadership(group, std::nullopt, deadline);
      if (leader) SOMETIMES(env_.marks, "node: leadership handed over by a drain");
      env_.log.event("node", fmt::format("drains: {}: {}", to_string(group),
                                         leader ? "handed over to " + to_string(*leader)
                                                : "not handed over: " + leader.error().message));
    });
  }
  (void)transfers.join(deadline);
}

void Node::on_message(NodeId from, Incarnation incarnation, GroupId group,
                      const raft::Message& message) {
  if (raft_ != nullptr) raft_->receive(from, incarnation, group, message);
}

// An empty reply is none of any kind: the caller takes it for a failure.
Bytes Node::on_call(NodeId from, Bytes request) {
  if (request.empty()) return {};
  switch (static_cast<Calls::Kind>(request.front())) {
    case Calls::Kind::founding: return founding_->answer();
    case Calls::Kind::forwarded:
      if (coordinator_ == nullptr) return {};
      return coordinator_->serve_forwarded(BytesView(request).substr(1));
    case Calls::Kind::admin:
      if (!serve_admin_call_) return {};
      return serve_admin_call_(from, request.substr(1));
  }
  return {};
}

}  // namespace keelson
