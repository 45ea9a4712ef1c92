// Linearizable reads without a log entry: ReadIndex (§8, dissertation §6.4), and the lease.
//
// A round is one broadcast. Once a majority has echoed it, no other node had been elected in a
// later term when it was sent: an electing majority would share a voter with this one, who had not
// yet left this term. So a read whose round began after the read did may trust the commit index of
// that moment, provided an entry of this term was committed by then: before that, a new leader does
// not know all that is committed.
// Tested by tests/core/raft/read_index_test.cc and tests/golden/raft/read_*.txt.
#include <algorithm>

#include "core/base/check.h"
#include "core/raft/quorum.h"
#include "core/raft/raft.h"

namespace keelson::raft {

std::optional<ReadToken> Raft::read_index(Instant now) {
  if (role_ != Role::leader || transfer_) return std::nullopt;
  // No message carries the newest round yet, so it begins, for the others, after this call.
  if (round_is_unsent_ && !read_rounds_.empty() && read_rounds_.back().round == round_) {
    SOMETIMES(marks_, "raft: read round shared");
    read_rounds_.back().read_index = commit_index_;
    return read_rounds_.back().token;
  }
  if (gathering_) {
    SOMETIMES(marks_, "raft: read round shared");
    return gathering_;
  }
  last_token_ = last_token_.next();
  gathering_ = last_token_;
  if (!has_committed_in_term()) SOMETIMES(marks_, "raft: read waited for an entry of this term");
  const ReadToken token = *gathering_;
  begin_read_round_if_due(now);
  after_input(now);
  return token;
}

// A round began when it was sent, not when it was answered: the voters' patience with this leader
// ran from no earlier. A leader that has asked another to take over has told it not to be patient:
// the message may arrive late, so this term sees no lease again.
std::optional<LogIndex> Raft::lease_read_index(Instant now) const {
  if (transfer_ || sent_timeout_now_) return std::nullopt;
  if (role_ != Role::leader || options_.lease == Duration::zero()) return std::nullopt;
  if (confirmed_round_ == Round(0) || !has_committed_in_term()) return std::nullopt;
  if (now >= confirmed_sent_at_ + options_.lease) return std::nullopt;
  return commit_index_;
}

// Begins a round, for which every follower is owed a message, and gives it the reads that wait.
// With each heartbeat begins one, so that reads are not stranded by a lost message.
void Raft::begin_round(Instant now) {
  CHECK(role_ == Role::leader);
  round_ = round_.next();
  round_is_unsent_ = true;
  sent_rounds_.push_back({round_, now});
  for (auto& [peer, progress] : progress_) progress.owe_heartbeat();
  if (gathering_ && has_committed_in_term()) {
    read_rounds_.push_back({round_, *gathering_, commit_index_});
    gathering_.reset();
  }
  confirm_rounds(now);  // A single voter is a majority.
}

// One read round at a time, not counting those that a heartbeat has begun: the load on the cluster
// does not grow with the readers.
void Raft::begin_read_round_if_due(Instant now) {
  if (gathering_ && read_rounds_.empty() && has_committed_in_term()) begin_round(now);
}

Round Raft::round_of_majority() {
  const auto echoed_by = [this](NodeId id) {
    return id == options_.id ? round_ : progress_.at(id).echoed_round();
  };
  return reached_by_quorum(configuration(), echoed_by, round_scratch_);
}

void Raft::confirm_rounds(Instant now) {
  const Round echoed = round_of_majority();
  if (echoed <= confirmed_round_) return;

  confirmed_round_ = echoed;
  while (!sent_rounds_.empty() && sent_rounds_.front().round <= echoed) {
    confirmed_sent_at_ = sent_rounds_.front().sent_at;
    sent_rounds_.pop_front();
  }
  while (!read_rounds_.empty() && read_rounds_.front().round <= echoed) {
    reads_.push_back({read_rounds_.front().token, read_rounds_.front().read_index});
    read_rounds_.pop_front();
  }
  begin_read_round_if_due(now);
}

void Raft::fail_reads() {
  if (gathering_ || !read_rounds_.empty()) SOMETIMES(marks_, "raft: read lost with leadership");
  for (const ReadRound& read : read_rounds_) reads_.push_back({read.token, std::nullopt});
  if (gathering_) reads_.push_back({*gathering_, std::nullopt});
  read_rounds_.clear();
  gathering_.reset();
}

}  // namespace keelson::raft
