// Transactions on whole nodes: atomic, isolated, and never stranded, whoever dies.
#include "core/kv/transaction.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/kv/spread.h"
#include "tests/core/node/world_of_nodes.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;
using kv::CommitOutcome;
using kv::Transaction;

constexpr auto kCommitted = CommitOutcome::Kind::committed;
constexpr auto kAborted = CommitOutcome::Kind::aborted;

class TransactionTest : public testing::Test {
 protected:
  TransactionTest() {
    for (std::uint64_t group = 0; group < 3; ++group) nodes_.elect(GroupId(group));
    // A key in every group.
    nodes_.on(1, [&](Node& node) {
      for (int i = 0; keys_.size() < 3; ++i) {
        const Bytes key = kv::spread(std::to_string(i)) + "key";
        keys_.emplace(node.coordinator().group_of(key).value, key);
      }
      return true;
    });
  }

  Deadline in(std::size_t number, Duration span) {
    return Deadline::in(nodes_.cluster().machine(number).clock(), span);
  }
  const Bytes& key(std::uint64_t group) { return keys_.at(group); }

  // Writes the value to a key of every group, in one transaction.
  CommitOutcome write_all(std::size_t number, const Bytes& value) {
    return nodes_.on(number, [&](Node& node) {
      Transaction transaction(node.coordinator());
      for (const auto& [group, one] : keys_) transaction.put(one, value);
      return transaction.commit(in(number, 5s));
    });
  }
  // What a transaction that only reads sees, tried until it can.
  std::map<Bytes, std::optional<Bytes>> read_all(std::size_t number) {
    return nodes_.on(number, [&](Node& node) {
      const Deadline deadline = in(number, 20s);
      while (true) {
        std::map<Bytes, std::optional<Bytes>> seen;
        Transaction transaction(node.coordinator());
        for (const auto& [group, one] : keys_) {
          auto value = transaction.get(one, deadline);
          if (!value) break;
          seen[one] = *value;
        }
        if (seen.size() == keys_.size()) return seen;
        CHECK(node.raft().groups().size() == 3);
        node.coordinator().scheduler().sleep_for(10ms);
      }
    });
  }
  std::set<std::optional<Bytes>> values_on(std::size_t number) {
    std::set<std::optional<Bytes>> values;
    for (const auto& [one, value] : read_all(number)) values.insert(value);
    return values;
  }
  std::size_t locks() {
    std::size_t count = 0;
    for (std::size_t number = 1; number <= 3; ++number) {
      Node* const node = nodes_.cluster().node(number);
      for (std::uint64_t group = 0; node != nullptr && group < 3; ++group) {
        count += node->state().memory(GroupId(group)).locks.size();
      }
    }
    return count;
  }

  WorldOfNodes nodes_{3, 3};
  std::map<std::uint64_t, Bytes> keys_;
};

TEST_F(TransactionTest, WhatIsCommittedInSeveralGroupsIsSeenOnEveryNode) {
  for (std::size_t writer = 1; writer <= 3; ++writer) {
    const Bytes value = "by n" + std::to_string(writer);
    const CommitOutcome outcome = write_all(writer, value);
    ASSERT_EQ(outcome.kind, kCommitted) << outcome.why;
    for (std::size_t reader = 1; reader <= 3; ++reader) {
      EXPECT_EQ(values_on(reader), std::set<std::optional<Bytes>>{value});
    }
  }
  nodes_.run_for(2s);
  EXPECT_EQ(locks(), 0u);
}

TEST_F(TransactionTest, AReadOfOneKeySeesWhatWasCommittedBeforeTheOtherGroupsWereTold) {
  ASSERT_EQ(write_all(1, "x").kind, kCommitted);
  for (const auto& [group, one] : keys_) {
    const auto value = nodes_.on(2, [&, &one = one](Node& node) {
      return node.coordinator().get({one}, in(2, 5s));
    });
    ASSERT_TRUE(value);
    EXPECT_EQ((*value)[0]->value, "x");
  }
}

