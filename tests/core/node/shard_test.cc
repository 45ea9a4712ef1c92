// Shards on whole nodes: split, moved, and asked for by those who do not know yet.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/kv/spread.h"
#include "core/kv/transaction.h"
#include "core/runtime/task_group.h"
#include "tests/core/node/world_of_nodes.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;
using kv::Condition;

class ShardTest : public testing::Test {
 protected:
  ShardTest() : nodes_(3, 3) {
    for (std::uint64_t group = 0; group < 3; ++group) nodes_.elect(GroupId(group));
    wait_until([](const kv::ShardMap& map) { return map.version() == 1; });
  }

  Deadline soon(Node& node) { return Deadline::in(clock(node), 5s); }
  const Clock& clock(Node& node) {
    return nodes_.cluster().machine(node.config().node_id.value).clock();
  }
  const kv::ShardMap& map(std::size_t number) {
    return nodes_.cluster().node(number)->coordinator().shards();
  }
  // Until every node knows a map like that.
  template <typename Wanted>
  void wait_until(Wanted wanted) {
    const bool is_so = nodes_.world().run_until(
        [&] {
          for (std::size_t number = 1; number <= 3; ++number) {
            if (nodes_.cluster().node(number) == nullptr || !wanted(map(number))) return false;
          }
          return true;
        },
        nodes_.world().now() + 30s);
    ASSERT_TRUE(is_so);
  }
  Result<void> change(const kv::ShardChange& change) {
    return nodes_.on(1, [&](Node& node) {
      return node.coordinator().change_shards(change, node.coordinator().shards().version(),
                                              soon(node));
    });
  }
  void move(const Bytes& from, GroupId to) {
    const auto begun = change(kv::MoveShard{from, to});
    ASSERT_TRUE(begun) << begun.error().message;
    wait_until([&](const kv::ShardMap& known) {
      return !known.move() && known.group_of(from) == to;
    });
  }
  // A key of the group's first shard.
  Bytes key_of(std::uint64_t group, const Bytes& name) {
    for (const kv::Shard& shard : map(1).shards()) {
      if (shard.group == GroupId(group)) return shard.from + "\1" + name;
    }
    CHECK(false);
    return {};
  }
  Bytes shard_of(const Bytes& key) { return map(1).range_of(key).from; }

  Result<kv::BatchOutcome> write(std::size_t number, kv::Batch batch) {
    return nodes_.on(number, [&](Node& node) {
      return node.coordinator().execute(std::move(batch), soon(node));
    });
  }
  bool put(std::size_t number, const Bytes& key, const Bytes& value) {
    const auto done = write(number, {.mutations = {{key, value}}});
    return done && done->applied;
  }
  std::optional<Bytes> get(std::size_t number, const Bytes& key) {
    const auto values = nodes_.on(number, [&](Node& node) {
      return node.coordinator().get({key}, soon(node));
    });
    if (!values) return "error: " + values.error().message;
    const auto& found = (*values).front();
    return found ? std::optional(found->value) : std::nullopt;
  }
  std::vector<kv::Row> rows_in(std::size_t number, GroupId group, const Bytes& from) {
    return nodes_.on(number, [&](Node& node) {
      return *node.state().scan(group, from, map(1).range_of(from).to, 1000);
    });
  }

  WorldOfNodes nodes_;
};

TEST_F(ShardTest, ANewClusterHasAShardForEachGroupAndEveryNodeKnowsIt) {
  for (std::size_t number = 1; number <= 3; ++number) {
    ASSERT_EQ(map(number).shards().size(), 3u);
    EXPECT_EQ(map(number), map(1));
    for (std::uint64_t group = 0; group < 3; ++group) {
      EXPECT_EQ(map(number).shards()[group].group, GroupId(group));
    }
  }
}

