// Compaction, snapshots and lost disks between whole nodes in a healthy world.
#include <gtest/gtest.h>

#include <set>

#include "sim/sim_disk.h"
#include "tests/core/node/world_of_nodes.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

constexpr GroupId kGroup{0};

class SnapshotTest : public testing::Test {
 protected:
  void write(std::size_t count) {
    const std::size_t leader = nodes_.leader() != 0 ? nodes_.leader() : nodes_.elect();
    for (std::size_t i = 0; i < count; ++i) {
      const auto done = nodes_.on(leader, [&](Node& node) {
        kv::Batch batch;
        batch.mutations = {{.key = "key/" + std::to_string(i), .value = Bytes(100, 'x')}};
        return node.coordinator().execute(
            std::move(batch),
            Deadline::in(nodes_.cluster().machine(leader).clock(), 5s));
      });
      ASSERT_TRUE(done.has_value()) << done.error().message;
    }
  }
  void compact(std::size_t number) {
    const auto done = nodes_.on(number, [](Node& node) { return node.raft().compact_now(); });
    ASSERT_TRUE(done.has_value()) << done.error().message;
  }
  const raft::Raft& core(std::size_t number) {
    return nodes_.cluster().node(number)->raft().core(kGroup);
  }
  bool all_agree() {
    std::set<std::uint64_t> digests;
    for (std::size_t number = 1; number <= nodes_.cluster().size(); ++number) {
      Node* const node = nodes_.cluster().node(number);
      if (node == nullptr) return false;
      if (node->state().label(kGroup).index != core(nodes_.leader()).commit_index()) return false;
      digests.insert(node->state().digest(kGroup));
    }
    return digests.size() == 1;
  }
  void expect_agreement(Duration within = 10s) {
    EXPECT_TRUE(nodes_.world().run_until(
        [&] { return nodes_.leader() != 0 && all_agree(); }, nodes_.world().now() + within));
  }

  // Its state was the snapshot's a little before it was told so.
  void expect_installed(std::size_t number) {
    const auto installed = [&] {
      return nodes_.cluster().node(number)->raft().snapshot_counts().installed == 1;
    };
    EXPECT_TRUE(nodes_.world().run_until(installed, nodes_.world().now() + 1s));
  }

  WorldOfNodes nodes_;
};

TEST_F(SnapshotTest, CompactionCutsTheLogUpToWhatIsApplied) {
  write(20);
  const std::size_t leader = nodes_.leader();
  ASSERT_EQ(core(leader).log_start().index, raft::LogIndex(0));
  compact(leader);
  EXPECT_EQ(core(leader).log_start().index, core(leader).commit_index());
  write(3);
  expect_agreement();
}

TEST_F(SnapshotTest, ARestartGoesOnFromTheStateAndTheRestOfTheLog) {
  write(20);
  const std::size_t leader = nodes_.leader();
  compact(leader);
  write(5);
  nodes_.cluster().machine(leader).kill();
  nodes_.run_for(10ms);
  nodes_.cluster().machine(leader).restart();
  nodes_.elect();
  expect_agreement();
  EXPECT_FALSE(core(leader).needs_snapshot());
  EXPECT_GT(core(leader).log_start().index, raft::LogIndex(0));
}

TEST_F(SnapshotTest, AFollowerThatMissedWhatIsCutIsSentASnapshot) {
  const std::size_t leader = nodes_.elect();
  const std::size_t follower = leader == 1 ? 2 : 1;
  nodes_.cluster().machine(follower).kill();
  write(30);
  const std::size_t now_leading = nodes_.leader();
  for (std::size_t number = 1; number <= 3; ++number) {
    if (number != follower) compact(number);
  }
  nodes_.cluster().machine(follower).restart();
  expect_agreement();
  EXPECT_GE(nodes_.cluster().node(now_leading)->raft().snapshot_counts().sent, 1u);
  expect_installed(follower);
}

TEST_F(SnapshotTest, ANodeWhoseStateIsGoneIsGivenItByAPeer) {
  write(20);
  for (std::size_t number = 1; number <= 3; ++number) compact(number);
  const std::size_t leader = nodes_.elect();
  const std::size_t victim = leader == 1 ? 2 : 1;
  sim::Machine& machine = nodes_.cluster().machine(victim);
  machine.kill();
  auto content = machine.disk().visible_content();
  std::erase_if(content.files, [](const auto& file) { return file.first.starts_with("state/"); });
  machine.disk().fill(content);
  machine.restart();
  expect_agreement();
  expect_installed(victim);
}

TEST_F(SnapshotTest, ANodeThatLostItsDiskIsALearnerAndThenAVoterAgain) {
  write(20);
  for (std::size_t number = 1; number <= 3; ++number) compact(number);
  const std::size_t leader = nodes_.elect();
  const std::size_t victim = leader == 1 ? 2 : 1;
  sim::Machine& machine = nodes_.cluster().machine(victim);
  const auto before = core(leader).configuration().members.at(NodeId(victim)).incarnation;
  machine.kill();
  machine.disk().wipe();
  machine.restart();
  bool was_learner = false;
  EXPECT_TRUE(nodes_.world().run_until(
      [&] {
        if (nodes_.leader() == 0) return false;
        const auto& member = core(nodes_.leader()).configuration().members.at(NodeId(victim));
        was_learner = was_learner || !member.is_voter;
        return was_learner && member.is_voter && member.incarnation != before;
      },
      nodes_.world().now() + 10s));
  write(5);
  expect_agreement();
}

}  // namespace
}  // namespace keelson
