// What a node that was asked sends to the leader of the group, and what comes back (messages
// ForwardRequest and ForwardReply of core/kv/kv.proto). Frames and checksums are the transport's.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "core/kv/command.h"
#include "core/kv/store.h"
#include "core/kv/versions.h"

namespace keelson::kv {

// Have the leader stamp a command of a transaction, and propose it.
struct CommandRequest {
  Bytes entry;         // Encoded, with a stamp of zeros.
  Timestamp at_least;  // The stamp is after this.
};

// Of the default group: raise the ceiling (core/kv/hlc.h).
struct CeilingRequest {
  Timestamp at_least;
  bool begins_to_lead = false;  // And raise it above what it was, by an entry of the log.
};
struct CeilingReply {
  Timestamp previous;  // No timestamp beyond this was issued before the request.
  Timestamp ceiling;
};

// To each kind of work the answer in the same place.
using Work = std::variant<Batch, ReadRequest, CommandRequest, CeilingRequest>;
using Answer = std::variant<BatchOutcome, ReadReply, CommandResult, CeilingReply>;

struct ForwardRequest {
  std::uint64_t request_id = 0;  // Chosen by the sender; the reply carries it.
  GroupId group;
  Duration remaining{};    // Of the deadline, when it was sent; microseconds survive the wire.
  std::uint32_t hops = 0;  // How many nodes have passed it on: the guard against loops.
  Timestamp now = {};      // The sender's: whoever reads it is not behind it from then on.
  Work work;
};

struct ForwardReply {
  std::uint64_t request_id = 0;
  Result<Answer> result = Error{ErrorCode::unavailable, {}};
  // What the replier knows of the group.
  raft::Term term;
  std::optional<NodeId> leader;
  Timestamp now = {};  // As in the request.
};

// Negative `remaining` is sent as zero.
Bytes to_bytes(const ForwardRequest& request);
Bytes to_bytes(const ForwardReply& reply);

// Errors: corrupt. An error code this version does not know reads as timed_out: it may have
// happened.
Result<ForwardRequest> forward_request_from_bytes(BytesView bytes);
Result<ForwardReply> forward_reply_from_bytes(BytesView bytes);

}  // namespace keelson::kv
