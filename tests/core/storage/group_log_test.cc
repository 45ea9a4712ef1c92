#include "core/storage/group_log.h"

#include <gtest/gtest.h>

namespace keelson::storage {
namespace {

using raft::LogIndex;
using raft::LogStart;
using raft::Term;

GroupLog::Run run(std::uint32_t segment, std::uint64_t term, std::uint64_t first,
                  std::uint64_t last) {
  return {segment, Term(term), LogIndex(first), LogIndex(last)};
}

LogStart at(std::uint64_t index, std::uint64_t term) { return {LogIndex(index), Term(term)}; }

TEST(GroupLogTest, AnEmptyLogBeginsAtItsStart) {
  const GroupLog log;
  EXPECT_EQ(log.last(), at(0, 0));
  EXPECT_EQ(log.oldest_segment(), std::nullopt);
}

TEST(GroupLogTest, TheOldestSegmentIsThatOfTheFirstEntryThatIsLeft) {
  GroupLog log;
  ASSERT_TRUE(log.put(run(1, 1, 1, 10)));
  ASSERT_TRUE(log.put(run(2, 1, 11, 20)));
  ASSERT_TRUE(log.put(run(4, 2, 21, 30)));
  EXPECT_EQ(log.oldest_segment(), 1u);
  ASSERT_TRUE(log.cut(at(9, 1)));
  EXPECT_EQ(log.oldest_segment(), 1u);
  ASSERT_TRUE(log.cut(at(10, 1)));
  EXPECT_EQ(log.oldest_segment(), 2u);
  ASSERT_TRUE(log.put(run(5, 3, 11, 11)));  // Replaces all that is left.
  EXPECT_EQ(log.oldest_segment(), 5u);
  EXPECT_EQ(log.last(), at(11, 3));
  ASSERT_TRUE(log.cut(at(11, 3)));
  EXPECT_EQ(log.oldest_segment(), std::nullopt);
  EXPECT_EQ(log.last(), at(11, 3));
}

TEST(GroupLogTest, AReplacedSuffixLeavesThePrefixWhereItIs) {
  GroupLog log;
  ASSERT_TRUE(log.put(run(1, 1, 1, 10)));
  ASSERT_TRUE(log.put(run(2, 1, 11, 20)));
  ASSERT_TRUE(log.put(run(3, 2, 5, 6)));
  EXPECT_EQ(log.last(), at(6, 2));
  EXPECT_FALSE(log.cut(at(5, 1)));
  ASSERT_TRUE(log.cut(at(4, 1)));
  EXPECT_EQ(log.oldest_segment(), 3u);
}

TEST(GroupLogTest, ARestartLeavesNothing) {
  GroupLog log;
  ASSERT_TRUE(log.put(run(1, 1, 1, 10)));
  ASSERT_TRUE(log.restart(at(7, 3)));
  EXPECT_EQ(log.oldest_segment(), std::nullopt);
  EXPECT_EQ(log.last(), at(7, 3));
  EXPECT_FALSE(log.put(run(2, 3, 7, 7)));
  EXPECT_FALSE(log.put(run(2, 2, 8, 8)));
  EXPECT_TRUE(log.put(run(2, 3, 8, 8)));
}

TEST(GroupLogTest, WhatDoesNotFitIsRefusedAndChangesNothing) {
  GroupLog log;
  ASSERT_TRUE(log.set_hard_state({Term(3), NodeId(1)}));
  ASSERT_TRUE(log.put(run(1, 1, 1, 3)));
  ASSERT_TRUE(log.put(run(1, 3, 4, 6)));
  ASSERT_TRUE(log.cut(at(2, 1)));
  const GroupLog::Summary before = log.summary();
  EXPECT_FALSE(log.set_hard_state({Term(2), NodeId(1)}));
  EXPECT_FALSE(log.put(run(1, 3, 8, 8)));  // A gap.
  EXPECT_FALSE(log.put(run(1, 3, 2, 2)));  // What was cut.
  EXPECT_FALSE(log.put(run(1, 0, 3, 3)));  // No term.
  EXPECT_FALSE(log.put(run(1, 2, 7, 7)));  // A term that goes back.
  EXPECT_FALSE(log.cut(at(1, 1)));
  EXPECT_FALSE(log.cut(at(7, 3)));
  EXPECT_FALSE(log.cut(at(4, 2)));
  EXPECT_FALSE(log.cut(at(2, 2)));
  EXPECT_FALSE(log.restart(at(1, 1)));
  EXPECT_EQ(log.summary(), before);
  EXPECT_TRUE(log.cut(at(2, 1)));  // Where it is already.
  EXPECT_EQ(log.summary(), before);
}

TEST(GroupLogTest, ALogOfWhichOnlyTheSummaryIsKnownGoesOn) {
  const GroupLog::Summary summary{{Term(5), std::nullopt}, at(10, 2), at(50, 5)};
  auto log = GroupLog::of(summary, 6);
  ASSERT_TRUE(log);
  EXPECT_EQ(log->summary(), summary);
  EXPECT_EQ(log->oldest_segment(), 6u);
  EXPECT_FALSE(log->put(run(7, 4, 51, 51)));
  EXPECT_TRUE(log->put(run(7, 5, 51, 60)));
  EXPECT_FALSE(log->cut(at(50, 4)));
  EXPECT_TRUE(log->cut(at(30, 3)));  // Of which term it is was not known.
  EXPECT_EQ(log->oldest_segment(), 6u);
  EXPECT_TRUE(log->cut(at(50, 5)));
  EXPECT_EQ(log->oldest_segment(), 7u);

  EXPECT_FALSE(GroupLog::of({{}, at(10, 2), at(9, 2)}, 6));
  EXPECT_FALSE(GroupLog::of({{}, at(10, 2), at(11, 1)}, 6));
  EXPECT_FALSE(GroupLog::of({{}, at(10, 2), at(10, 3)}, 6));
}

}  // namespace
}  // namespace keelson::storage
