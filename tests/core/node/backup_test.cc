// A backup taken from serving nodes, and a new cluster made of it.
#include <gtest/gtest.h>

#include <set>

#include "admin/restore.h"
#include "admin/run_node.h"
#include "scenarios/http_client.h"
#include "sim/sim_disk.h"
#include "core/kv/spread.h"
#include "core/kv/transaction.h"
#include "tests/core/node/world_of_nodes.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

class BackupTest : public testing::Test {
 protected:
  BackupTest() : nodes_(3, 2) {}

  // All over the shards of a new cluster.
  static Bytes key_of(int i) { return kv::spread(std::to_string(i)) + "key"; }

  void write(std::size_t number, int from, int to) {
    for (int i = from; i < to; ++i) {
      const auto done = nodes_.on(number, [&](Node& node) {
        kv::Batch batch;
        batch.mutations = {{.key = key_of(i), .value = Bytes(500, 'x')}};
        return node.coordinator().execute(
            std::move(batch),
            Deadline::in(nodes_.cluster().machine(number).clock(), 5s));
      });
      ASSERT_TRUE(done.has_value()) << done.error().message;
    }
  }

  // The answer to GET backup, asked of the node that listens there, from `machine`.
  Bytes take(sim::Machine& machine, const Address& address) {
    std::optional<scenarios::CallResult> result;
    machine.spawn("backup", [&](Env& env) {
      scenarios::HttpClient client(env.network, env.scheduler, address);
      scenarios::HttpRequest request;
      request.target = "/admin/api/v1/cluster/backup";
      result = client.call(request, Deadline::in(env.clock, 20s));
    });
    CHECK(nodes_.world().run_until([&] { return result.has_value(); },
                                   nodes_.world().now() + 30s));
    EXPECT_EQ(result->end, scenarios::CallResult::End::answered) << result->why;
    EXPECT_EQ(result->response.status, 200);
    return result->response.body;
  }
  Bytes take(std::size_t number) {
    return take(nodes_.cluster().machine(number),
                scenarios::Cluster::address(number, scenarios::kAdminPort));
  }
  static admin::backup::Summary summary_of(BytesView file) {
    admin::backup::Reader reader(nullptr);
    EXPECT_TRUE(reader.put(file).has_value());
    const auto summary = reader.finish();
    CHECK(summary.has_value());
    return *summary;
  }

  // Runs a restore on a machine of its own; its outcome.
  Result<admin::backup::Summary> restore(sim::Machine& machine, BytesView file,
                                         const std::string& cluster_id) {
    std::optional<Result<admin::backup::Summary>> result;
    machine.start([&](Env& env) {
      const auto work = [&]() -> Result<admin::backup::Summary> {
        admin::Restore one(env, {.cluster_id = cluster_id,
                                 .node_id = NodeId(9),
                                 .incarnation = Incarnation(77),
                                 .founders = {{NodeId(9), Incarnation(77)}}});
        for (std::size_t at = 0; at < file.size(); at += 1000) TRY(one.put(file.substr(at, 1000)));
        return one.finish();
      };
      result = work();
    });
    CHECK(nodes_.world().run_until([&] { return result && !machine.is_running(); },
                                   nodes_.world().now() + 60s));
    return *std::move(result);
  }

  // Restores the file and starts the one node that is made of it; ready when this returns.
  Node& begin_anew(sim::Machine& machine, BytesView file) {
    const auto restored = restore(machine, file, "another");
    CHECK(restored.has_value());
    NodeConfig config = scenarios::scenario_config(1, 2);
    config.cluster_id = "another";
    config.node_id = NodeId(9);
    config.bootstrap = false;
    config.peers = {{NodeId(9), "n9:7000"}};
    config.raft_listen = "n9:7000";
    config.s3_listen = "n9:9000";
    config.dynamodb_listen = "n9:9001";
    config.sqs_listen = "n9:9002";
    config.admin_listen = "n9:8080";
    machine.start([this, config](Env& env) {
      (void)run_node(env, config, {.on_started = [this](Node& node) { started_ = &node; }});
    });
    CHECK(nodes_.world().run_until(
        [&] {
          return started_ != nullptr &&
                 started_->raft().core(GroupId(0)).role() == raft::Role::leader &&
                 started_->raft().core(GroupId(1)).role() == raft::Role::leader;
        },
        nodes_.world().now() + 10s));
    return *started_;
  }

  // How many of these the node has, by reads of its own.
  int count(sim::Machine& machine, Node& node, int from, int to) {
    std::optional<int> found;
    machine.spawn("count", [&](Env& env) {
      int some = 0;
      for (int i = from; i < to; ++i) {
        const auto values =
            node.coordinator().get({key_of(i)}, Deadline::in(env.clock, 5s));
        if (values && (*values)[0] && (*values)[0]->value == Bytes(500, 'x')) ++some;
      }
      found = some;
    });
    CHECK(nodes_.world().run_until([&] { return found.has_value(); },
                                   nodes_.world().now() + 60s));
    return *found;
  }

