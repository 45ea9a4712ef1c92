// START HERE: one Keelson node, built out of an Env and a NodeConfig, the same in both worlds.
//
//   clients -> HttpServer x4 -> probes, S3 / DynamoDB / SQS adapters     core/api
//                                  |
//                             Coordinator                                core/kv
//                              |        |  one hop
//                           RaftNode  Transport -> peers                 core/raft
//                              |
//                             Wal                                        core/storage
//
// The admin listener stands beside it: admin/run_node.h, which is what programs and scenarios call.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/api/credentials.h"
#include "core/api/http_server.h"
#include "core/api/metrics.h"
#include "core/api/probe.h"
#include "core/founding.h"
#include "core/kv/coordinator.h"
#include "core/kv/state_store.h"
#include "core/raft/raft_node.h"
#include "core/raft/transport.h"
#include "core/storage/data_directory.h"

namespace keelson {

struct NodeConfig {
  NodeId node_id;
  std::string cluster_id;
  // Every voter, this node too, with the address of its raft listener.
  std::map<NodeId, Address> peers;
  // What peers must prove that they know; empty: nothing. With it, frames between nodes are
  // authentic, not hidden.
  Bytes peer_secret;
  // Mutual TLS between peers; each certificate names its node (core/raft/peer_tls.h). Empty: none.
  raft::TlsMaterial peer_tls;
  // Allows peers on other machines without any protection.
  bool peer_plaintext_off_loopback = false;
  // The highest version of the peer protocol that is offered: less makes this as an older node.
  std::uint32_t protocol_version_max = raft::kProtocolVersionMax;
  // Raft groups g0, g1, ...; g0 is the default group.
  std::size_t group_count = 1;
  // Lets the node of the lowest id found a cluster, once, when all peers are there and none of them
  // belongs to one (core/founding.h). A node with an empty directory joins the cluster otherwise.
  bool bootstrap = false;

  Address raft_listen;
  Address s3_listen;
  Address dynamodb_listen;
  Address sqs_listen;
  Address admin_listen;
  Address metrics_listen;  // No metrics listener when empty.

  Duration heartbeat_interval = std::chrono::milliseconds(200);
  Duration election_timeout = std::chrono::seconds(2);
  Duration lease = Duration::zero();  // Off. REQUIRES: shorter than election_timeout by the drift.
  // How often a node that leads more groups than others hands one of them over; zero: never.
  Duration balance_interval = std::chrono::seconds(10);
  // How far the ceiling of timestamps is ahead of the wall clock (core/kv/hlc.h): what a leader
  // that is lost may have promised, and for how long leaders can do without the default group.
  Duration timestamps_ahead = std::chrono::seconds(3);
  // From a transaction's first prepare to its decision; then others may roll it back.
  Duration transaction_ttl = std::chrono::seconds(3);
  Duration probe_timeout = std::chrono::seconds(1);    // 100 ms to 2 s.
  Duration request_timeout = std::chrono::seconds(10);
  // An orderly stop: probes are red for the grace while everything is still served, so that
  // balancers look elsewhere first; from the request to stop to the end it takes the timeout at
  // most.
  Duration drain_grace = std::chrono::seconds(1);
  Duration drain_timeout = std::chrono::seconds(10);
  Duration start_timeout = std::chrono::seconds(60);  // For opening the data directory.

  api::Credentials credentials;  // Empty: requests need no signature.
  std::string region = "us-east-1";
  // Of S3. Whoever addresses "bucket.DOMAIN" means that bucket.
  std::vector<std::string> s3_domains;
  std::size_t s3_chunk_bytes = 1 << 20;      // Of what the store holds of an object in one value.
  std::size_t s3_inline_bytes_max = 4 << 10;  // Up to this size a body is in its object's record.
  std::size_t s3_part_bytes_min = 5 << 20;   // Of a part of an upload, but the last.
  // What nobody refers to is taken back (core/api/s3_collector.h says what and when).
  Duration s3_collect_interval = std::chrono::minutes(10);
  Duration s3_collect_grace = std::chrono::hours(1);  // For writers, and then for readers.
  // What operators present to the admin API; empty: nothing is asked for.
  Bytes admin_token;

