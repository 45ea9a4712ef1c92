// Heartbeats of many groups in one frame. A node of a hundred groups says a hundred times in each
// interval that nothing is new; this says it in one frame and some fifteen octets a group, each
// with its own term, round and indexes, so that nothing of Raft's is shared between groups.
//
//   body   := beat*
//   beat   := group tag:u8 term index index_term round [commit]      integers as LEB128
//   tag    := 0   AppendEntries without entries: index is prev_log_index, commit follows
//           | 1.. AppendEntriesReply: 1 + success + 2 * needs_snapshot; index is match_index
#pragma once

#include <vector>

#include "core/raft/messages.h"

namespace keelson::raft {

struct GroupMessage {
  GroupId group;
  Message message;
};

bool is_heartbeat(const Message& message);

// REQUIRES: is_heartbeat(message).
void append_beat(Bytes& out, GroupId group, const Message& message);
// Errors: corrupt. What it lets through is what decode() of messages.h would.
Result<std::vector<GroupMessage>> parse_beats(BytesView body);

}  // namespace keelson::raft
