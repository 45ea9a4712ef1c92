// Tested by the scenarios membership_change, replace_node and transfer.
#include "scenarios/operator.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <variant>

#include "core/base/check.h"
#include "scenarios/client_trace.h"

namespace keelson::scenarios {

namespace {

// Shorter than the grace of a node that is told to stop, which does not wait for these fibers.
constexpr Duration kPatience = std::chrono::milliseconds(150);
constexpr Duration kSettleInterval = std::chrono::milliseconds(50);

NodeId pick(sim::ChoiceStream& chance, const std::vector<NodeId>& from) {
  return from[chance.choose(from.size())];
}

std::vector<NodeId> members_where(const raft::Configuration& configuration, bool is_voter) {
  std::vector<NodeId> found;
  for (const auto& [id, member] : configuration.members) {
    if (member.is_voter == is_voter) found.push_back(id);
  }
  return found;
}

raft::AddLearner add_learner(NodeId id) {
  return {.id = id, .address = Cluster::address(id.value, kRaftPort), .incarnation = {}};
}

// What the change is called in reports and marks.
std::string_view name_of(const raft::ConfigurationChange& change) {
  constexpr std::string_view kNames[] = {"operator: learner added", "operator: learner promoted",
                                         "operator: voter demoted", "operator: member removed",
                                         "operator: voter replaced"};
  static_assert(std::size(kNames) == std::variant_size_v<raft::ConfigurationChange>);
  return kNames[change.index()];
}

}  // namespace

Operator::Operator(sim::World& world, Cluster& cluster, const OperatorOptions& options,
                   ProbeClaim& claim, Report& report)
    : world_(world), cluster_(cluster), options_(options), claim_(claim), report_(report),
      chance_(world.choices().stream("operator")) {}

void Operator::start() {
  chance_.begin_item();
  const auto spread = static_cast<std::uint64_t>(options_.interval.count()) + 1;
  const Duration delay =
      options_.interval * 3 / 2 - Duration(static_cast<std::int64_t>(chance_.choose(spread)));
  world_.at(world_.now() + delay, [this] {
    if (is_stopped_) return;
    act();
    start();
  });
}

void Operator::act() {
  const GroupId group(chance_.choose(options_.groups));
  Node* const leader = leader_of(group);
  if (leader == nullptr) return;
  if (chance_.chance(options_.transfers_per_thousand * 1000)) return transfer(*leader, group);
  if (!options_.changes_membership) return;
  const auto change = draw_change(leader->raft().core(group).configuration());
  if (change) carry_out(*leader, group, *change);
}

Node* Operator::leader_of(GroupId group) const {
  Node* leader = nullptr;
  for (std::size_t number = 1; number <= cluster_.size(); ++number) {
    Node* const node = cluster_.node(number);
    if (node == nullptr || !cluster_.machine(number).is_running()) continue;
    const raft::Raft& core = node->raft().core(group);
    if (core.role() != raft::Role::leader || node->coordinator().is_draining()) continue;
    const bool is_newer =
        leader == nullptr || core.current_term() > leader->raft().core(group).current_term();
    if (is_newer) leader = node;
  }
  return leader;
}

// --- verbs ---

void Operator::transfer(Node& leader, GroupId group) {
  std::optional<NodeId> target;
  const auto voters = members_where(leader.raft().core(group).configuration(), true);
  const bool is_targeted = chance_.chance(500'000);
  if (is_targeted) target = pick(chance_, voters);
  const std::string order = fmt::format("hands {} to {}", to_string(group),
                                        target ? to_string(*target) : "whoever is most caught up");
  sim::Machine& machine = cluster_.machine(leader.config().node_id.value);
  world_.trace().note(fmt::format("operator: {} {}", machine.name(), order));
  const std::uint64_t traced = trace_call(machine, "operator: " + order, machine.name());
  machine.spawn("operator", [this, &leader, &machine, group, target, traced](Env& env) {
    const NodeId node = leader.config().node_id;
    // Probes speak of the default group. While one transfer is under way another is refused.
    const bool turns_probes_red =
        group == GroupId(0) && !leader.raft().is_transferring(group);
    if (turns_probes_red) claim_.handing_over(node, world_.now());
    const auto done = leader.raft().transfer_leadership(group, target,
                                                        Deadline::in(env.clock, kPatience));
    if (turns_probes_red) claim_.handed_over(node);
    trace_return(machine, traced, done ? nullptr : &done.error());
    if (done) report_.reached("operator: leadership handed over");
  });
}

std::optional<Operator::Change> Operator::draw_change(const raft::Configuration& present) {
  const auto voters = members_where(present, true);
  const auto learners = members_where(present, false);
  std::vector<NodeId> others;
  for (std::size_t number = 1; number <= cluster_.size(); ++number) {
    if (!present.members.contains(NodeId(number))) others.push_back(NodeId(number));
  }
  const bool may_lose_voter = voters.size() > options_.voters_least;
  switch (chance_.choose(5)) {
    case 0:
      if (others.empty()) return std::nullopt;
      return add_learner(pick(chance_, others));
    case 1: {
      if (learners.empty() || voters.size() >= options_.voters_most) return std::nullopt;
      const NodeId learner = pick(chance_, learners);
      return raft::Promote{.id = learner, .forced = chance_.chance(100'000)};
    }
    case 2:
      if (!may_lose_voter) return std::nullopt;
      return raft::Demote{pick(chance_, voters)};
    case 3:
      if (!learners.empty() && chance_.chance(300'000)) {
        return raft::Remove{pick(chance_, learners)};
      }
      if (!may_lose_voter) return std::nullopt;
      return raft::Remove{pick(chance_, voters)};
    default: {
      if (learners.empty()) return std::nullopt;
      const NodeId voter = pick(chance_, voters);
      return raft::Replace{.voter = voter, .learner = pick(chance_, learners)};
    }
  }
}

void Operator::carry_out(Node& leader, GroupId group, const Change& change) {
  const raft::LogIndex expected = leader.raft().core(group).configuration().index;
  sim::Machine& machine = cluster_.machine(leader.config().node_id.value);
  const std::string order = fmt::format("{} of {}", name_of(change), to_string(group));
  world_.trace().note(fmt::format("{} is asked for, at {}", order, machine.name()));
  const std::uint64_t traced = trace_call(machine, order, machine.name());
  machine.spawn("operator", [this, &leader, &machine, group, change, expected, order,
                             traced](Env& env) {
    const auto done = leader.raft().change_configuration(group, change, expected,
                                                         Deadline::in(env.clock, kPatience));
    trace_return(machine, traced, done ? nullptr : &done.error());
    if (done) return report_.reached(name_of(change));
    world_.trace().note(fmt::format("{} fails: {}", order, done.error().message));
  });
}

// --- after the storm ---

void Operator::settle() {
  CHECK(is_stopped_);
  if (!is_settling_) world_.trace().note("operator: brings all groups to one membership");
  is_settling_ = true;
  if (is_settled()) return;
  settle_more();
  world_.at(world_.now() + kSettleInterval, [this] { settle(); });
}

std::vector<NodeId> Operator::voters() const {
  Node* const leader = leader_of(GroupId(0));
  if (leader == nullptr) return {};
  std::vector<NodeId> voters;
  for (const auto& [id, member] : leader->raft().core(GroupId(0)).configuration().members) {
    if (member.is_voter || member.regains_vote) voters.push_back(id);
  }
  return voters;
}

bool Operator::is_settled() const {
  const auto wanted = voters();
  if (wanted.empty()) return false;
  for (std::size_t number = 0; number < options_.groups; ++number) {
    Node* const leader = leader_of(GroupId(number));
    if (leader == nullptr) return false;
    const raft::Raft& core = leader->raft().core(GroupId(number));
    const raft::Configuration& present = core.configuration();
    if (present.is_joint() || present.index > core.commit_index()) return false;
    if (members_where(present, true) != wanted || !members_where(present, false).empty()) {
      return false;
    }
  }
  return true;
}

void Operator::settle_more() {
  const auto wanted = voters();
  if (wanted.empty()) return;
  for (std::size_t number = 0; number < options_.groups; ++number) {
    const GroupId group(number);
    Node* const leader = leader_of(group);
    if (leader == nullptr) continue;
    const auto step = step_towards(wanted, leader->raft().core(group).configuration());
    if (step) carry_out(*leader, group, *step);
  }
}

std::optional<Operator::Change> Operator::step_towards(const std::vector<NodeId>& wanted,
                                                       const raft::Configuration& present) {
  for (const NodeId id : wanted) {
    const auto member = present.members.find(id);
    if (member == present.members.end()) return add_learner(id);
    // Who lost its disk is given its vote without being asked.
    if (!member->second.is_voter && !member->second.regains_vote) return raft::Promote{.id = id};
  }
  for (const auto& [id, member] : present.members) {
    const bool is_wanted = std::find(wanted.begin(), wanted.end(), id) != wanted.end();
    if (!is_wanted) return raft::Remove{id};
  }
  return std::nullopt;
}

}  // namespace keelson::scenarios
