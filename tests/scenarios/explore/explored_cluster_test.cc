#include "scenarios/explore/explored_cluster.h"

#include <gtest/gtest.h>

#include <map>

#include "scenarios/explore/bounds.h"
#include "sim/explore/schedule.h"
#include "sim/explore/search.h"
#include "tests/sim/explore/toys.h"

namespace keelson::scenarios {
namespace {

constexpr std::uint32_t kDepth = 7;

sim::SearchTotals exhaust(const sim::MakeSystem& make, std::uint32_t depth) {
  sim::Search search(make, depth);
  EXPECT_EQ(search.run([](const sim::SearchTotals&) { return true; }),
            sim::Search::End::exhausted);
  return search.totals();
}

TEST(ExploredClusterTest, NoBoundBreaksAPromiseInItsFirstEvents) {
  for (const Bound& bound : all_bounds()) {
    SCOPED_TRACE(bound.name);
    const ExploredCluster::Material material(bound);
    const auto make = [&] { return std::make_unique<ExploredCluster>(material); };
    const sim::SearchTotals totals = exhaust(make, kDepth);
    EXPECT_EQ(totals.deepest, kDepth);
    EXPECT_GT(totals.states, 30u);
    EXPECT_EQ(totals, exhaust(make, kDepth));
  }
}

// What counts as independent is: else a search that believes it would miss states.
TEST(ExploredClusterTest, SleepSetsSpareNoStateAndManyTransitions) {
  for (const Bound& bound : all_bounds()) {
    SCOPED_TRACE(bound.name);
    const ExploredCluster::Material material(bound);
    const auto make = [&] { return std::make_unique<ExploredCluster>(material); };
    const auto make_dependent = [&] {
      return std::make_unique<sim::AllDependent>(std::make_unique<ExploredCluster>(material));
    };
    const sim::SearchTotals some = exhaust(make, kDepth);
    const sim::SearchTotals all = exhaust(make_dependent, kDepth);
    EXPECT_EQ(some.states, all.states);
    EXPECT_EQ(some.complete, all.complete);
    EXPECT_LT(some.transitions, all.transitions);
  }
}

// The hash leaves nothing out that matters: along many schedules, states of one hash can do the
// same, and what they do leads to states of one hash.
TEST(ExploredClusterTest, EqualStatesHaveEqualSuccessors) {
  for (const Bound& bound : all_bounds()) {
    SCOPED_TRACE(bound.name);
    const ExploredCluster::Material material(bound);
    std::map<std::uint64_t, std::map<sim::Event, std::uint64_t>> successors;
    std::uint64_t chance = 1;
    std::size_t met_again = 0;
    for (int walk = 0; walk < 150; ++walk) {
      std::unique_ptr<sim::System> at = std::make_unique<ExploredCluster>(material);
      for (auto events = at->events(); !events.empty(); events = at->events()) {
        std::map<sim::Event, std::uint64_t> next;
        for (const sim::Event& event : events) {
          const auto copy = at->copy();
          ASSERT_FALSE(copy->take(event));
          next[event] = *copy->hash();
        }
        const auto [known, is_new] = successors.try_emplace(*at->hash(), next);
        ASSERT_EQ(known->second, next);
        if (!is_new) ++met_again;
        chance = chance * 6364136223846793005ull + 1442695040888963407ull;
        (void)at->take(events[(chance >> 33) % events.size()]);
      }
    }
    EXPECT_GT(met_again, 100u);
  }
}

// --- The observer sees what is to be seen. Each test tells it of what no right node does.

class FactsTest : public testing::Test {
 protected:
  static Observed node(std::uint64_t id, const std::vector<std::uint64_t>& terms,
                       std::uint64_t term) {
    Observed node;
    node.node = NodeId(id);
    node.term = raft::Term(term);
    for (const std::uint64_t of : terms) {
      node.log.push_back(hash_of_prefix(node.log.empty() ? 0 : node.log.back(),
                                        entry(node.log.size() + 1, of)));
      node.terms.push_back(raft::Term(of));
    }
    node.durable_log = node.log;
    return node;
  }
  static raft::Entry entry(std::uint64_t index, std::uint64_t term) {
    return {.term = raft::Term(term),
            .index = raft::LogIndex(index),
            .kind = raft::EntryKind::command,
            .data = "c"};
  }
  void leads(const Observed& node) {
    facts_.on_sent(node, raft::AppendEntries{.term = node.term,
                                             .prev_log_index = {},
                                             .prev_log_term = {},
                                             .entries = {},
                                             .leader_commit = {},
                                             .round = {}},
                   NodeId(9));
  }
  void applies(Observed node, const std::vector<std::uint64_t>& terms) {
    for (const std::uint64_t term : terms) {
      const raft::Entry next = entry(node.applied + 1, term);
      facts_.on_applied(node, next);
      ++node.applied;
      node.applied_prefix = hash_of_prefix(node.applied_prefix, next);
    }
  }
  std::string broken() const { return facts_.violation() ? facts_.violation()->oracle : ""; }

