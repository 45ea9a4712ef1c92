#include "tools/server/serve_options.h"

#include <fmt/format.h>

#define TOML_EXCEPTIONS 0
#include <CLI/CLI.hpp>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>
#include <toml++/toml.h>

#include "core/runtime/address.h"

namespace keelson::server {

namespace {

Error wrong(const std::string& flag, const std::string& what) {
  return {ErrorCode::invalid_argument, flag + ": " + what};
}

Result<std::map<NodeId, Address>> parse_peers(const std::string& text) {
  std::map<NodeId, Address> peers;
  std::istringstream list(text);
  for (std::string item; std::getline(list, item, ',');) {
    const std::size_t equals = item.find('=');
    if (equals == std::string::npos) {
      return wrong("--peers", fmt::format("'{}' is not of the form n1=HOST:PORT", item));
    }
    TRY(const NodeId id, parse_node_id(item.substr(0, equals), "--peers"));
    const std::string address = item.substr(equals + 1);
    if (const auto parts = split_address(address); !parts) {
      return wrong("--peers", parts.error().message);
    }
    if (!peers.emplace(id, address).second) {
      return wrong("--peers", fmt::format("{} stands twice", to_string(id)));
    }
  }
  return peers;
}

Result<std::string> read_text_file(const std::string& path, const std::string& flag) {
  std::ifstream file(path);
  if (!file) return wrong(flag, fmt::format("cannot read '{}'", path));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Editors end a file with one; it is no part of a secret.
void remove_line_end(std::string& text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
}

Result<void> read_peer_files(const ServeOptions& options, NodeConfig& config) {
  const struct {
    const std::string& path;
    const char* flag;
    std::string& text;
  } kFiles[] = {
      {options.peer_secret_file, "--peer-secret-file", config.peer_secret},
      {options.peer_cert, "--peer-cert", config.peer_tls.certificate},
      {options.peer_key, "--peer-key", config.peer_tls.key},
      {options.peer_ca, "--peer-ca", config.peer_tls.authorities},
  };
  for (const auto& file : kFiles) {
    if (file.path.empty()) continue;
    TRY(file.text, read_text_file(file.path, file.flag));
    if (file.text.empty()) return wrong(file.flag, fmt::format("'{}' is empty", file.path));
  }
  remove_line_end(config.peer_secret);
  config.peer_plaintext_off_loopback = options.peer_plaintext_off_loopback;
  return {};
}

void add_peer_flags(CLI::App& app, ServeOptions& options) {
  app.add_option("--peer-secret-file", options.peer_secret_file,
                 "File with the cluster's secret, the same for all nodes: peers prove that they "
                 "know it, and every frame is sealed");
  app.add_option("--peer-cert", options.peer_cert,
                 "PEM file: this node's certificate, whose DNS names have its id (n1); peers speak "
                 "TLS then");
  app.add_option("--peer-key", options.peer_key, "PEM file: the certificate's private key");
  app.add_option("--peer-ca", options.peer_ca,
                 "PEM file: the authorities that may sign peers' certificates");
  app.add_flag("--peer-plaintext-off-loopback", options.peer_plaintext_off_loopback,
               "Speak to peers on other machines although nothing protects what is said");
}

// Whoever reaches the admin API may change the cluster, so it is on loopback, or asks for a token.
Result<void> protect_admin(const ServeOptions& options, NodeConfig& config) {
  constexpr std::size_t kTokenSizeMin = 16;
  if (!options.admin_token_file.empty()) {
    TRY(config.admin_token, read_text_file(options.admin_token_file, "--admin-token-file"));
    remove_line_end(config.admin_token);
    if (config.admin_token.size() >= kTokenSizeMin) return {};
    return wrong("--admin-token-file", fmt::format("the token must have {} octets at least: "
                                                   "openssl rand -hex 32 makes a good one",
                                                   kTokenSizeMin));
  }
  auto parts = split_address(config.admin_listen);
  if (!parts) return wrong("--admin-listen", parts.error().message);
  if (is_loopback(*parts) || options.admin_open_off_loopback) return {};
  return wrong("--admin-listen",
               fmt::format("{} is not on loopback, and whoever reaches it could change the "
                           "cluster: "
                           "give --admin-token-file, or accept that by --admin-open-off-loopback",
                           config.admin_listen));
}

void add_size_flags(CLI::App& app, ServeOptions& options) {
  app.add_option("--wal-segment-bytes", options.wal_segment_bytes,
                 "A segment of the write-ahead log that is larger is followed by a new one")
      ->capture_default_str();
  app.add_option("--wal-preallocate-bytes", options.wal_preallocate_bytes,
                 "Room that is made ahead in the segment being written, 0 is off")
      ->capture_default_str();
  app.add_option("--wal-bytes-max", options.wal_bytes_max,
                 "The logs are cut when all segments together are larger")
      ->capture_default_str();
  app.add_option("--log-bytes-max", options.log_bytes_max,
                 "A group's log is cut to half when it takes more memory")
      ->capture_default_str();
  app.add_option("--snapshot-chunk-bytes", options.snapshot_chunk_bytes,
                 "Of one message that carries a part of a snapshot")
      ->capture_default_str();
  app.add_option("--state-cache-bytes", options.state_cache_bytes,
                 "Memory for pages of the state's database")
      ->capture_default_str();
  app.add_option("--disk-reserve-bytes", options.disk_reserve_bytes,
                 "A disk with less free space is full: the node takes no writes")
      ->capture_default_str();
}

}  // namespace

Result<NodeId> parse_node_id(const std::string& text, const std::string& flag) {
  std::uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const bool is_named = text.size() >= 2 && text[0] == 'n';
  if (is_named) {
    const auto [rest, error] = std::from_chars(text.data() + 1, end, number);
    if (error == std::errc() && rest == end && number > 0) return NodeId(number);
  }
  return wrong(flag, fmt::format("'{}' is not a node id: n1, n2, ...", text));
}

Result<DiskIo> parse_disk_io(const std::string& text) {
  if (text == "auto") return DiskIo::automatic;
  if (text == "io_uring") return DiskIo::io_uring;
  if (text == "threads") return DiskIo::threads;
  return wrong("--disk-io", fmt::format("'{}' is none of auto, io_uring, threads", text));
}

Result<LogFormat> parse_log_format(const std::string& text) {
  if (text == "text") return LogFormat::text;
  if (text == "json") return LogFormat::json;
  return wrong("--log-format", fmt::format("'{}' is none of text, json", text));
}

void add_serve_flags(CLI::App& app, ServeOptions& options) {
  // Expanded before the flags are parsed; here for --help.
  app.add_option_function<std::string>(
      "--config", [](const std::string&) {},
      "Read flags from a TOML file: node-id = \"n1\", one a line");
  app.add_option("--node-id", options.node_id, "This node: n1, n2, ...")->required();
  app.add_option("--data-dir", options.data_dir, "Directory of this node's data")->required();
  app.add_option("--cluster-id", options.cluster_id, "Name of the cluster; others are refused")
      ->required();
  app.add_option("--peers", options.peers,
                 "Every voter with its raft listener, this one too: n1=HOST:PORT,n2=...")
      ->required();
  app.add_option("--groups", options.groups, "Raft groups; g0 is the default group")
      ->capture_default_str();
  add_peer_flags(app, options);
  app.add_option("--raft-listen", options.raft_listen, "Default: this node's address in --peers");
  app.add_option("--s3-listen", options.s3_listen)->capture_default_str();
  app.add_option("--dynamodb-listen", options.dynamodb_listen)->capture_default_str();
  app.add_option("--sqs-listen", options.sqs_listen)->capture_default_str();
  app.add_option("--admin-listen", options.admin_listen)->capture_default_str();
  app.add_option("--admin-token-file", options.admin_token_file,
                 "File with the token that operators must present to the admin API");
  app.add_flag("--admin-open-off-loopback", options.admin_open_off_loopback,
               "Let whoever reaches the admin listener from other machines change the cluster");
  app.add_option("--log-format", options.log_format, "Of the lines on standard error: text, json")
      ->capture_default_str();
  app.add_option("--metrics-listen", options.metrics_listen, "Prometheus text; off by default");
  app.add_option("--credentials", options.credentials_file,
                 "TOML file of access keys; without it requests need no signature");
  app.add_option("--region", options.region, "Region that signatures name")->capture_default_str();
  app.add_option("--s3-domain", options.s3_domains,
                 "Whoever addresses BUCKET.DOMAIN means that bucket; may be given more than once");
  app.add_option("--s3-collect-interval-s", options.s3_collect_interval_s,
                 "How often octets of objects that nobody refers to are looked for")
      ->capture_default_str();
  app.add_option("--s3-collect-grace-s", options.s3_collect_grace_s,
                 "How long a silent upload, and then its octets, are let alone")
      ->capture_default_str();
  app.add_flag("--bootstrap", options.bootstrap,
               "Let this node begin in an empty data directory");
  app.add_option("--disk-io", options.disk_io,
                 "How syncs are waited for: io_uring, threads, or auto (io_uring if permitted)")
      ->capture_default_str();
  app.add_option("--heartbeat-ms", options.heartbeat_ms)->capture_default_str();
  app.add_option("--election-timeout-ms", options.election_timeout_ms)->capture_default_str();
  app.add_option("--lease-ms", options.lease_ms, "Lease for reads, 0 is off")
      ->capture_default_str();
  app.add_option("--balance-interval-ms", options.balance_interval_ms,
                 "How often a node that leads too many groups hands one over, 0 is never")
      ->capture_default_str();
  app.add_option("--probe-timeout-ms", options.probe_timeout_ms, "100 to 2000")
      ->capture_default_str();
  app.add_option("--drain-grace-ms", options.drain_grace_ms,
                 "After SIGTERM probes are red so long before listeners close")
      ->capture_default_str();
  app.add_option("--drain-timeout-ms", options.drain_timeout_ms,
                 "Bound of an orderly stop after SIGTERM")
      ->capture_default_str();
  add_size_flags(app, options);
}

Result<std::vector<std::string>> expand_config(const std::vector<std::string>& arguments) {
  std::vector<std::string> expanded;
  std::string path;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--config" && i + 1 < arguments.size()) {
      path = arguments[++i];
    } else if (arguments[i].starts_with("--config=")) {
      path = arguments[i].substr(std::string("--config=").size());
    } else {
      expanded.push_back(arguments[i]);
    }
  }
  if (path.empty()) return expanded;
  TRY(const std::string text, read_text_file(path, "--config"));
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    return wrong("--config", fmt::format("{}, line {}: {}", path,
                                         parsed.error().source().begin.line,
                                         parsed.error().description()));
  }
  const std::set<std::string> given(expanded.begin(), expanded.end());
  for (const auto& [key, value] : parsed.table()) {
    const std::string flag = "--" + std::string(key.str());
    if (given.contains(flag)) continue;
    if (const auto* boolean = value.as_boolean()) {
      if (**boolean) expanded.push_back(flag);
    } else if (const auto* number = value.as_integer()) {
      expanded.insert(expanded.end(), {flag, std::to_string(**number)});
    } else if (const auto* string = value.as_string()) {
      expanded.insert(expanded.end(), {flag, **string});
    } else {
      return wrong("--config", fmt::format("{}: '{}' is neither text, number nor true or false",
                                           path, key.str()));
    }
  }
  return expanded;
}

