// Membership (§6): which configuration is in force, and how one follows another.
//
// A change of one voter at most goes directly (dissertation §4.1): any majority of the one
// configuration meets any of the other, and a lost disk is taken in without a second entry and a
// second round. It is safe only from a configuration that the leader knows to be committed, in a
// term in which it has committed an entry. Any other change is joint consensus: C_old,new is
// appended here, C_new by whoever leads when C_old,new is committed.
// Tested by tests/core/raft/configuration_test.cc and tests/golden/raft/membership_*.txt.
#include <algorithm>

#include "core/base/check.h"
#include "core/raft/raft.h"

namespace keelson::raft {

namespace {

// How many voters one has that the other has not.
std::size_t voters_apart(const Configuration& one, const Configuration& other) {
  return static_cast<std::size_t>(
      std::count_if(one.members.begin(), one.members.end(), [&](const auto& entry) {
        return entry.second.is_voter && !other.is_voter(entry.first);
      }));
}

// The word of one data directory never counts for another: who votes before and after does so with
// the same one.
bool voters_keep_their_directories(const Configuration& one, const Configuration& other) {
  return std::all_of(one.members.begin(), one.members.end(), [&](const auto& entry) {
    const auto& [id, member] = entry;
    const Member* const found = other.find(id);
    return !member.is_voter || found == nullptr || !found->is_voter ||
           found->incarnation == member.incarnation;
  });
}

}  // namespace

const Configuration& Raft::configuration() const {
  return configurations_.empty() ? base_configuration_ : configurations_.back();
}

const Configuration& Raft::committed_configuration() const {
  const auto uncommitted =
      std::find_if(configurations_.begin(), configurations_.end(),
                   [this](const Configuration& one) { return one.index > commit_index_; });
  return uncommitted == configurations_.begin() ? base_configuration_ : *(uncommitted - 1);
}

bool Raft::may_change_configuration() const {
  // A leader of an earlier term may have begun another change from the same configuration; the two
  // need not share a voter. An entry of this term that is committed shuts that one out.
  return role_ == Role::leader && !transfer_ && has_committed_in_term() &&
         configuration().index <= commit_index_ && !configuration().is_joint();
}

std::optional<LogIndex> Raft::propose_configuration(std::map<NodeId, Member> members, Instant now) {
  if (!may_change_configuration()) return std::nullopt;
  const Configuration& present = configuration();
  Configuration next{.index = {}, .members = std::move(members), .outgoing = {}};
  CHECK(next.voters_count() > 0 && voters_keep_their_directories(present, next));
  if (voters_apart(next, present) + voters_apart(present, next) > 1) {
    next.outgoing = present.members;
    std::erase_if(next.outgoing, [](const auto& member) { return !member.second.is_voter; });
  }
  append_configuration(std::move(next), now);
  after_input(now);
  return log_.last_index();
}

void Raft::append_configuration(Configuration next, Instant now) {
  next.index = log_.last_index().next();
  append_own(next.is_joint() ? EntryKind::joint_configuration : EntryKind::configuration,
             encode(next));
  note_configuration(log_.at(log_.last_index()));
  follow_configuration();
  advance_commit_index(now);  // Of fewer voters, more may agree already.
}

// What the leader owes to a configuration that is committed, whoever began it.
void Raft::finish_change(Instant now) {
  if (role_ != Role::leader || !has_committed_in_term()) return;
  if (configuration().index > commit_index_) return;
  if (configuration().is_joint()) {
    // §6: "once Cold,new has been committed, [...] it is now safe for the leader to create a log
    // entry describing Cnew".
    SOMETIMES(marks_, "raft: joint configuration left");
    Configuration next = configuration();
    next.outgoing.clear();
    append_configuration(std::move(next), now);
    return finish_change(now);  // It may be the only voter.
  }
  // §6: "the leader steps down (returns to follower state) once it has committed the Cnew log
  // entry": by handing over, if it can, so that nobody need wait for an election timeout.
  if (is_voter(configuration()) || transfer_) return;
  SOMETIMES(marks_, "raft: leader outside the configuration hands over");
  const auto target = most_caught_up();
  target ? begin_transfer(*target, now) : become_follower(persistent_.current_term, now);
}

void Raft::note_configuration(const Entry& entry) {
  if (!is_configuration(entry.kind)) return;
  auto decoded = decode_configuration(entry.data);
  CHECK(decoded.has_value());  // Checked where it was received, and by its checksum on disk.
  CHECK(entry.index > configuration().index);
  decoded->index = entry.index;  // Those of version 2 do not say.
  configurations_.push_back(*std::move(decoded));
}

// §6: a configuration that was never committed goes with its entry.
void Raft::forget_configurations_from(LogIndex first) {
  while (!configurations_.empty() && configurations_.back().index >= first) {
    SOMETIMES(marks_, "raft: configuration rolled back");
    configurations_.pop_back();
  }
}

// A leader sends to the members of the moment. One that comes back with another data directory has
// acknowledged nothing.
void Raft::follow_configuration() {
  CHECK(role_ == Role::leader && !configurations_.empty());
  const Configuration& now = configurations_.back();
  const Configuration& before = configurations_.size() > 1
                                    ? configurations_[configurations_.size() - 2]
                                    : base_configuration_;
  for (const NodeId id : before.nodes()) {
    const Member* const member = now.find(id);
    if (member == nullptr || member->incarnation != before.find(id)->incarnation) {
      progress_.erase(id);
      snapshots_wanted_.erase(id);
    }
  }
  for (const NodeId id : now.nodes()) {
    if (id != options_.id && !progress_.contains(id)) add_progress(id);
  }
}

}  // namespace keelson::raft
