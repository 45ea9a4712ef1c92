#include "core/storage/data_directory.h"

#include <gtest/gtest.h>

#include "tests/core/storage/wal_fixture.h"

namespace keelson::storage {
namespace {

class DataDirectoryTest : public WalTest {
 protected:
  // Opens, appends nothing, closes; the error's message, or "".
  std::string start(MemoryDisk& disk, const Identity& identity) {
    Env env = world_.env(disk);
    const auto wal = open_data_directory(env, identity, options_, Deadline::never());
    return wal ? "" : wal.error().message;
  }

  const Identity ours_{.cluster_id = "blue", .node_id = NodeId(2)};
};

TEST_F(DataDirectoryTest, ADirectoryBelongsToWhoClaimedItFirst) {
  EXPECT_EQ(start(disk_, ours_), "");
  EXPECT_EQ(start(disk_, ours_), "");
  EXPECT_EQ(start(disk_, {.cluster_id = "green", .node_id = NodeId(2)}),
            "the data directory belongs to cluster \"blue\", not to \"green\"");
  EXPECT_EQ(start(disk_, {.cluster_id = "blue", .node_id = NodeId(3)}),
            "the data directory belongs to node n2, not to n3");
  EXPECT_EQ(start(*disk_.after_power_loss(), {.cluster_id = "blue", .node_id = NodeId(3)}),
            "the data directory belongs to node n2, not to n3");
}

TEST_F(DataDirectoryTest, AnIdentityIsRefusedBeforeAnythingIsTouched) {
  ASSERT_EQ(start(disk_, ours_), "");
  int operations = 0;
  disk_.on_operation = [&] { ++operations; };
  EXPECT_NE(start(disk_, {.cluster_id = "blue", .node_id = NodeId(3)}), "");
  EXPECT_EQ(operations, 0);
}

TEST_F(DataDirectoryTest, IdentitiesThatCannotBeWrittenDownAreRefused) {
  for (const std::string id : {"", "two words", "line\nbreak", "\x7f"}) {
    EXPECT_NE(start(disk_, {.cluster_id = id, .node_id = NodeId(1)}), "") << id;
  }
  EXPECT_NE(start(disk_, {.cluster_id = std::string(129, 'x'), .node_id = NodeId(1)}), "");
  EXPECT_NE(start(disk_, {.cluster_id = "blue", .node_id = NodeId(0)}), "");
  EXPECT_FALSE(disk_.exists("IDENTITY"));
}

TEST_F(DataDirectoryTest, ADamagedIdentityIsRefusedAtEveryByte) {
  ASSERT_EQ(start(disk_, ours_), "");
  const Bytes text = disk_.content("IDENTITY");
  for (std::size_t offset = 0; offset < text.size(); ++offset) {
    SCOPED_TRACE(offset);
    const auto disk = disk_.after_power_loss();
    Bytes damaged = text;
    damaged[offset] = static_cast<char>(damaged[offset] ^ 1);
    disk->put("IDENTITY", damaged);
    EXPECT_EQ(start(*disk, ours_), "IDENTITY of the data directory is damaged");
    disk->put("IDENTITY", text.substr(0, offset));
    EXPECT_EQ(start(*disk, ours_), "IDENTITY of the data directory is damaged");
  }
}

TEST_F(DataDirectoryTest, ADirectoryThatLostItsLogIsRefused) {
  ASSERT_EQ(start(disk_, ours_), "");
  disk_.erase("wal/00000001.log");
  EXPECT_EQ(start(disk_, ours_),
            "write-ahead log: segment 1 offset 0: the log of this data directory is lost");
}

TEST_F(DataDirectoryTest, ALogInUseWithoutAnIdentityIsRefused) {
  ASSERT_EQ(start(disk_, ours_), "");
  put(*open(disk_), 1, "a");
  disk_.erase("IDENTITY");
  EXPECT_EQ(start(disk_, ours_), "the data directory has a log in use and no IDENTITY");
}

TEST_F(DataDirectoryTest, AFirstStartMayDieAtAnyOperation) {
  std::vector<std::unique_ptr<MemoryDisk>> deaths;
  disk_.on_operation = [&] {
    deaths.push_back(disk_.after_power_loss());
    deaths.push_back(disk_.after_process_death());
  };
  ASSERT_EQ(start(disk_, ours_), "");
  disk_.on_operation = nullptr;
  ASSERT_GT(deaths.size(), 15u);
  for (const auto& disk : deaths) {
    EXPECT_EQ(start(*disk, ours_), "");
    EXPECT_EQ(start(*disk->after_power_loss(), ours_), "");
  }
}

}  // namespace
}  // namespace keelson::storage
