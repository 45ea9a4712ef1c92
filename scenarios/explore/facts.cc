// Tested by tests/scenarios/explore/explored_cluster_test.cc.
#include "scenarios/explore/facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/base/check.h"

namespace keelson::scenarios {

namespace {

// By hand: the node's own arithmetic is what is judged.
bool is_majority(const std::map<NodeId, raft::Member>& members, std::uint64_t nodes) {
  std::size_t voters = 0;
  std::size_t agreeing = 0;
  for (const auto& [id, member] : members) {
    if (!member.is_voter) continue;
    ++voters;
    agreeing += (nodes >> id.value) & 1;
  }
  return 2 * agreeing > voters;
}

}  // namespace

std::uint64_t hash_of_prefix(std::uint64_t before, const raft::Entry& entry) {
  return hash64(entry.data, before * 31 + entry.term.value * 7 +
                                static_cast<std::uint64_t>(entry.kind) + 1);
}

void Facts::fail(const char* oracle, std::string message) {
  if (!violation_) violation_ = {.oracle = oracle, .message = std::move(message)};
}

// "If two logs contain an entry with the same index and term, then the logs are identical in all
// entries up through the given index."
void Facts::on_log(const Observed& node, const std::vector<const Observed*>& others) {
  for (const Observed* const other : others) {
    for (std::size_t i = std::min(node.log.size(), other->log.size()); i > 0; --i) {
      if (node.terms[i - 1] != other->terms[i - 1]) continue;
      if (node.log[i - 1] == other->log[i - 1]) break;  // And so is what is before it.
      fail("log matching", fmt::format("the logs of {} and {} have an entry {} of term {}, and "
                                       "differ up to there",
                                       to_string(node.node), to_string(other->node), i,
                                       node.terms[i - 1].value));
    }
  }
}

void Facts::on_durable(const Observed& node) {
  for (const std::uint64_t prefix : node.durable_log) {
    const auto found = std::lower_bound(
        holders_.begin(), holders_.end(), prefix,
        [](const Holders& holders, std::uint64_t value) { return holders.prefix < value; });
    const std::uint64_t bit = std::uint64_t{1} << node.node.value;
    if (found != holders_.end() && found->prefix == prefix) {
      found->nodes |= bit;
    } else {
      holders_.insert(found, {.prefix = prefix, .nodes = bit});
    }
  }
}

void Facts::on_sent(const Observed& node, const raft::Message& message, NodeId to) {
  if (const auto* append = std::get_if<raft::AppendEntries>(&message)) {
    note_leader(node, append->term);
  } else if (const auto* vote = std::get_if<raft::RequestVoteReply>(&message)) {
    if (!vote->vote_granted || vote->pre_vote) return;
    const raft::HardState promise{.current_term = vote->term, .voted_for = to};
    if (node.durable != promise && node.durable.current_term <= vote->term) {
      fail("durable promise", fmt::format("{} sends {} its vote in term {} before it is durable",
                                          to_string(node.node), to_string(to), vote->term.value));
    }
    note_vote(vote->term, node.node, to);
  } else if (const auto* request = std::get_if<raft::RequestVote>(&message)) {
    if (!request->pre_vote) note_vote(request->term, node.node, node.node);
  } else if (const auto* reply = std::get_if<raft::AppendEntriesReply>(&message)) {
    if (!reply->success || reply->match_index.value <= node.durable_log.size()) return;
    fail("durable promise", fmt::format("{} acknowledges entry {} before it is durable",
                                        to_string(node.node), reply->match_index.value));
  }
}

void Facts::note_vote(raft::Term term, NodeId voter, NodeId candidate) {
  const Vote vote{term, voter, candidate};
  const auto found = std::lower_bound(votes_.begin(), votes_.end(), Vote{term, voter, NodeId(0)});
  if (found == votes_.end() || found->term != term || found->voter != voter) {
    votes_.insert(found, vote);
  } else if (found->candidate != candidate) {
    fail("vote", fmt::format("{} votes for {} in term {}, and has voted for {}", to_string(voter),
                             to_string(candidate), term.value, to_string(found->candidate)));
  }
}

// Who sends entries leads.
void Facts::note_leader(const Observed& node, raft::Term term) {
  const auto found = std::lower_bound(
      leaders_.begin(), leaders_.end(), term,
      [](const Leader& leader, raft::Term value) { return leader.term < value; });
  if (found != leaders_.end() && found->term == term) {
    if (found->node == node.node) return;
    return fail("election safety", fmt::format("{} leads term {}, and so does {}",
                                               to_string(node.node), term.value,
                                               to_string(found->node)));
  }
  Leader leader{.term = term, .node = node.node, .log = node.log};
  // What it has appended since is its own.
  while (!leader.log.empty() && node.terms[leader.log.size() - 1] >= term) leader.log.pop_back();
  check_completeness(leader);
  leaders_.insert(found, std::move(leader));
}

// "If a log entry is committed in a given term, then that entry will be present in the logs of the
// leaders for all higher-numbered terms."
void Facts::check_completeness(const Leader& leader) {
  for (std::size_t i = 0; i < applied_.size(); ++i) {
    if (applied_[i].committed_by >= leader.term) continue;
    if (i < leader.log.size() && leader.log[i] == applied_[i].prefix) continue;
    return fail("leader completeness",
                fmt::format("{} leads term {} without the entry {} that was committed by term {}",
                            to_string(leader.node), leader.term.value, i + 1,
                            applied_[i].committed_by.value));
  }
}

// "If a server has applied a log entry at a given index to its state machine, no other server will
// ever apply a different log entry for the same index."
void Facts::on_applied(const Observed& node, const raft::Entry& entry) {
  const std::size_t place = node.applied;
  if (entry.index.value != place + 1 || place > applied_.size()) {
    return fail("state machine safety", fmt::format("{} applies entry {} before those before it",
                                                    to_string(node.node), entry.index.value));
  }
  const std::uint64_t prefix = hash_of_prefix(node.applied_prefix, entry);
  // It learned of the commit in its present term at the latest.
  if (place == applied_.size()) {
    applied_.push_back({.prefix = prefix, .committed_by = node.term});
  } else if (applied_[place].prefix != prefix) {
    return fail("state machine safety", fmt::format("{} applies another entry {} than was applied "
                                                    "before",
                                                    to_string(node.node), entry.index.value));
  } else {
    applied_[place].committed_by = std::min(applied_[place].committed_by, node.term);
  }
  for (const Leader& leader : leaders_) check_completeness(leader);
}

void Facts::on_commit(const Observed& node, raft::LogIndex before,
                      const raft::Configuration& configuration) {
  if (node.commit_index < before) {
    fail("monotonic commit", fmt::format("{} takes back what it has committed, from {} to {}",
                                         to_string(node.node), before.value,
                                         node.commit_index.value));
  }
  if (node.commit_index <= before || !has_led(node.node, node.term)) return;
  const std::uint64_t prefix = node.log.at(node.commit_index.value - 1);
  std::uint64_t nodes = 0;
  for (const Holders& holders : holders_) {
    if (holders.prefix == prefix) nodes = holders.nodes;
  }
  if (is_majority(configuration.members, nodes) &&
      (configuration.outgoing.empty() || is_majority(configuration.outgoing, nodes))) {
    return;
  }
  fail("quorum", fmt::format("{} commits entry {}, which is not durable on a quorum of {}",
                             to_string(node.node), node.commit_index.value,
                             describe(configuration)));
}

void Facts::on_probe(const Observed& node, raft::ReadToken token) {
  const raft::Term newest = leaders_.empty() ? raft::Term(0) : leaders_.back().term;
  const auto found = std::lower_bound(
      probes_.begin(), probes_.end(), std::pair(node.node, token),
      [](const Probe& probe, const auto& key) { return std::pair(probe.node, probe.token) < key; });
  if (found != probes_.end() && found->node == node.node && found->token == token) {
    found->newest_leader = newest;  // Of probes that share a round, the latest demands most.
  } else {
    probes_.insert(found, {.node = node.node, .token = token, .newest_leader = newest});
  }
}

// Claim 1 of the probe: no other node had become leader in a higher term when it arrived.
void Facts::on_probe_answer(const Observed& node, const raft::ReadResult& result) {
  const auto found = std::find_if(probes_.begin(), probes_.end(), [&](const Probe& probe) {
    return probe.node == node.node && probe.token == result.token;
  });
  if (found == probes_.end()) return fail("probe claim", "a probe is answered that nobody sent");
  const raft::Term newest = found->newest_leader;
  probes_.erase(found);
  if (!result.read_index) return;  // 503.
  raft::Term led;
  for (const Leader& leader : leaders_) {
    if (leader.node == node.node) led = leader.term;
  }
  if (led >= newest) return;
  fail("probe claim", fmt::format("{} answers 200 as the leader of term {}; when the probe arrived "
                                  "there was one of term {}",
                                  to_string(node.node), led.value, newest.value));
}

void Facts::on_restart(NodeId node) {
  std::erase_if(probes_, [node](const Probe& probe) { return probe.node == node; });
}

bool Facts::has_led(NodeId node, raft::Term term) const {
  return std::any_of(leaders_.begin(), leaders_.end(), [&](const Leader& leader) {
    return leader.node == node && leader.term == term;
  });
}

void Facts::append_state(Bytes& out) const {
  append_u64(out, leaders_.size());
  for (const Leader& leader : leaders_) {
    append_u64(out, leader.term.value);
    append_u64(out, leader.node.value);
    append_u64(out, leader.log.empty() ? 0 : leader.log.back());
  }
  append_u64(out, votes_.size());
  for (const Vote& vote : votes_) {
    append_u64(out, vote.term.value);
    append_u64(out, vote.voter.value);
    append_u64(out, vote.candidate.value);
  }
  append_u64(out, applied_.size());
  for (const Applied& applied : applied_) {
    append_u64(out, applied.prefix);
    append_u64(out, applied.committed_by.value);
  }
  append_u64(out, holders_.size());
  for (const Holders& holders : holders_) {
    append_u64(out, holders.prefix);
    append_u64(out, holders.nodes);
  }
  for (const Probe& probe : probes_) {
    append_u64(out, probe.node.value);
    append_u64(out, probe.token.value);
    append_u64(out, probe.newest_leader.value);
  }
}

}  // namespace keelson::scenarios
