#include "scenarios/shard_checks.h"

#include <gtest/gtest.h>

namespace keelson::scenarios {
namespace {

class ShardChecksTest : public testing::Test {
 protected:
  void apply(std::uint64_t group, const kv::Command& command) {
    Bytes entry = kv::encode_command(command);
    kv::set_stamp(entry, {.at = kv::timestamp_of(++now_), .safe_point = {}});
    raft::LogIndex& index = indexes_[group];
    index = index.next();
    checks_.on_applied(GroupId(group),
                       {.term = raft::Term(1), .index = index,
                        .kind = raft::EntryKind::command, .data = entry},
                       {});
  }
  void fence(std::uint64_t group) { apply(group, kv::FenceRange{7, {"k", "m"}}); }
  void receive(std::uint64_t group) { apply(group, kv::ReceiveRows{7, {"k", "m"}, {}}); }
  void own(std::uint64_t group) { apply(group, kv::OwnRange{7}); }
  void change(const kv::ShardChange& change) { apply(0, kv::ChangeShards{1, change}); }
  std::string fingerprint() const { return report_.failed() ? report_.failure()->fingerprint : ""; }

  Report report_;
  ShardChecks checks_{report_};
  std::map<std::uint64_t, raft::LogIndex> indexes_;
  std::int64_t now_ = 1000;
};

TEST_F(ShardChecksTest, AMoveInItsOrderIsFine) {
  fence(1);
  receive(2);
  receive(2);
  own(2);
  change(kv::SwitchShard{7});
  apply(1, kv::DropRange{7});
  change(kv::EndMove{7});
  EXPECT_EQ(fingerprint(), "");
  EXPECT_EQ(checks_.ended(), 1u);
}

TEST_F(ShardChecksTest, RowsThatArriveBeforeTheFenceAreSeen) {
  receive(2);
  EXPECT_EQ(fingerprint(), "shards/rows arrived before any other group had fenced the range");
}

TEST_F(ShardChecksTest, AnOwnerWithoutRowsIsSeen) {
  fence(1);
  own(2);
  EXPECT_EQ(fingerprint(), "shards/owned where no rows had arrived");
}

TEST_F(ShardChecksTest, AMapThatNamesSomebodyTooEarlyIsSeen) {
  fence(1);
  receive(2);
  change(kv::SwitchShard{7});
  EXPECT_EQ(fingerprint(), "shards/the map names a group that does not own the range yet");
}

TEST_F(ShardChecksTest, RowsDroppedTooEarlyAreSeen) {
  fence(1);
  receive(2);
  own(2);
  apply(1, kv::DropRange{7});
  EXPECT_EQ(fingerprint(), "shards/rows dropped before the map named another group");
}

TEST_F(ShardChecksTest, AnEntryThatManyNodesApplyCountsOnce) {
  fence(1);
  checks_.on_applied(GroupId(1), {.term = raft::Term(1), .index = raft::LogIndex(1),
                                  .kind = raft::EntryKind::command, .data = "anything"}, {});
  EXPECT_EQ(fingerprint(), "");
}

}  // namespace
}  // namespace keelson::scenarios
