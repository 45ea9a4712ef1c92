// What scenarios make small, to meet it, as it is in production: for worlds that are measured.
#pragma once

#include "core/node.h"

namespace keelson::bench {

inline void use_production_limits(NodeConfig& config) {
  const NodeConfig production;
  config.heartbeat_interval = production.heartbeat_interval;
  config.election_timeout = production.election_timeout;
  config.probe_timeout = production.probe_timeout;
  config.lease = production.lease;
  config.timestamps_ahead = production.timestamps_ahead;
  config.transaction_ttl = production.transaction_ttl;
  config.append_bytes_max = production.append_bytes_max;
  config.wal_segment_bytes = production.wal_segment_bytes;
  config.log_bytes_max = production.log_bytes_max;
  config.wal_bytes_max = production.wal_bytes_max;
  config.snapshot_chunk_bytes = production.snapshot_chunk_bytes;
  config.state_cache_bytes = production.state_cache_bytes;
  config.state_wal_bytes_limit = production.state_wal_bytes_limit;
  config.state_checkpoint_write_bytes = production.state_checkpoint_write_bytes;
  config.state_unsaved_bytes_limit = production.state_unsaved_bytes_limit;
}

}  // namespace keelson::bench
