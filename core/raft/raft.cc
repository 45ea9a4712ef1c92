// Dispatch, terms and roles; take_ready().
// Tested by tests/core/raft/*_test.cc and tests/golden/raft/*.txt.
#include "core/raft/raft.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/base/check.h"
#include "core/raft/quorum.h"

namespace keelson::raft {

Raft::Raft(const Options& options, Recovered recovered, Random& random, Marks& marks, Instant now)
    : options_(options),
      random_(random),
      marks_(marks),
      persistent_(recovered.hard_state),
      handed_out_(recovered.hard_state),
      log_(recovered.start, std::move(recovered.log)),
      base_configuration_(std::move(recovered.state.configuration)) {
  CHECK(options_.id.value > 0);
  CHECK(options_.heartbeat_interval > Duration::zero());
  CHECK(options_.election_timeout > options_.heartbeat_interval);
  CHECK(options_.lease >= Duration::zero());
  CHECK(options_.lease <= lease_max(options_.election_timeout));
  // The state was installed before the log could be told: what the log has is of no use, unless it
  // goes on from there (Figure 13, 6).
  const LogStart state{.index = recovered.state.index, .term = recovered.state.term};
  if (!log_.contains(state.index, state.term)) {
    CHECK(state.term <= persistent_.current_term);
    log_.restart(state);
    restart_to_write_ = state;
  }
  needs_snapshot_ = state.index < log_.start().index;
  commit_index_ = handed_out_index_ = std::max(state.index, log_.start().index);
  for (LogIndex index = commit_index_; index < log_.last_index();) {
    index = index.next();
    note_configuration(log_.at(index));
  }
  // Before the restart this node may have acknowledged a leader that holds a lease on the strength
  // of it. A node that never had a term has not.
  if (persistent_.current_term.value > 0) leader_heard_at_ = now;
  seen_.persistent = persistent_;
  draw_election_timeout();
  reset_election_timer(now);
  check_invariants();
}

// Whoever asks is heard: a node whose log is behind may not know the members of today. Who may
// speak for which member is settled before a message comes here (raft_node.h).
void Raft::step(NodeId from, const Message& message, Instant now) {
  CHECK(from != options_.id);
  if (const auto* request = std::get_if<RequestVote>(&message)) {
    on_request_vote(from, *request, now);  // Decides for itself whether to adopt the term.
  } else if (const auto* vote = std::get_if<RequestVoteReply>(&message)) {
    on_request_vote_reply(from, *vote, now);
  } else if (const auto* append = std::get_if<AppendEntries>(&message)) {
    on_append_entries(from, *append, now);
  } else if (const auto* appended = std::get_if<AppendEntriesReply>(&message)) {
    on_append_entries_reply(from, *appended, now);
  } else if (const auto* install = std::get_if<InstallSnapshot>(&message)) {
    on_install_snapshot(from, *install, now);
  } else if (const auto* installed = std::get_if<InstallSnapshotReply>(&message)) {
    on_install_snapshot_reply(from, *installed, now);
  } else {
    on_timeout_now(from, std::get<TimeoutNow>(message), now);
  }
  after_input(now);
}

void Raft::tick(Instant now) {
  if (now < next_deadline()) return;
  if (role_ != Role::leader) {
    become_pre_candidate(now);
  } else if (now >= quorum_deadline()) {
    step_down_without_quorum(now);
  } else if (transfer_ && now >= transfer_->deadline) {
    abandon_transfer(now);
  } else {
    heartbeat_deadline_ = now + options_.heartbeat_interval;
    for (auto& [peer, progress] : progress_) {
      progress.interval_passed();
      if (progress.state() == Progress::State::snapshotting) snapshots_wanted_.insert(peer);
    }
    begin_round(now);
    tell_target_if_caught_up();
  }
  after_input(now);
}

Instant Raft::next_deadline() const {
  if (role_ != Role::leader) return may_stand() ? election_deadline_ : Deadline::never().at;
  const Instant deadline = std::min(heartbeat_deadline_, quorum_deadline());
  return transfer_ ? std::min(deadline, transfer_->deadline) : deadline;
}

std::optional<LogIndex> Raft::propose(Bytes command, Instant now) {
  if (role_ != Role::leader || transfer_) return std::nullopt;
  append_own(EntryKind::command, std::move(command));
  after_input(now);
  return log_.last_index();
}

void Raft::persisted(WriteId write, Instant now) {
  CHECK(write > persisted_write_ && write <= last_write_);
  persisted_write_ = write;
  log_.persisted(write);
  if (role_ == Role::leader) advance_commit_index(now);
  after_input(now);
}

bool Raft::has_ready(bool may_apply) const {
  const bool has_committed = handed_out_index_ < std::min(commit_index_, log_.stable_index());
  return !messages_.empty() || !promises_.empty() || !reads_.empty() || appends_due_ ||
         persistent_ != handed_out_ || log_.has_unwritten() || restart_to_write_ ||
         !chunks_.empty() || !snapshots_wanted_.empty() ||
         (may_apply && has_committed && !needs_snapshot_);
}

Ready Raft::take_ready(bool may_apply) {
  if (role_ == Role::leader) send_appends();
  Ready ready;
  ready.messages = std::exchange(messages_, {});
  ready.after_sync = std::exchange(promises_, {});
  ready.reads = std::exchange(reads_, {});
  ready.snapshot_chunks = std::exchange(chunks_, {});
  ready.snapshots_wanted = std::exchange(snapshots_wanted_, {});

  const bool new_hard_state = persistent_ != handed_out_;
  if (new_hard_state || log_.has_unwritten() || restart_to_write_ || !ready.after_sync.empty() ||
      !ready.snapshot_chunks.empty()) {
    last_write_ = last_write_.next();
    ready.write = last_write_;
    ready.log_restart = std::exchange(restart_to_write_, {});
    if (ready.log_restart) restart_write_ = last_write_;
    ready.entries = log_.take_unwritten(last_write_);
    if (new_hard_state) {
      ready.hard_state = handed_out_ = persistent_;
      hard_state_write_ = last_write_;
    }
  }

  const LogIndex last = std::min(commit_index_, log_.stable_index());
  if (may_apply && handed_out_index_ < last && !needs_snapshot_) {
    ready.committed = log_.slice(handed_out_index_.next(), last, options_.committed_bytes_max);
    handed_out_index_ = ready.committed.back().index;
  }
  check_invariants();
  CHECK(!log_.has_unwritten() && messages_.empty() && promises_.empty());
  return ready;
}

std::map<NodeId, LogIndex> Raft::match_indexes() const {
  std::map<NodeId, LogIndex> indexes;
  if (role_ != Role::leader) return indexes;
  indexes[options_.id] = log_.stable_index();
  for (const auto& [peer, progress] : progress_) indexes[peer] = progress.match_index();
  return indexes;
}

// A node that has no vote, or no state to lead with, leaves elections to the others. One that its
// latest configuration leaves out is needed until that is committed: the others may lack it, and
// need this log (dissertation §4.2.2). It does not count its own vote then.
bool Raft::may_stand() const {
  return (is_voter(configuration()) || is_voter(committed_configuration())) && !needs_snapshot_ &&
         !is_removed_;
}

bool Raft::is_voter(const Configuration& configuration) const {
  const Member* const found = configuration.find(options_.id);
  return found != nullptr && found->incarnation == options_.incarnation &&
         configuration.is_voter(options_.id);
}

void Raft::set_reluctant(bool reluctant, Instant now) {
  is_reluctant_ = reluctant;
  if (reluctant && role_ == Role::leader && progress_.size() > 0) {
    become_follower(persistent_.current_term, now);
    reset_election_timer(now);
  }
  after_input(now);
}

// §5.1: "If one server's current term is smaller than the other's, then it updates its current term
// to the larger value. If a candidate or leader discovers that its term is out of date, it
// immediately reverts to follower state." Also the way back to follower within a term.
void Raft::become_follower(Term term, Instant now) {
  CHECK(term >= persistent_.current_term);
  if (term > persistent_.current_term) {
    persistent_ = {.current_term = term, .voted_for = std::nullopt};
    heard_round_ = Round(0);
  }
  leader_.reset();
  votes_.clear();
  if (role_ == Role::leader) {
    fail_reads();
    progress_.clear();
    sent_rounds_.clear();
    snapshots_wanted_.clear();
    round_ = confirmed_round_ = Round(0);
    round_is_unsent_ = false;
    transfer_.reset();
    sent_timeout_now_ = false;
  }
  const bool was_follower = role_ == Role::follower;
  const bool was_leader = role_ == Role::leader;
  role_ = Role::follower;
  if (!was_follower) draw_election_timeout();
  // A leader's timer was not running. A candidate's goes on: a newer term is no reason to wait.
  if (was_leader) reset_election_timer(now);
}

void Raft::become_leader(Instant now) {
  CHECK(role_ == Role::candidate && is_quorum(configuration(), votes_));
  CHECK(!gathering_ && read_rounds_.empty() && progress_.empty() && sent_rounds_.empty());
  role_ = Role::leader;
  leader_ = options_.id;
  votes_.clear();
  for (const NodeId id : configuration().nodes()) {
    if (id != options_.id) add_progress(id);
  }
  heartbeat_deadline_ = now + options_.heartbeat_interval;
  // §8: "having each leader commit a blank no-op entry into the log at the start of its term".
  append_own(EntryKind::no_op, {});
  begin_round(now);
}

void Raft::add_progress(NodeId peer) {
  progress_.emplace(peer, Progress(log_.last_index().next(),
                                   {.appends_max = options_.inflight_appends_max,
                                    .bytes_max = options_.inflight_bytes_max}));
}

void Raft::reset_election_timer(Instant now) {
  election_deadline_ = now + election_timeout_drawn_ * (is_reluctant_ ? 4 : 1);
}

// §5.2: "election timeouts are chosen randomly from a fixed interval". One draw serves until the
// role changes, not one for each heartbeat.
void Raft::draw_election_timeout() {
  const auto spread = static_cast<std::uint64_t>(options_.election_timeout.count());
  const auto extra = static_cast<std::int64_t>(random_.below(spread));
  election_timeout_drawn_ = options_.election_timeout + Duration(extra);
}

bool Raft::promises_are_durable() const {
  return persistent_ == handed_out_ && hard_state_write_ <= persisted_write_ &&
         !restart_to_write_ && restart_write_ <= persisted_write_;
}

// For what promises nothing that a restart could forget.
void Raft::send(NodeId to, Message message) { messages_.push_back({to, std::move(message)}); }

// A reply shows the current term, a vote in it, or where the log begins. It must not be seen by
// others before a restart is certain to remember them (Figure 2: "Updated on stable storage before
// responding to RPCs").
void Raft::reply(NodeId to, Message message) {
  auto& queue = promises_are_durable() ? messages_ : promises_;
  queue.push_back({to, std::move(message)});
}

// What every input that may move the commit index ends with.
void Raft::after_input(Instant now) {
  finish_change(now);
  note_appends_due();
  check_invariants();
}

// Leaves has_ready() a mere look at fields.
void Raft::note_appends_due() {
  appends_due_ = false;
  for (const auto& [peer, progress] : progress_) {
    const bool has_more = progress.next_index() <= log_.last_index();
    if (progress.heartbeat_due() || (has_more && progress.may_send_entries())) appends_due_ = true;
  }
}

}  // namespace keelson::raft
