// Tested by tests/scenarios/explore/explored_cluster_test.cc.
#include "scenarios/explore/explored_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace keelson::scenarios {

enum class ExploredCluster::Kind : std::uint32_t {
  deliver,  // The first packet to the machine whose content is `detail`.
  deliver_and_keep,
  complete_write,
  timeout,
  heartbeat,
  probe,
  propose,
  change,  // To Bound::members[detail].
  restart,
};

namespace {

// One draw for all nodes: who times out first is an event, not chance. More than one election
// timeout, so that a node's patience with a leader ends before its own timer.
class FixedDraw : public Random {
 public:
  std::uint64_t below(std::uint64_t bound) override { return bound / 2; }
};

raft::Configuration configuration_of(const std::vector<NodeId>& voters) {
  raft::Configuration configuration;
  for (const NodeId id : voters) configuration.members[id] = raft::Member{};
  return configuration;
}

std::vector<NodeId> founders_of(const Bound& bound) {
  if (!bound.founders.empty()) return bound.founders;
  std::vector<NodeId> all;
  for (std::uint64_t id = 1; id <= bound.nodes; ++id) all.push_back(NodeId(id));
  return all;
}

}  // namespace

ExploredCluster::Material::Material(Bound bound)
    : bound_(std::move(bound)),
      random_(std::make_unique<FixedDraw>()),
      marks_(std::make_unique<Marks>()) {
  CHECK(bound_.nodes > 0 && bound_.nodes < 64);
  of_nodes_.options.election_timeout = std::chrono::milliseconds(100);
  // A leader whose heartbeats nobody answers sends one more before it steps down.
  of_nodes_.options.heartbeat_interval = std::chrono::milliseconds(60);
  if (bound_.sends_entries_one_by_one) of_nodes_.options.append_bytes_max = 1;
  of_nodes_.founders = configuration_of(founders_of(bound_));
  of_nodes_.disks_are_slow = bound_.disks_are_slow;
  of_nodes_.random = random_.get();
  of_nodes_.marks = marks_.get();
}

ExploredCluster::ExploredCluster(const Material& material) : material_(&material) {
  for (std::uint64_t id = 1; id <= material.bound().nodes; ++id) {
    ExploredNode node(material.of_nodes(), NodeId(id));
    (void)node.effects();
    const std::uint64_t hash = node.hash();
    nodes_.push_back({std::make_shared<const ExploredNode>(std::move(node)), hash});
  }
  if (material.bound().begins_with_leader) elect_first();
}

// The first founder is elected, and all hear that its first entry is committed.
void ExploredCluster::elect_first() {
  const auto first = static_cast<std::uint32_t>(founders_of(material_->bound()).front().value);
  std::vector<sim::Event> to_come = {
      {.kind = static_cast<std::uint32_t>(Kind::timeout), .machine = first, .detail = 0},
      {.kind = static_cast<std::uint32_t>(Kind::heartbeat), .machine = first, .detail = 0}};
  for (const sim::Event& event : to_come) {
    std::optional<sim::Event> next = event;
    while (next) {
      CHECK(!take(*next));
      next.reset();
      for (const sim::Event& other : events()) {
        const bool is_settling = other.kind == static_cast<std::uint32_t>(Kind::deliver) ||
                                 other.kind == static_cast<std::uint32_t>(Kind::complete_write);
        if (is_settling && !next) next = other;
      }
    }
  }
  CHECK(node(NodeId(first)).leads() && packets_.empty());
  std::fill(std::begin(spent_), std::end(spent_), 0);
}

// --- What can happen.

std::vector<sim::Event> ExploredCluster::events() const {
  std::vector<sim::Event> events;
  for (std::uint64_t id = 1; id <= nodes_.size(); ++id) add_events_of(NodeId(id), events);
  return events;
}