Result<NodeConfig> to_config(const ServeOptions& options) {
  NodeConfig config;
  TRY(config.node_id, parse_node_id(options.node_id, "--node-id"));
  config.cluster_id = options.cluster_id;
  TRY(config.peers, parse_peers(options.peers));
  if (!config.peers.contains(config.node_id)) {
    return wrong("--peers", fmt::format("does not name this node, {}", options.node_id));
  }
  TRY(read_peer_files(options, config));
  config.group_count = options.groups;
  config.raft_listen =
      options.raft_listen.empty() ? config.peers.at(config.node_id) : options.raft_listen;
  config.s3_listen = options.s3_listen;
  config.dynamodb_listen = options.dynamodb_listen;
  config.sqs_listen = options.sqs_listen;
  config.admin_listen = options.admin_listen;
  config.metrics_listen = options.metrics_listen;
  config.region = options.region;
  config.s3_domains = options.s3_domains;
  config.s3_collect_interval = std::chrono::seconds(options.s3_collect_interval_s);
  config.s3_collect_grace = std::chrono::seconds(options.s3_collect_grace_s);
  config.bootstrap = options.bootstrap;
  config.heartbeat_interval = std::chrono::milliseconds(options.heartbeat_ms);
  config.election_timeout = std::chrono::milliseconds(options.election_timeout_ms);
  config.lease = std::chrono::milliseconds(options.lease_ms);
  config.balance_interval = std::chrono::milliseconds(options.balance_interval_ms);
  config.probe_timeout = std::chrono::milliseconds(options.probe_timeout_ms);
  config.drain_grace = std::chrono::milliseconds(options.drain_grace_ms);
  config.drain_timeout = std::chrono::milliseconds(options.drain_timeout_ms);
  config.wal_segment_bytes = options.wal_segment_bytes;
  config.wal_preallocate_bytes = options.wal_preallocate_bytes;
  config.wal_bytes_max = options.wal_bytes_max;
  config.log_bytes_max = options.log_bytes_max;
  config.snapshot_chunk_bytes = options.snapshot_chunk_bytes;
  config.state_cache_bytes = options.state_cache_bytes;
  config.disk_reserve_bytes = options.disk_reserve_bytes;
  if (!options.credentials_file.empty()) {
    TRY(const std::string text, read_text_file(options.credentials_file, "--credentials"));
    auto credentials = api::Credentials::parse(text);
    if (!credentials) return wrong("--credentials", credentials.error().message);
    config.credentials = *std::move(credentials);
  }
  TRY(protect_admin(options, config));
  TRY(validate(config));
  return config;
}

}  // namespace keelson::server
