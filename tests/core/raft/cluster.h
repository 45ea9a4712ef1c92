// A whole cluster of Raft cores in one hand: every message takes a millisecond, time passes only
// when the test says so, links can be cut, disks held, nodes crashed. What happens is told line by
// line; the golden tests are made of these lines.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "tests/core/raft/test_node.h"

namespace keelson::raft {

class Cluster {
 public:
  using Tell = std::function<void(const std::string&)>;

  explicit Cluster(std::uint64_t count, Tell tell = {})
      : Cluster(std::vector<std::vector<std::uint64_t>>(count), Term(0), std::move(tell)) {}

  // One node for each log, given by the terms of its entries, all in the same term. Unless
  // `options` names the voters, all are; the others know of nobody.
  Cluster(const std::vector<std::vector<std::uint64_t>>& logs, Term term, Tell tell = {},
          const GroupOptions& options = {})
      : tell_(std::move(tell)), options_(options) {
    if (options_.voters.empty()) options_.voters = voters_up_to(logs.size());
    founders_ = options_.voters;
    for (const NodeId id : voters_up_to(logs.size())) {
      const bool is_founder = std::find(founders_.begin(), founders_.end(), id) != founders_.end();
      disks_[id] = {HardState{is_founder ? term : Term(0), {}}, log_of(logs[id.value - 1])};
      random_.emplace(id, FixedRandom((id.value - 1) * 300'000'000));  // n1 times out first.
      restart(id);
    }
  }

  TestNode& node(NodeId id) { return nodes_.at(id); }

  // The one leader of the latest term.
  std::optional<NodeId> leader() const {
    std::optional<NodeId> found;
    Term term;
    for (const auto& [id, node] : nodes_) {
      if (node.raft.role() != Role::leader || node.raft.current_term() < term) continue;
      found = id;
      term = node.raft.current_term();
    }
    return found;
  }

  // --- What a test says.

  // Time jumps to this node's deadline, and its timer alone fires.
  void timeout(NodeId id) {
    now_ = std::max(now_, node(id).raft.next_deadline());
    node(id).raft.tick(now_);
    carry_out(id);
  }

  // All messages arrive, and those that answer them; no timer fires.
  void settle() {
    while (!network_.empty()) {
      now_ = std::max(now_, network_.begin()->first.first);
      deliver_next();
    }
  }

  // Time passes: messages arrive and timers fire when they are due.
  void run(Duration span) {
    const Instant end = now_ + span;
    for (;;) {
      Instant next = end;
      for (const auto& [id, node] : nodes_) next = std::min(next, node.raft.next_deadline());
      if (!network_.empty() && network_.begin()->first.first <= next) {
        now_ = std::max(now_, network_.begin()->first.first);
        deliver_next();
        continue;
      }
      now_ = std::max(now_, next);
      if (next == end) return;
      for (auto& [id, node] : nodes_) {
        node.raft.tick(now_);
        carry_out(id);
      }
    }
  }

  std::optional<LogIndex> propose(NodeId id, const Bytes& command) {
    const auto index = node(id).raft.propose(command, now_);
    if (!index) say(id, "takes no proposal");
    carry_out(id);
    return index;
  }

  std::optional<ReadToken> read(NodeId id) {
    const auto token = node(id).raft.read_index(now_);
    if (!token) say(id, "takes no read");
    carry_out(id);
    return token;
  }

  // The members that `id` proposes; those who are no voters are learners.
  void propose_members(NodeId id, const std::map<NodeId, Member>& members) {
    const auto index = node(id).raft.propose_configuration(members, now_);
    if (!index) say(id, "takes no configuration");
    carry_out(id);
  }

  void transfer(NodeId id, std::optional<NodeId> target) {
    const auto chosen = node(id).raft.transfer_leadership(target, now_);
    say(id, chosen ? "hands over to " + to_string(*chosen) : "hands over to nobody");
    carry_out(id);
  }

  void read_under_lease(NodeId id) {
    const auto index = node(id).raft.lease_read_index(now_);
    say(id, index ? fmt::format("may read at {} under its lease", index->value) : "has no lease");
  }

  // Forgets the log up to what is applied, which the state has.
  void compact(NodeId id) {
    TestNode& compacted = node(id);
    const StateLabel label = label_of(compacted);
    compacted.raft.compact(label.index);
    compacted.disk.state = label;
    compacted.disk.start = compacted.raft.log_start();
    std::erase_if(compacted.disk.log, [&](const Entry& e) { return e.index <= label.index; });
    say(id, fmt::format("has forgotten its log up to {}/{}", label.index.value, label.term.value));
  }

