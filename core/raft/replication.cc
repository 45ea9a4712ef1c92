// Log replication: AppendEntries (§5.3) and the commit index (§5.4.2).
// Tested by tests/core/raft/replication_test.cc and tests/golden/raft/replication_*.txt.
#include <algorithm>

#include "core/base/check.h"
#include "core/raft/quorum.h"
#include "core/raft/raft.h"

namespace keelson::raft {

// --- The follower's side.

void Raft::on_append_entries(NodeId from, const AppendEntries& request, Instant now) {
  // Figure 2, AppendEntries 1: "Reply false if term < currentTerm". The reply deposes a stale
  // leader.
  if (!hear_leader(from, request.term, request.round, now)) {
    return reply(from, AppendEntriesReply{.term = persistent_.current_term,
                                          .success = false,
                                          .match_index = LogIndex(0),
                                          .match_term = Term(0),
                                          .round = Round(0)});
  }

  // AppendEntries 2: "Reply false if log doesn't contain an entry at prevLogIndex whose term
  // matches prevLogTerm".
  if (!log_.contains(request.prev_log_index, request.prev_log_term)) {
    return refuse_append(from, request);
  }
  append_after_conflicts(request.entries);
  const LogIndex last_new(request.prev_log_index.value + request.entries.size());
  // AppendEntries 5: "If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of
  // last new entry)". What is behind the last new entry may still be another leader's.
  commit_index_ = std::max(commit_index_, std::min(request.leader_commit, last_new));
  accept_append(from, last_new, request);
}

// What every RPC of a leader brings. False when its term is over.
bool Raft::hear_leader(NodeId from, Term term, Round round, Instant now) {
  if (term < persistent_.current_term) {
    SOMETIMES(marks_, "raft: older term message answered");
    return false;
  }
  // Election Safety (Figure 3), seen from here: this term has no other leader.
  const bool same_term = term == persistent_.current_term;
  CHECK(!(same_term && role_ == Role::leader));
  CHECK(!(same_term && leader_ && *leader_ != from));
  // Figure 2, Candidates: "If AppendEntries RPC received from new leader: convert to follower".
  if (!same_term || role_ != Role::follower) become_follower(term, now);
  leader_ = from;
  leader_heard_at_ = now;
  is_removed_ = false;  // Whoever is sent the log belongs to the group.
  heard_round_ = std::max(heard_round_, round);
  reset_election_timer(now);
  return true;
}

// §5.3, the faster back-up: names the last place where the logs may still agree, by index and term,
// so that the leader skips whole terms of its own log and of this one.
void Raft::refuse_append(NodeId to, const AppendEntries& request) {
  CHECK(request.prev_log_index > commit_index_);  // Leader Completeness: it has what is committed,
  const LogIndex agreeable =
      log_.last_agreeable(request.prev_log_index.previous(), request.prev_log_term);
  CHECK(agreeable >= commit_index_);  // at terms no later than prev_log_term.
  reply(to, AppendEntriesReply{.term = persistent_.current_term,
                               .success = false,
                               .match_index = agreeable,
                               .match_term = log_.term_at(agreeable),
                               .round = heard_round_,
                               .needs_snapshot = needs_snapshot_});
}

// AppendEntries 3 and 4: "If an existing entry conflicts with a new one (same index but different
// terms), delete the existing entry and all that follow it. Append any new entries not already in
// the log." Without a conflict nothing is deleted: the message may be old, and shorter than what
// was acknowledged since.
void Raft::append_after_conflicts(const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    CHECK(entry.term <= persistent_.current_term);
    if (log_.contains(entry.index, entry.term)) continue;
    if (entry.index <= log_.last_index()) {
      SOMETIMES(marks_, "raft: conflicting suffix truncated");
      CHECK(entry.index > commit_index_);  // Leader Completeness: a leader has what is committed.
      log_.truncate_from(entry.index);
      forget_configurations_from(entry.index);
    }
    log_.append(entry);
    note_configuration(entry);
  }
}

void Raft::accept_append(NodeId to, LogIndex match, const AppendEntries& request) {
  // A heartbeat is answered at once, for what is durable so far, even while the disk is busy:
  // reads, leases and check-quorum must not wait for it.
  if (request.entries.empty()) match = std::min(match, log_.stable_index());
  const AppendEntriesReply answer{.term = persistent_.current_term,
                                  .success = true,
                                  .match_index = match,
                                  .match_term = Term(0),
                                  .round = heard_round_,
                                  .needs_snapshot = needs_snapshot_,
                                  .unknown_kind = request.cut_at_unknown_kind};
  if (match <= log_.stable_index()) return reply(to, answer);
  promises_.push_back({to, answer});
}

