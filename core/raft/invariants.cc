// check_invariants(): what one node can see of the safety properties of Figure 3, and of its own
// bookkeeping. After every input, in every build; it looks at no entry of the log but the ends.
#include "core/base/check.h"
#include "core/raft/quorum.h"
#include "core/raft/raft.h"

namespace keelson::raft {

void Raft::check_invariants() {
  const Term term = persistent_.current_term;

  // What never goes back: the term, a vote within its term, the commit index.
  CHECK(term >= seen_.persistent.current_term);
  CHECK(term > seen_.persistent.current_term || !seen_.persistent.voted_for ||
        persistent_.voted_for == seen_.persistent.voted_for);
  CHECK(commit_index_ >= seen_.commit_index);

  // Handed out <= committed <= the log's end; nothing is applied that a restart could forget.
  CHECK(handed_out_index_ <= commit_index_ && commit_index_ <= log_.last_index());
  CHECK(handed_out_index_ <= log_.stable_index() && log_.stable_index() <= log_.last_index());
  CHECK(log_.start().index <= handed_out_index_);  // Nothing is forgotten that is not applied.
  CHECK(log_.last_term() <= term);
  CHECK(persisted_write_ <= last_write_ && hard_state_write_ <= last_write_);
  CHECK(handed_out_.current_term <= term);

  // Who is what.
  const bool votes_for_itself = persistent_.voted_for == options_.id;
  switch (role_) {
    case Role::follower:
      CHECK(votes_.empty() && leader_ != options_.id);
      break;
    case Role::pre_candidate:
      CHECK(votes_.contains(options_.id) && !is_quorum(configuration(), votes_) && !leader_);
      break;
    case Role::candidate:
      CHECK(votes_.contains(options_.id) && !is_quorum(configuration(), votes_) && !leader_);
      CHECK(votes_for_itself);
      break;
    case Role::leader:
      CHECK(votes_.empty() && leader_ == options_.id && votes_for_itself);
      CHECK(log_.last_term() == term);  // At least its own no_op.
      // Leader Append-Only (Figure 3): "a leader never overwrites or deletes entries in its log".
      CHECK(seen_.role != Role::leader || seen_.persistent.current_term != term ||
            log_.last_index() >= seen_.last_log_index);
      break;
  }

  // §6: configurations are those of the log, in its order, and none is beyond its end.
  CHECK(configuration().index <= log_.last_index());

  // Volatile state on leaders.
  if (role_ == Role::leader) {
    const auto& members = configuration().members;
    CHECK(!needs_snapshot_ && !is_removed_);
    CHECK(configuration().is_joint() ||
          progress_.size() + (members.contains(options_.id) ? 1 : 0) == members.size());
    // A leader that its configuration leaves out sees it committed, and hands over.
    CHECK(is_voter(configuration()) || transfer_ || configuration().index > commit_index_ ||
          !has_committed_in_term());
    CHECK(!transfer_ || (may_take_over(transfer_->target) && !gathering_ && read_rounds_.empty()));
    CHECK(confirmed_round_ <= round_);
    CHECK(sent_rounds_.empty() == (confirmed_round_ == round_));
    CHECK(read_rounds_.empty() || read_rounds_.front().round > confirmed_round_);
    CHECK(!gathering_ || !read_rounds_.empty() || !has_committed_in_term());
    for (const auto& [peer, progress] : progress_) {
      CHECK(progress.match_index() < progress.next_index());
      CHECK(progress.next_index() <= log_.last_index().next());
      CHECK(configuration().find(peer) != nullptr);
      CHECK(progress.inflight_count() <= options_.inflight_appends_max);
      CHECK(progress.echoed_round() <= round_);
    }
  } else {
    CHECK(progress_.empty() && sent_rounds_.empty() && read_rounds_.empty() && !gathering_);
    CHECK(!appends_due_ && !transfer_);
  }

  seen_ = {.persistent = persistent_,
           .commit_index = commit_index_,
           .role = role_,
           .last_log_index = log_.last_index()};
}

}  // namespace keelson::raft