  // The next message from `from` to `to` waits until it is released, and arrives then.
  void hold(NodeId from, NodeId to) { held_links_.insert({from, to}); }
  void release(NodeId from, NodeId to) {
    std::vector<Packet> kept;
    for (Packet& packet : held_packets_) {
      if (packet.from == from && packet.to == to) {
        network_[{now_ + std::chrono::milliseconds(1), ++sent_}] = std::move(packet);
      } else {
        kept.push_back(std::move(packet));
      }
    }
    held_packets_ = std::move(kept);
  }

  // Nothing from `from` reaches `to`, what is under way included.
  void cut(NodeId from, NodeId to) { cut_.insert({from, to}); }
  void heal() { cut_.clear(); }

  // Nothing written there becomes durable until release_disk().
  void hold_disk(NodeId id) { held_.insert(id); }
  void release_disk(NodeId id) {
    held_.erase(id);
    carry_out(id);
  }
  // The oldest write alone becomes durable. REQUIRES: the disk is held and has one.
  void complete_one_write(NodeId id) {
    send(id, node(id).complete_write(now_));
    carry_out(id);
  }

  void crash(NodeId id) {
    disks_[id] = node(id).disk;
    nodes_.erase(id);
    held_.erase(id);
    say(id, "crashes");
  }
  void restart(NodeId id) {
    options_.id = id;
    const bool is_founder = std::find(founders_.begin(), founders_.end(), id) != founders_.end();
    options_.voters = is_founder ? founders_ : std::vector<NodeId>();
    nodes_.try_emplace(id, options_, disks_[id], random_.at(id), marks_, now_);
    seen_[id] = Seen();
    seen_[id].term = nodes_.at(id).raft.current_term();
    seen_[id].configuration = nodes_.at(id).raft.configuration().index;
  }

  void hide_heartbeats(bool hide) { heartbeats_are_hidden_ = hide; }
  void say(NodeId id, const std::string& what) { say(to_string(id) + " " + what); }
  void say(const std::string& what) {
    const std::int64_t ms = now_.ns / 1'000'000;
    if (tell_) tell_(fmt::format("[{:3}.{:03}s] {}", ms / 1000, ms % 1000, what));
  }

 private:
  struct Packet {
    NodeId from, to;
    Message message;
  };
  struct Seen {
    Role role = Role::follower;
    Term term;
    LogIndex commit_index;
    std::size_t applied = 0;
    LogIndex configuration;
    bool is_transferring = false;
    bool is_removed = false;
  };

  void deliver_next() {
    const Packet packet = network_.begin()->second;
    network_.erase(network_.begin());
    const bool lost = cut_.contains({packet.from, packet.to}) || !nodes_.contains(packet.to);
    if (!heartbeats_are_hidden_ || !is_heartbeat(packet.message)) {
      say(fmt::format("{} > {} {}{}", to_string(packet.from), to_string(packet.to),
                      lost ? "lost: " : "", describe(packet.message)));
    }
    if (lost) return;
    node(packet.to).raft.step(packet.from, packet.message, now_);
    carry_out(packet.to);
  }

  static bool is_heartbeat(const Message& message) {
    if (const auto* reply = std::get_if<AppendEntriesReply>(&message)) return reply->success;
    const auto* append = std::get_if<AppendEntries>(&message);
    return append && append->entries.empty();
  }

  // What a node asks for happens at once, its writes too unless its disk is held.
  void carry_out(NodeId id) {
    TestNode& node = nodes_.at(id);
    tell_changes(id);
    while (node.raft.has_ready() || can_write(id)) {
      if (node.raft.has_ready()) send(id, node.take());
      if (can_write(id)) send(id, node.complete_write(now_));
      send_snapshots(id);
      install_snapshots(id);
      tell_changes(id);
    }
  }

