// Tested by tests/core/raft/replication_test.cc.
#include "core/raft/progress.h"

#include <algorithm>

#include "core/base/check.h"

namespace keelson::raft {

constexpr int kIntervalsUnansweredMax = 2;

Progress::Progress(LogIndex next_index, const Window& window)
    : next_index_(next_index), window_(window) {
  CHECK(next_index.value >= 1 && window.appends_max > 0 && window.bytes_max > 0);
}

bool Progress::may_send_entries() const {
  if (state_ == State::snapshotting) return false;
  if (state_ == State::probing) return !probe_inflight_;
  return inflight_.size() < window_.appends_max && inflight_bytes_ < window_.bytes_max;
}

void Progress::entries_sent(LogIndex last, std::size_t bytes) {
  CHECK(may_send_entries() && last >= next_index_);
  if (state_ == State::probing) {
    probe_inflight_ = true;
  } else {
    inflight_.push_back({last, bytes});
    inflight_bytes_ += bytes;
    next_index_ = last.next();
  }
}

void Progress::interval_passed() {
  const bool silent = intervals_unanswered_ >= kIntervalsUnansweredMax;
  if (silent && state_ == State::replicating && !inflight_.empty()) {
    become_probing(match_index_.next());
    probe_inflight_ = true;  // Entries again only once it answers.
  }
  if (!silent) ++intervals_unanswered_;
}

void Progress::answered(Round round) {
  intervals_unanswered_ = 0;
  echoed_round_ = std::max(echoed_round_, round);
}

bool Progress::accepted(LogIndex match) {
  // A heartbeat is accepted before the follower's disk has all that it holds in memory. Only when
  // the entry before next_index is itself acknowledged does streaming begin.
  const bool probe_answered = state_ != State::replicating && match.next() >= next_index_;
  const bool news = match > match_index_;
  match_index_ = std::max(match_index_, match);
  next_index_ = std::max(next_index_, match_index_.next());
  if (probe_answered) become_replicating();
  while (!inflight_.empty() && inflight_.front().last <= match_index_) {
    inflight_bytes_ -= inflight_.front().bytes;
    inflight_.pop_front();
  }
  return news;
}

bool Progress::refused(LogIndex agreeable) {
  if (state_ == State::snapshotting) return false;
  // Within a term a follower never loses what it acknowledged.
  if (agreeable < match_index_) return false;
  if (agreeable.next() >= next_index_) return false;
  become_probing(agreeable.next());
  return true;
}

void Progress::forget_inflight() {
  inflight_.clear();
  inflight_bytes_ = 0;
}

void Progress::become_probing(LogIndex next_index) {
  CHECK(next_index > match_index_ && next_index <= next_index_);
  state_ = State::probing;
  next_index_ = next_index;
  forget_inflight();
  probe_inflight_ = false;
}

void Progress::cannot_read_on() {
  if (state_ == State::snapshotting) return;
  become_probing(match_index_.next());
  probe_inflight_ = true;
}

void Progress::become_snapshotting() {
  state_ = State::snapshotting;
  next_index_ = match_index_.next();
  forget_inflight();
  probe_inflight_ = false;
}

void Progress::become_replicating() {
  CHECK(next_index_ == match_index_.next());
  state_ = State::replicating;
  forget_inflight();
  probe_inflight_ = false;
}

}  // namespace keelson::raft