TEST_F(ShardTest, AShardThatWasSplitAndMovedHasWhatItHad) {
  for (char name = 'a'; name <= 'f'; ++name) {
    ASSERT_TRUE(put(1, key_of(0, Bytes(1, name)), Bytes(1, name)));
  }
  const Bytes middle = key_of(0, "d");
  ASSERT_TRUE(change(kv::SplitShard{middle}));
  wait_until([&](const kv::ShardMap& known) { return known.shards().size() == 4; });
  move(middle, GroupId(2));
  for (char name = 'a'; name <= 'f'; ++name) {
    const Bytes key = key_of(0, Bytes(1, name));
    EXPECT_EQ(map(2).group_of(key), GroupId(name < 'd' ? 0 : 2));
    for (std::size_t number = 1; number <= 3; ++number) EXPECT_EQ(get(number, key), Bytes(1, name));
  }
  EXPECT_TRUE(put(2, middle, "new"));
  EXPECT_EQ(get(3, middle), "new");
}

TEST_F(ShardTest, TheRowsAreGoneWhereTheyCameFromAndComeBack) {
  const Bytes key = key_of(0, "k");
  const Bytes shard = shard_of(key);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(put(1, key + std::to_string(i), "value"));
  move(shard, GroupId(1));
  nodes_.run_for(1s);
  EXPECT_TRUE(rows_in(1, GroupId(0), key).empty());
  EXPECT_EQ(rows_in(1, GroupId(1), key).size(), 300u);
  ASSERT_TRUE(put(2, key + "7", "changed"));
  move(shard, GroupId(0));
  EXPECT_EQ(get(3, key + "7"), "changed");
  EXPECT_EQ(get(3, key + "8"), "value");
}

TEST_F(ShardTest, AGroupRefusesWhatItHasGivenAwayToThoseWhoDoNotKnowYet) {
  const Bytes key = key_of(0, "k");
  ASSERT_TRUE(put(1, key, "value"));
  move(shard_of(key), GroupId(1));
  nodes_.on(1, [&](Node& node) {
    kv::Coordinator& coordinator = node.coordinator();
    const auto written =
        coordinator.execute_in(GroupId(0), {.mutations = {{key, "lost"}}}, soon(node));
    EXPECT_EQ(written.error().code, ErrorCode::conflict);
    const auto read = coordinator.read_in(GroupId(0), {.keys = {key}}, soon(node));
    EXPECT_EQ(read.error().code, ErrorCode::conflict);
    const auto range = coordinator.read_in(
        GroupId(0), {.range = kv::KeyRange{key, {}}, .rows_limit = 1}, soon(node));
    EXPECT_EQ(range.error().code, ErrorCode::conflict);
    return true;
  });
  EXPECT_EQ(get(2, key), "value");
}

TEST_F(ShardTest, ATransactionThatHasReadWhatMovesIsAborted) {
  const Bytes key = key_of(0, "k");
  ASSERT_TRUE(put(1, key, "before"));
  const auto outcome = nodes_.on(1, [&](Node& node) {
    kv::Transaction transaction(node.coordinator());
    EXPECT_EQ(*transaction.get(key, soon(node)), "before");
    kv::Coordinator& coordinator = node.coordinator();
    EXPECT_TRUE(coordinator.change_shards(kv::MoveShard{shard_of(key), GroupId(1)},
                                          coordinator.shards().version(), soon(node)));
    coordinator.scheduler().sleep_for(5s);
    EXPECT_EQ(coordinator.group_of(key), GroupId(1));
    transaction.put(key, "after");
    return transaction.commit(soon(node));
  });
  EXPECT_EQ(outcome.kind, kv::CommitOutcome::Kind::aborted) << outcome.why;
  EXPECT_EQ(get(2, key), "before");
}

