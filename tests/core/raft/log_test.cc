#include "core/raft/log.h"

#include <gtest/gtest.h>

#include "core/raft/quorum.h"
#include "tests/core/raft/test_node.h"

namespace keelson::raft {
namespace {

Entry entry(std::uint64_t index, std::uint64_t term) {
  return {Term(term), LogIndex(index), EntryKind::command, "data"};
}

TEST(LogTest, IndexZeroIsThePlaceBeforeTheFirstEntryAndHasTermZero) {
  const Log log({}, {});
  EXPECT_EQ(log.last_index(), LogIndex(0));
  EXPECT_EQ(log.last_term(), Term(0));
  EXPECT_TRUE(log.contains(LogIndex(0), Term(0)));
  EXPECT_FALSE(log.contains(LogIndex(1), Term(0)));
}

TEST(LogTest, ARecoveredLogIsStableAndNotWrittenAgain) {
  const Log log({}, log_of({1, 1, 2}));
  EXPECT_EQ(log.stable_index(), LogIndex(3));
  EXPECT_FALSE(log.has_unwritten());
  EXPECT_EQ(log.term_at(LogIndex(2)), Term(1));
  EXPECT_EQ(log.last_term(), Term(2));
}

TEST(LogTest, EntriesAreHandedOutForWritingOnce) {
  Log log({}, log_of({1}));
  log.append(entry(2, 1));
  log.append(entry(3, 1));
  EXPECT_EQ(log.take_unwritten(WriteId(1)).size(), 2u);
  EXPECT_FALSE(log.has_unwritten());
  EXPECT_TRUE(log.take_unwritten(WriteId(2)).empty());
  EXPECT_EQ(log.stable_index(), LogIndex(1));
}

TEST(LogTest, OneConfirmationMakesAllEarlierWritesStable) {
  Log log({}, {});
  log.append(entry(1, 1));
  (void)log.take_unwritten(WriteId(1));
  log.append(entry(2, 1));
  (void)log.take_unwritten(WriteId(2));
  log.append(entry(3, 1));
  log.persisted(WriteId(2));
  EXPECT_EQ(log.stable_index(), LogIndex(2));
}

TEST(LogTest, AWriteFromBeforeATruncationDoesNotMakeTheReplacementStable) {
  Log log({}, log_of({1}));
  log.append(entry(2, 1));
  log.append(entry(3, 1));
  (void)log.take_unwritten(WriteId(1));
  log.truncate_from(LogIndex(2));
  log.append(entry(2, 2));
  log.append(entry(3, 2));
  log.append(entry(4, 2));
  (void)log.take_unwritten(WriteId(2));
  log.persisted(WriteId(1));
  EXPECT_EQ(log.stable_index(), LogIndex(1));
  log.persisted(WriteId(2));
  EXPECT_EQ(log.stable_index(), LogIndex(4));
}

TEST(LogTest, TruncationTakesStabilityBack) {
  Log log({}, log_of({1, 1, 1}));
  log.truncate_from(LogIndex(2));
  EXPECT_EQ(log.stable_index(), LogIndex(1));
  log.append(entry(2, 2));
  EXPECT_TRUE(log.has_unwritten());
  EXPECT_EQ(log.take_unwritten(WriteId(1)), std::vector<Entry>{entry(2, 2)});
}

TEST(LogTest, ASliceKeepsWithinItsBytesButHasAtLeastOneEntry) {
  const Log log({}, log_of({1, 1, 1, 1}));  // Four bytes each.
  EXPECT_EQ(log.slice(LogIndex(1), LogIndex(4), 0).size(), 1u);
  EXPECT_EQ(log.slice(LogIndex(1), LogIndex(4), 11).size(), 2u);
  EXPECT_EQ(log.slice(LogIndex(2), LogIndex(4), 1000).size(), 3u);
  EXPECT_EQ(log.slice(LogIndex(2), LogIndex(3), 1000).back().index, LogIndex(3));
}

TEST(LogTest, TheLastAgreeablePlaceHasATermNoLaterThanTheOtherLog) {
  const Log log({}, log_of({1, 1, 2, 2, 5, 5}));
  EXPECT_EQ(log.last_agreeable(LogIndex(6), Term(5)), LogIndex(6));
  EXPECT_EQ(log.last_agreeable(LogIndex(6), Term(4)), LogIndex(4));
  EXPECT_EQ(log.last_agreeable(LogIndex(3), Term(4)), LogIndex(3));
  EXPECT_EQ(log.last_agreeable(LogIndex(9), Term(1)), LogIndex(2));
  EXPECT_EQ(log.last_agreeable(LogIndex(9), Term(0)), LogIndex(0));
}

TEST(QuorumTest, AMajorityIsMoreThanHalf) {
  EXPECT_EQ(majority_of(1), 1u);
  EXPECT_EQ(majority_of(2), 2u);
  EXPECT_EQ(majority_of(3), 2u);
  EXPECT_EQ(majority_of(4), 3u);
  EXPECT_EQ(majority_of(5), 3u);
}

TEST(QuorumTest, ReachedByMajorityIsTheGreatestValueThatMoreThanHalfHaveReached) {
  const auto reached = [](std::vector<std::uint64_t> values) {
    return reached_by_majority(values);
  };
  EXPECT_EQ(reached({7}), 7u);
  EXPECT_EQ(reached({7, 3}), 3u);
  EXPECT_EQ(reached({9, 1, 5}), 5u);
  EXPECT_EQ(reached({9, 9, 1, 5}), 5u);
  EXPECT_EQ(reached({4, 0, 4, 0, 4}), 4u);
}

}  // namespace
}  // namespace keelson::raft
