#include <gtest/gtest.h>

#include <functional>

#include "core/node.h"

namespace keelson {
namespace {

using std::chrono::milliseconds;

NodeConfig sound() {
  NodeConfig config;
  config.node_id = NodeId(1);
  config.cluster_id = "c";
  config.peers[NodeId(1)] = "127.0.0.1:1";
  return config;
}

TEST(NodeConfigTest, TheDefaultsAreSound) {
  const auto valid = validate(sound());
  EXPECT_TRUE(valid.has_value()) << valid.error().message;
}

TEST(NodeConfigTest, PeersOnOtherMachinesTakeASecretOrAnExplicitWord) {
  NodeConfig config = sound();
  config.peers[NodeId(2)] = "10.0.0.2:1";
  config.raft_listen = "10.0.0.1:1";
  const auto refused = validate(config);
  ASSERT_FALSE(refused.has_value());
  for (const char* flag : {"--peer-secret-file", "--peer-plaintext-off-loopback"}) {
    EXPECT_NE(refused.error().message.find(flag), std::string::npos) << refused.error().message;
  }
  NodeConfig with_secret = config;
  with_secret.peer_secret = "sixteen octets and more";
  EXPECT_TRUE(validate(with_secret).has_value());
  config.peer_plaintext_off_loopback = true;
  EXPECT_TRUE(validate(config).has_value());
}

TEST(NodeConfigTest, NonsenseIsRefusedByTheNameOfItsField) {
  const struct {
    const char* field;
    std::function<void(NodeConfig&)> spoil;
  } kCases[] = {
      {"cluster-id", [](NodeConfig& c) { c.cluster_id.clear(); }},
      {"peers", [](NodeConfig& c) { c.node_id = NodeId(2); }},
      {"protocol-version-max", [](NodeConfig& c) { c.protocol_version_max = 0; }},
      {"protocol-version-max", [](NodeConfig& c) { ++c.protocol_version_max; }},
      {"peer-secret-file", [](NodeConfig& c) { c.peer_secret = "fifteen octets."; }},
      {"raft-listen", [](NodeConfig& c) { c.raft_listen = "0.0.0.0:1"; }},
      {"peers", [](NodeConfig& c) { c.peers[NodeId(2)] = "10.0.0.2:1"; }},
      {"groups", [](NodeConfig& c) { c.group_count = 0; }},
      {"groups", [](NodeConfig& c) { c.group_count = 1025; }},
      {"election-timeout-ms", [](NodeConfig& c) { c.heartbeat_interval = milliseconds(1001); }},
      {"lease-ms", [](NodeConfig& c) { c.lease = milliseconds(1801); }},
      {"probe-timeout-ms", [](NodeConfig& c) { c.probe_timeout = milliseconds(99); }},
      {"drain-timeout-ms", [](NodeConfig& c) { c.drain_timeout = c.drain_grace; }},
      {"s3-collect-grace-s", [](NodeConfig& c) { c.s3_collect_grace = c.request_timeout / 2; }},
      {"balance-interval-ms", [](NodeConfig& c) { c.balance_interval = c.election_timeout / 2; }},
      {"wal-segment-bytes", [](NodeConfig& c) { c.wal_segment_bytes = 4095; }},
      {"wal-segment-bytes", [](NodeConfig& c) { c.wal_segment_bytes = (4ull << 30) + 1; }},
      {"wal-preallocate-bytes", [](NodeConfig& c) { c.wal_preallocate_bytes = (64 << 20) + 1; }},
      {"wal-bytes-max", [](NodeConfig& c) { c.wal_bytes_max = (128 << 20) - 1; }},
      {"log-bytes-max", [](NodeConfig& c) { c.log_bytes_max = 1023; }},
      {"snapshot-chunk-bytes", [](NodeConfig& c) { c.snapshot_chunk_bytes = 0; }},
      {"snapshot-chunk-bytes", [](NodeConfig& c) { c.snapshot_chunk_bytes = (8 << 20) + 1; }},
      {"state-cache-bytes", [](NodeConfig& c) { c.state_cache_bytes = (64 << 10) - 1; }},
      {"disk-reserve-bytes", [](NodeConfig& c) { c.disk_reserve_bytes = (1ull << 50) + 1; }},
  };
  for (const auto& each : kCases) {
    NodeConfig config = sound();
    each.spoil(config);
    const auto refused = validate(config);
    ASSERT_FALSE(refused.has_value()) << each.field;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(refused.error().message.rfind(std::string(each.field) + ": ", 0), 0u)
        << refused.error().message;
  }
}

TEST(NodeConfigTest, TheLimitsThemselvesAreSound) {
  NodeConfig config = sound();
  config.wal_segment_bytes = config.wal_preallocate_bytes = 4096;
  config.wal_bytes_max = 8192;
  config.log_bytes_max = 1024;
  config.snapshot_chunk_bytes = 8 << 20;
  config.state_cache_bytes = 64 << 10;
  config.disk_reserve_bytes = 0;
  const auto valid = validate(config);
  EXPECT_TRUE(valid.has_value()) << valid.error().message;
}

}  // namespace
}  // namespace keelson
