#include "core/kv/group_machine.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/kv/versions.h"
#include "tests/core/kv/map_rows.h"

namespace keelson::kv {
namespace {

using namespace std::chrono_literals;
using Status = CommandResult::Status;

constexpr Timestamp at(std::int64_t ms) { return timestamp_of(ms); }

// One group's rules over a map.
class GroupMachineTest : public ::testing::Test {
 protected:
  CommandResult apply(Timestamp now, Command command) {
    StampedCommand stamped{{now, std::min(safe_point_, now)}, std::move(command)};
    if (!machine_.take_stamp(stamped)) return {};
    return *machine_.apply(stamped.stamp, stamped.command);
  }
  BatchResult write(Timestamp now, Batch batch) {
    StampedCommand stamped{{now, std::min(safe_point_, now)}, std::move(batch)};
    if (!machine_.take_stamp(stamped)) return {};
    return *machine_.apply(stamped.stamp, std::get<Batch>(stamped.command));
  }
  BatchResult put(Timestamp now, Bytes key, Bytes value) {
    return write(now, {.token = {}, .conditions = {}, .mutations = {{key, value}}});
  }
  static Prepare prepare(Bytes transaction, std::vector<Condition> conditions,
                         std::vector<Mutation> mutations) {
    return {.transaction = transaction,
            .primary = GroupId(0),
            .participants = {GroupId(0), GroupId(1)},
            .begun = at(100),
            .ttl = 1s,
            .conditions = std::move(conditions),
            .mutations = std::move(mutations)};
  }
  static Decide commit(Bytes transaction, Timestamp prepared_at) {
    return {.transaction = std::move(transaction), .prepared_at = prepared_at};
  }
  std::optional<Bytes> value(Bytes key) {
    const auto row = *rows_.get(key);
    return row ? std::optional(row->value) : std::nullopt;
  }
  ReadOutcome read_at(Timestamp when, Bytes key) {
    return *read(rows_, group_,
                 {.keys = {key}, .range = {}, .at = when, .uncertain_until = when});
  }
  std::optional<Bytes> seen(Timestamp when, Bytes key) {
    const ReadOutcome outcome = read_at(when, key);
    if (!outcome.reply) return "locked";
    const auto& found = outcome.reply->values.at(0);
    return found ? std::optional(found->value) : std::nullopt;
  }

  GroupMemory at_no_time() const {
    GroupMemory group = group_;
    group.clock = {};
    return group;
  }

