// How RaftNode speaks to the other nodes: core/raft/transport.h, or what a test puts in its place.
#pragma once

#include <optional>

#include "core/raft/messages.h"
#include "core/runtime/network.h"

namespace keelson::raft {

class MessageSender {
 public:
  virtual ~MessageSender() = default;
  // Never suspends; may drop, and does so when `to` is not known.
  virtual void send(NodeId to, GroupId group, const Message& message) = 0;

  // The members of groups, as their configurations name them; what the operator named at start is
  // known without. Neither suspends, and saying the same again does nothing.
  // A peer is known from now on, and spoken to at this address in place of any other.
  virtual void set_peer(NodeId id, const Address& address) = 0;
  // No configuration names it any more: it is spoken to only if the operator named it, and then
  // where the operator said.
  virtual void forget_peer(NodeId id) = 0;

  // The version of the protocol agreed with a peer; nothing while it is not connected.
  virtual std::optional<std::uint32_t> version_of(NodeId peer) const = 0;
};

}  // namespace keelson::raft
