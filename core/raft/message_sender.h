// How RaftNode speaks to the other nodes: core/raft/transport.h, or what a test puts in its place.
#pragma once

#include "core/raft/messages.h"

namespace keelson::raft {

class MessageSender {
 public:
  virtual ~MessageSender() = default;
  // Never suspends; may drop.
  virtual void send(NodeId to, GroupId group, const Message& message) = 0;
};

}  // namespace keelson::raft
