// What a node that was asked sends to the leader of the group, and what comes back (messages
// ForwardRequest and ForwardReply of core/kv/kv.proto). Frames and checksums are the transport's.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "core/kv/store.h"

namespace keelson::kv {

struct GetRequest {
  std::vector<Bytes> keys;
};
using GetReply = std::vector<std::optional<VersionedValue>>;

struct ForwardRequest {
  std::uint64_t request_id = 0;  // Chosen by the sender; the reply carries it.
  GroupId group;
  Bytes route;
  Duration remaining{};    // Of the deadline, when it was sent; microseconds survive the wire.
  std::uint32_t hops = 0;  // How many nodes have passed it on: the guard against loops.
  std::variant<Batch, GetRequest> work;
};

struct ForwardReply {
  std::uint64_t request_id = 0;
  std::variant<BatchOutcome, GetReply, Error> result = Error{ErrorCode::unavailable, {}};
  // What the replier knows of the group.
  raft::Term term;
  std::optional<NodeId> leader;
};

// Negative `remaining` is sent as zero.
Bytes to_bytes(const ForwardRequest& request);
Bytes to_bytes(const ForwardReply& reply);

// Errors: corrupt. An error code this version does not know reads as timed_out: it may have
// happened.
Result<ForwardRequest> forward_request_from_bytes(BytesView bytes);
Result<ForwardReply> forward_reply_from_bytes(BytesView bytes);

}  // namespace keelson::kv
