// The state as a value: what a search over schedules tells states apart by.
//
// Times are spans from now, and write ids distances from the newest, so that a core that has lived
// longer is not another one for it. Nothing of it is ever stored or sent.
// Tested by tests/scenarios/explore/explored_cluster_test.cc: equal states have equal successors.
#include <algorithm>

#include "core/base/check.h"
#include "core/raft/raft.h"

namespace keelson::raft {

namespace {

void append_entry(Bytes& out, const Entry& entry) {
  append_u64(out, entry.term.value);
  append_u64(out, entry.index.value);
  append_u32(out, static_cast<std::uint32_t>(entry.kind));
  append_u32(out, static_cast<std::uint32_t>(entry.data.size()));
  out += entry.data;
}

void append_members(Bytes& out, const std::map<NodeId, Member>& members) {
  append_u64(out, members.size());
  for (const auto& [id, member] : members) {
    append_u64(out, id.value);
    append_u64(out, member.incarnation.value);
    append_u32(out, static_cast<std::uint32_t>(member.address.size()));
    out += member.address;
    out += static_cast<char>((member.is_voter ? 1 : 0) | (member.regains_vote ? 2 : 0));
  }
}

void append_whole(Bytes& out, const Configuration& configuration) {
  append_u64(out, configuration.index.value);
  append_members(out, configuration.members);
  append_members(out, configuration.outgoing);
}

void append_span(Bytes& out, Duration span) {
  append_u64(out, static_cast<std::uint64_t>(span.count()));
}

// 0 when there is none: ids of nodes begin with 1, and terms, tokens and writes that are named too.
template <typename Id>
void append_id(Bytes& out, const std::optional<Id>& id) {
  append_u64(out, id ? id->value : 0);
}

void append_hard_state(Bytes& out, const HardState& state) {
  append_u64(out, state.current_term.value);
  append_id(out, state.voted_for);
}

}  // namespace

void Log::append_state(Bytes& out, WriteId newest) const {
  append_u64(out, start_.index.value);
  append_u64(out, start_.term.value);
  append_u64(out, entries_.size());
  for (const Entry& entry : entries_) append_entry(out, entry);
  append_u64(out, stable_index_.value);
  append_u64(out, written_index_.value);
  append_u64(out, outstanding_.size());
  for (const OutstandingWrite& write : outstanding_) {
    append_u64(out, newest.value - write.id.value);
    append_u64(out, write.last.value);
  }
}

void Progress::append_state(Bytes& out) const {
  out += static_cast<char>(static_cast<int>(state_) | (probe_inflight_ ? 4 : 0) |
                           (heartbeat_due_ ? 8 : 0));
  append_u64(out, next_index_.value);
  append_u64(out, match_index_.value);
  append_u64(out, echoed_round_.value);
  append_u32(out, static_cast<std::uint32_t>(intervals_unanswered_));
  append_u64(out, inflight_.size());
  for (const Inflight& inflight : inflight_) {
    append_u64(out, inflight.last.value);
    append_u64(out, inflight.bytes);
  }
}

void Raft::append_state(Bytes& out, Instant now) const {
  CHECK(!has_ready());
  append_hard_state(out, persistent_);
  log_.append_state(out, last_write_);
  append_u64(out, last_write_.value - persisted_write_.value);
  // Of what is confirmed, it does not matter by which write.
  const auto append_write = [&](WriteId write) {
    append_u64(out, write <= persisted_write_ ? 0 : last_write_.value - write.value + 1);
  };
  append_write(hard_state_write_);
  append_write(restart_write_);
  append_whole(out, base_configuration_);
  append_u64(out, configurations_.size());  // Themselves they are in the log.
  out += static_cast<char>((needs_snapshot_ ? 1 : 0) | (is_reluctant_ ? 2 : 0) |
                           (is_removed_ ? 4 : 0) | (round_is_unsent_ ? 8 : 0) |
                           (sent_timeout_now_ ? 16 : 0));
  out += static_cast<char>(role_);
  append_id(out, leader_);
  append_u64(out, commit_index_.value);
  append_u64(out, handed_out_index_.value);
  append_span(out, election_timeout_drawn_);
  append_u64(out, heard_round_.value);
  append_u64(out, votes_.size());
  for (const NodeId id : votes_) append_u64(out, id.value);
  append_u64(out, last_token_.value);
  role_ == Role::leader ? append_leader_state(out, now) : append_follower_state(out, now);
}

// A leader's own timer does not run.
void Raft::append_follower_state(Bytes& out, Instant now) const {
  append_span(out, std::max(election_deadline_ - now, Duration::zero()));
  const bool honours_leader = leader_heard_at_ && leader_is_alive(now);
  append_span(out, honours_leader ? now - *leader_heard_at_ : Duration(-1));
}

void Raft::append_leader_state(Bytes& out, Instant now) const {
  append_span(out, heartbeat_deadline_ - now);
  // It steps down to wait anew, but what it heard as a follower counts again then.
  const bool heard = leader_heard_at_ && now < *leader_heard_at_ + options_.election_timeout;
  append_span(out, heard ? now - *leader_heard_at_ : Duration(-1));
  append_u64(out, round_.value);
  append_u64(out, confirmed_round_.value);
  const bool may_hold_lease = options_.lease > Duration::zero() && confirmed_round_.value > 0;
  append_span(out, may_hold_lease ? now - confirmed_sent_at_ : Duration(-1));
  append_u64(out, sent_rounds_.size());
  for (const SentRound& sent : sent_rounds_) {
    append_u64(out, sent.round.value);
    append_span(out, now - sent.sent_at);
  }
  append_u64(out, read_rounds_.size());
  for (const ReadRound& read : read_rounds_) {
    append_u64(out, read.round.value);
    append_u64(out, read.token.value);
    append_u64(out, read.read_index.value);
  }
  append_id(out, gathering_);
  append_u64(out, transfer_ ? transfer_->target.value : 0);
  if (transfer_) append_span(out, transfer_->deadline - now);
  for (const auto& [peer, progress] : progress_) {
    append_u64(out, peer.value);
    progress.append_state(out);
  }
}

}  // namespace keelson::raft
