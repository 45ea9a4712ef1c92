// What an operator asks of a group: changes of membership, a transfer of leadership.
// Tested by tests/core/node/membership_test.cc.
#include <fmt/format.h>

#include "core/raft/protocol_version.h"
#include "core/raft/raft_node_state.h"

namespace keelson::raft {

namespace {

// A learner that lacks no more entries than this has caught up: what is missing is on its way.
constexpr std::uint64_t kLagMax = 16;

Error senseless(NodeId id, std::string_view what) {
  return {ErrorCode::invalid_argument, fmt::format("{} {}", to_string(id), what)};
}

Error not_now(GroupId group, std::string_view what) {
  return {ErrorCode::unavailable, fmt::format("{}: {}", to_string(group), what)};
}

Error too_old(NodeId id) {
  return {ErrorCode::unsupported,
          fmt::format("{} is of a version that does not know of it", to_string(id))};
}

// The members after a change, by who asks for what; or why it makes no sense.
class Changed {
 public:
  explicit Changed(const std::map<NodeId, Member>& members) : members_(members) {}

  Result<void> operator()(const AddLearner& change) {
    const Member learner{.incarnation = change.incarnation,
                         .address = change.address,
                         .is_voter = false,
                         .regains_vote = false};
    if (change.id.value == 0) return senseless(change.id, "is no node");
    if (!members_.emplace(change.id, learner).second) {
      return senseless(change.id, "is a member already");
    }
    return {};
  }
  Result<void> operator()(const Promote& change) {
    TRY(Member* const member, find(change.id, false));
    member->is_voter = true;
    member->regains_vote = false;
    return {};
  }
  Result<void> operator()(const Demote& change) {
    TRY(Member* const member, find(change.id, true));
    member->is_voter = false;
    return {};
  }
  Result<void> operator()(const Remove& change) {
    if (members_.erase(change.id) == 0) return senseless(change.id, "is no member");
    return {};
  }
  Result<void> operator()(const Replace& change) {
    TRY((*this)(Demote{.id = change.voter}));
    members_.erase(change.voter);
    return (*this)(Promote{.id = change.learner});
  }

  std::map<NodeId, Member> take() { return std::move(members_); }

 private:
  Result<Member*> find(NodeId id, bool is_voter) {
    const auto found = members_.find(id);
    if (found == members_.end()) return senseless(id, "is no member");
    if (found->second.is_voter != is_voter) {
      return senseless(id, is_voter ? "is no voter" : "is a voter already");
    }
    return &found->second;
  }

  std::map<NodeId, Member> members_;
};

// Who gets a vote by it, and must have caught up.
std::optional<NodeId> promoted_by(const ConfigurationChange& change) {
  if (const auto* promote = std::get_if<Promote>(&change)) {
    return promote->forced ? std::nullopt : std::optional(promote->id);
  }
  if (const auto* replace = std::get_if<Replace>(&change)) return replace->learner;
  return std::nullopt;
}

}  // namespace

bool RaftNode::has_caught_up(const Group& group, NodeId id) const {
  const auto match_indexes = group.core.match_indexes();
  const auto match = match_indexes.find(id);
  if (match == match_indexes.end() || match->second.value == 0) return false;
  return match->second.value + kLagMax >= group.core.last_log_index().value;
}

Result<std::map<NodeId, Member>> RaftNode::members_after(
    const Group& group, const ConfigurationChange& change) const {
  Changed changed(group.core.configuration().members);
  TRY(std::visit(changed, change));
  auto members = changed.take();
  bool has_voter = false;
  for (const auto& [id, member] : members) {
    has_voter = has_voter || member.is_voter;
    if (member.is_voter && member.incarnation.value == 0) {
      return not_now(group.id, to_string(id) + " has not been heard of");
    }
  }
  if (!has_voter) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} would have no voter", to_string(group.id))};
  }
  if (const auto id = promoted_by(change); id && !has_caught_up(group, *id)) {
    return not_now(group.id, to_string(*id) + " has not caught up");
  }
  return members;
}

