// A fixture for the tests of one core, n1, whose peers are played by the test.
#pragma once

#include <gtest/gtest.h>

#include "tests/core/raft/test_node.h"

namespace keelson::raft {

using namespace std::chrono_literals;

constexpr NodeId kN1(1), kN2(2), kN3(3), kN4(4), kN5(5);

class RaftTest : public testing::Test {
 protected:
  // Starts n1 with this log; its current term is the last entry's unless `hard_state` says more.
  // The minimum election timeout after a restart has passed.
  void start(std::uint64_t voters, const std::vector<std::uint64_t>& terms = {},
             std::optional<HardState> hard_state = {}) {
    options_.id = kN1;
    options_.voters = voters_up_to(voters);
    if (!hard_state) hard_state = HardState{Term(terms.empty() ? 0 : terms.back()), {}};
    const Instant start = now_;
    node_.emplace(options_, TestDisk{*hard_state, log_of(terms), {}, {}}, random_, marks_, start);
    now_ = start + options_.election_timeout;
    // No timer fires on its own: the test says timeout().
    CHECK(!node_->raft.has_ready());
  }

  void restart(std::uint64_t voters) {
    const TestDisk disk = node_->disk;
    options_.voters = voters_up_to(voters);
    node_.emplace(options_, disk, random_, marks_, now_);
    sent_.clear();
  }

  Raft& raft() { return node_->raft; }

  void step(NodeId from, const Message& message) {
    raft().step(from, message, now_);
    pump();
  }

  // Everything the core asks for happens at once, or all but writes if the disk is slow.
  void pump() {
    while (raft().has_ready()) {
      append(node_->take());
      if (!disk_is_slow_) complete_writes();
    }
  }
  void complete_writes() {
    while (!node_->writes.empty()) append(node_->complete_write(now_));
  }
  void disk_catches_up() {
    disk_is_slow_ = false;
    complete_writes();
    pump();
  }

  void pass(Duration span) { now_ = now_ + span; }
  void tick_after(Duration span) {
    pass(span);
    raft().tick(now_);
    pump();
  }
  // Time passes until the next deadline and fires it.
  void timeout() {
    now_ = std::max(now_, raft().next_deadline());
    raft().tick(now_);
    pump();
  }

  // n1 stands in the next term, all others let it and vote for it.
  void make_candidate() {
    timeout();
    const Term term = raft().current_term().next();
    for (const NodeId voter : options_.voters) {
      if (voter == kN1 || raft().role() != Role::pre_candidate) continue;
      step(voter, RequestVoteReply{.term = term, .vote_granted = true, .pre_vote = true});
    }
  }
  // The no_op is not committed yet, unless n1 is alone.
  void make_leader() {
    make_candidate();
    for (const NodeId voter : options_.voters) {
      if (voter == kN1 || raft().role() != Role::candidate) continue;
      step(voter, RequestVoteReply{raft().current_term(), true, false});
    }
    CHECK(raft().role() == Role::leader);
  }
  // And n2 has acknowledged all.
  void make_established_leader() {
    make_leader();
    acknowledge(kN2);
    if (options_.voters.size() > 3) acknowledge(kN3);
    sent_.clear();
  }

  // The peer has n1's whole log, durable, and has seen its newest round.
  void acknowledge(NodeId peer, std::optional<LogIndex> match = {}) {
    step(peer, AppendEntriesReply{.term = raft().current_term(),
                                  .success = true,
                                  .match_index = match.value_or(raft().last_log_index()),
                                  .match_term = Term(0),
                                  .round = last_round_});
  }
  void refuse(NodeId peer, std::uint64_t index, std::uint64_t term) {
    step(peer, AppendEntriesReply{.term = raft().current_term(),
                                  .success = false,
                                  .match_index = LogIndex(index),
                                  .match_term = Term(term),
                                  .round = last_round_});
  }
  void acknowledge_round(NodeId peer, Round round) {
    step(peer, AppendEntriesReply{raft().current_term(), true, LogIndex(0), Term(0), round});
  }

  std::optional<LogIndex> propose(const Bytes& command) {
    const auto index = raft().propose(command, now_);
    pump();
    return index;
  }
  std::optional<ReadToken> read() {
    const auto token = raft().read_index(now_);
    pump();
    return token;
  }

  // A leader's message, played by the test: entries of these terms follow `prev`.
  static AppendEntries append_of(std::uint64_t term, std::uint64_t prev_index,
                                 std::uint64_t prev_term, const std::vector<std::uint64_t>& terms,
                                 std::uint64_t commit = 0, std::uint64_t round = 1) {
    AppendEntries message{Term(term), LogIndex(prev_index), Term(prev_term), {},
                          LogIndex(commit), Round(round)};
    for (const std::uint64_t entry_term : terms) {
      const LogIndex index(++prev_index);
      message.entries.push_back({Term(entry_term), index, EntryKind::command,
                                 "c" + std::to_string(index.value) + "/" +
                                     std::to_string(entry_term)});
    }
    return message;
  }

  // The messages of one type to one peer since sent_ was cleared.
  template <typename Kind>
  std::vector<Kind> sent_to(NodeId peer) const {
    std::vector<Kind> found;
    for (const Outgoing& outgoing : sent_) {
      const auto* message = std::get_if<Kind>(&outgoing.message);
      if (outgoing.to == peer && message) found.push_back(*message);
    }
    return found;
  }
  // REQUIRES: there is one.
  template <typename Kind>
  Kind last_to(NodeId peer) const {
    const std::vector<Kind> found = sent_to<Kind>(peer);
    CHECK(!found.empty());
    return found.back();
  }

  std::vector<std::uint64_t> log_terms() const {
    std::vector<std::uint64_t> terms;
    for (const Entry& entry : node_->memory_log) terms.push_back(entry.term.value);
    return terms;
  }
  bool marked(std::string_view path) const { return marks_.counts().contains(path); }

  GroupOptions options_;
  FixedRandom random_;
  Marks marks_;
  Instant now_{1'000'000'000};
  bool disk_is_slow_ = false;
  std::optional<TestNode> node_;
  std::vector<Outgoing> sent_;
  Round last_round_;  // The newest sent.

 private:
  void append(std::vector<Outgoing> messages) {
    for (Outgoing& outgoing : messages) {
      if (const auto* request = std::get_if<AppendEntries>(&outgoing.message)) {
        last_round_ = request->round;
      }
      sent_.push_back(std::move(outgoing));
    }
  }
};

}  // namespace keelson::raft
