#include "core/raft/outbox.h"

#include <gtest/gtest.h>

#include <vector>

namespace keelson::raft {
namespace {

using Lane = Outbox::Lane;

AppendEntries beat(std::uint64_t term, std::uint64_t round) {
  AppendEntries append;
  append.term = Term(term);
  append.round = Round(round);
  return append;
}

void put(Outbox& outbox, Lane lane, std::size_t size, char letter) {
  outbox.put(lane, FrameKind::raft, Bytes(size, letter));
}

// The first letters of the frames that one take() gives.
std::string take(Outbox& outbox) {
  Bytes out;
  outbox.take(out, nullptr);
  std::string letters;
  for (BytesView rest = out; !rest.empty();) {
    std::size_t consumed = 0;
    const auto frame = parse_frame(rest, 16 << 20, consumed);
    if (!frame || !*frame) return "broken";
    letters += (*frame)->kind == FrameKind::heartbeats ? 'h' : (*frame)->body.front();
    rest.remove_prefix(consumed);
  }
  return letters;
}

TEST(OutboxTest, WhatIsControlGoesFirstWhateverWaits) {
  Outbox outbox;
  put(outbox, Lane::snapshot, 10, 's');
  put(outbox, Lane::log, 10, 'l');
  put(outbox, Lane::control, 10, 'c');
  outbox.put_beat(GroupId(0), beat(1, 1));
  EXPECT_EQ(take(outbox), "chls");
  EXPECT_TRUE(outbox.empty());
}

TEST(OutboxTest, ALargeFrameGoesAlone) {
  Outbox outbox;
  for (const char letter : {'1', '2', '3'}) put(outbox, Lane::log, 1 << 20, letter);
  EXPECT_EQ(take(outbox), "1");
  put(outbox, Lane::control, 10, 'c');
  EXPECT_EQ(take(outbox), "c2");
  EXPECT_EQ(take(outbox), "3");
}

TEST(OutboxTest, SnapshotsAndEntriesTakeTurns) {
  Outbox outbox;
  for (int i = 0; i < 2; ++i) {
    put(outbox, Lane::log, 100 << 10, 'l');
    put(outbox, Lane::snapshot, 100 << 10, 's');
  }
  std::string order;
  while (!outbox.empty()) order += take(outbox);
  EXPECT_EQ(order, "lsls");
}

TEST(OutboxTest, SmallFramesShareAWriteInTheirOrder) {
  Outbox outbox;
  for (const char letter : {'1', '2', '3'}) put(outbox, Lane::log, 100, letter);
  EXPECT_EQ(take(outbox), "123");
}

TEST(OutboxTest, HeartbeatsOfAllGroupsShareAFrame) {
  Outbox outbox;
  for (std::uint64_t group = 0; group < 100; ++group) {
    outbox.put_beat(GroupId(group), beat(1, 1));
  }
  EXPECT_EQ(take(outbox), "h");
  EXPECT_TRUE(outbox.empty());
}

TEST(OutboxTest, WhatIsClearedIsGone) {
  Outbox outbox;
  put(outbox, Lane::log, 100, 'l');
  outbox.put_beat(GroupId(0), beat(1, 1));
  outbox.clear();
  EXPECT_TRUE(outbox.empty());
  EXPECT_EQ(take(outbox), "");
}

}  // namespace
}  // namespace keelson::raft
