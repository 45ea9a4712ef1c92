#include "core/storage/data_directory.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <utility>

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

  std::optional<Identity> read(MemoryDisk& disk) {
    auto identity = read_identity(disk, Deadline::never());
    if (!identity) ADD_FAILURE() << identity.error().message;
    return identity ? *identity : std::nullopt;
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

TEST_F(DataDirectoryTest, AnIncarnationIsDrawnWhenADirectoryIsClaimedAndKept) {
  EXPECT_EQ(read(disk_), std::nullopt);
  ASSERT_EQ(start(disk_, ours_), "");
  const auto claimed = read(disk_);
  ASSERT_TRUE(claimed);
  EXPECT_NE(claimed->incarnation, Incarnation(0));
  EXPECT_EQ(claimed->cluster_id, "blue");
  EXPECT_EQ(claimed->node_id, NodeId(2));
  ASSERT_EQ(start(disk_, ours_), "");
  EXPECT_EQ(read(*disk_.after_power_loss()), claimed);

  MemoryDisk other;
  ASSERT_EQ(start(other, ours_), "");
  EXPECT_NE(read(other)->incarnation, claimed->incarnation);
}

TEST_F(DataDirectoryTest, FoundersAreWrittenDownWhenTheyBecomeKnown) {
  ASSERT_EQ(start(disk_, ours_), "");
  Identity identity = *read(disk_);
  EXPECT_TRUE(identity.founders.empty());
  identity.founders = {{NodeId(1), Incarnation(0xabc)},
                       {NodeId(2), identity.incarnation},
                       {NodeId(10), Incarnation(UINT64_MAX)}};
  ASSERT_TRUE(write_identity(disk_, identity, Deadline::never()));
  EXPECT_EQ(read(*disk_.after_power_loss()), identity);
  EXPECT_EQ(start(disk_, ours_), "");
  EXPECT_NE(disk_.content("IDENTITY").find("founder 1 0000000000000abc\nfounder 2 "), Bytes::npos);

  for (const auto& [node, incarnation] : {std::pair{0, 1}, std::pair{1, 0}}) {
    Identity wrong = identity;
    wrong.founders[NodeId(static_cast<std::uint64_t>(node))] =
        Incarnation(static_cast<std::uint64_t>(incarnation));
    EXPECT_FALSE(write_identity(disk_, wrong, Deadline::never()));
  }
  EXPECT_EQ(read(disk_), identity);
}

TEST_F(DataDirectoryTest, ADirectoryIsClaimedWithItsFoundersIfTheyAreKnown) {
  Identity founder = ours_;
  founder.founders = {{NodeId(1), Incarnation(7)}};
  ASSERT_EQ(start(disk_, founder), "");
  EXPECT_EQ(read(disk_)->founders, founder.founders);
}

TEST_F(DataDirectoryTest, WritingFoundersMayDieAtAnyOperation) {
  ASSERT_EQ(start(disk_, ours_), "");
  const Identity before = *read(disk_);
  Identity after = before;
  after.founders = {{NodeId(1), Incarnation(7)}};
  std::vector<std::unique_ptr<MemoryDisk>> deaths;
  disk_.on_operation = [&] {
    deaths.push_back(disk_.after_power_loss());
    deaths.push_back(disk_.after_process_death());
  };
  ASSERT_TRUE(write_identity(disk_, after, Deadline::never()));
  disk_.on_operation = nullptr;
  ASSERT_GT(deaths.size(), 8u);
  std::size_t with_founders = 0;
  for (const auto& disk : deaths) {
    const auto found = read(*disk);
    EXPECT_TRUE(found == before || found == after);
    with_founders += found == after;
  }
  EXPECT_GT(with_founders, 0u);
  EXPECT_LT(with_founders, deaths.size());
}

TEST_F(DataDirectoryTest, WithoutSpaceTheOldIdentityStands) {
  ASSERT_EQ(start(disk_, ours_), "");
  const Identity before = *read(disk_);
  Identity after = before;
  after.founders = {{NodeId(1), Incarnation(7)}};
  disk_.space_left = 20;
  const auto written = write_identity(disk_, after, Deadline::never());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::no_space);
  EXPECT_EQ(read(disk_), before);
  disk_.space_left.reset();
  ASSERT_TRUE(write_identity(disk_, after, Deadline::never()));
  EXPECT_EQ(read(disk_), after);
}

TEST_F(DataDirectoryTest, AnotherFormatIsNamed) {
  Bytes text = "keelson data directory\nformat 1\ncluster blue\nnode 2\n";
  std::array<char, 17> digest;
  std::snprintf(digest.data(), digest.size(), "%016llx",
                static_cast<unsigned long long>(hash64(text)));
  text += "checksum " + std::string(digest.data()) + "\n";
  disk_.put("IDENTITY", text);
  EXPECT_EQ(start(disk_, ours_), "data directory of format 1, this program knows 2");
}

TEST_F(DataDirectoryTest, ThereIsOneWayToWriteAnIdentityDown) {
  ASSERT_EQ(start(disk_, ours_), "");
  Identity identity = *read(disk_);
  identity.incarnation = Incarnation(0x1234);
  identity.founders = {{NodeId(1), Incarnation(0xa)}, {NodeId(2), Incarnation(0xb)}};
  ASSERT_TRUE(write_identity(disk_, identity, Deadline::never()));
  const Bytes text = disk_.content("IDENTITY");
  const std::string first = "founder 1 000000000000000a\n";
  const std::string second = "founder 2 000000000000000b\n";
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {first + second, second + first},
           {first, first + first},
           {"node 2", "node 02"},
           {"founder 1 0", "founder 1 "},
           {"00000a", "00000A"},
           {"00000a\n", "000000\n"},
           {second, second + "\n"},
           {"incarnation 0000000000001234", "incarnation 0000000000000000"},
           {"incarnation 0000000000001234\n", ""}}) {
    SCOPED_TRACE(to);
    Bytes changed = text.substr(0, text.find("checksum "));
    changed.replace(changed.find(from), from.size(), to);
    std::array<char, 17> digest;
    std::snprintf(digest.data(), digest.size(), "%016llx",
                  static_cast<unsigned long long>(hash64(changed)));
    disk_.put("IDENTITY", changed + "checksum " + std::string(digest.data()) + "\n");
    EXPECT_EQ(start(disk_, ours_), "IDENTITY of the data directory is damaged");
  }
}

TEST_F(DataDirectoryTest, ADamagedIdentityIsRefusedAtEveryByte) {
  ASSERT_EQ(start(disk_, ours_), "");
  Identity identity = *read(disk_);
  identity.founders = {{NodeId(1), Incarnation(0xa)}};
  ASSERT_TRUE(write_identity(disk_, identity, Deadline::never()));
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
