// Tested by tests/scenarios/quorum_checks_test.cc, with at least one bad history for each rule.
#include "scenarios/quorum_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/base/check.h"
#include "core/raft/messages.h"

namespace keelson::scenarios {

namespace {

// How long what a leader has in its log may be unknown outside: until it is sent, or durable there.
constexpr sim::Duration kPatience = std::chrono::milliseconds(500);

std::string names_of(const std::set<NodeId>& nodes) {
  std::string text;
  for (const NodeId node : nodes) text += (text.empty() ? "" : " ") + to_string(node);
  return text.empty() ? "nobody" : text;
}

bool is_majority(const std::map<NodeId, raft::Member>& members, const std::set<NodeId>& nodes) {
  std::size_t voters = 0;
  std::size_t present = 0;
  for (const auto& [id, member] : members) {
    if (!member.is_voter) continue;
    ++voters;
    if (nodes.contains(id)) ++present;
  }
  return 2 * present > voters;
}

}  // namespace

bool is_quorum(const raft::Configuration& configuration, const std::set<NodeId>& nodes) {
  return is_majority(configuration.members, nodes) &&
         (configuration.outgoing.empty() || is_majority(configuration.outgoing, nodes));
}

// --- configurations ---

const raft::Configuration& QuorumChecks::configuration_at(const Group& group,
                                                          raft::LogIndex index) const {
  const auto after = group.applied.upper_bound(index);
  return after == group.applied.begin() ? founders_ : std::prev(after)->second;
}

// §6: "a server always uses the latest configuration in its log, regardless of whether the entry is
// committed".
const raft::Configuration& QuorumChecks::in_force(const Group& group,
                                                  const Member& member) const {
  return member.in_log.empty() ? configuration_at(group, member.start)
                               : member.in_log.rbegin()->second;
}

// --- evidence ---

void QuorumChecks::on_durable_vote(NodeId voter, GroupId id, raft::Term term, NodeId candidate) {
  groups_[id].elections[term].votes[candidate].insert(voter);
}

void QuorumChecks::on_durable_entry(NodeId node, GroupId id, const raft::Entry& entry,
                                    sim::TrueTime now) {
  Group& group = groups_[id];
  Member& member = members_[{node, id}];
  member.in_log.erase(member.in_log.lower_bound(entry.index), member.in_log.end());
  // A leader's first entry of its term follows the log it was elected with.
  Election& election = group.elections[entry.term];
  election.in_force.try_emplace(node, in_force(group, member));
  judge_election(id, entry.term, election, now);
  if (raft::is_configuration(entry.kind)) {
    note_proposal(id, entry);
    member.in_log.insert_or_assign(entry.index, group.proposed[entry.index][entry.term]);
  }
  if (entry.index <= group.last_applied) return;
  auto& holders = group.holders[entry.index];
  const std::pair copy(entry.term, node);
  if (std::find(holders.begin(), holders.end(), copy) == holders.end()) holders.push_back(copy);
}

void QuorumChecks::on_durable_start(NodeId node, GroupId id, const raft::LogStart& start,
                                    bool is_restart) {
  Member& member = members_[{node, id}];
  member.start = std::max(member.start, start.index);
  if (is_restart) {
    member.in_log.clear();
  } else {
    member.in_log.erase(member.in_log.begin(), member.in_log.upper_bound(start.index));
  }
}

void QuorumChecks::on_wiped(NodeId node) {
  for (auto& [key, member] : members_) {
    if (key.first == node) member = {};
  }
}

void QuorumChecks::on_leader(NodeId node, GroupId id, raft::Term term, sim::TrueTime now) {
  Election& election = groups_[id].elections[term];
  if (!election.leader) election.leader = node;
  judge_election(id, term, election, now);
}

void QuorumChecks::on_sent_entry(GroupId id, const raft::Entry& entry, sim::TrueTime now) {
  if (raft::is_configuration(entry.kind)) note_proposal(id, entry);
  judge_older_than(now);
}

void QuorumChecks::note_proposal(GroupId id, const raft::Entry& entry) {
  auto& proposed = groups_[id].proposed[entry.index];
  if (proposed.contains(entry.term)) return;
  const auto decoded = raft::decode_configuration(entry.data);
  CHECK(decoded.has_value());
  proposed.emplace(entry.term, *decoded);
  ++seen_.configurations;
}

void QuorumChecks::on_first_applied(GroupId id, const raft::Entry& entry, sim::TrueTime now) {
  Group& group = groups_[id];
  if (raft::is_configuration(entry.kind)) {
    note_proposal(id, entry);
    group.applied.insert_or_assign(entry.index, group.proposed[entry.index][entry.term]);
  }
  if (!founders_.members.empty()) {
    to_judge_.push_back({id, entry.index, entry.term, holders_of(id, entry),
                         configuration_at(group, entry.index), now});
  }
  judge_older_than(now);
  group.last_applied = std::max(group.last_applied, entry.index);
  group.holders.erase(group.holders.begin(), group.holders.upper_bound(entry.index));
}

void QuorumChecks::finish() {
  for (; !to_judge_.empty(); to_judge_.pop_front()) judge(to_judge_.front());
}

// --- verdicts ---

void QuorumChecks::judge_election(GroupId id, raft::Term term, Election& election,
                                  sim::TrueTime now) {
  if (founders_.members.empty() || election.is_judged || !election.leader) return;
  const auto configuration = election.in_force.find(*election.leader);
  if (configuration == election.in_force.end()) return;
  election.is_judged = true;
  ++seen_.elections;
  const std::set<NodeId>& votes = election.votes[*election.leader];
  if (is_quorum(configuration->second, votes)) return;
  report_.fail("quorum", "election",
               fmt::format("{} leads term {} of {} with the votes of {}, which is no quorum of {}",
                           to_string(*election.leader), term.value, to_string(id), names_of(votes),
                           raft::describe(configuration->second)),
               now);
}

void QuorumChecks::judge_older_than(sim::TrueTime now) {
  for (; !to_judge_.empty() && to_judge_.front().at + kPatience < now; to_judge_.pop_front()) {
    judge(to_judge_.front());
  }
}

// The leader that committed it may have had a later configuration in its log than that of the
// entry; whichever it was, it was proposed in the entry's term or after it.
void QuorumChecks::judge(const Commitment& commitment) {
  ++seen_.commits;
  if (is_quorum(commitment.configuration, commitment.holders)) return;
  const Group& group = groups_[commitment.group];
  for (auto later = group.proposed.upper_bound(commitment.index); later != group.proposed.end();
       ++later) {
    for (const auto& [term, proposed] : later->second) {
      if (term >= commitment.term && is_quorum(proposed, commitment.holders)) return;
    }
  }
  report_.fail("quorum", "commitment",
               fmt::format("entry {} of term {} of {} was applied with copies at {}, which is no "
                           "quorum of {}",
                           commitment.index.value, commitment.term.value,
                           to_string(commitment.group), names_of(commitment.holders),
                           raft::describe(commitment.configuration)),
               commitment.at);
}

bool QuorumChecks::could_decide(GroupId id, const std::set<NodeId>& nodes) const {
  if (is_quorum(founders_, nodes)) return true;
  const auto group = groups_.find(id);
  if (group == groups_.end()) return false;
  for (const auto& [index, by_term] : group->second.proposed) {
    for (const auto& [term, configuration] : by_term) {
      if (is_quorum(configuration, nodes)) return true;
    }
  }
  return false;
}

std::set<NodeId> QuorumChecks::holders_of(GroupId id, const raft::Entry& entry) const {
  std::set<NodeId> holders;
  const Group& group = groups_.at(id);
  if (const auto at = group.holders.find(entry.index); at != group.holders.end()) {
    for (const auto& [term, node] : at->second) {
      if (term == entry.term) holders.insert(node);
    }
  }
  // A log that begins later stands on a state that has the entry.
  for (const auto& [key, member] : members_) {
    if (key.second == id && member.start >= entry.index) holders.insert(key.first);
  }
  return holders;
}

}  // namespace keelson::scenarios