void ExploredCluster::add_events_of(NodeId id, std::vector<sim::Event>& events) const {
  const auto add = [&](Kind kind, std::uint64_t detail = 0) {
    events.push_back({.kind = static_cast<std::uint32_t>(kind),
                      .machine = static_cast<std::uint32_t>(id.value),
                      .detail = detail});
  };
  for (auto packet = packets_.begin(); packet != packets_.end(); ++packet) {
    if (packet->to != id) continue;
    const bool is_first = std::none_of(packets_.begin(), packet, [&](const Packet& other) {
      return other.to == packet->to && other.content == packet->content;
    });
    if (!is_first) continue;
    add(Kind::deliver, packet->content);
    if (has_left(Budget::duplicates)) add(Kind::deliver_and_keep, packet->content);
  }
  const ExploredNode& it = node(id);
  if (it.has_write()) add(Kind::complete_write);
  if (it.leads()) {
    if (has_left(Budget::heartbeats)) add(Kind::heartbeat);
    if (has_left(Budget::probes)) add(Kind::probe);
    if (has_left(Budget::proposals)) add(Kind::propose);
    if (has_left(Budget::changes) && it.core().may_change_configuration()) {
      const auto& members = material_->bound().members;
      for (std::size_t i = 0; i < members.size(); ++i) {
        if (it.configuration().members != configuration_of(members[i]).members) {
          add(Kind::change, i);
        }
      }
    }
  } else if (has_left(Budget::timeouts) && it.has_timer()) {
    const bool are_all_alike = !material_->bound().begins_with_leader &&
                               spent_[static_cast<std::size_t>(Budget::timeouts)] == 0;
    if (!are_all_alike || id == founders_of(material_->bound()).front()) add(Kind::timeout);
  }
  if (has_left(Budget::restarts)) add(Kind::restart);
}

std::optional<Budget> ExploredCluster::budget_of(const sim::Event& event) {
  switch (static_cast<Kind>(event.kind)) {
    case Kind::deliver_and_keep: return Budget::duplicates;
    case Kind::timeout: return Budget::timeouts;
    case Kind::heartbeat: return Budget::heartbeats;
    case Kind::probe: return Budget::probes;
    case Kind::propose: return Budget::proposals;
    case Kind::change: return Budget::changes;
    case Kind::restart: return Budget::restarts;
    case Kind::deliver:
    case Kind::complete_write: return std::nullopt;
  }
  return std::nullopt;
}

bool ExploredCluster::has_left(Budget budget) const {
  const auto place = static_cast<std::size_t>(budget);
  return spent_[place] < material_->bound().budget[place];
}

// Two events at different machines change different nodes, take from different links and add to the
// ends of different links.
bool ExploredCluster::are_independent(const sim::Event& one, const sim::Event& other) const {
  if (one.machine == other.machine) return false;
  const auto budget = budget_of(one);
  if (budget && budget == budget_of(other)) {
    const auto place = static_cast<std::size_t>(*budget);
    if (spent_[place] + 2 > material_->bound().budget[place]) return false;  // One is left.
  }
  // What a probe may be answered depends on who was elected before it came.
  const auto probe = static_cast<std::uint32_t>(Kind::probe);
  return !(one.kind == probe && may_elect(other)) && !(other.kind == probe && may_elect(one));
}

bool ExploredCluster::may_elect(const sim::Event& event) const {
  if (event.kind == static_cast<std::uint32_t>(Kind::timeout)) {
    return material_->of_nodes().founders.members.size() == 1;
  }
  if (event.kind > static_cast<std::uint32_t>(Kind::deliver_and_keep)) return false;
  const auto* vote = std::get_if<raft::RequestVoteReply>(packet_of(event).message.get());
  return vote != nullptr && !vote->pre_vote;
}

// --- What happens then.

std::optional<sim::Violation> ExploredCluster::take(const sim::Event& event) {
  Node& place = nodes_.at(event.machine - 1);
  auto node = std::make_shared<ExploredNode>(*place.node);
  happen(event, *node);
  look_at(*node);
  place.hash = node->hash();
  place.node = std::move(node);
  if (const auto budget = budget_of(event)) ++spent_[static_cast<std::size_t>(*budget)];
  return facts_.violation();
}

void ExploredCluster::happen(const sim::Event& event, ExploredNode& node) {
  switch (static_cast<Kind>(event.kind)) {
    case Kind::deliver:
    case Kind::deliver_and_keep: {
      const NodeId from = packet_of(event).from;
      return node.step(from, receive(event, static_cast<Kind>(event.kind) != Kind::deliver));
    }
    case Kind::complete_write:
      return node.complete_write();
    case Kind::timeout:
    case Kind::heartbeat:
      return node.timeout();
    case Kind::probe:
      if (const auto token = node.probe()) facts_.on_probe(node.observed(), *token);
      return;
    case Kind::propose:
      // One that no other state of the same log could be taken for.
      return node.propose(
          fmt::format("n{}/{}", event.machine, node.core().last_log_index().value + 1));
    case Kind::change:
      return node.propose_members(
          configuration_of(material_->bound().members.at(event.detail)).members);
    case Kind::restart:
      return node.crash_and_restart();
  }
}