  // A snapshot is one chunk here, and needs no bytes: what it stands for is its label.
  void send_snapshots(NodeId id) {
    TestNode& node = nodes_.at(id);
    for (const NodeId follower : std::exchange(node.snapshots_wanted, {})) {
      const auto message = node.raft.install_snapshot(label_of(node), 1, {0, true, "all"});
      if (message) send(id, {{follower, *message}});
    }
  }
  void install_snapshots(NodeId id) {
    TestNode& node = nodes_.at(id);
    for (const ReceivedChunk& received : std::exchange(node.chunks, {})) {
      const SnapshotId& snapshot = received.message.id;
      if (!node.raft.may_install(snapshot)) continue;
      node.disk.state = {snapshot.index, snapshot.term, received.message.configuration};
      say(id, fmt::format("installs the snapshot at {}/{}", snapshot.index.value,
                          snapshot.term.value));
      node.raft.snapshot_installed(received, node.disk.state);
    }
  }
  static StateLabel label_of(const TestNode& node) {
    if (node.applied.empty() || node.applied.back().index <= node.disk.state.index) {
      return node.disk.state;
    }
    const Entry& last = node.applied.back();
    Configuration configuration = node.raft.committed_configuration();
    CHECK(configuration.index <= last.index);
    return {last.index, last.term, std::move(configuration)};
  }

  bool can_write(NodeId id) const {
    return !held_.contains(id) && !nodes_.at(id).writes.empty();
  }

  void send(NodeId from, std::vector<Outgoing> messages) {
    for (Outgoing& outgoing : messages) {
      if (held_links_.erase({from, outgoing.to}) > 0) {
        say(from, fmt::format("> {} waits: {}", to_string(outgoing.to),
                              describe(outgoing.message)));
        held_packets_.push_back({from, outgoing.to, std::move(outgoing.message)});
        continue;
      }
      const Instant arrives_at = now_ + std::chrono::milliseconds(1);
      network_[{arrives_at, ++sent_}] = {from, outgoing.to, std::move(outgoing.message)};
    }
  }

  void tell_changes(NodeId id) {
    TestNode& node = nodes_.at(id);
    Seen& seen = seen_[id];
    std::string change;
    if (node.raft.current_term() != seen.term) {
      change = fmt::format("term {} -> {}", seen.term.value, node.raft.current_term().value);
    }
    if (node.raft.role() != seen.role) {
      if (!change.empty()) change += ", ";
      change += fmt::format("{} -> {}", name_of(seen.role), name_of(node.raft.role()));
    }
    if (!change.empty()) say(id, change);
    if (node.raft.commit_index() != seen.commit_index) {
      say(id, fmt::format("commits up to {}", node.raft.commit_index().value));
    }
    for (; seen.applied < node.applied.size(); ++seen.applied) {
      const Entry& entry = node.applied[seen.applied];
      say(id, fmt::format("applies {}/{} {}", entry.index.value, entry.term.value,
                          content_of(entry)));
    }
    tell_operations(id);
    for (const ReadResult& read : node.reads) {
      say(id, read.read_index ? fmt::format("read {} may be answered at {}", read.token.value,
                                            read.read_index->value)
                              : fmt::format("read {} is lost", read.token.value));
    }
    node.reads.clear();
    seen = {.role = node.raft.role(),
            .term = node.raft.current_term(),
            .commit_index = node.raft.commit_index(),
            .applied = node.applied.size(),
            .configuration = node.raft.configuration().index,
            .is_transferring = node.raft.is_transferring(),
            .is_removed = node.raft.is_removed()};
  }

  void tell_operations(NodeId id) {
    const Raft& raft = nodes_.at(id).raft;
    const Seen& seen = seen_[id];
    if (raft.configuration().index != seen.configuration) {
      say(id, fmt::format("has configuration {}: {}", raft.configuration().index.value,
                          describe(raft.configuration())));
    }
    if (raft.is_transferring() != seen.is_transferring && raft.role() == Role::leader) {
      say(id, raft.is_transferring() ? "takes no proposals" : "leads on");
    }
    if (raft.is_removed() != seen.is_removed && raft.is_removed()) say(id, "knows it is removed");
  }

  static std::string content_of(const Entry& entry) {
    if (entry.kind == EntryKind::no_op) return "no-op";
    return is_configuration(entry.kind) ? describe(*decode_configuration(entry.data)) : entry.data;
  }

  Tell tell_;
  GroupOptions options_;
  Marks marks_;
  Instant now_;
  std::map<NodeId, FixedRandom> random_;
  std::map<NodeId, TestDisk> disks_;
  std::map<NodeId, TestNode> nodes_;
  std::map<NodeId, Seen> seen_;
  std::map<std::pair<Instant, std::uint64_t>, Packet> network_;
  std::uint64_t sent_ = 0;
  std::set<std::pair<NodeId, NodeId>> cut_;
  std::set<NodeId> held_;
  std::set<std::pair<NodeId, NodeId>> held_links_;
  std::vector<Packet> held_packets_;
  std::vector<NodeId> founders_;
  bool heartbeats_are_hidden_ = false;
};

}  // namespace keelson::raft
