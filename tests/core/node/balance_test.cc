// Leaders that spread themselves over the nodes.
#include <gtest/gtest.h>

#include "tests/core/node/world_of_nodes.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kGroups = 7;

class BalanceTest : public testing::Test {
 protected:
  BalanceTest() : nodes_(3, kGroups) {
    for (std::uint64_t group = 0; group < kGroups; ++group) nodes_.elect(GroupId(group));
  }
  void gather_on(std::size_t number) {
    for (std::uint64_t group = 0; group < kGroups; ++group) {
      const std::size_t leader = nodes_.leader(GroupId(group));
      if (leader == number) continue;
      const auto done = nodes_.on(leader, [&](Node& node) {
        return node.raft().transfer_leadership(
            GroupId(group), NodeId(number),
            Deadline::in(nodes_.cluster().machine(leader).clock(), 2s));
      });
      ASSERT_TRUE(done) << done.error().message;
    }
  }
  std::vector<std::size_t> led() {
    std::vector<std::size_t> counts(3);
    for (std::uint64_t group = 0; group < kGroups; ++group) {
      const std::size_t leader = nodes_.leader(GroupId(group));
      if (leader != 0) ++counts[leader - 1];
    }
    return counts;
  }

  WorldOfNodes nodes_;
};

TEST_F(BalanceTest, ANodeThatLeadsEverythingHandsOverUntilAllLeadAboutTheSame) {
  gather_on(2);
  ASSERT_EQ(led()[1], kGroups);
  nodes_.run_for(90s);
  for (const std::size_t count : led()) {
    EXPECT_GE(count, kGroups / 3);
    EXPECT_LE(count, kGroups / 3 + 1);
  }
  EXPECT_EQ(nodes_.leader(GroupId(0)), 2u);  // Probes follow it.
}

TEST_F(BalanceTest, WhatIsBalancedStaysAsItIs) {
  nodes_.run_for(90s);
  std::vector<raft::Term> terms;
  const auto term = [&](std::uint64_t group) {
    return nodes_.cluster().node(1)->raft().core(GroupId(group)).current_term();
  };
  for (std::uint64_t group = 0; group < kGroups; ++group) terms.push_back(term(group));
  nodes_.run_for(90s);
  for (std::uint64_t group = 0; group < kGroups; ++group) EXPECT_EQ(term(group), terms[group]);
}

TEST_F(BalanceTest, NothingIsHandedToANodeThatIsGone) {
  gather_on(2);
  nodes_.cluster().machine(3).crash();
  nodes_.run_for(90s);
  EXPECT_EQ(led()[2], 0u);
  EXPECT_LE(led()[1], kGroups / 2 + 1);
  EXPECT_EQ(led()[0] + led()[1], kGroups);
}

}  // namespace
}  // namespace keelson