  Facts facts_;
};

TEST_F(FactsTest, TwoLeadersOfATerm) {
  leads(node(1, {1}, 1));
  leads(node(2, {1}, 2));
  leads(node(1, {1}, 1));
  EXPECT_EQ(broken(), "");
  leads(node(3, {1}, 2));
  EXPECT_EQ(broken(), "election safety");
}

TEST_F(FactsTest, LogsThatDifferBeforeAnEntryThatTheyShare) {
  const Observed one = node(1, {1, 1, 3}, 3), other = node(2, {1, 2}, 3);
  const Observed bad = node(3, {1, 2, 3}, 3);
  facts_.on_log(one, {&other});
  EXPECT_EQ(broken(), "");
  facts_.on_log(one, {&bad});
  EXPECT_EQ(broken(), "log matching");
}

TEST_F(FactsTest, ALeaderWithoutWhatWasCommittedInWhicheverOrderTheyAreSeen) {
  applies(node(1, {1, 1}, 1), {1, 1});
  leads(node(2, {1, 1, 2}, 2));
  EXPECT_EQ(broken(), "");
  leads(node(3, {1, 3}, 3));
  EXPECT_EQ(broken(), "leader completeness");
}

TEST_F(FactsTest, WhatIsCommittedIsMissingInALeaderFromBefore) {
  leads(node(3, {1, 3}, 3));
  applies(node(1, {1}, 1), {1});
  EXPECT_EQ(broken(), "");
  applies(node(1, {1, 1}, 1), {1, 1});
  EXPECT_EQ(broken(), "leader completeness");
}

TEST_F(FactsTest, DifferentEntriesAppliedAtAnIndex) {
  applies(node(1, {1, 1}, 2), {1, 1});
  applies(node(2, {1, 1}, 2), {1});
  EXPECT_EQ(broken(), "");
  applies(node(2, {1, 2}, 2), {1, 2});
  EXPECT_EQ(broken(), "state machine safety");
}

TEST_F(FactsTest, TwoVotesInATerm) {
  Observed voter = node(1, {}, 4);
  voter.durable = {.current_term = raft::Term(4), .voted_for = NodeId(2)};
  const raft::RequestVoteReply vote{.term = raft::Term(4), .vote_granted = true};
  facts_.on_sent(voter, vote, NodeId(2));
  facts_.on_sent(voter, vote, NodeId(2));
  EXPECT_EQ(broken(), "");
  voter.durable.voted_for = NodeId(3);
  facts_.on_sent(voter, vote, NodeId(3));
  EXPECT_EQ(broken(), "vote");
}

TEST_F(FactsTest, AVoteOrAnAcknowledgementThatIsNotDurable) {
  const raft::RequestVoteReply vote{.term = raft::Term(4), .vote_granted = true};
  Facts votes;
  votes.on_sent(node(1, {}, 4), vote, NodeId(2));
  EXPECT_EQ(votes.violation()->oracle, "durable promise");

  Observed follower = node(1, {1, 1}, 1);
  raft::AppendEntriesReply reply;
  reply.success = true;
  reply.match_index = raft::LogIndex(2);
  facts_.on_sent(follower, reply, NodeId(2));
  EXPECT_EQ(broken(), "");
  follower.durable_log.pop_back();
  facts_.on_sent(follower, reply, NodeId(2));
  EXPECT_EQ(broken(), "durable promise");
}

TEST_F(FactsTest, WhatNoQuorumHasAndWhatIsTakenBack) {
  raft::Configuration three;
  for (const std::uint64_t id : {1, 2, 3}) three.members[NodeId(id)] = {};
  Observed leader = node(1, {1, 1}, 1);
  leader.commit_index = raft::LogIndex(2);
  leads(leader);
  facts_.on_durable(leader);
  Facts alone = facts_;
  alone.on_commit(leader, raft::LogIndex(1), three);
  EXPECT_EQ(alone.violation()->oracle, "quorum");

  facts_.on_durable(node(2, {1, 1}, 1));
  facts_.on_commit(leader, raft::LogIndex(1), three);
  EXPECT_EQ(broken(), "");
  raft::Configuration joint = three;
  for (const std::uint64_t id : {1, 4, 5}) joint.outgoing[NodeId(id)] = {};
  Facts half = facts_;
  half.on_commit(leader, raft::LogIndex(1), joint);
  EXPECT_EQ(half.violation()->oracle, "quorum");
  facts_.on_commit(leader, raft::LogIndex(3), three);
  EXPECT_EQ(broken(), "monotonic commit");
}

TEST_F(FactsTest, AProbeThatIsAnswered200ByWhoWasSucceededBeforeItCame) {
  const raft::ReadToken first(1), second(2);
  leads(node(1, {1}, 1));
  facts_.on_probe(node(1, {1}, 1), first);
  leads(node(2, {1, 2}, 2));
  facts_.on_probe(node(1, {1}, 1), second);
  facts_.on_probe_answer(node(1, {1}, 1), {first, raft::LogIndex(1)});  // It came in time.
  EXPECT_EQ(broken(), "");
  Facts refused = facts_;
  refused.on_probe_answer(node(1, {1}, 1), {second, std::nullopt});
  EXPECT_FALSE(refused.violation());
  facts_.on_probe_answer(node(1, {1}, 1), {second, raft::LogIndex(1)});
  EXPECT_EQ(broken(), "probe claim");
}

}  // namespace
}  // namespace keelson::scenarios