TEST_F(ShardTest, ABatchOverGroupsHappensWholeOrNotAtAll) {
  const Bytes here = key_of(0, "k");
  const Bytes there = key_of(1, "k");
  const auto both = write(1, {.conditions = {{.key = here, .kind = Condition::Kind::absent},
                                             {.key = there, .kind = Condition::Kind::absent}},
                              .mutations = {{here, "1"}, {there, "1"}}});
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_TRUE(both->applied);
  const auto values = nodes_.on(2, [&](Node& node) {
    return node.coordinator().get({there, here}, soon(node));
  });
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_EQ((*values)[0]->version, both->version);
  EXPECT_EQ((*values)[1]->version, both->version);
  const auto neither = write(1, {.conditions = {{.key = here, .kind = Condition::Kind::exists},
                                                {.key = there, .kind = Condition::Kind::absent}},
                                 .mutations = {{here, "2"}, {there, "2"}}});
  ASSERT_TRUE(neither) << neither.error().message;
  EXPECT_FALSE(neither->applied);
  EXPECT_EQ(neither->failed_condition, 1u);
  EXPECT_EQ(get(1, here), "1");
  EXPECT_EQ(get(1, there), "1");
}

TEST_F(ShardTest, ATransactionScansOverShards) {
  const std::vector<Bytes> keys = {key_of(0, "x"), key_of(1, "x"), key_of(2, "x")};
  for (const Bytes& key : keys) ASSERT_TRUE(put(1, key, "value"));
  nodes_.on(1, [&](Node& node) {
    kv::Transaction transaction(node.coordinator());
    const auto all = transaction.scan("\1", {}, 10, soon(node));
    EXPECT_TRUE(all) << all.error().message;
    if (!all) return false;
    EXPECT_EQ(all->size(), 3u);
    for (std::size_t i = 0; i < all->size(); ++i) EXPECT_EQ((*all)[i].first, keys[i]);
    transaction.put(keys[0], "new");
    const auto outcome = transaction.commit(soon(node));
    EXPECT_EQ(outcome.kind, kv::CommitOutcome::Kind::committed) << outcome.why;
    return true;
  });
}

TEST_F(ShardTest, AScanOverShardsFoldsPagesAndEnds) {
  const Bytes a = key_of(0, "k-"), b = key_of(1, "k-"), c = key_of(2, "k-");
  for (const Bytes& key : {a + "1", a + "2/x", a + "2/y", b + "1", c + "9/z"}) {
    ASSERT_TRUE(put(1, key, "a long value"));
  }
  // Half of what is folded is in another group.
  ASSERT_TRUE(change(kv::SplitShard{a + "2/y"}).has_value());
  move(a + "2/y", GroupId(2));
  const auto page = [&](const Bytes& from, std::size_t limit) {
    return nodes_.on(2, [&](Node& node) {
      return *node.coordinator().scan({.from = from,
                                       .to = {},
                                       .rows_limit = limit,
                                       .value_octets = 6,
                                       .folding = kv::Folding{a.size(), "/"}},
                                      soon(node));
    });
  };
  const std::vector<std::pair<Bytes, bool>> expected = {
      {a + "1", false}, {a + "2/", true}, {b + "1", false}, {c + "9/", true}};
  for (std::size_t limit = 1; limit <= 5; ++limit) {
    std::vector<std::pair<Bytes, bool>> found;
    for (Bytes from = "\1"; !from.empty();) {
      kv::ScanReply reply = page(from, limit);
      EXPECT_LE(reply.rows.size(), limit);
      for (const kv::ScannedRow& row : reply.rows) {
        found.emplace_back(row.key, row.is_folded);
        EXPECT_EQ(row.value.value, row.is_folded ? "" : "a long");
      }
      from = std::move(reply.covered_to);
    }
    EXPECT_EQ(found, expected) << "pages of " << limit;
  }
}

