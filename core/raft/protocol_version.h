// Versions of what nodes say to each other. Each hello (handshake.h) names the lowest and the
// highest that its node speaks, and both sides use the highest they have in common.
//
//   1   the first: a frame for each Raft message.
//   2   heartbeats and their answers of many groups in one frame (heartbeats.h).
//   3   joint configurations, and TimeoutNow: what a peer of an older one could not read.
//   4   commands that change the shard map and move shards (core/kv/shard_map.h).
//
// A node is only ever sent what belongs to the version agreed with it (MessageSender::version_of),
// so a rolling upgrade mixes two versions in any order of nodes.
#pragma once

#include <cstdint>

namespace keelson::raft {

constexpr std::uint32_t kProtocolVersionMin = 1;
constexpr std::uint32_t kProtocolVersionMax = 4;

// The first that knows FrameKind::heartbeats.
constexpr std::uint32_t kVersionOfHeartbeatFrames = 2;
// The first that knows joint configurations and TimeoutNow.
constexpr std::uint32_t kVersionOfMembership = 3;
// The first whose state machine knows shards.
constexpr std::uint32_t kVersionOfShards = 4;

}  // namespace keelson::raft
