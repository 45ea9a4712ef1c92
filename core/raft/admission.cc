// A node that comes back without its disk (§6; dissertation §4.2.1): under its old name, and with a
// new data directory, it is another server. The leader takes the old one out of the voters and the
// new one in as a learner, in one change; when the learner has caught up, it is given its vote.
// Tested by tests/core/node/snapshot_test.cc and the scenario wiped_disk.
#include <fmt/format.h>

#include "core/raft/raft_node_state.h"

namespace keelson::raft {

// Asked of replies alone: they are what majorities are made of. A request is judged by its term,
// and by nothing else: to a node that is catching up, today's leader may be a member it has not
// read of.
bool RaftNode::speaks_for_another(const Group& group, NodeId id, Incarnation incarnation) {
  const Member* const member = group.core.configuration().find(id);
  return member != nullptr && member->incarnation != incarnation;
}

void RaftNode::note_stranger(Group& group, NodeId id, Incarnation incarnation) {
  SOMETIMES(env_.marks, "raft: message of another data directory refused");
  if (!group.core.may_change_configuration()) return;
  const Configuration& present = group.core.configuration();
  auto members = present.members;
  Member& member = members.at(id);
  const bool is_new = member.incarnation.value == 0;
  // Its vote goes first: majorities with and without it have a voter in common, while majorities
  // with the old and with the new one need not.
  if (member.is_voter && present.voters_count() == 1) return;
  member.regains_vote = member.regains_vote || member.is_voter;
  member.is_voter = false;
  member.incarnation = incarnation;
  const auto index = group.core.propose_configuration(std::move(members), env_.clock.now());
  CHECK(index.has_value());
  if (!is_new) SOMETIMES(env_.marks, "raft: lost disk admitted as learner");
  env_.log.event("raft", fmt::format("{}: {} {}", to_string(group.id), to_string(id),
                                     is_new ? "has joined as a learner"
                                            : "has lost its disk and is a learner now"));
  wake(group);
}

// A learner that an operator added waits for the operator.
void RaftNode::promote_if_caught_up(Group& group, NodeId id) {
  if (!group.core.may_change_configuration()) return;
  const auto& present = group.core.configuration().members;
  const auto learner = present.find(id);
  if (learner == present.end() || !learner->second.regains_vote) return;
  if (!has_caught_up(group, id)) return;
  auto members = present;
  members.at(id).is_voter = true;
  members.at(id).regains_vote = false;
  const auto index = group.core.propose_configuration(std::move(members), env_.clock.now());
  CHECK(index.has_value());
  SOMETIMES(env_.marks, "raft: learner promoted");
  env_.log.event("raft", fmt::format("{}: {} has caught up and votes again", to_string(group.id),
                                     to_string(id)));
}

}  // namespace keelson::raft