TEST_F(ShardTest, AScanOverShardsIsOfOneMoment) {
  // From the first part to the last there is time for two writes.
  for (char c = 'a'; c < 'k'; ++c) {
    ASSERT_TRUE(change(kv::SplitShard{key_of(1, Bytes(1, c))}).has_value());
  }
  const Bytes early = key_of(0, "n"), late = key_of(2, "n");
  ASSERT_TRUE(put(1, early, "00000"));
  ASSERT_TRUE(put(1, late, "00000"));
  nodes_.on(2, [&](Node& node) {
    TaskGroup writing(node.coordinator().scheduler());
    writing.spawn("writer", [&] {
      for (int number = 1;; ++number) {
        const Bytes value = fmt::format("{:05}", number);
        for (const Bytes& key : {early, late}) {
          (void)node.coordinator().execute({.mutations = {{key, value}}}, soon(node));
        }
      }
    });
    for (int i = 0; i < 200; ++i) {
      const auto page = node.coordinator().scan({.from = "\1", .to = {}, .rows_limit = 10},
                                                soon(node));
      EXPECT_TRUE(page.has_value());
      if (!page) return false;
      EXPECT_EQ(page->rows.size(), 2u);
      EXPECT_GE(page->rows.front().value.value, page->rows.back().value.value);
    }
    return true;
  });
}

TEST_F(ShardTest, ABatchMayDemandThatNothingIsInARangeOfSeveralGroups) {
  const Bytes here = key_of(0, "a"), there = key_of(1, "b");
  const auto write_if_empty = [&] {
    return *write(2, {.conditions = {{.key = there, .kind = Condition::Kind::absent},
                                     kv::nothing_between(here, there)},
                      .mutations = {{key_of(2, "c"), "1"}}});
  };
  EXPECT_TRUE(write_if_empty().applied);
  ASSERT_TRUE(put(1, key_of(0, "b"), "1"));
  const kv::BatchOutcome refused = write_if_empty();
  EXPECT_FALSE(refused.applied);
  EXPECT_EQ(refused.failed_condition, 1u);
}

TEST_F(ShardTest, AChangeThatMakesNoSenseIsRefusedWithAReason) {
  const auto code = [&](const kv::ShardChange& one) { return change(one).error().code; };
  EXPECT_EQ(code(kv::MoveShard{"no such shard", GroupId(1)}), ErrorCode::invalid_argument);
  EXPECT_EQ(code(kv::MoveShard{"", GroupId(0)}), ErrorCode::invalid_argument);
  EXPECT_EQ(code(kv::MoveShard{"", GroupId(9)}), ErrorCode::invalid_argument);
  EXPECT_EQ(code(kv::SplitShard{""}), ErrorCode::invalid_argument);
  EXPECT_EQ(code(kv::SplitShard{Bytes("\0x", 2)}), ErrorCode::invalid_argument);
  EXPECT_EQ(code(kv::FoundShards{{GroupId(0)}}), ErrorCode::conflict);
  const auto late = nodes_.on(1, [&](Node& node) {
    return node.coordinator().change_shards(kv::SplitShard{"\x20"}, 0, soon(node));
  });
  EXPECT_EQ(late.error().code, ErrorCode::conflict);
}

// Whoever leads carries the move on.
TEST_F(ShardTest, AMoveSurvivesTheLossOfTheLeaderThatMakesIt) {
  const Bytes key = key_of(0, "k");
  for (int i = 0; i < 600; ++i) ASSERT_TRUE(put(1, key + std::to_string(i), Bytes(100, 'x')));
  ASSERT_TRUE(change(kv::MoveShard{shard_of(key), GroupId(1)}));
  const std::size_t victim = nodes_.leader(GroupId(0));
  nodes_.world().run_until(
      [&] {
        const kv::Ownership& known =
            nodes_.cluster().node(victim)->state().memory(GroupId(1)).ownership;
        return !known.parts().empty();
      },
      nodes_.world().now() + 10s);
  nodes_.cluster().machine(victim).crash();
  nodes_.run_for(1s);
  nodes_.cluster().machine(victim).restart();
  wait_until([&](const kv::ShardMap& known) { return !known.move() && known.version() > 2; });
  EXPECT_EQ(map(1).group_of(key), GroupId(1));
  for (int i = 0; i < 600; i += 37) {
    EXPECT_EQ(get(1, key + std::to_string(i)), Bytes(100, 'x')) << i;
  }
}

}  // namespace
}  // namespace keelson