TEST_F(TransactionTest, ATransactionReadsItsOwnWrites) {
  ASSERT_EQ(write_all(1, "old").kind, kCommitted);
  const bool done = nodes_.on(1, [&](Node& node) {
    Transaction transaction(node.coordinator());
    transaction.put(key(0), "new");
    transaction.remove(key(1));
    transaction.put(key(2) + "/b", "b");
    EXPECT_EQ(*transaction.get(key(0), in(1, 5s)), "new");
    EXPECT_EQ(*transaction.get(key(1), in(1, 5s)), std::nullopt);
    EXPECT_EQ(*transaction.get(key(2), in(1, 5s)), "old");
    const auto rows = transaction.scan(key(2), key(2) + "0", 10, in(1, 5s));
    EXPECT_EQ(rows->size(), 2u);
    EXPECT_EQ(transaction.commit(in(1, 5s)).kind, kCommitted);
    return true;
  });
  EXPECT_TRUE(done);
  const auto seen = read_all(3);
  EXPECT_EQ(seen.at(key(0)), "new");
  EXPECT_EQ(seen.at(key(1)), std::nullopt);
}

TEST_F(TransactionTest, OfTwoThatReadWhatTheOtherWritesOneIsAborted) {
  ASSERT_EQ(write_all(1, "0").kind, kCommitted);
  read_all(1);  // The leaders know of readers from now on, and n1 of the time.
  // Write skew: each sees both keys, and writes one of them.
  for (const auto& [a, b] : std::vector<std::pair<int, int>>{{0, 1}, {1, 2}, {2, 0}}) {
    const auto committed = nodes_.on(1, [&, a = a, b = b](Node& node) {
      Transaction first(node.coordinator());
      Transaction second(node.coordinator());
      for (Transaction* const one : {&first, &second}) {
        EXPECT_TRUE(one->get(key(a), in(1, 5s)));
        EXPECT_TRUE(one->get(key(b), in(1, 5s)));
      }
      first.put(key(a), "first");
      second.put(key(b), "second");
      const auto one = first.commit(in(1, 5s));
      const auto two = second.commit(in(1, 5s));
      EXPECT_EQ(one.kind, kCommitted) << one.why;
      EXPECT_EQ(two.kind, kAborted);
      return true;
    });
    EXPECT_TRUE(committed);
  }
}