  std::uint64_t wal_segment_bytes = 64 << 20;
  std::uint64_t wal_preallocate_bytes = 1 << 20;  // Kept zero-filled ahead; 0 turns it off.
  // The logs are cut when they have grown beyond these: of one group in memory, of all on disk.
  std::uint64_t log_bytes_max = 64 << 20;
  std::uint64_t wal_bytes_max = 256 << 20;
  std::uint64_t state_cache_bytes = 64 << 20;     // Of the state's pages, in memory.
  // Of the state's -wal file; beyond, a load that never pauses waits for a checkpoint.
  std::uint64_t state_wal_bytes_limit = 64 << 20;
  std::size_t state_checkpoint_write_bytes = 256 << 10;  // Of neighbouring pages, at once.
  // What was applied is written to the state's database when there is so much of it.
  std::uint64_t state_unsaved_bytes_limit = 16 << 20;
  std::size_t snapshot_chunk_bytes = 256 << 10;   // Of one message that carries a snapshot's part.
  // A disk with less free space is full: the node takes no writes and leads only if it must.
  std::uint64_t disk_reserve_bytes = 64 << 20;
  std::size_t append_bytes_max = 1 << 20;  // Of one message to a follower; one entry always fits.
  std::size_t connections_max = 1024;  // Of each listener.
};

// Errors: invalid_argument, the message naming the field and what it should be.
Result<void> validate(const NodeConfig& config);

class Node : private raft::TransportHandler {
 public:
  // `env` outlives the node, and so does `observer`, which may be null.
  Node(Env& env, NodeConfig config, raft::RaftObserver* observer = nullptr);
  ~Node() override;

  // Opens the data directory, joins the peers and serves (true). A node with a new directory waits
  // for a cluster, as long as it takes; false when env.stop_requested was set meanwhile, and there
  // is nothing to drain. Errors: invalid_argument (configuration, an address in use, a directory of
  // another node), corrupt, io_error, no_space.
  Result<bool> start();

  // Probes are red from now on; everything else is served as before. drain() begins with it.
  void begin_drain();

  // An orderly stop, after which nothing runs: probes turn red, the lead of every group is handed
  // over, listeners take no more, requests in flight end, groups stop. Suspends at most until the
  // deadline; then what is left is cut off.
  void drain(Deadline deadline);

  // Serves one more listener, with this node's limits and metrics. `handler` outlives the node.
  Result<void> serve(const std::string& listener_name, const Address& address,
                     api::HttpHandler& handler);

  // Calls between the admin listeners of nodes: `serve` answers a peer's call_admin() on a fiber of
  // its own, and outlives this node. Errors of the second: those of Transport::call().
  void serve_admin_calls(std::function<Bytes(NodeId from, Bytes request)> serve);
  Result<Bytes> call_admin(NodeId to, BytesView request, Deadline deadline);

  // Where a listener ("raft", "s3", "dynamodb", "sqs", "admin", "metrics") really listens.
  // REQUIRES: it was started.
  Address address(const std::string& listener_name) const;

  const NodeConfig& config() const { return config_; }
  kv::Coordinator& coordinator() { return *coordinator_; }
  raft::RaftNode& raft() { return *raft_; }
  api::Metrics& metrics() { return metrics_; }
  kv::StateStore& state() { return *state_; }
  // What is still held, for leak checks after a drain.
  std::size_t connections() const;

 private:
  class Log;
  class Calls;
  class Listeners;

  void on_message(NodeId from, Incarnation incarnation, GroupId group,
                  const raft::Message& message) override;
  Bytes on_call(NodeId from, Bytes request) override;
  Result<void> open_data_directory(Deadline deadline);
  Result<void> open_state(Deadline deadline);
  Result<void> open_tls();
  void connect_peers();
  Result<bool> found();
  void build_groups();
  Result<void> open_listeners();
  void hand_leadership_over(Deadline deadline);

  Env& env_;
  const NodeConfig config_;
  raft::RaftObserver* const observer_;
  api::Metrics metrics_;

  storage::Identity identity_;
  std::unique_ptr<storage::Wal> wal_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<kv::StateStore> state_;
  std::unique_ptr<Calls> founding_calls_;
  std::unique_ptr<Calls> forwarding_calls_;
  std::unique_ptr<Calls> admin_calls_;
  std::function<Bytes(NodeId from, Bytes request)> serve_admin_call_;
  std::unique_ptr<Founding> founding_;
  std::unique_ptr<raft::RaftNode> raft_;
  std::unique_ptr<kv::Coordinator> coordinator_;
  std::unique_ptr<raft::TlsContext> tls_;
  std::unique_ptr<raft::Transport> transport_;
  std::unique_ptr<Listeners> listeners_;
};

}  // namespace keelson
