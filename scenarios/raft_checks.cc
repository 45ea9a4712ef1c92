// Tested by tests/scenarios/raft_checks_test.cc, with at least one bad history for each oracle.
#include "scenarios/raft_checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"

namespace keelson::scenarios {

namespace {

std::string entry_name(raft::LogIndex index, raft::Term term) {
  return fmt::format("entry {} of term {}", index.value, term.value);
}

template <typename T>
T& grown(std::vector<T>& items, std::uint64_t position) {
  if (items.size() <= position) items.resize(position + 1);
  return items[position];
}

}  // namespace

std::uint64_t hash_of(const raft::Entry& entry) {
  return hash64(entry.data, static_cast<std::uint64_t>(entry.kind) + 1);
}

void RaftChecks::KnownTerms::put(raft::LogIndex index, raft::Term term) {
  if (terms_.empty()) first_ = index.value;
  for (; index.value < first_; --first_) terms_.emplace_front();
  if (terms_.size() <= index.value - first_) terms_.resize(index.value - first_ + 1);
  terms_[index.value - first_] = term;
}

std::optional<raft::Term> RaftChecks::KnownTerms::find(raft::LogIndex index) const {
  if (index.value < first_ || index.value - first_ >= terms_.size()) return std::nullopt;
  return terms_[index.value - first_];
}

void RaftChecks::on_append_entries(NodeId from, GroupId id, const raft::AppendEntries& append,
                                   sim::TrueTime now) {
  ++seen_.appends;
  Group& group = groups_[id];
  note_leader(group, from, id, append.term, now);
  if (append.prev_log_index.value > 0) {
    check_leader_has(group, id, from, append.term, append.prev_log_index, append.prev_log_term,
                     now);
  }
  KnownTerms& sent = group.sent[append.term];
  sent.put(append.prev_log_index, append.prev_log_term);
  raft::LogIndex previous_index = append.prev_log_index;
  raft::Term previous_term = append.prev_log_term;
  for (const raft::Entry& entry : append.entries) {
    if (entry.index != previous_index.next() || entry.term < previous_term ||
        entry.term > append.term) {
      report_.fail("log matching", "malformed append",
                   fmt::format("{} sent {} after {} in an AppendEntries of term {} for {}",
                               to_string(from), entry_name(entry.index, entry.term),
                               entry_name(previous_index, previous_term), append.term.value,
                               to_string(id)),
                   now);
      return;
    }
    note_entry(group, id, from, entry.index, entry.term, hash_of(entry), previous_term, now);
    quorums_.on_sent_entry(id, entry, now);
    check_leader_has(group, id, from, append.term, entry.index, entry.term, now);
    sent.put(entry.index, entry.term);
    previous_index = entry.index;
    previous_term = entry.term;
  }
}

void RaftChecks::on_vote_reply(NodeId from, NodeId to, GroupId id,
                               const raft::RequestVoteReply& reply, sim::TrueTime now) {
  if (reply.pre_vote || !reply.vote_granted) return;
  ++seen_.votes;
  note_promise(from, to, id, reply.term, "voted", now);
  note_vote(from, id, reply.term, to, "sent its vote", now);
  check_vote_is_durable(from, to, id, reply.term, "sent it its vote", now);
}

void RaftChecks::on_append_reply(NodeId from, NodeId to, GroupId id,
                                 const raft::AppendEntriesReply& reply, sim::TrueTime now) {
  if (!reply.success) return;
  ++seen_.acknowledgements;
  note_promise(from, to, id, reply.term, "acknowledged entries", now);
  if (!sees_disks_) return;
  Member& member = members_[{from, id}];
  // A reply that waited for its connection may be about a log that a newer term has cut since.
  if (member.durable.current_term > reply.term) return;
  if (member.durable.current_term < reply.term) {
    report_.fail("durable promise", "term",
                 fmt::format("{} acknowledged an append of term {} of {} although its disk knows "
                             "only term {}",
                             to_string(from), reply.term.value, to_string(id),
                             member.durable.current_term.value),
                 now);
  } else if (member.durable_last() < reply.match_index) {
    report_.fail("durable promise", "acknowledgement",
                 fmt::format("{} acknowledged index {} of {} in term {} although its disk holds "
                             "only {} entries durably",
                             to_string(from), reply.match_index.value, to_string(id),
                             reply.term.value, member.durable_last().value),
                 now);
  } else {
    check_acknowledged_entry(from, id, reply, now);
    note_acknowledged(member, reply);
  }
}

void RaftChecks::note_acknowledged(Member& member, const raft::AppendEntriesReply& reply) {
  const bool is_new_term = member.acknowledged_in != reply.term;
  if (!is_new_term && reply.match_index <= member.acknowledged) return;
  member.acknowledged_in = reply.term;
  member.acknowledged = reply.match_index;
}

// The entry that is durable there must be the leader's own, not one that it replaces.
void RaftChecks::check_acknowledged_entry(NodeId from, GroupId id,
                                          const raft::AppendEntriesReply& reply,
                                          sim::TrueTime now) {
  const Member& member = members_[{from, id}];
  if (reply.match_index <= member.durable_start.index) return;
  const std::optional<raft::Term> sent = groups_[id].sent[reply.term].find(reply.match_index);
  if (!sent) return;
  const raft::Term durable =
      member.durable_terms[reply.match_index.value - member.durable_start.index.value - 1];
  if (durable == *sent) return;
  report_.fail("durable promise", "acknowledgement of another entry",
               fmt::format("{} acknowledged {} of {} in term {} although its disk holds one of "
                           "term {} there",
                           to_string(from), entry_name(reply.match_index, *sent),
                           to_string(id), reply.term.value, durable.value),
               now);
}

void RaftChecks::on_install_snapshot(NodeId from, GroupId id, const raft::InstallSnapshot& install,
                                     sim::TrueTime now) {
  ++seen_.snapshot_chunks;
  note_leader(groups_[id], from, id, install.term, now);
  check_was_applied(from, id, {install.id.index, install.id.term}, "sends a snapshot of", now);
}

void RaftChecks::on_install_reply(NodeId from, NodeId to, GroupId id,
                                  const raft::InstallSnapshotReply& reply, sim::TrueTime now) {
  note_promise(from, to, id, reply.term, "answered a snapshot", now);
}

void RaftChecks::on_durable_state(NodeId node, GroupId id, const raft::HardState& state,
                                  sim::TrueTime now) {
  ++seen_.durable_records;
  Member& member = members_[{node, id}];
  if (state.current_term < member.durable.current_term) {
    report_.fail("monotonic term", "durable term went back",
                 fmt::format("{} made term {} of {} durable after term {}", to_string(node),
                             state.current_term.value, to_string(id),
                             member.durable.current_term.value),
                 now);
    return;
  }
  if (state.voted_for) {
    quorums_.on_durable_vote(node, id, state.current_term, *state.voted_for);
    note_vote(node, id, state.current_term, *state.voted_for, "made its vote durable", now);
  } else if (state.current_term == member.durable.current_term && member.durable.voted_for) {
    report_.fail("vote", "durable vote erased",
                 fmt::format("{} made it durable to have no vote in term {} of {} after one for {}",
                             to_string(node), state.current_term.value, to_string(id),
                             to_string(*member.durable.voted_for)),
                 now);
  }
  member.durable = state;
}

void RaftChecks::on_durable_entry(NodeId node, GroupId id, const raft::Entry& entry,
                                  sim::TrueTime now) {
  const raft::LogIndex index = entry.index;
  const raft::Term term = entry.term;
  ++seen_.durable_records;
  CHECK(index.value > 0);
  Member& member = members_[{node, id}];
  std::vector<raft::Term>& log = member.durable_terms;
  if (index > member.durable_last().next() || index <= member.durable_start.index) {
    report_.fail("log matching", "gap in a durable log",
                 fmt::format("{} made {} of {} durable, but its log goes from {} to {}",
                             to_string(node), entry_name(index, term), to_string(id),
                             member.durable_start.index.value, member.durable_last().value),
                 now);
    return;
  }
  log.resize(index.value - member.durable_start.index.value - 1);
  const raft::Term previous = log.empty() ? member.durable_start.term : log.back();
  log.push_back(term);
  groups_[id].holders[term].insert(node);
  note_entry(groups_[id], id, node, index, term, hash_of(entry), previous, now);
  quorums_.on_durable_entry(node, id, entry, now);
}

// Figure 2, AppendEntries 3: only a conflict deletes entries, and a leader never conflicts with
// what it has sent in its term.
void RaftChecks::on_durable_append_end(NodeId node, GroupId id, sim::TrueTime now) {
  const Member& member = members_[{node, id}];
  if (member.durable.current_term != member.acknowledged_in) return;
  if (member.durable_last() >= member.acknowledged) return;
  report_.fail("durable promise", "acknowledged entries cut",
               fmt::format("{} cut its log of {} to {} entries in term {}, after it had "
                           "acknowledged {} in that term",
                           to_string(node), to_string(id), member.durable_last().value,
                           member.acknowledged_in.value, member.acknowledged.value),
               now);
}

void RaftChecks::on_durable_start(NodeId node, GroupId id, const raft::LogStart& start,
                                  bool is_restart, sim::TrueTime now) {
  ++seen_.durable_records;
  check_was_applied(node, id, start, is_restart ? "begins its log after" : "forgets its log up to",
                    now);
  quorums_.on_durable_start(node, id, start, is_restart);
  Member& member = members_[{node, id}];
  if (start.index < member.durable_start.index) return;  // Read again after a loss of power.
  if (is_restart || start.index >= member.durable_last()) {
    member.durable_terms.clear();
  } else {
    const auto forgotten =
        static_cast<std::ptrdiff_t>(start.index.value - member.durable_start.index.value);
    member.durable_terms.erase(member.durable_terms.begin(),
                               member.durable_terms.begin() + forgotten);
  }
  member.durable_start = start;
}

bool RaftChecks::is_held_by_quorum(GroupId id, const raft::LogStart& last) const {
  std::set<NodeId> holders;
  for (const auto& [key, member] : members_) {
    if (key.second != id) continue;
    if (last.index <= member.durable_start.index) {
      holders.insert(key.first);
    } else if (last.index <= member.durable_last()) {
      const std::uint64_t position = last.index.value - member.durable_start.index.value - 1;
      if (member.durable_terms[position] == last.term) holders.insert(key.first);
    }
  }
  return quorums_.could_decide(id, holders);
}

// Only what is committed may be forgotten, and only what is applied can be in a state.
void RaftChecks::check_was_applied(NodeId node, GroupId id, const raft::LogStart& last,
                                   const char* what, sim::TrueTime now) {
  if (last.index.value == 0) return;
  const Group& group = groups_[id];
  const Applied* const applied =
      last.index.value < group.applied.size() && group.applied[last.index.value]
          ? &*group.applied[last.index.value]
          : nullptr;
  if (applied != nullptr && applied->term == last.term) return;
  // A node may have died after an entry had got into its state and before it could tell.
  if (applied == nullptr && is_held_by_quorum(id, last)) return;
  report_.fail("compaction", "not an applied entry",
               fmt::format("{} {} {} of {}, but {}", to_string(node), what,
                           entry_name(last.index, last.term), to_string(id),
                           applied == nullptr
                               ? std::string("nobody had applied anything there")
                               : to_string(applied->by) + " had applied " +
                                     entry_name(last.index, applied->term)),
               now);
}

void RaftChecks::on_applied(NodeId node, GroupId id, const raft::Entry& entry,
                            sim::TrueTime now) {
  const raft::LogIndex index = entry.index;
  const raft::Term term = entry.term;
  const std::uint64_t hash = hash_of(entry);
  ++seen_.applied;
  CHECK(index.value > 0);
  Group& group = groups_[id];
  Member& member = members_[{node, id}];
  const raft::LogIndex next = member.last_applied.next();
  // A restart begins at whichever state has survived: an earlier one, or one of a transaction whose
  // end the node did not live to tell. That it has skipped nothing, its digest must show.
  const bool in_order = index == next || member.has_restarted;
  if (!in_order) {
    report_.fail("state machine safety", "applied out of order",
                 fmt::format("{} applied index {} of {} where {} was next", to_string(node),
                             index.value, to_string(id), next.value),
                 now);
    return;
  }
  member.last_applied = index;
  member.has_restarted = false;
  std::optional<Applied>& known = grown(group.applied, index.value);
  if (!known) {
    known = Applied{term, hash, node, group.highest_leader_term};
    quorums_.on_first_applied(id, entry, now);
    return;
  }
  if (known->term != term || known->hash != hash) {
    report_.fail(
        "state machine safety", "different entries applied",
        fmt::format("{} applied {} of {}, but {} had applied {}{}", to_string(node),
                    entry_name(index, term), to_string(id), to_string(known->by),
                    entry_name(index, known->term),
                    known->term == term ? " with other contents" : ""),
        now);
  }
}

void RaftChecks::on_installed(NodeId node, GroupId id, const raft::StateLabel& label,
                              sim::TrueTime now) {
  ++seen_.installed;
  check_was_applied(node, id, {label.index, label.term}, "installed a snapshot of", now);
  Member& member = members_[{node, id}];
  member.last_applied = label.index;
  member.has_restarted = false;
}

void RaftChecks::on_state(NodeId node, GroupId id, raft::LogIndex index, std::uint64_t digest,
                          sim::TrueTime now) {
  ++seen_.states;
  std::optional<Group::State>& known = grown(groups_[id].states, index.value);
  if (!known) {
    known = Group::State{digest, node};
    return;
  }
  ++seen_.states_compared;
  if (known->digest == digest) return;
  report_.fail("equal digests", "states have parted",
               fmt::format("after index {} of {} the state of {} is not that of {}", index.value,
                           to_string(id), to_string(node), to_string(known->by)),
               now);
}

void RaftChecks::on_restart(NodeId node) {
  for (auto& [key, member] : members_) {
    if (key.first != node) continue;
    member.has_restarted = true;
    member.promised_before_start = member.promised;
  }
}

void RaftChecks::on_wiped(NodeId node) {
  quorums_.on_wiped(node);
  for (auto& [key, member] : members_) {
    if (key.first == node) member = {};
  }
}

bool RaftChecks::quorum_has_held(GroupId id, raft::Term term) const {
  const auto group = groups_.find(id);
  if (group == groups_.end()) return false;
  const auto holders = group->second.holders.find(term);
  return holders != group->second.holders.end() && quorums_.could_decide(id, holders->second);
}

raft::LogIndex RaftChecks::highest_applied(GroupId id) const {
  const auto group = groups_.find(id);
  if (group == groups_.end() || group->second.applied.empty()) return raft::LogIndex();
  return raft::LogIndex(group->second.applied.size() - 1);
}

void RaftChecks::note_leader(Group& group, NodeId from, GroupId id, raft::Term term,
                             sim::TrueTime now) {
  const auto [leader, is_new] = group.leaders.try_emplace(term, from);
  if (leader->second != from) {
    report_.fail("election safety", "two leaders in a term",
                 fmt::format("{} and {} both led term {} of {}", to_string(leader->second),
                             to_string(from), term.value, to_string(id)),
                 now);
  }
  if (!is_new) return;
  group.highest_leader_term = std::max(group.highest_leader_term, term);
  quorums_.on_leader(from, id, term, now);
  note_vote(from, id, term, from, "led", now);
  check_vote_is_durable(from, from, id, term, "led with its own vote", now);
}

void RaftChecks::note_vote(NodeId voter, GroupId id, raft::Term term, NodeId candidate,
                           const char* evidence, sim::TrueTime now) {
  const auto [vote, is_new] = members_[{voter, id}].votes.try_emplace(term, candidate);
  if (!is_new && vote->second != candidate) {
    report_.fail("vote", "two votes in a term",
                 fmt::format("{} voted for {} in term {} of {} (it {}), after a vote for {}",
                             to_string(voter), to_string(candidate), term.value, to_string(id),
                             evidence, to_string(vote->second)),
                 now);
  }
}

void RaftChecks::note_promise(NodeId node, NodeId to, GroupId id, raft::Term term,
                              const char* what, sim::TrueTime now) {
  Member& member = members_[{node, id}];
  const raft::Term before = member.promised_before_start[to];
  if (term < before) {
    report_.fail("vote", "promise in an older term",
                 fmt::format("{} told {} that it {} in term {} of {}; before its restart it had "
                             "promised it term {}",
                             to_string(node), to_string(to), what, term.value, to_string(id),
                             before.value),
                 now);
  }
  raft::Term& promised = member.promised[to];
  promised = std::max(promised, term);
}

void RaftChecks::check_vote_is_durable(NodeId voter, NodeId candidate, GroupId id,
                                       raft::Term term, const char* what, sim::TrueTime now) {
  if (!sees_disks_) return;
  const raft::HardState& durable = members_[{voter, id}].durable;
  if (durable.current_term > term) return;
  if (durable.current_term == term && durable.voted_for == candidate) return;
  report_.fail("durable promise", "vote",
               fmt::format("{} voted for {} in term {} of {} and {} before that was durable: its "
                           "disk knows term {} and {}",
                           to_string(voter), to_string(candidate), term.value, to_string(id), what,
                           durable.current_term.value,
                           durable.voted_for ? "a vote for " + to_string(*durable.voted_for)
                                             : std::string("no vote")),
               now);
}

void RaftChecks::note_entry(Group& group, GroupId id, NodeId node, raft::LogIndex index,
                            raft::Term term, std::optional<std::uint64_t> hash,
                            std::optional<raft::Term> previous_term, sim::TrueTime now) {
  std::vector<SeenEntry>& entries = grown(group.entries, index.value);
  const auto known = std::find_if(entries.begin(), entries.end(),
                                  [&](const SeenEntry& entry) { return entry.term == term; });
  if (known == entries.end()) {
    ++seen_.entries;
    entries.push_back({term, hash, previous_term});
    return;
  }
  if (hash && known->hash && *hash != *known->hash) {
    report_.fail("log matching", "one index and term, two entries",
                 fmt::format("{} holds an {} of {} that differs from the one seen before",
                             to_string(node), entry_name(index, term), to_string(id)),
                 now);
  }
  if (previous_term && known->previous_term && *previous_term != *known->previous_term) {
    report_.fail("log matching", "one entry, two predecessors",
                 fmt::format("before {} of {} {} has an entry of term {}, where one of term {} was "
                             "seen",
                             entry_name(index, term), to_string(id), to_string(node),
                             previous_term->value, known->previous_term->value),
                 now);
  }
}

void RaftChecks::check_leader_has(const Group& group, GroupId id, NodeId leader,
                                  raft::Term leader_term, raft::LogIndex index, raft::Term term,
                                  sim::TrueTime now) {
  if (index.value >= group.applied.size() || !group.applied[index.value]) return;
  const Applied& applied = *group.applied[index.value];
  if (leader_term <= applied.committed_by || applied.term == term) return;
  report_.fail("leader completeness", "leader lacks an applied entry",
               fmt::format("{} leads term {} of {} with {}, but {} had applied {}",
                           to_string(leader), leader_term.value, to_string(id),
                           entry_name(index, term), to_string(applied.by),
                           entry_name(index, applied.term)),
               now);
}

}  // namespace keelson::scenarios