// A peer that is not connected is taken for one of today: it refuses what it cannot read.
Result<void> RaftNode::check_versions(const Group& group, const ConfigurationChange& change) const {
  if (!std::holds_alternative<Replace>(change)) return {};  // No other change needs to be joint.
  for (const NodeId id : group.core.configuration().nodes()) {
    if (!knows_membership(id)) return too_old(id);
  }
  return {};
}

bool RaftNode::knows_membership(NodeId id) const {
  return sender_.version_of(id).value_or(kVersionOfMembership) >= kVersionOfMembership;
}

bool RaftNode::all_members_speak(GroupId id, std::uint32_t version) const {
  const Group& group = find(id);
  for (const NodeId member : group.core.configuration().nodes()) {
    if (member == group.options.id) continue;
    if (sender_.version_of(member).value_or(0) < version) return false;
  }
  return true;
}

Result<LogIndex> RaftNode::change_configuration(GroupId id, const ConfigurationChange& change,
                                                LogIndex expected_configuration_index,
                                                Deadline deadline) {
  Group& group = find(id);
  Raft& core = group.core;
  if (core.role() != Role::leader) {
    return Error{ErrorCode::not_leader, fmt::format("not leader of {}", to_string(id))};
  }
  if (core.configuration().index != expected_configuration_index) {
    return Error{ErrorCode::conflict,
                 fmt::format("{}: configuration {} is in force, not {}", to_string(id),
                             core.configuration().index.value,
                             expected_configuration_index.value)};
  }
  TRY(const auto members, members_after(group, change));
  if (!core.may_change_configuration()) {
    return not_now(id, "a change or a transfer is under way, or the leader is new");
  }
  TRY(check_versions(group, change));
  const auto index = core.propose_configuration(members, env_.clock.now());
  CHECK(index.has_value());
  wake(group);
  const Term term = core.current_term();
  while (true) {
    // The one that was proposed, or what it leads to when it is joint.
    const Configuration& committed = core.committed_configuration();
    if (committed.index >= *index && !committed.is_joint() && committed.members == members) {
      SOMETIMES(env_.marks, "raft: configuration changed by an operator");
      return committed.index;
    }
    const bool may_be_lost = core.current_term() != term && committed.index < *index;
    if (may_be_lost || !group.configuration_changed.wait(deadline)) break;
  }
  return Error{ErrorCode::timed_out,
               fmt::format("{}: the change is not known to be committed", to_string(id))};
}

Result<NodeId> RaftNode::transfer_leadership(GroupId id, std::optional<NodeId> target,
                                             Deadline deadline) {
  Group& group = find(id);
  Raft& core = group.core;
  if (core.role() != Role::leader) {
    return Error{ErrorCode::not_leader, fmt::format("not leader of {}", to_string(id))};
  }
  if (target && (*target == group.options.id || !core.configuration().is_voter(*target))) {
    return senseless(*target, "is no other voter");
  }
  if (target && !knows_membership(*target)) return too_old(*target);
  if (core.is_transferring()) return not_now(id, "a transfer is under way");
  const Term term = core.current_term();
  const auto chosen = core.transfer_leadership(target, env_.clock.now());
  if (!chosen) return not_now(id, "there is nobody to lead");
  env_.log.event("raft",
                 fmt::format("{}: hands over to {}", to_string(id), to_string(*chosen)));
  wake(group);
  while (core.current_term() == term || !core.leader()) {
    if (core.current_term() == term && !core.is_transferring()) {
      return not_now(id, to_string(*chosen) + " did not take over");
    }
    if (!group.leader_changed.wait(deadline)) {
      return Error{ErrorCode::timed_out,
                   fmt::format("{}: handed over, and no leader is known yet", to_string(id))};
    }
  }
  return *core.leader();
}

}  // namespace keelson::raft