// Tells the observer what it has brought, and the network what is to be carried.
void ExploredCluster::look_at(ExploredNode& node) {
  const ExploredNode::Effects effects = node.effects();
  const NodeId id = node.observed().node;
  if (effects.is_restart) facts_.on_restart(id);
  facts_.on_durable(node.observed());
  std::vector<const Observed*> others;
  for (const Node& other : nodes_) {
    if (other.node->observed().node != id) others.push_back(&other.node->observed());
  }
  facts_.on_log(node.observed(), others);
  for (const raft::Outgoing& outgoing : effects.sent) {
    facts_.on_sent(node.observed(), outgoing.message, outgoing.to);
    send(id, outgoing);
  }
  facts_.on_commit(node.observed(), effects.commit_before, node.configuration());
  for (const raft::Entry& entry : effects.applied) {
    facts_.on_applied(node.observed(), entry);
    node.note_applied(entry);
  }
  for (const raft::ReadResult& read : effects.reads) {
    facts_.on_probe_answer(node.observed(), read);
  }
}

void ExploredCluster::send(NodeId from, const raft::Outgoing& outgoing) {
  if (outgoing.to.value > nodes_.size()) return;
  Bytes bytes;
  encode(outgoing.message, bytes);
  Packet packet{.to = outgoing.to,
                .from = from,
                .content = hash64(bytes, outgoing.to.value * 64 + from.value),
                .message = std::make_shared<const raft::Message>(outgoing.message)};
  const bool by_content = !material_->bound().links_keep_order;
  const auto is_before = [by_content](const Packet& a, const Packet& b) {
    if (a.to != b.to) return a.to < b.to;
    if (a.from != b.from) return a.from < b.from;
    return by_content && a.content < b.content;
  };
  packets_.insert(std::upper_bound(packets_.begin(), packets_.end(), packet, is_before),
                  std::move(packet));
}

const ExploredCluster::Packet& ExploredCluster::packet_of(const sim::Event& event) const {
  const auto found = std::find_if(packets_.begin(), packets_.end(), [&](const Packet& packet) {
    return packet.to.value == event.machine && packet.content == event.detail;
  });
  CHECK(found != packets_.end());
  return *found;
}

raft::Message ExploredCluster::receive(const sim::Event& event, bool stays) {
  const auto place = packets_.begin() + (&packet_of(event) - packets_.data());
  raft::Message message = *place->message;
  auto first = place;
  while (material_->bound().links_keep_order && first != packets_.begin() &&
         std::prev(first)->to == place->to && std::prev(first)->from == place->from) {
    --first;  // What it overtakes is lost.
  }
  packets_.erase(first, stays ? place : std::next(place));
  return message;
}

// --- What a search needs.

std::optional<std::uint64_t> ExploredCluster::hash() const {
  Bytes bytes;
  bytes.reserve(1024);
  for (const Node& node : nodes_) append_u64(bytes, node.hash);
  for (const Packet& packet : packets_) append_u64(bytes, packet.content);
  append_u64(bytes, packets_.size());
  for (const std::uint32_t spent : spent_) append_u32(bytes, spent);
  facts_.append_state(bytes);
  return hash64(bytes);
}

std::unique_ptr<sim::System> ExploredCluster::copy() const {
  return std::unique_ptr<sim::System>(new ExploredCluster(*this));
}

std::string ExploredCluster::describe(const sim::Event& event) const {
  const std::string machine = to_string(NodeId(event.machine));
  switch (static_cast<Kind>(event.kind)) {
    case Kind::deliver:
    case Kind::deliver_and_keep: {
      const Packet& packet = packet_of(event);
      return fmt::format("{} > {} {}{}", to_string(packet.from), machine,
                         raft::describe(*packet.message),
                         static_cast<Kind>(event.kind) == Kind::deliver ? "" : " (and once more)");
    }
    case Kind::complete_write: return machine + "'s oldest write becomes durable";
    case Kind::timeout: return machine + " times out";
    case Kind::heartbeat: return machine + "'s heartbeat is due";
    case Kind::probe: return "a probe arrives at " + machine;
    case Kind::propose: return "a client proposes to " + machine;
    case Kind::change: return "an operator asks " + machine + " to change the members to " +
             raft::describe(configuration_of(material_->bound().members.at(event.detail)));
    case Kind::restart: return machine + " crashes and starts again";
  }
  return {};
}

std::string ExploredCluster::describe_machine(std::uint32_t machine) const {
  return node(NodeId(machine)).describe();
}

}  // namespace keelson::scenarios