  const kv::ShardMap& map(std::size_t number) {
    return nodes_.cluster().node(number)->coordinator().shards();
  }
  Result<void> change(const kv::ShardChange& change) {
    return nodes_.on(1, [&](Node& node) {
      return node.coordinator().change_shards(
          change, map(1).version(), Deadline::in(nodes_.cluster().machine(1).clock(), 5s));
    });
  }

  WorldOfNodes nodes_;
  Node* started_ = nullptr;
};

TEST_F(BackupTest, ANewClusterBeginsWithTheContentOfTheOldOne) {
  nodes_.elect(GroupId(0));
  nodes_.elect(GroupId(1));
  write(1, 0, 40);
  // Of whichever node it is taken, it holds all that was acknowledged before.
  const Bytes file = take(2);
  const admin::backup::Summary summary = summary_of(file);
  EXPECT_EQ(summary.header.cluster_id, "scenario");
  ASSERT_EQ(summary.groups.size(), 2u);
  for (const auto& content : summary.groups) EXPECT_GT(content.snapshot_bytes, 500u);
  write(1, 40, 50);
  EXPECT_NE(summary_of(take(2)).groups[0].content_digest, summary.groups[0].content_digest);

  sim::Machine& machine = nodes_.world().add_machine("n9");
  begin_anew(machine, file);
  const admin::backup::Summary again = summary_of(take(machine, "n9:8080"));
  ASSERT_EQ(again.groups.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(again.groups[i].content_digest, summary.groups[i].content_digest);
    EXPECT_GE(again.groups[i].group.index, summary.groups[i].group.index);
  }
}

TEST_F(BackupTest, ABackupOfANodeThatLagsHasWhatWasAcknowledgedBefore) {
  const std::size_t leader = nodes_.elect(GroupId(0));
  nodes_.elect(GroupId(1));
  std::size_t lags = 1;
  while (lags == leader || lags == nodes_.leader(GroupId(1))) ++lags;
  nodes_.world().network().isolate(nodes_.cluster().machine(lags));
  write(leader, 0, 40);
  nodes_.world().network().heal_all();
  for (std::uint64_t group = 0; group < 2; ++group) {
    ASSERT_LT(nodes_.cluster().node(lags)->raft().last_applied(GroupId(group)),
              nodes_.cluster().node(leader)->raft().last_applied(GroupId(group)));
  }
  const Bytes file = take(lags);
  write(leader, 40, 41);
  sim::Machine& machine = nodes_.world().add_machine("n9");
  EXPECT_EQ(count(machine, begin_anew(machine, file), 0, 41), 40);
}

TEST_F(BackupTest, ABackupThatIsAskedForDuringAMoveHasEveryKeyInItsNewGroup) {
  nodes_.elect(GroupId(0));
  nodes_.elect(GroupId(1));
  write(1, 0, 60);
  ASSERT_TRUE(nodes_.world().run_until([&] { return map(1).version() == 1; },
                                       nodes_.world().now() + 10s));
  const Bytes middle = kv::nth_spread(kv::kSpreads / 4);
  ASSERT_TRUE(change(kv::SplitShard{middle}));
  ASSERT_TRUE(nodes_.world().run_until([&] { return map(1).version() == 2; },
                                       nodes_.world().now() + 10s));
  ASSERT_TRUE(change(kv::MoveShard{middle, GroupId(1)}));
  ASSERT_TRUE(nodes_.world().run_until([&] { return map(3).move().has_value(); },
                                       nodes_.world().now() + 1s));
  const Bytes file = take(3);
  EXPECT_FALSE(map(3).move().has_value());
  EXPECT_EQ(map(3).version(), 5u);

  sim::Machine& machine = nodes_.world().add_machine("n9");
  Node& node = begin_anew(machine, file);
  EXPECT_EQ(node.coordinator().shards(), map(3));
  EXPECT_EQ(node.coordinator().group_of(middle), GroupId(1));
  EXPECT_EQ(count(machine, node, 0, 60), 60);
}

// Money that goes from one group to another while backups are taken, again and again.
class TransfersTest : public BackupTest {
 protected:
  static constexpr int kAccounts = 12;
  static constexpr int kEach = 1000;

  void open_accounts() {
    const auto done = nodes_.on(1, [&](Node& node) {
      kv::Batch batch;
      for (int i = 0; i < kAccounts; ++i) {
        batch.mutations.push_back({.key = key_of(i), .value = std::to_string(kEach)});
      }
      return node.coordinator().execute(
          std::move(batch), Deadline::in(nodes_.cluster().machine(1).clock(), 5s));
    });
    ASSERT_TRUE(done.has_value()) << done.error().message;
    std::set<GroupId> groups;
    for (int i = 0; i < kAccounts; ++i) {
      groups.insert(nodes_.cluster().node(1)->coordinator().group_of(key_of(i)));
    }
    ASSERT_EQ(groups.size(), 2u);
  }

