// A node that comes back without its disk (§6; dissertation §4.2.1): under its old name, and with a
// new data directory, it is another server. The leader takes the old one out of the voters and the
// new one in as a learner, in one change; when the learner has caught up, it is given its vote.
// Tested by tests/core/node/snapshot_test.cc and the scenario wiped_disk.
#include <fmt/format.h>

#include "core/raft/raft_node_state.h"

namespace keelson::raft {

namespace {

// A learner that lacks no more entries than this has caught up: what is missing is on its way.
constexpr std::uint64_t kLagMax = 16;

}  // namespace

// Asked of replies alone: they are what majorities are made of. A request is judged by its term,
// and by nothing else: to a node that is catching up, today's leader may be a member it has not
// read of.
bool RaftNode::speaks_for_another(const Group& group, NodeId id, Incarnation incarnation) {
  const auto& members = group.core.configuration().members;
  const auto member = members.find(id);
  return member != members.end() && member->second.incarnation != incarnation;
}

void RaftNode::note_stranger(Group& group, NodeId id, Incarnation incarnation) {
  SOMETIMES(env_.marks, "raft: message of another data directory refused");
  if (group.core.role() != Role::leader) return;
  Configuration next = group.core.configuration();
  Member& member = next.members.at(id);
  // Its vote goes first: majorities with and without it have a voter in common, while majorities
  // with the old and with the new one need not.
  member = {.incarnation = incarnation, .is_voter = false};
  if (next.voters_count() == 0) return;
  if (!group.core.propose_configuration(next, env_.clock.now())) return;
  SOMETIMES(env_.marks, "raft: lost disk admitted as learner");
  env_.log.event("raft", fmt::format("{}: {} has lost its disk and is a learner now",
                                     to_string(group.id), to_string(id)));
  work_.notify_one();
}

void RaftNode::promote_if_caught_up(Group& group, NodeId id) {
  if (group.core.role() != Role::leader) return;
  const auto& members = group.core.configuration().members;
  const auto member = members.find(id);
  if (member == members.end() || member->second.is_voter) return;
  const auto match_indexes = group.core.match_indexes();
  const auto match = match_indexes.find(id);
  if (match == match_indexes.end() || match->second.value == 0) return;
  if (match->second.value + kLagMax < group.core.last_log_index().value) return;
  Configuration next = group.core.configuration();
  next.members.at(id).is_voter = true;
  if (!group.core.propose_configuration(next, env_.clock.now())) return;
  SOMETIMES(env_.marks, "raft: learner promoted");
  env_.log.event("raft", fmt::format("{}: {} has caught up and votes again", to_string(group.id),
                                     to_string(id)));
}

}  // namespace keelson::raft
