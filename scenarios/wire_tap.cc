// Tested by tests/scenarios/wire_tap_test.cc.
#include "scenarios/wire_tap.h"

#include <fmt/format.h>

#include "core/base/check.h"
#include "core/raft/transport.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace keelson::scenarios {

WireTap::WireTap(const sim::World& world, GroupId default_group, RaftChecks& raft,
                 ProbeClaim& claim, Report& report)
    : world_(world), default_group_(default_group), raft_(raft), claim_(claim), report_(report) {}

void WireTap::add_node(const sim::Machine& machine, NodeId node) {
  if (nodes_.size() <= machine.index()) nodes_.resize(machine.index() + 1);
  CHECK(!nodes_[machine.index()]);
  nodes_[machine.index()] = node;
}

std::optional<NodeId> WireTap::node_of(const sim::Machine& machine) const {
  return machine.index() < nodes_.size() ? nodes_[machine.index()] : std::nullopt;
}

void WireTap::on_write(const sim::Machine& from, const sim::Machine& to,
                       std::uint64_t connection, BytesView bytes) {
  const auto from_node = node_of(from);
  const auto to_node = node_of(to);
  if (!from_node || !to_node) return;
  PeerStream& stream = stream_of(from, to, connection);
  const auto heard = stream.take(
      bytes, [&](const raft::Frame& frame) { on_frame(*from_node, *to_node, frame); });
  if (heard) return;
  report_.fail("peer protocol", "broken frame",
               fmt::format("{} wrote {} a broken frame: {}", to_string(*from_node),
                           to_string(*to_node), heard.error().message),
               world_.now());
}

PeerStream& WireTap::stream_of(const sim::Machine& from, const sim::Machine& to,
                               std::uint64_t connection) {
  HeardLast& last = heard_last_[{from.index(), to.index()}];
  if (last.stream == nullptr || last.connection != connection) {
    last = {connection, &streams_[{connection, from.index()}]};
  }
  return *last.stream;
}

void WireTap::on_frame(NodeId from, NodeId to, const raft::Frame& frame) {
  ++frames_;
  switch (frame.kind) {
    case raft::FrameKind::hello: return on_hello(from, to, frame.body);
    case raft::FrameKind::raft: return on_raft_frame(from, to, frame.body);
    case raft::FrameKind::heartbeats: return on_heartbeats(from, to, frame.body);
    case raft::FrameKind::request: ++calls_; return;
    default: return;
  }
}

void WireTap::on_hello(NodeId from, NodeId to, BytesView body) {
  const auto hello = raft::decode_hello(body);
  if (!hello) broken_message(from, to, hello.error().message);
}

void WireTap::broken_message(NodeId from, NodeId to, const std::string& why) {
  report_.fail("peer protocol", "broken message",
               fmt::format("{} wrote {} a broken message: {}", to_string(from), to_string(to), why),
               world_.now());
}

void WireTap::on_raft_frame(NodeId from, NodeId to, BytesView body) {
  const auto parsed = raft::parse_raft_body(body);
  if (!parsed) return broken_message(from, to, parsed.error().message);
  on_message(from, to, *parsed);
}

void WireTap::on_heartbeats(NodeId from, NodeId to, BytesView body) {
  const auto parsed = raft::parse_beats(body);
  if (!parsed) return broken_message(from, to, parsed.error().message);
  for (const raft::GroupMessage& beat : *parsed) on_message(from, to, beat);
}

void WireTap::on_message(NodeId from, NodeId to, const raft::GroupMessage& parsed) {
  ++raft_messages_;
  const sim::TrueTime now = world_.now();
  const GroupId group = parsed.group;
  if (const auto* append = std::get_if<raft::AppendEntries>(&parsed.message)) {
    if (group == default_group_) claim_.leads(from, append->term, now);
    raft_.on_append_entries(from, group, *append, now);
  } else if (const auto* vote = std::get_if<raft::RequestVoteReply>(&parsed.message)) {
    raft_.on_vote_reply(from, to, group, *vote, now);
  } else if (const auto* reply = std::get_if<raft::AppendEntriesReply>(&parsed.message)) {
    raft_.on_append_reply(from, to, group, *reply, now);
  } else if (const auto* install = std::get_if<raft::InstallSnapshot>(&parsed.message)) {
    if (group == default_group_) claim_.leads(from, install->term, now);
    raft_.on_install_snapshot(from, group, *install, now);
  } else if (const auto* done = std::get_if<raft::InstallSnapshotReply>(&parsed.message)) {
    raft_.on_install_reply(from, to, group, *done, now);
  }
}

}  // namespace keelson::scenarios