  // The node that this returns hears of what was committed in g1 later than of g0.
  std::size_t apply_one_group_late() {
    const std::size_t first = nodes_.elect(GroupId(0));
    const std::size_t second = 1 + first % 3;
    if (nodes_.elect(GroupId(1)) == first) {
      CHECK(nodes_.on(first, [&](Node& node) {
        return node.raft().transfer_leadership(
            GroupId(1), NodeId(second),
            Deadline::in(nodes_.cluster().machine(first).clock(), 5s));
      }).has_value());
      nodes_.elect(GroupId(1));
    }
    const std::size_t reader = 6 - first - nodes_.leader(GroupId(1));
    sim::LinkConditions slow;
    slow.base_delay_least = slow.base_delay_most = 40ms;
    sim::Machine& late = nodes_.cluster().machine(nodes_.leader(GroupId(1)));
    nodes_.world().network().set_conditions(late, nodes_.cluster().machine(reader), slow);
    return reader;
  }

  // One account to the next but some, without an end.
  void transfer(std::size_t number, int step) {
    kv::Coordinator& coordinator = nodes_.cluster().node(number)->coordinator();
    for (int i = step;; i += step) {
      coordinator.scheduler().sleep_for(1ms);
      const Deadline deadline = Deadline::in(nodes_.cluster().machine(number).clock(), 5s);
      kv::Transaction transaction(coordinator);
      const Bytes from = key_of(i % kAccounts);
      const Bytes to = key_of((i + step) % kAccounts);
      const auto had = transaction.get(from, deadline);
      const auto has = had ? transaction.get(to, deadline) : had;
      if (!has || !*had || !*has) continue;
      transaction.put(from, std::to_string(std::stoi(**had) - 1));
      transaction.put(to, std::to_string(std::stoi(**has) + 1));
      if (transaction.commit(deadline).kind == kv::CommitOutcome::Kind::committed) ++transfers_;
    }
  }

  std::optional<int> sum(sim::Machine& machine, Node& node) {
    std::optional<int> total;
    bool is_done = false;
    machine.spawn("sum", [&](Env& env) {
      std::vector<Bytes> keys;
      for (int i = 0; i < kAccounts; ++i) keys.push_back(key_of(i));
      const auto values = node.coordinator().get(std::move(keys), Deadline::in(env.clock, 20s));
      is_done = true;
      if (!values) return;
      total = 0;
      for (const auto& value : *values) *total += value ? std::stoi(value->value) : 0;
    });
    CHECK(nodes_.world().run_until([&] { return is_done; }, nodes_.world().now() + 60s));
    return total;
  }

  int transfers_ = 0;
};

TEST_F(TransfersTest, ABackupHasATransactionOverSeveralGroupsWhollyOrNotAtAll) {
  const std::size_t reader = apply_one_group_late();
  open_accounts();
  for (const int step : {1, 5, 7, 11}) {
    const std::size_t number = 1 + static_cast<std::size_t>(step) % 3;
    nodes_.begin_on(number, [&, number, step](Node&) { transfer(number, step); });
  }
  sim::Machine& machine = nodes_.world().add_machine("n9");
  for (std::size_t round = 0; round < 12; ++round) {
    nodes_.run_for(std::chrono::milliseconds(50 + 7 * round));
    const int before = transfers_;
    const Bytes file = take(reader);
    EXPECT_GT(transfers_, before) << "nothing happened meanwhile";
    EXPECT_EQ(sum(machine, begin_anew(machine, file)), kAccounts * kEach) << "round " << round;
    machine.kill();
    machine.disk().wipe();
    started_ = nullptr;
  }
}

TEST_F(BackupTest, ADamagedFileMakesNoNode) {
  nodes_.elect(GroupId(0));
  nodes_.elect(GroupId(1));
  write(1, 0, 5);
  Bytes file = take(1);
  file[file.size() - 100] = static_cast<char>(file[file.size() - 100] ^ 1);
  sim::Machine& machine = nodes_.world().add_machine("n9");
  const auto restored = restore(machine, file, "another");
  ASSERT_FALSE(restored.has_value());
  EXPECT_EQ(restored.error().code, ErrorCode::invalid_argument);
  std::optional<bool> has_identity;
  machine.start([&](Env& env) {
    const auto found = storage::read_identity(env.disk, Deadline::never());
    has_identity = found.has_value() && found->has_value();
  });
  nodes_.run_for(1s);
  EXPECT_EQ(has_identity, false);
}

TEST_F(BackupTest, TheNewClusterHasAnotherName) {
  nodes_.elect(GroupId(0));
  nodes_.elect(GroupId(1));
  const Bytes file = take(1);
  const auto restored = restore(nodes_.world().add_machine("n9"), file, "scenario");
  ASSERT_FALSE(restored.has_value());
  EXPECT_NE(restored.error().message.find("needs another name"), std::string::npos);
}

}  // namespace
}  // namespace keelson
