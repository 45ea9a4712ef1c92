#include "core/raft/frame.h"

#include <gtest/gtest.h>

#include "core/raft/heartbeats.h"

namespace keelson::raft {
namespace {

TEST(FrameTest, AFrameIsReadBackWhereItEnds) {
  Bytes stream;
  append_frame(stream, FrameKind::request, "head", "body");
  append_frame(stream, FrameKind::ping, {}, {});
  std::size_t consumed = 0;
  const auto first = parse_frame(stream, 1024, consumed);
  ASSERT_TRUE(first.has_value() && first->has_value());
  EXPECT_EQ((*first)->kind, FrameKind::request);
  EXPECT_EQ((*first)->body, "headbody");
  const auto second = parse_frame(BytesView(stream).substr(consumed), 1024, consumed);
  ASSERT_TRUE(second.has_value() && second->has_value());
  EXPECT_EQ((*second)->kind, FrameKind::ping);
}

TEST(FrameTest, ABeginningOfAFrameIsNotYetAFrame) {
  Bytes frame;
  append_frame(frame, FrameKind::reply, {}, "body");
  for (std::size_t size = 0; size < frame.size(); ++size) {
    std::size_t consumed = 0;
    const auto parsed = parse_frame(BytesView(frame).substr(0, size), 1024, consumed);
    ASSERT_TRUE(parsed.has_value());
    EXPECT_FALSE(parsed->has_value());
    EXPECT_EQ(consumed, 0u);
  }
}

TEST(FrameTest, AFlippedOctetAnywhereIsNeverTakenForTheFrame) {
  Bytes frame;
  append_frame(frame, FrameKind::reply, {}, "body");
  for (std::size_t at = 0; at < frame.size(); ++at) {
    Bytes damaged = frame;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::size_t consumed = 0;
    const auto parsed = parse_frame(damaged, 1024, consumed);
    EXPECT_FALSE(parsed.has_value() && parsed->has_value()) << "octet " << at;
  }
}

TEST(FrameTest, ALengthBeyondTheLimitIsRefusedBeforeItsOctetsAreAwaited) {
  Bytes stream;
  append_u32(stream, 1 << 30);
  append_u64(stream, 0);
  std::size_t consumed = 0;
  EXPECT_EQ(parse_frame(stream, 1024, consumed).error().code, ErrorCode::corrupt);
}

// --- seals ---

Bytes sealed(std::initializer_list<BytesView> bodies, BytesView key = "key") {
  FrameSeal seal(key);
  Bytes stream;
  for (const BytesView body : bodies) append_frame(stream, FrameKind::reply, {}, body, &seal);
  return stream;
}

// How many frames at the beginning of the stream are accepted.
int accepted(BytesView stream, BytesView key = "key") {
  FrameSeal seal(key);
  for (int count = 0;; ++count) {
    std::size_t consumed = 0;
    const auto frame = parse_frame(stream, 1024, consumed, &seal);
    if (!frame || !*frame) return count;
    stream.remove_prefix(consumed);
  }
}

TEST(FrameSealTest, SealedFramesAreReadInTheirOrder) {
  EXPECT_EQ(accepted(sealed({"a", "b", "c"})), 3);
}

TEST(FrameSealTest, AFlippedOctetAnywhereEndsTheStreamThere) {
  const Bytes stream = sealed({"body", "body"});
  for (std::size_t at = 0; at < stream.size(); ++at) {
    Bytes damaged = stream;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_EQ(accepted(damaged), at < stream.size() / 2 ? 0 : 1) << "octet " << at;
  }
}

TEST(FrameSealTest, AFrameRepeatedLeftOutOrMovedIsRefused) {
  const Bytes a = sealed({"a"});
  const Bytes both = sealed({"a", "b"});
  const Bytes b = both.substr(a.size());
  EXPECT_EQ(accepted(a + a), 1);
  EXPECT_EQ(accepted(b), 0);
  EXPECT_EQ(accepted(b + a), 0);
}

TEST(FrameSealTest, AnotherKeyAcceptsNothing) {
  EXPECT_EQ(accepted(sealed({"a"}), "another"), 0);
}

TEST(FrameSealTest, WhoHasNoKeyStillFindsTheFrames) {
  const Bytes stream = sealed({"a", "b"});
  std::size_t consumed = 0;
  const auto first = parse_frame_without_key(stream, 1024, consumed);
  ASSERT_TRUE(first.has_value() && first->has_value());
  EXPECT_EQ((*first)->body, "a");
  EXPECT_EQ(consumed, stream.size() / 2);
}

// --- heartbeats ---

AppendEntries beat(std::uint64_t term, std::uint64_t prev, std::uint64_t prev_term,
                   std::uint64_t commit, std::uint64_t round) {
  return {.term = Term(term),
          .prev_log_index = LogIndex(prev),
          .prev_log_term = Term(prev_term),
          .entries = {},
          .leader_commit = LogIndex(commit),
          .round = Round(round)};
}

AppendEntriesReply answer(std::uint64_t term, bool success, std::uint64_t match,
                          std::uint64_t match_term, std::uint64_t round, bool needs_snapshot) {
  return {.term = Term(term),
          .success = success,
          .match_index = LogIndex(match),
          .match_term = Term(match_term),
          .round = Round(round),
          .needs_snapshot = needs_snapshot};
}

TEST(HeartbeatsTest, EachGroupsBeatIsReadBackAsItWas) {
  constexpr std::uint64_t kMost = ~std::uint64_t{0};
  const std::vector<GroupMessage> beats = {
      {GroupId(0), beat(1, 0, 0, 0, 1)},
      {GroupId(kMost), beat(kMost, kMost, kMost, kMost, kMost)},
      {GroupId(300), answer(127, true, 128, 0, 7, false)},
      {GroupId(2), answer(2, false, 3, 1, 0, true)},
  };
  Bytes body;
  for (const auto& [group, message] : beats) append_beat(body, group, message);
  const auto parsed = parse_beats(body);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  ASSERT_EQ(parsed->size(), beats.size());
  for (std::size_t i = 0; i < beats.size(); ++i) {
    EXPECT_EQ((*parsed)[i].group, beats[i].group);
    EXPECT_EQ((*parsed)[i].message, beats[i].message);
  }
}

TEST(HeartbeatsTest, WhatIsCutShortOrOverlongIsRefused) {
  Bytes body;
  append_beat(body, GroupId(5), beat(900, 0, 0, 0, 8));
  for (std::size_t size = 1; size < body.size(); ++size) {
    EXPECT_FALSE(parse_beats(body.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(parse_beats(Bytes(10, '\xff') + body).has_value());  // A group beyond 64 bits.
}

TEST(HeartbeatsTest, WhatMessagesMayNotSayBeatsMayNotEither) {
  const AppendEntries kWrong[] = {beat(0, 0, 0, 0, 0), beat(1, 4, 2, 0, 0), beat(1, 4, 0, 0, 0),
                                  beat(1, 0, 1, 0, 0)};
  for (const AppendEntries& wrong : kWrong) {
    Bytes body;
    append_beat(body, GroupId(0), wrong);
    EXPECT_FALSE(parse_beats(body).has_value()) << describe(Message(wrong));
  }
  Bytes unknown_tag("\0\5\1\1\1\1", 6);
  EXPECT_FALSE(parse_beats(unknown_tag).has_value());
}

}  // namespace
}  // namespace keelson::raft