  Marks marks_;
  MapRows rows_;
  GroupMemory group_;
  GroupMachine machine_{rows_, group_, marks_};
  Timestamp safe_point_;
};

TEST_F(GroupMachineTest, AStampThatDoesNotGrowIsRejectedAndChangesNothing) {
  EXPECT_TRUE(put(at(10), "k", "1").outcome->applied);
  EXPECT_FALSE(put(at(10), "k", "2").outcome);
  EXPECT_FALSE(put(at(9), "k", "3").outcome);
  EXPECT_EQ(apply(at(10), Forget{"t"}).status, Status::rejected);
  EXPECT_EQ(value("k"), "1");
  EXPECT_EQ(group_.clock.last, at(10));
}

TEST_F(GroupMachineTest, AVersionIsTheTimestampOfItsEntry) {
  const auto outcome = put(at(10), "k", "1").outcome;
  EXPECT_EQ(outcome->version, at(10).value);
  EXPECT_EQ((*rows_.get("k"))->version, at(10).value);
}

TEST_F(GroupMachineTest, OldVersionsAreReadAtTheirTimes) {
  put(at(10), "k", "1");
  put(at(20), "k", "2");
  write(at(30), {.token = {}, .conditions = {}, .mutations = {{"k", std::nullopt}}});
  put(at(40), "k", "4");
  EXPECT_EQ(seen(at(9), "k"), std::nullopt);
  EXPECT_EQ(seen(at(10), "k"), "1");
  EXPECT_EQ(seen(at(19), "k"), "1");
  EXPECT_EQ(seen(at(20), "k"), "2");
  EXPECT_EQ(seen(at(29), "k"), "2");
  EXPECT_EQ(seen(at(30), "k"), std::nullopt);
  EXPECT_EQ(seen(at(39), "k"), std::nullopt);
  EXPECT_EQ(seen(at(40), "k"), "4");
}

TEST_F(GroupMachineTest, KeysWithZerosAndKeysThatBeginAlikeHaveHistoriesOfTheirOwn) {
  const std::vector<Bytes> keys = {"a", Bytes("a\0", 2), Bytes("a\0\1", 3), Bytes("a\0\xff", 3),
                                   "ab"};
  std::int64_t ms = 0;
  for (const Bytes& key : keys) put(at(++ms), key, "old" + key);
  ms = 20;
  for (const Bytes& key : keys) put(at(++ms), key, "new" + key);
  for (const Bytes& key : keys) EXPECT_EQ(seen(at(15), key), "old" + key);
  const ReadOutcome range = *read(rows_, group_,
                                  {.keys = {}, .range = KeyRange{"a", "b"}, .rows_limit = 100,
                                   .at = at(15), .uncertain_until = at(15)});
  ASSERT_EQ(range.reply->rows.size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(range.reply->rows[i].key, keys[i]);
    EXPECT_EQ(range.reply->rows[i].value.value, "old" + keys[i]);
  }
}

TEST_F(GroupMachineTest, NothingIsKeptForReadersBeforeTheSafePointAndTheyAreToldSo) {
  put(at(10), "k", "1");
  safe_point_ = at(1000);  // As far as the entry goes.
  put(at(20), "k", "2");
  EXPECT_EQ(rows_.count(kHistoryRows), 0u);
  const auto too_old = read(rows_, group_,
                            {.keys = {"k"}, .range = {}, .at = at(19), .uncertain_until = at(19)});
  ASSERT_FALSE(too_old);
  EXPECT_EQ(too_old.error().code, ErrorCode::conflict);
  EXPECT_EQ(seen(at(20), "k"), "2");
}

TEST_F(GroupMachineTest, GarbageIsWhatEndedAtTheSafePointOrBefore) {
  for (int i = 1; i <= 10; ++i) put(at(10 * i), "k", std::to_string(i));
  EXPECT_EQ(rows_.count(kHistoryRows), 9u);
  safe_point_ = at(50);
  const CommandResult collected = apply(at(200), CollectGarbage{});
  EXPECT_EQ(collected.status, Status::done);
  EXPECT_EQ(collected.next, "");
  EXPECT_EQ(rows_.count(kHistoryRows), 5u);
  EXPECT_EQ(seen(at(50), "k"), "5");
  EXPECT_EQ(seen(at(99), "k"), "9");
}

TEST_F(GroupMachineTest, CollectingGoesOnWhereItStopped) {
  for (int i = 1; i <= 300; ++i) put(at(i), "k" + std::to_string(i % 2), "x");
  safe_point_ = at(1000);
  const CommandResult first = apply(at(500), CollectGarbage{});
  EXPECT_NE(first.next, "");
  EXPECT_EQ(rows_.count(kHistoryRows), 298u - 256u);
  EXPECT_EQ(apply(at(501), CollectGarbage{first.next}).next, "");
  EXPECT_EQ(rows_.count(kHistoryRows), 0u);
}

TEST_F(GroupMachineTest, AVersionThatMayBeOlderThanItsReaderIsAConflict) {
  put(at(10), "k", "1");
  put(at(20), "k", "2");
  const auto with = [&](Timestamp uncertain_until) {
    return read(rows_, at_no_time(),
                {.keys = {"k"}, .range = {}, .at = at(15), .uncertain_until = uncertain_until});
  };
  EXPECT_EQ((*with(at(19))).reply->values[0]->value, "1");
  EXPECT_EQ(with(at(20)).error().code, ErrorCode::conflict);
  write(at(30), {.token = {}, .conditions = {}, .mutations = {{"k", std::nullopt}}});
  const auto removed = read(rows_, at_no_time(),
                            {.keys = {"k"}, .range = {}, .at = at(25), .uncertain_until = at(30)});
  EXPECT_EQ(removed.error().code, ErrorCode::conflict);
}

TEST_F(GroupMachineTest, ARangeConditionSeesChangedNewAndRemovedKeys) {
  put(at(10), "a", "1");
  put(at(11), "b", "1");
  RangeDigest digest;
  digest.add("a", at(10).value);
  digest.add("b", at(11).value);
  const Condition range{.key = "a", .kind = Condition::Kind::range_is, .version = digest.value(),
                        .end = "c"};
  const auto holds_now = [&] { return *holds(rows_, range); };
  EXPECT_TRUE(holds_now());
  put(at(12), "c", "outside");
  EXPECT_TRUE(holds_now());
  put(at(13), "aa", "phantom");
  EXPECT_FALSE(holds_now());
  write(at(14), {.token = {}, .conditions = {}, .mutations = {{"aa", std::nullopt}}});
  EXPECT_TRUE(holds_now());
  write(at(15), {.token = {}, .conditions = {}, .mutations = {{"b", std::nullopt}}});
  EXPECT_FALSE(holds_now());
}

// Every set of a few keys, every folding, every limit: what a page has is what a plain walk gives.
TEST_F(GroupMachineTest, FoldedRowsAreThoseOfAPlainWalk) {
  const std::vector<Bytes> names = {"a", "a/", "a/b", "a//", "b", "b/a/b", "c", "\xff/x"};
  std::int64_t now = 100;
  std::vector<Bytes> present;
  for (std::size_t set = 0; set < (1u << names.size()); set += 3) {
    present.clear();
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (set >> i & 1) present.push_back(names[i]);
      write(at(++now), {.mutations = {{names[i], set >> i & 1 ? std::optional<Bytes>("value")
                                                              : std::nullopt}}});
    }
    std::sort(present.begin(), present.end());
    for (const std::size_t after : {0u, 2u}) {
      std::vector<Bytes> expected;
      for (const Bytes& key : present) {
        const std::size_t slash = key.find('/', after);
        const Bytes shown = slash == Bytes::npos ? key : key.substr(0, slash + 1);
        if (expected.empty() || expected.back() != shown) expected.push_back(shown);
      }
      for (const std::size_t limit : {1u, 2u, 100u}) {
        for (const bool at_a_time : {false, true}) {
          std::vector<Bytes> found;
          ReadRequest request{.range = KeyRange{"a", {}},
                              .rows_limit = limit,
                              .value_octets = 2,
                              .folding = Folding{after, "/"}};
          if (at_a_time) request.at = at(now);
          do {
            const ReadReply reply = *read(rows_, group_, request)->reply;
            ASSERT_LE(reply.rows.size(), limit);
            for (const Row& row : reply.rows) {
              found.push_back(row.key);
              ASSERT_EQ(row.value.value, row.value.version == 0 ? "" : "va");
            }
            request.range->from = reply.covered_to;
          } while (!request.range->from.empty());
          ASSERT_EQ(found, expected) << "set " << set << " after " << after << " limit " << limit;
        }
      }
    }
  }
}

TEST_F(GroupMachineTest, WhatWasThereWhenAReaderCameFirstMayBeOlderThanTheReader) {
  put(at(10), "k", "1");
  put(at(20), "k", "2");
  const auto ask = [&](Bytes key, Timestamp uncertain_until) {
    return read(rows_, group_,
                {.keys = {key}, .range = {}, .at = at(15), .uncertain_until = uncertain_until});
  };
  EXPECT_EQ(ask("k", {}).error().code, ErrorCode::conflict);
  const auto first = ask("other", {});
  EXPECT_EQ(first->reply->uncertain_until, at(20));
  put(at(30), "k", "3");
  EXPECT_EQ(ask("k", first->reply->uncertain_until).error().code, ErrorCode::conflict);
  put(at(31), "other", "1");
  EXPECT_EQ(ask("other", at(20))->reply->values[0], std::nullopt);  // It came later.
}

TEST_F(GroupMachineTest, WhatIsPreparedWhenAReaderComesMayBeCommittedAtAnyTime) {
  put(at(10), "k", "0");
  apply(at(110), prepare("t", {}, {{"k", "1"}}));
  const auto ask = [&](Bytes key, Timestamp uncertain_until) {
    return read(rows_, group_,
                {.keys = {key}, .range = {}, .at = at(105), .uncertain_until = uncertain_until});
  };
  const auto first = ask("other", {});
  // Another group's clock is fast; the coordinator's client was told long ago.
  apply(at(5001), Finish{"t", at(5000)});
  EXPECT_EQ(ask("k", first->reply->uncertain_until).error().code, ErrorCode::conflict);
  EXPECT_EQ(ask("k", {}).error().code, ErrorCode::conflict);
}

// --- transactions ---

TEST_F(GroupMachineTest, ACommitWritesAtTheTimeOfTheDecisionInEveryGroup) {
  put(at(10), "k", "0");
  const CommandResult prepared = apply(at(110), prepare("t", {}, {{"k", "1"}}));
  EXPECT_EQ(prepared.status, Status::done);
  EXPECT_EQ(prepared.at, at(110));
  EXPECT_EQ(value("k"), "0");
  const CommandResult decided =
      apply(at(120), commit("t", at(110)));
  EXPECT_EQ(decided.status, Status::done);
  EXPECT_EQ(decided.at, at(120));
  EXPECT_EQ(value("k"), "1");
  EXPECT_EQ(seen(at(119), "k"), "0");
  EXPECT_EQ(seen(at(120), "k"), "1");
  EXPECT_TRUE(group_.locks.is_empty());

}

TEST_F(GroupMachineTest, FinishWritesAtTheCommitsTimestampNotAtItsOwn) {
  put(at(10), "k", "0");
  apply(at(110), prepare("t", {}, {{"k", "1"}}));
  put(at(130), "other", "x");
  EXPECT_EQ(apply(at(140), Finish{"t", at(120)}).status, Status::done);
  EXPECT_EQ((*rows_.get("k"))->version, at(120).value);
  EXPECT_EQ(seen(at(119), "k"), "0");
  EXPECT_EQ(seen(at(120), "k"), "1");
  EXPECT_EQ(apply(at(141), Finish{"t", at(120)}).status, Status::done);  // Again: nothing.
  EXPECT_EQ(apply(at(142), Finish{"t", at(142)}).status, Status::rejected);
}

TEST_F(GroupMachineTest, AnAbortedTransactionLeavesNothingButItsRecord) {
  apply(at(110), prepare("t", {{.key = "r", .kind = Condition::Kind::absent}}, {{"k", "1"}}));
  EXPECT_EQ(apply(at(120), Decide{.transaction = "t", .kind = Decide::Kind::abort}).status,
            Status::aborted);
  EXPECT_EQ(value("k"), std::nullopt);
  EXPECT_TRUE(group_.locks.is_empty());
  EXPECT_EQ(rows_.count(kPreparedRows), 0u);
  EXPECT_EQ(rows_.count(kRecordRows), 1u);
  apply(at(130), Forget{"t"});
  EXPECT_TRUE(rows_.map().empty());
}

TEST_F(GroupMachineTest, WhatWasDecidedFirstStays) {
  apply(at(110), prepare("t", {}, {{"k", "1"}}));
  apply(at(120), commit("t", at(110)));
  for (const auto kind :
       {Decide::Kind::commit, Decide::Kind::abort, Decide::Kind::abort_if_expired}) {
    const CommandResult again =
        apply(group_.clock.last.next(), Decide{.transaction = "t", .kind = kind});
    EXPECT_EQ(again.status, Status::done);
    EXPECT_EQ(again.at, at(120));
  }
  apply(at(210), prepare("u", {}, {{"l", "1"}}));
  apply(at(220), Decide{.transaction = "u", .kind = Decide::Kind::abort});
  EXPECT_EQ(apply(at(230), Decide{.transaction = "u", .kind = Decide::Kind::commit,
                                  .prepared_at = at(210)}).status,
            Status::aborted);
  EXPECT_EQ(value("l"), std::nullopt);
}

TEST_F(GroupMachineTest, ALockIsTakenAwayOnlyAfterItHasExpired) {
  apply(at(110), prepare("t", {}, {{"k", "1"}}));
  const Decide roll_back{.transaction = "t", .kind = Decide::Kind::abort_if_expired};
  EXPECT_EQ(apply(at(1110), roll_back).status, Status::pending);
  EXPECT_EQ(apply(at(1111), roll_back).status, Status::aborted);
  // Its coordinator comes too late.
  EXPECT_EQ(apply(at(1112), Decide{.transaction = "t", .kind = Decide::Kind::commit,
                                   .prepared_at = at(110)}).status,
            Status::aborted);
}

TEST_F(GroupMachineTest, APrimaryThatHeardOfNoSuchTransactionRefusesItFromThenOn) {
  const Decide roll_back{.transaction = "t", .kind = Decide::Kind::abort_if_expired,
                         .expires_at = at(150)};
  EXPECT_EQ(apply(at(150), roll_back).status, Status::pending);
  EXPECT_EQ(apply(at(151), roll_back).status, Status::aborted);
  EXPECT_EQ(apply(at(160), prepare("t", {}, {{"k", "1"}})).status, Status::aborted);
  // When the record is forgotten, the transaction is too old.
  apply(at(170), Forget{"t"});
  EXPECT_EQ(apply(at(100) + kTransactionAgeMax + 1ms, prepare("t", {}, {{"k", "1"}})).status,
            Status::aborted);
}

TEST_F(GroupMachineTest, ACommitOfWhatIsNeitherPreparedNorDecidedIsNotDecided) {
  EXPECT_EQ(apply(at(110), Decide{.transaction = "t", .kind = Decide::Kind::commit,
                                  .prepared_at = at(100)}).status,
            Status::pending);
  EXPECT_TRUE(rows_.map().empty());
}

TEST_F(GroupMachineTest, ALateCopyOfARepeatedRequestWritesNothing) {
  apply(at(110), prepare("t", {}, {{"k", "1"}}));
  apply(at(130), Finish{"t", at(120)});
  put(at(140), "k", "2");
  // A secondary is prepared again, and resolved by somebody who meets the lock.
  EXPECT_EQ(apply(at(150), prepare("t", {}, {{"k", "1"}})).status, Status::done);
  EXPECT_EQ(apply(at(160), Finish{"t", at(120)}).status, Status::done);
  EXPECT_EQ(value("k"), "2");
  EXPECT_TRUE(group_.locks.is_empty());
  // The primary is prepared and told to commit again, after all was forgotten.
  EXPECT_EQ(apply(at(170), prepare("t", {}, {{"k", "1"}})).status, Status::done);
  EXPECT_EQ(apply(at(180), Decide{.transaction = "t", .kind = Decide::Kind::commit,
                                  .prepared_at = at(110)}).status,
            Status::aborted);
  EXPECT_EQ(value("k"), "2");
}

TEST_F(GroupMachineTest, WhatIsLockedIsRefusedWithTheLock) {
  put(at(10), "read", "0");
  apply(at(110), prepare("t",
                         {{.key = "read", .kind = Condition::Kind::exists},
                          {.key = "m", .kind = Condition::Kind::range_is,
                           .version = RangeDigest().value(), .end = "n"}},
                         {{"write", "1"}}));
  const auto met_by = [&](std::vector<Condition> conditions, std::vector<Mutation> mutations) {
    const BatchResult result = write(group_.clock.last.next(), {{}, conditions, mutations});
    return result.lock ? result.lock->transaction : "";
  };
  EXPECT_EQ(met_by({}, {{"write", "x"}}), "t");
  EXPECT_EQ(met_by({}, {{"read", "x"}}), "t");
  EXPECT_EQ(met_by({}, {{"m/phantom", "x"}}), "t");
  EXPECT_EQ(met_by({{.key = "write", .kind = Condition::Kind::absent}}, {}), "t");
  EXPECT_EQ(met_by({{.key = "w", .kind = Condition::Kind::range_is}}, {}), "t");
  EXPECT_EQ(met_by({{.key = "read", .kind = Condition::Kind::exists}}, {}), "");
  EXPECT_EQ(met_by({}, {{"free", "x"}}), "");
  const auto other = [&](std::vector<Condition> conditions, std::vector<Mutation> mutations) {
    return apply(group_.clock.last.next(), prepare("u", conditions, mutations)).status;
  };
  EXPECT_EQ(other({}, {{"read", "x"}}), Status::locked);
  EXPECT_EQ(other({{.key = "write", .kind = Condition::Kind::absent}}, {}), Status::locked);
  // Reading together is fine.
  EXPECT_EQ(other({{.key = "read", .kind = Condition::Kind::exists}}, {{"free2", "x"}}),
            Status::done);
  EXPECT_EQ(met_by({}, {{"read", "x"}}), "t");
}

TEST_F(GroupMachineTest, ReadersMeetLocksOfThoseWhoMayCommitBeforeThem) {
  put(at(10), "k", "0");
  apply(at(110), prepare("t", {}, {{"k", "1"}}));
  EXPECT_EQ(seen(at(109), "k"), "0");  // It will commit later than that.
  EXPECT_EQ(seen(at(110), "k"), "locked");
  EXPECT_EQ(read(rows_, at_no_time(), {.keys = {"k"}, .range = {}, .at = {}, .uncertain_until = {}})
                ->lock->transaction,
            "t");
  const auto range = read(rows_, at_no_time(), {.keys = {}, .range = KeyRange{"a", ""},
                                              .rows_limit = 10, .at = at(120),
                                              .uncertain_until = at(120)});
  EXPECT_EQ(range->lock->transaction, "t");
}

TEST_F(GroupMachineTest, APrepareWhoseConditionsFailLocksNothing) {
  put(at(10), "k", "0");
  const CommandResult result = apply(
      at(110), prepare("t", {{.key = "k", .kind = Condition::Kind::exists},
                             {.key = "k", .kind = Condition::Kind::version_is, .version = 1}},
                       {{"k", "1"}}));
  EXPECT_EQ(result.status, Status::conflict);
  EXPECT_EQ(result.failed_condition, 1u);
  EXPECT_TRUE(group_.locks.is_empty());
  EXPECT_EQ(rows_.count(kPreparedRows), 0u);
}

TEST_F(GroupMachineTest, LocksAreInTheRows) {
  apply(at(110), prepare("t", {{.key = "r", .kind = Condition::Kind::absent}}, {{"k", "1"}}));
  apply(at(111), prepare("u", {{.key = "r", .kind = Condition::Kind::absent}}, {{"l", "1"}}));
  const LockTable loaded = (*GroupMemory::load(rows_)).locks;
  EXPECT_EQ(loaded.locks(), group_.locks.locks());
  EXPECT_EQ(loaded.size(), 2u);
  EXPECT_EQ(loaded.find("t")->expires_at, at(1110));
}

TEST_F(GroupMachineTest, TheCeilingOnlyRises) {
  const CommandResult first = apply(at(1), RaiseCeiling{at(3000), 10ms});
  EXPECT_EQ(first.at, at(3000));
  EXPECT_EQ(first.previous, Timestamp());
  const CommandResult second = apply(at(2), RaiseCeiling{at(100), 10ms});
  EXPECT_EQ(second.previous, at(3000));
  EXPECT_EQ(second.at, at(3010));
  EXPECT_EQ(group_.clock.ceiling, at(3010));
  EXPECT_EQ(*decode_clock(encode(group_.clock)), group_.clock);
}

}  // namespace
}  // namespace keelson::kv
