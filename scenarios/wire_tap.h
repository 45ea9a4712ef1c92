// WireTap: listens to what nodes put on the wire between each other, and tells the oracles.
//
// It hears the frames of the peer protocol of each connection and direction at the moment a node
// writes them. A connection between two nodes that is of another protocol is left alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/raft/heartbeats.h"
#include "core/raft/types.h"
#include "scenarios/peer_stream.h"
#include "scenarios/probe_claim.h"
#include "scenarios/raft_checks.h"
#include "sim/sim_network.h"

namespace keelson::scenarios {

class WireTap : public sim::NetworkTap {
 public:
  // What is heard goes to these; all outlive the tap, which must be set with SimNetwork::set_tap.
  WireTap(const sim::World& world, GroupId default_group, RaftChecks& raft, ProbeClaim& claim,
          Report& report);

  // REQUIRES: called for each node before it writes. Other machines are not listened to.
  void add_node(const sim::Machine& machine, NodeId node);

  void on_write(const sim::Machine& from, const sim::Machine& to, std::uint64_t connection,
                BytesView bytes) override;
  void on_read(const sim::Machine&, const sim::Machine&, std::uint64_t, BytesView) override {}

  // For the proof that it still listens.
  std::uint64_t frames() const { return frames_; }
  std::uint64_t raft_messages() const { return raft_messages_; }
  std::uint64_t calls() const { return calls_; }

 private:
  void on_frame(NodeId from, NodeId to, const raft::Frame& frame);
  void on_hello(NodeId from, NodeId to, BytesView body);
  void on_raft_frame(NodeId from, NodeId to, BytesView body);
  void on_heartbeats(NodeId from, NodeId to, BytesView body);
  void on_message(NodeId from, NodeId to, const raft::GroupMessage& parsed);
  void broken_message(NodeId from, NodeId to, const std::string& why);
  std::optional<NodeId> node_of(const sim::Machine& machine) const;

  const sim::World& world_;
  const GroupId default_group_;
  RaftChecks& raft_;
  ProbeClaim& claim_;
  Report& report_;
  std::vector<std::optional<NodeId>> nodes_;  // By Machine::index().
  PeerStream& stream_of(const sim::Machine& from, const sim::Machine& to,
                        std::uint64_t connection);

  // By connection and Machine::index() of the writer.
  std::map<std::pair<std::uint64_t, std::uint32_t>, PeerStream> streams_;
  // The stream of `streams_` that was heard last, by writer and reader: nodes keep a connection for
  // long, and all there ever were make a large map.
  struct HeardLast {
    std::uint64_t connection = 0;
    PeerStream* stream = nullptr;
  };
  std::map<std::pair<std::uint32_t, std::uint32_t>, HeardLast> heard_last_;
  std::uint64_t frames_ = 0;
  std::uint64_t raft_messages_ = 0;
  std::uint64_t calls_ = 0;
};

}  // namespace keelson::scenarios