TEST_F(TransactionTest, AKeyThatAppearsInARangeThatWasReadAborts) {
  const auto done = nodes_.on(1, [&](Node& node) {
    Transaction transaction(node.coordinator());
    const auto rows = transaction.scan(key(0) + "/", key(0) + "0", 10, in(1, 5s));
    EXPECT_TRUE(rows && rows->empty());
    kv::Batch phantom{.token = "t", .conditions = {}, .mutations = {{key(0) + "/phantom", "!"}}};
    const auto put = node.coordinator().execute(phantom, in(1, 5s));
    EXPECT_TRUE(put && put->applied);
    transaction.put(key(1), "there was nothing");
    const auto outcome = transaction.commit(in(1, 5s));
    EXPECT_EQ(outcome.kind, kAborted);
    return true;
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(read_all(2).at(key(1)), std::nullopt);
}


TEST_F(TransactionTest, AnOldVersionIsReadInAGroupThatWasAskedBefore) {
  ASSERT_EQ(write_all(1, "before").kind, kCommitted);
  read_all(1);
  const auto done = nodes_.on(1, [&](Node& node) {
    Transaction reader(node.coordinator());
    for (const auto& [group, one] : keys_) {
      EXPECT_TRUE(reader.get(one + "/other", in(1, 5s)));
    }
    Transaction writer(node.coordinator());
    for (const auto& [group, one] : keys_) writer.put(one, "after");
    EXPECT_EQ(writer.commit(in(1, 5s)).kind, kCommitted);
    for (const auto& [group, one] : keys_) {
      const auto value = reader.get(one, in(1, 5s));
      if (!value) {
        ADD_FAILURE() << value.error().message;
        continue;
      }
      EXPECT_EQ(*value, "before");
    }
    return true;
  });
  EXPECT_TRUE(done);
}

// Nobody had read the last group for long, so it has kept no old version of what is changed there
// after the snapshot was taken.
TEST_F(TransactionTest, TheFirstReaderAfterQuietTakesALaterSnapshot) {
  ASSERT_EQ(write_all(1, "old").kind, kCommitted);
  nodes_.run_for(70s);
  const bool done = nodes_.on(1, [&](Node& node) {
    Transaction reader(node.coordinator());
    EXPECT_EQ(*reader.get(key(0), in(1, 5s)), "old");
    const auto snapshot = reader.snapshot();
    Transaction writer(node.coordinator());
    writer.put(key(2), "new");
    EXPECT_EQ(writer.commit(in(1, 5s)).kind, kCommitted);
    const auto value = reader.get(key(2), in(1, 5s));
    EXPECT_TRUE(value && *value == "new");
    EXPECT_GT(*reader.snapshot(), *snapshot);
    EXPECT_EQ(*reader.get(key(1), in(1, 5s)), "old");
    EXPECT_EQ(reader.commit(in(1, 5s)).kind, kCommitted);
    return true;
  });
  EXPECT_TRUE(done);
}

TEST_F(TransactionTest, TheSnapshotStaysWhereItIsIfWhatWasReadHasChanged) {
  ASSERT_EQ(write_all(1, "old").kind, kCommitted);
  nodes_.run_for(70s);
  const bool done = nodes_.on(1, [&](Node& node) {
    Transaction reader(node.coordinator());
    EXPECT_EQ(*reader.get(key(0), in(1, 5s)), "old");
    Transaction writer(node.coordinator());
    for (const auto& [group, one] : keys_) writer.put(one, "new");
    EXPECT_EQ(writer.commit(in(1, 5s)).kind, kCommitted);
    const auto value = reader.get(key(2), in(1, 5s));
    EXPECT_TRUE(!value && value.error().code == ErrorCode::conflict);
    return true;
  });
  EXPECT_TRUE(done);
}

// Whatever it was about, and wherever its coordinator is killed: all of it or nothing, soon.
TEST_F(TransactionTest, ACoordinatorThatDiesAtAnyMomentLeavesAllOrNothingAndNoLocks) {
  std::set<Bytes> found;
  for (int step = 0; step < 24; ++step) {
    const Bytes before = "before " + std::to_string(step);
    const Bytes after = "after " + std::to_string(step);
    std::size_t victim = 1 + static_cast<std::size_t>(step) % 3;
    CommitOutcome written{};
    for (int tries = 0; tries < 20 && written.kind != kCommitted; ++tries) {
      written = write_all(1 + victim % 3, before);
    }
    ASSERT_EQ(written.kind, kCommitted) << written.why;
    nodes_.begin_on(victim, [&, victim, after](Node& node) {
      Transaction transaction(node.coordinator());
      for (const auto& [group, one] : keys_) transaction.put(one, after);
      (void)transaction.commit(in(victim, 5s));
    });
    nodes_.run_for(step * 250us);
    nodes_.cluster().machine(victim).kill();
    const std::size_t witness = 1 + victim % 3;
    const auto values = values_on(witness);
    ASSERT_EQ(values.size(), 1u) << step;
    EXPECT_TRUE(values.begin()->value() == before || values.begin()->value() == after);
    found.insert(values.begin()->value() == before ? "before" : "after");
    nodes_.cluster().machine(victim).restart();
    nodes_.run_for(100ms);
    for (std::uint64_t group = 0; group < 3; ++group) nodes_.elect(GroupId(group));
  }
  EXPECT_EQ(found.size(), 2u);  // It died early enough, and late enough.
  nodes_.run_for(5s);
  EXPECT_EQ(locks(), 0u);  // Of those that nobody has met, too.
}

TEST_F(TransactionTest, CountersAreNeverLostUnderContention) {
  ASSERT_EQ(write_all(1, "0").kind, kCommitted);
  int committed = 0;
  int running = 0;
  for (std::size_t number = 1; number <= 3; ++number) {
    for (int client = 0; client < 2; ++client) {
      ++running;
      nodes_.begin_on(number, [&, number](Node& node) {
        for (int i = 0; i < 10; ++i) {
          Transaction transaction(node.coordinator());
          bool is_read = true;
          for (const auto& [group, one] : keys_) {
            const auto value = transaction.get(one, in(number, 5s));
            if (!value) {
              is_read = false;
              break;
            }
            transaction.put(one, std::to_string(1 + std::stoi(value->value())));
          }
          if (!is_read) continue;
          const CommitOutcome outcome = transaction.commit(in(number, 5s));
          EXPECT_NE(outcome.kind, CommitOutcome::Kind::unknown);
          if (outcome.kind == kCommitted) ++committed;
        }
        --running;
      });
    }
  }
  ASSERT_TRUE(nodes_.world().run_until([&] { return running == 0; },
                                       nodes_.world().now() + std::chrono::seconds(60)));
  EXPECT_GT(committed, 0);
  EXPECT_EQ(values_on(1), std::set<std::optional<Bytes>>{std::to_string(committed)});
}

}  // namespace
}  // namespace keelson
