#include "core/raft/messages.h"

#include <gtest/gtest.h>

#include "core/raft/raft.pb.h"
#include "tests/core/raft/test_node.h"

namespace keelson::raft {
namespace {

Bytes encoded(const Message& message) {
  Bytes bytes;
  encode(message, bytes);
  return bytes;
}

AppendEntries append_of_two() {
  return {.term = Term(7),
          .prev_log_index = LogIndex(4),
          .prev_log_term = Term(2),
          .entries = {{Term(3), LogIndex(5), EntryKind::no_op, ""},
                      {Term(7), LogIndex(6), EntryKind::command, Bytes("a\0b", 3)}},
          .leader_commit = LogIndex(3),
          .round = Round(9)};
}

Configuration three_members() {
  return {.members = {{NodeId(1), {Incarnation(11), true}},
                      {NodeId(2), {Incarnation(12), false}},
                      {NodeId(4), {Incarnation(14), true}}}};
}

std::vector<Message> one_of_each() {
  return {RequestVote{Term(5), LogIndex(9), Term(4), true},
          RequestVote{Term(1), LogIndex(0), Term(0), false},
          RequestVoteReply{Term(5), true, false},
          RequestVoteReply{},
          append_of_two(),
          AppendEntriesReply{Term(7), false, LogIndex(3), Term(2), Round(8)},
          AppendEntriesReply{Term(7), true, LogIndex(6), Term(0), Round(9), true},
          InstallSnapshot{Term(7), {77, LogIndex(5), Term(6)}, three_members(),
                          {3, true, Bytes("\0chunk", 6)}, Round(9)},
          InstallSnapshotReply{Term(7), {77, LogIndex(5), Term(6)}, 4, true, Round(9)}};
}

TEST(MessagesTest, EveryMessageComesBackAsItWent) {
  for (const Message& message : one_of_each()) {
    const auto decoded = decode(encoded(message));
    ASSERT_TRUE(decoded) << describe(message);
    EXPECT_EQ(*decoded, message) << describe(message);
  }
}

TEST(MessagesTest, AConfigurationComesBackAsItWent) {
  const auto decoded = decode_configuration(encode(three_members()));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, three_members());
  EXPECT_EQ(describe(*decoded), "n1 [n2] n4");
  EXPECT_EQ(decode_configuration("\xff").error().code, ErrorCode::corrupt);
}

TEST(MessagesTest, EncodingAppendsToWhatIsThere) {
  Bytes out = "frame";
  encode(RequestVoteReply{Term(5), true, false}, out);
  EXPECT_EQ(out.substr(0, 5), "frame");
  EXPECT_TRUE(decode(BytesView(out).substr(5)));
}

void expect_corrupt(const wire::RaftMessage& message) {
  const auto decoded = decode(message.SerializeAsString());
  ASSERT_FALSE(decoded) << describe(*decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::corrupt);
}

TEST(MessagesTest, NothingAndUnknownKindsAreCorrupt) {
  EXPECT_EQ(decode("").error().code, ErrorCode::corrupt);
  EXPECT_EQ(decode("hello").error().code, ErrorCode::corrupt);
  EXPECT_EQ(decode(Bytes("\x7a\x00", 2)).error().code, ErrorCode::corrupt);  // Field 15, empty.
}

TEST(MessagesTest, AnEntryOfAnUnknownKindIsCorrupt) {
  wire::RaftMessage message;
  auto& append = *message.mutable_append_entries();
  append.set_term(3);
  append.add_entries()->set_term(3);
  EXPECT_TRUE(decode(message.SerializeAsString()));
  append.mutable_entries(0)->set_kind(static_cast<wire::EntryKind>(9));
  expect_corrupt(message);
}

TEST(MessagesTest, WhatNoLeaderCouldSendIsCorrupt) {
  const auto with = [](auto change) {
    wire::RaftMessage message;
    auto& append = *message.mutable_append_entries();
    append.set_term(3);
    append.set_prev_log_index(4);
    append.set_prev_log_term(2);
    append.add_entries()->set_term(2);
    append.add_entries()->set_term(3);
    change(append);
    return message;
  };
  EXPECT_TRUE(decode(with([](auto&) {}).SerializeAsString()));
  expect_corrupt(with([](auto& append) { append.set_term(0); }));
  expect_corrupt(with([](auto& append) { append.set_prev_log_term(4); }));
  expect_corrupt(with([](auto& append) { append.set_prev_log_term(0); }));
  expect_corrupt(with([](auto& append) { append.set_prev_log_index(0); }));
  expect_corrupt(with([](auto& append) { append.set_prev_log_index(UINT64_MAX - 1); }));
  expect_corrupt(with([](auto& append) { append.mutable_entries(0)->set_term(1); }));
  expect_corrupt(with([](auto& append) { append.mutable_entries(1)->set_term(4); }));
  expect_corrupt(with([](auto& append) {
    append.mutable_entries(0)->set_kind(wire::NO_OP);
    append.mutable_entries(0)->set_data("x");
  }));
}

TEST(MessagesTest, ACandidateWhoseLogIsOfItsOwnTermIsCorrupt) {
  wire::RaftMessage message;
  message.mutable_request_vote()->set_term(3);
  message.mutable_request_vote()->set_last_log_index(1);
  message.mutable_request_vote()->set_last_log_term(3);
  expect_corrupt(message);
}

// Whatever the bytes are, decode() ends, and what it accepts can be encoded again.
TEST(MessagesTest, DamagedBytesAreRefusedOrReadAsAnotherMessage) {
  SplitMix random(1);
  int refused = 0, read = 0;
  for (int round = 0; round < 4000; ++round) {
    for (const Message& message : one_of_each()) {
      Bytes bytes = encoded(message);
      if (bytes.empty()) continue;
      const std::uint64_t at = random.below(bytes.size());
      switch (random.below(3)) {
        case 0: bytes[at] = static_cast<char>(random.below(256)); break;
        case 1: bytes.resize(at); break;
        default: bytes.insert(at, 1, static_cast<char>(random.below(256)));
      }
      const auto decoded = decode(bytes);
      decoded ? ++read : ++refused;
      if (decoded) {
        EXPECT_EQ(*decode(encoded(*decoded)), *decoded);
      }
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(read, 1000);
}

TEST(MessagesTest, AMessageIsDescribedInOneLine) {
  EXPECT_EQ(describe(RequestVote{Term(5), LogIndex(9), Term(4), true}), "PreVote t5 last 9/4");
  EXPECT_EQ(describe(RequestVoteReply{Term(5), false, false}), "RequestVoteReply t5 refused");
  EXPECT_EQ(describe(append_of_two()), "AppendEntries t7 prev 4/2 +2 commit 3 round 9");
  EXPECT_EQ(describe(AppendEntriesReply{Term(7), true, LogIndex(6), Term(0), Round(9)}),
            "AppendEntriesReply t7 match 6 round 9");
  EXPECT_EQ(describe(AppendEntriesReply{Term(7), false, LogIndex(3), Term(2), Round(8)}),
            "AppendEntriesReply t7 refused, try 3/2 round 8");
}

}  // namespace
}  // namespace keelson::raft
