// What `keelson serve` can be told, by flags or by a file that has the same names as keys.
#pragma once

#include <string>

#include "core/node.h"
#include "net/disk_syncs.h"
#include "net/stderr_log.h"

namespace CLI {
class App;
}

namespace keelson::server {

// The flags as a person writes them; to_config() makes sense of them.
struct ServeOptions {
  std::string node_id;
  std::string data_dir;
  std::string cluster_id;
  std::string peers;
  std::string peer_secret_file;
  std::string peer_cert;
  std::string peer_key;
  std::string peer_ca;
  bool peer_plaintext_off_loopback = false;
  std::size_t groups = 1;
  std::string raft_listen;
  std::string s3_listen = "127.0.0.1:9000";
  std::string dynamodb_listen = "127.0.0.1:9001";
  std::string sqs_listen = "127.0.0.1:9002";
  std::string admin_listen = "127.0.0.1:8080";
  std::string metrics_listen;
  std::string credentials_file;
  std::string region = "us-east-1";
  std::vector<std::string> s3_domains;
  std::uint32_t s3_collect_interval_s = 600;
  std::uint32_t s3_collect_grace_s = 3600;
  bool bootstrap = false;
  std::string disk_io = "auto";
  std::string log_format = "text";
  std::string admin_token_file;
  bool admin_open_off_loopback = false;
  std::uint32_t heartbeat_ms = 200;
  std::uint32_t election_timeout_ms = 2000;
  std::uint32_t lease_ms = 0;
  std::uint32_t probe_timeout_ms = 1000;
  std::uint32_t balance_interval_ms = 10'000;
  std::uint32_t drain_grace_ms = 1000;
  std::uint32_t drain_timeout_ms = 10000;
  std::uint64_t wal_segment_bytes = NodeConfig{}.wal_segment_bytes;
  std::uint64_t wal_preallocate_bytes = NodeConfig{}.wal_preallocate_bytes;
  std::uint64_t wal_bytes_max = NodeConfig{}.wal_bytes_max;
  std::uint64_t log_bytes_max = NodeConfig{}.log_bytes_max;
  std::uint64_t snapshot_chunk_bytes = NodeConfig{}.snapshot_chunk_bytes;
  std::uint64_t state_cache_bytes = NodeConfig{}.state_cache_bytes;
  std::uint64_t disk_reserve_bytes = NodeConfig{}.disk_reserve_bytes;
};

// Adds the flags to `app`. The options outlive the app.
void add_serve_flags(CLI::App& app, ServeOptions& options);

// Replaces "--config FILE" among the arguments by what the TOML file says: its keys are the names
// of flags, its values theirs; a flag that is given beside it wins. Errors: invalid_argument.
Result<std::vector<std::string>> expand_config(const std::vector<std::string>& arguments);

// Errors: invalid_argument, the message naming the flag.
Result<NodeConfig> to_config(const ServeOptions& options);

// "auto", "io_uring" or "threads".
Result<DiskIo> parse_disk_io(const std::string& text);

// "text" or "json".
Result<LogFormat> parse_log_format(const std::string& text);

// "n1" or an error that names `flag`.
Result<NodeId> parse_node_id(const std::string& text, const std::string& flag);

}  // namespace keelson::server
