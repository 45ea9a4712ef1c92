#include "admin/backup_format.h"

#include <gtest/gtest.h>

#include "core/kv/snapshot_format.h"
#include "core/raft/messages.h"

namespace keelson::admin::backup {
namespace {

// A group's snapshot with that many keys.
Bytes snapshot_of(std::uint64_t index, int keys) {
  Bytes stream;
  std::uint64_t checksum = 0;
  const Bytes nobody = raft::encode(raft::Configuration{});
  kv::snapshot::append(stream,
                       kv::snapshot::Header{.index = index,
                                            .term = 3,
                                            .digest = 9,
                                            .tokens = 0,
                                            .limit = 10,
                                            .configuration = nobody},
                       checksum);
  for (int i = 0; i < keys; ++i) {
    const Bytes key = "key" + std::to_string(i);
    kv::snapshot::append(stream, kv::snapshot::Key{.version = 1, .key = key, .value = "value"},
                         checksum);
  }
  kv::snapshot::append(stream, kv::snapshot::End{checksum}, checksum);
  return stream;
}

void add_group(Writer& writer, Bytes& file, std::uint64_t number, int keys) {
  const Bytes stream = snapshot_of(100 + number, keys);
  kv::SnapshotContent content;
  EXPECT_TRUE(content.put(stream, nullptr).has_value());
  writer.group({GroupId(number), raft::LogIndex(100 + number), raft::Term(3)}, file);
  for (std::size_t at = 0; at < stream.size(); at += 50) {
    writer.data(BytesView(stream).substr(at, 50), file);
  }
  writer.group_end(stream.size(), content.digest(), file);
}

Bytes make_file() {
  Writer writer;
  Bytes file;
  writer.header({.wall_ms = 1234, .groups = 2, .cluster_id = "prod"}, file);
  add_group(writer, file, 0, 5);
  add_group(writer, file, 1, 0);
  writer.end(file);
  return file;
}

Result<Summary> read(BytesView file, std::size_t piece = 1 << 20) {
  Reader reader(nullptr);
  for (std::size_t at = 0; at < file.size(); at += piece) TRY(reader.put(file.substr(at, piece)));
  return reader.finish();
}

TEST(BackupFormat, WhatWasWrittenIsReadHoweverItIsCut) {
  const Bytes file = make_file();
  for (const std::size_t piece : {1, 7, 1 << 20}) {
    const auto summary = read(file, piece);
    ASSERT_TRUE(summary.has_value()) << summary.error().message;
    EXPECT_EQ(summary->header.cluster_id, "prod");
    EXPECT_EQ(summary->header.wall_ms, 1234);
    ASSERT_EQ(summary->groups.size(), 2u);
    EXPECT_EQ(summary->groups[1].group.index, raft::LogIndex(101));
    EXPECT_NE(summary->groups[0].content_digest, summary->groups[1].content_digest);
    EXPECT_EQ(summary->bytes, file.size());
  }
}

TEST(BackupFormat, AnyAlteredOctetIsRefusedByFrameAndOffset) {
  const Bytes file = make_file();
  for (std::size_t at = 0; at < file.size(); ++at) {
    Bytes altered = file;
    altered[at] = static_cast<char>(altered[at] ^ 0x10);
    const auto summary = read(altered);
    ASSERT_FALSE(summary.has_value()) << at;
    EXPECT_EQ(summary.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(summary.error().message.find("backup: frame "), std::string::npos);
    EXPECT_NE(summary.error().message.find("at offset "), std::string::npos);
  }
}

TEST(BackupFormat, AFileThatWasCutOffIsRefusedWhereItEnds) {
  const Bytes file = make_file();
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(read(BytesView(file).substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(read(file + "x").has_value());
  EXPECT_FALSE(read(file + file).has_value());
}

TEST(BackupFormat, FramesOfTwoBackupsAreNotMixed) {
  // Each frame is whole, but follows another one than when it was written.
  Writer one, other;
  Bytes file, elsewhere;
  one.header({.wall_ms = 1, .groups = 1, .cluster_id = "prod"}, file);
  other.header({.wall_ms = 2, .groups = 1, .cluster_id = "prod"}, elsewhere);
  const std::size_t begin = elsewhere.size();
  add_group(other, elsewhere, 0, 3);
  other.end(elsewhere);
  const auto summary = read(file + elsewhere.substr(begin));
  ASSERT_FALSE(summary.has_value());
  EXPECT_NE(summary.error().message.find("frame 1 at offset " + std::to_string(file.size())),
            std::string::npos)
      << summary.error().message;
}

TEST(BackupFormat, AForeignFileIsRefusedAtItsFirstOctets) {
  for (const Bytes& foreign : {Bytes("PK\x03\x04 a zip"), Bytes(100, '\0'), Bytes(100, '\xff')}) {
    const auto summary = read(foreign);
    ASSERT_FALSE(summary.has_value());
    EXPECT_NE(summary.error().message.find("this is no Keelson backup"), std::string::npos);
  }
}

TEST(BackupFormat, GroupsThatAreMissingOrOutOfOrderAreRefused) {
  {
    Writer writer;
    Bytes file;
    writer.header({.wall_ms = 1, .groups = 2, .cluster_id = "prod"}, file);
    add_group(writer, file, 0, 1);
    writer.end(file);
    EXPECT_FALSE(read(file).has_value());
  }
  {
    Writer writer;
    Bytes file;
    writer.header({.wall_ms = 1, .groups = 2, .cluster_id = "prod"}, file);
    add_group(writer, file, 1, 1);
    add_group(writer, file, 0, 1);
    writer.end(file);
    EXPECT_FALSE(read(file).has_value());
  }
  {
    Writer writer;
    Bytes file;
    writer.header({.wall_ms = 1, .groups = 1, .cluster_id = "prod"}, file);
    writer.group({GroupId(0), raft::LogIndex(100), raft::Term(3)}, file);
    writer.group_end(0, 0, file);
    writer.end(file);
    EXPECT_FALSE(read(file).has_value());
  }
}

}  // namespace
}  // namespace keelson::admin::backup
