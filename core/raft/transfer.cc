// Leadership transfer (dissertation §3.10): the leader takes no more proposals, brings the target's
// log up to its own, and tells it to stand for election at once. If the target does not lead within
// an election timeout, this node goes on.
//
// No two leases overlap: this one's reads and its lease end with the first step, before anybody is
// told that it need not be waited for; and only the leader of term t ever asks for an election in
// term t + 1 that nobody resists, so that no other leader's lease can be cut short by it.
// Tested by tests/core/raft/transfer_test.cc and tests/golden/raft/transfer_*.txt.
#include <algorithm>
#include <tuple>

#include "core/base/check.h"
#include "core/raft/raft.h"

namespace keelson::raft {

std::optional<NodeId> Raft::transfer_leadership(std::optional<NodeId> target, Instant now) {
  if (role_ != Role::leader || transfer_) return std::nullopt;
  if (!target) target = most_caught_up();
  if (!target || !may_take_over(*target)) return std::nullopt;
  begin_transfer(*target, now);
  after_input(now);
  return target;
}

void Raft::begin_transfer(NodeId target, Instant now) {
  CHECK(role_ == Role::leader && !transfer_ && may_take_over(target));
  transfer_ = Transfer{.target = target, .deadline = now + options_.election_timeout};
  SOMETIMES(marks_, "raft: leadership transfer begun");
  fail_reads();
  tell_target_if_caught_up();
}

// A voter of the configuration that stays.
bool Raft::may_take_over(NodeId id) const {
  const auto member = configuration().members.find(id);
  return id != options_.id && member != configuration().members.end() && member->second.is_voter;
}

// Dissertation §3.10 leaves the choice open: who has most of the log and was heard of last.
std::optional<NodeId> Raft::most_caught_up() const {
  std::optional<NodeId> best;
  const auto merit = [this](NodeId id) {
    const Progress& progress = progress_.at(id);
    return std::tuple(progress.match_index(), progress.echoed_round());
  };
  for (const auto& [id, progress] : progress_) {
    if (may_take_over(id) && (!best || merit(id) > merit(*best))) best = id;
  }
  return best;
}

// Called again with each heartbeat: what was sent may be lost.
void Raft::tell_target_if_caught_up() {
  if (!transfer_) return;
  if (progress_.at(transfer_->target).match_index() < log_.last_index()) return;
  if (!sent_timeout_now_) SOMETIMES(marks_, "raft: transfer's target caught up");
  sent_timeout_now_ = true;
  send(transfer_->target, TimeoutNow{persistent_.current_term});
}

void Raft::abandon_transfer(Instant now) {
  CHECK(role_ == Role::leader && transfer_);
  SOMETIMES(marks_, "raft: leadership transfer abandoned");
  transfer_.reset();
  // §6: "the leader steps down once it has committed the Cnew log entry". It tried to do better.
  if (!is_voter(configuration())) become_follower(persistent_.current_term, now);
}

// --- The target's side.

// Of an earlier term it is old: that leader has been replaced, or has given up. A later one's log
// is not here.
void Raft::on_timeout_now(NodeId from, const TimeoutNow& request, Instant now) {
  if (request.term != persistent_.current_term || leader_ != from || !may_stand() ||
      !is_voter(configuration())) {
    SOMETIMES(marks_, "raft: stale TimeoutNow ignored");
    return;
  }
  CHECK(role_ == Role::follower);
  SOMETIMES(marks_, "raft: stands for election at the leader's request");
  stand(now, true);
}

}  // namespace keelson::raft
