#include "scenarios/stamp_check.h"

#include <gtest/gtest.h>

#include "core/kv/command.h"

namespace keelson::scenarios {
namespace {

class StampCheckTest : public testing::Test {
 protected:
  void apply(std::uint64_t index, std::int64_t ms, kv::Command command = kv::Forget{"t"}) {
    raft::Entry entry{.term = raft::Term(1), .index = raft::LogIndex(index),
                      .data = kv::encode_command(command)};
    kv::set_stamp(entry.data, {kv::timestamp_of(ms), {}});
    check_.on_applied(GroupId(1), entry, {});
  }

  Report report_;
  StampCheck check_{report_};
};

TEST_F(StampCheckTest, GrowingStampsAreFineAndReplicasApplyThemAgain) {
  apply(1, 10);
  apply(2, 20);
  apply(1, 10);
  apply(2, 20);
  apply(3, 0, kv::RaiseCeiling{});  // Has none.
  apply(4, 21);
  EXPECT_FALSE(report_.failed());
  EXPECT_EQ(check_.seen(), 3u);
}

TEST_F(StampCheckTest, AStampThatDoesNotGrowFails) {
  apply(1, 10);
  apply(2, 10);
  EXPECT_TRUE(report_.failed());
}

}  // namespace
}  // namespace keelson::scenarios
