// A cluster of Raft cores as a system to be explored: what a network, clocks, disks and clients can
// do to it, within a bound.
//
// Messages wait until they are delivered, which may be never: that is how they are lost. Writes and
// crashes likewise: a node that is down for long is one that nothing is delivered to, so a crash
// and the restart are one event; and what a crash leaves of the writes under way is what was
// completed before it. All promises are checked in every state, so what happens no more after a
// state needs no events of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/explore/explored_node.h"
#include "scenarios/explore/facts.h"
#include "sim/explore/system.h"

namespace keelson::scenarios {

// Each of these spends one of the bound's budget for it.
enum class Budget : std::uint32_t {
  timeouts,    // Of nodes that do not lead: they ask for an election.
  heartbeats,  // Timers of leaders: a round of heartbeats, or stepping down without a quorum.
  proposals,
  probes,      // At a node that leads, or thinks so. The others answer 503 from what they know.
  changes,     // Of the members, to the next of Bound::members.
  restarts,
  duplicates,  // Messages that are delivered and stay.
};
constexpr std::size_t kBudgets = 7;

struct Bound {
  std::string name;
  std::string covers;  // In a sentence.
  std::uint64_t nodes = 3;
  std::vector<NodeId> founders;  // All nodes if empty.
  // The first of the founders leads, and all have and know its first entry. Otherwise nothing has
  // happened, and who times out first is n1: before that they are all alike.
  bool begins_with_leader = true;
  bool disks_are_slow = false;  // Otherwise a write is durable with the input that asked for it.
  // A link loses what was sent before the message that it delivers. Otherwise messages overtake.
  bool links_keep_order = true;
  bool sends_entries_one_by_one = false;
  std::vector<std::vector<NodeId>> members;  // What each change leads to.
  std::uint32_t budget[kBudgets] = {};

  std::uint32_t& budget_of(Budget what) { return budget[static_cast<std::size_t>(what)]; }
};

class ExploredCluster : public sim::System {
 public:
  // What is common to all states of one search, and outlives them.
  class Material;

  explicit ExploredCluster(const Material& material);

  std::vector<sim::Event> events() const override;
  std::optional<sim::Violation> take(const sim::Event& event) override;
  bool are_independent(const sim::Event& one, const sim::Event& other) const override;
  std::optional<std::uint64_t> hash() const override;
  std::unique_ptr<sim::System> copy() const override;
  std::string describe(const sim::Event& event) const override;
  std::string describe_machine(std::uint32_t machine) const override;

  const ExploredNode& node(NodeId id) const { return *nodes_.at(id.value - 1).node; }

 private:
  // Shared by the states that it is equal in.
  struct Node {
    std::shared_ptr<const ExploredNode> node;
    std::uint64_t hash = 0;
  };
  struct Packet {
    NodeId to, from;
    std::uint64_t content = 0;  // Names the packet, together with these two.
    std::shared_ptr<const raft::Message> message;
  };
  enum class Kind : std::uint32_t;

  ExploredCluster(const ExploredCluster&) = default;
  void elect_first();
  void add_events_of(NodeId id, std::vector<sim::Event>& events) const;
  // None for what is always possible.
  static std::optional<Budget> budget_of(const sim::Event& event);
  bool has_left(Budget budget) const;
  const Packet& packet_of(const sim::Event& event) const;
  raft::Message receive(const sim::Event& event, bool stays);
  void send(NodeId from, const raft::Outgoing& outgoing);
  void happen(const sim::Event& event, ExploredNode& node);
  void look_at(ExploredNode& node);
  bool may_elect(const sim::Event& event) const;

  const Material* material_;
  std::vector<Node> nodes_;      // By id less one.
  std::vector<Packet> packets_;  // By receiver and sender; of a link, as they were sent.
  std::uint32_t spent_[kBudgets] = {};
  Facts facts_;
};

class ExploredCluster::Material {
 public:
  explicit Material(Bound bound);
  Material(const Material&) = delete;
  Material& operator=(const Material&) = delete;

  const Bound& bound() const { return bound_; }
  const NodeMaterial& of_nodes() const { return of_nodes_; }

 private:
  const Bound bound_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Marks> marks_;
  NodeMaterial of_nodes_;
};

}  // namespace keelson::scenarios