// --- The leader's side.

void Raft::append_own(EntryKind kind, Bytes data) {
  log_.append({.term = persistent_.current_term,
               .index = log_.last_index().next(),
               .kind = kind,
               .data = std::move(data)});
}

// At most one append a follower: all that has come since the last one, or a heartbeat. A follower
// that needs what this log has forgotten gets heartbeats at the log's start: when it accepts one,
// its snapshot has arrived.
void Raft::send_appends() {
  appends_due_ = false;
  for (auto& [peer, progress] : progress_) {
    if (progress.next_index() <= log_.start().index) want_snapshot(peer, progress);
    const bool has_more = progress.next_index() <= log_.last_index();
    const bool with_entries = has_more && progress.may_send_entries();
    if (!with_entries && !progress.heartbeat_due()) continue;

    const bool lacks_log = progress.state() == Progress::State::snapshotting;
    const LogIndex prev = lacks_log ? log_.start().index : progress.next_index().previous();
    AppendEntries request{.term = persistent_.current_term,
                          .prev_log_index = prev,
                          .prev_log_term = log_.term_at(prev),
                          .entries = {},
                          .leader_commit = commit_index_,
                          .round = round_};
    if (with_entries) {
      request.entries =
          log_.slice(progress.next_index(), log_.last_index(), options_.append_bytes_max);
      progress.entries_sent(request.entries.back().index, bytes_of(request.entries));
    }
    progress.append_sent();
    send(peer, std::move(request));
    // What append_bytes_max has cut off goes with the next take_ready().
    if (progress.next_index() <= log_.last_index() && progress.may_send_entries()) {
      appends_due_ = true;
    }
  }
  round_is_unsent_ = false;
}

void Raft::on_append_entries_reply(NodeId from, const AppendEntriesReply& answer, Instant now) {
  if (answer.term > persistent_.current_term) return become_follower(answer.term, now);
  if (answer.term < persistent_.current_term || role_ != Role::leader) return;
  // Nobody can have what was never sent.
  if (answer.round > round_ || answer.match_index > log_.last_index()) return;

  const auto found = progress_.find(from);
  if (found == progress_.end()) return;  // No member any more.
  Progress& progress = found->second;
  progress.answered(answer.round);
  if (answer.needs_snapshot) snapshots_wanted_.insert(from);
  if (answer.success) {
    note_match(from, answer.match_index, now);
    if (answer.unknown_kind) {
      SOMETIMES(marks_, "raft: entry of a later version refused");
      progress.cannot_read_on();
    }
  } else {
    const LogIndex agreeable = log_.last_agreeable(answer.match_index, answer.match_term);
    if (progress.refused(agreeable)) SOMETIMES(marks_, "raft: append rejected, backed up");
  }
  confirm_rounds(now);
}

// Figure 2, Leaders: "If there exists an N such that N > commitIndex, a majority of matchIndex[i]
// >= N, and log[N].term == currentTerm: set commitIndex = N (§5.3, §5.4)." An entry of an earlier
// term is never committed by counting: another leader could still replace it (Figure 8).
void Raft::advance_commit_index(Instant now) {
  CHECK(role_ == Role::leader);
  const LogIndex replicated = match_of_majority();
  if (replicated <= commit_index_) return;
  if (log_.term_at(replicated) != persistent_.current_term) return;
  commit_index_ = replicated;
  begin_read_round_if_due(now);  // Reads may have waited for the first commit of this term.
}

// Its own log counts as far as it is durable, if it is a voter. Learners do not count.
LogIndex Raft::match_of_majority() {
  const auto match_of = [this](NodeId id) {
    return id == options_.id ? log_.stable_index() : progress_.at(id).match_index();
  };
  return reached_by_quorum(configuration(), match_of, match_scratch_);
}

void Raft::note_match(NodeId follower, LogIndex match, Instant now) {
  if (!progress_.at(follower).accepted(match)) return;
  advance_commit_index(now);
  tell_target_if_caught_up();
}

bool Raft::has_committed_in_term() const {
  return log_.term_at(commit_index_) == persistent_.current_term;
}

}  // namespace keelson::raft
