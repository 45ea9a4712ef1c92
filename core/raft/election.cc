// Leader election: §5.2, and the rule of §5.4.1 on whose log may win; pre-vote, check-quorum and
// leader stickiness (dissertation §6.2, §6.4, §9.6).
// Tested by tests/core/raft/election_test.cc and tests/golden/raft/election_*.txt.
#include "core/base/check.h"
#include "core/raft/quorum.h"
#include "core/raft/raft.h"

namespace keelson::raft {

void Raft::on_request_vote(NodeId from, const RequestVote& request, Instant now) {
  RequestVoteReply answer{.term = persistent_.current_term,
                          .vote_granted = false,
                          .pre_vote = request.pre_vote,
                          .removed_by = {}};
  if (!committed_configuration().find(from)) answer.removed_by = committed_configuration().index;
  // Figure 2, RequestVote 1: "Reply false if term < currentTerm".
  if (request.term < persistent_.current_term) {
    SOMETIMES(marks_, "raft: older term message answered");
    return reply(from, answer);
  }
  // Dissertation §4.2.3: "if a server receives a RequestVote request within the minimum election
  // timeout of hearing from a current leader, it does not update its term or grant its vote".
  // Unless that leader itself asked for the election (dissertation §4.2.3).
  if (leader_is_alive(now) && !request.leadership_transfer) {
    if (request.pre_vote) SOMETIMES(marks_, "raft: pre-vote refused, leader alive");
    return reply(from, answer);
  }
  // A pre-vote changes nothing here: its term is one that the candidate has not entered yet.
  if (!request.pre_vote && request.term > persistent_.current_term) {
    become_follower(request.term, now);
    answer.term = persistent_.current_term;
  }

  // In a term that this node has not reached, no vote has been given. Figure 2, RequestVote 2: "If
  // votedFor is null or candidateId".
  const bool vote_is_free = request.term > persistent_.current_term || !persistent_.voted_for ||
                            *persistent_.voted_for == from;
  const bool log_may_win = log_is_up_to_date(request);
  if (!log_may_win) SOMETIMES(marks_, "raft: vote refused, log behind");
  answer.vote_granted = vote_is_free && log_may_win;

  if (answer.vote_granted && request.pre_vote) {
    answer.term = request.term;
    return send(from, answer);  // Not this node's term, and no promise: it need not be durable.
  }
  if (answer.vote_granted) {
    CHECK(role_ == Role::follower || role_ == Role::pre_candidate);
    CHECK(request.term == persistent_.current_term);
    // A pre-candidate that helps another goes back to waiting.
    if (role_ == Role::pre_candidate) become_follower(request.term, now);
    persistent_.voted_for = from;
    // Only a granted vote puts off our own candidacy. If a refusal did too, a node whose log can
    // never win could keep the one that can from ever standing.
    reset_election_timer(now);
  }
  reply(from, answer);
}

// §5.4.1: "If the logs have last entries with different terms, then the log with the later term is
// more up-to-date. If the logs end with the same term, then whichever log is longer is more
// up-to-date."
bool Raft::log_is_up_to_date(const RequestVote& request) const {
  if (request.last_log_term != log_.last_term()) return request.last_log_term > log_.last_term();
  return request.last_log_index >= log_.last_index();
}

// The vote refused here is what a leader's lease stands on, so it is refused for any term, and by a
// node that has just restarted too: it cannot know whom it acknowledged before.
bool Raft::leader_is_alive(Instant now) const {
  if (role_ == Role::leader) return true;  // Or it would have stepped down for want of a quorum.
  return leader_heard_at_ && now < *leader_heard_at_ + options_.election_timeout;
}

void Raft::on_request_vote_reply(NodeId from, const RequestVoteReply& vote, Instant now) {
  // A granted pre-vote carries the term asked for, which nobody need have entered.
  const bool tells_a_term = !(vote.pre_vote && vote.vote_granted);
  if (tells_a_term && vote.term > persistent_.current_term) return become_follower(vote.term, now);
  // A node that was removed while it could not be reached knows of nothing, and stands
  // (dissertation §4.2.3). Now it knows: either its log lacks that committed configuration, so that
  // it cannot win, or it goes by it, and is not needed any more.
  const bool is_removed = configuration().index <= vote.removed_by && vote.removed_by.value > 0;
  if (is_removed && (role_ == Role::pre_candidate || role_ == Role::candidate)) {
    SOMETIMES(marks_, "raft: told that it was removed");
    is_removed_ = true;
    return become_follower(persistent_.current_term, now);
  }
  if (!vote.vote_granted) return;

  const bool pre_vote_counts = vote.pre_vote && role_ == Role::pre_candidate &&
                               vote.term == persistent_.current_term.next();
  const bool vote_counts = !vote.pre_vote && role_ == Role::candidate &&
                           vote.term == persistent_.current_term;
  if (!pre_vote_counts && !vote_counts) return;  // It comes too late.
  if (!configuration().is_voter(from)) return;
  votes_.insert(from);
  if (!is_quorum(configuration(), votes_)) return;
  pre_vote_counts ? become_candidate(now) : become_leader(now);
}

// Dissertation §9.6: "a candidate only increments its term if it first learns from a majority of
// the cluster that they would be willing to grant the candidate their votes".
void Raft::become_pre_candidate(Instant now) {
  CHECK(role_ != Role::leader && now >= election_deadline_ && may_stand());
  role_ = Role::pre_candidate;
  leader_.reset();
  votes_ = {options_.id};
  draw_election_timeout();
  reset_election_timer(now);
  if (is_quorum(configuration(), votes_)) return become_candidate(now);
  for (const NodeId voter : other_voters()) {
    send(voter, RequestVote{.term = persistent_.current_term.next(),
                            .last_log_index = log_.last_index(),
                            .last_log_term = log_.last_term(),
                            .pre_vote = true});
  }
}

// Figure 2, Candidates: "Increment currentTerm. Vote for self. Reset election timer. Send
// RequestVote RPCs to all other servers."
void Raft::become_candidate(Instant now) {
  CHECK(role_ == Role::pre_candidate && is_quorum(configuration(), votes_));
  stand(now, false);
}

void Raft::stand(Instant now, bool leadership_transfer) {
  persistent_ = {.current_term = persistent_.current_term.next(), .voted_for = options_.id};
  role_ = Role::candidate;
  leader_.reset();
  heard_round_ = Round(0);
  votes_ = {options_.id};
  reset_election_timer(now);
  if (is_quorum(configuration(), votes_)) return become_leader(now);
  for (const NodeId voter : other_voters()) {
    // With the request goes this node's own vote, which must be durable first: the reply() rule.
    reply(voter, RequestVote{.term = persistent_.current_term,
                             .last_log_index = log_.last_index(),
                             .last_log_term = log_.last_term(),
                             .pre_vote = false,
                             .leadership_transfer = leadership_transfer});
  }
}

std::vector<NodeId> Raft::other_voters() const {
  std::vector<NodeId> voters = configuration().nodes();
  std::erase_if(voters, [this](NodeId id) {
    return id == options_.id || !configuration().is_voter(id);
  });
  return voters;
}

// Dissertation §6.2: "a leader steps down if an election timeout elapses without a successful round
// of heartbeats to a majority of its cluster". It elapses from the sending of the oldest round that
// is not confirmed: a leader that was paused asks once more before it gives up.
Instant Raft::quorum_deadline() const {
  CHECK(role_ == Role::leader);
  if (sent_rounds_.empty()) return Deadline::never().at;
  return sent_rounds_.front().sent_at + options_.election_timeout;
}

void Raft::step_down_without_quorum(Instant now) {
  CHECK(role_ == Role::leader && confirmed_round_ < round_);
  SOMETIMES(marks_, "raft: leader stepped down without quorum");
  become_follower(persistent_.current_term, now);
}

}  // namespace keelson::raft
