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
  return {.index = LogIndex(9),
          .members = {{NodeId(1), {Incarnation(11), "a:1", true, false}},
                      {NodeId(2), {Incarnation(12), "", false, true}},
                      {NodeId(4), {Incarnation(14), "", true, false}}},
          .outgoing = {}};
}

// n3 leaves for n4.
Configuration joint() {
  Configuration configuration = three_members();
  configuration.outgoing = {{NodeId(1), {Incarnation(11), "a:1", true, false}},
                            {NodeId(3), {Incarnation(13), "", true, false}}};
  return configuration;
}

std::vector<Message> one_of_each() {
  return {RequestVote{Term(5), LogIndex(9), Term(4), true},
          RequestVote{Term(1), LogIndex(0), Term(0), false},
          RequestVote{Term(5), LogIndex(9), Term(4), false, true},
          RequestVoteReply{Term(5), true, false},
          RequestVoteReply{Term(5), false, true, LogIndex(9)},
          RequestVoteReply{},
          append_of_two(),
          AppendEntriesReply{Term(7), false, LogIndex(3), Term(2), Round(8)},
          AppendEntriesReply{Term(7), true, LogIndex(6), Term(0), Round(9), true},
          AppendEntriesReply{Term(7), true, LogIndex(6), Term(0), Round(9), false, true},
          InstallSnapshot{Term(7), {77, LogIndex(5), Term(6)}, three_members(),
                          {3, true, Bytes("\0chunk", 6)}, Round(9)},
          InstallSnapshot{Term(7), {77, LogIndex(9), Term(6)}, joint(), {0, false, ""}, Round(9)},
          InstallSnapshotReply{Term(7), {77, LogIndex(5), Term(6)}, 4, true, Round(9)},
          TimeoutNow{Term(7)}};
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
  EXPECT_EQ(*decode_configuration(encode(joint())), joint());
  EXPECT_EQ(describe(joint()), "n1 n3 -> n1 [n2] n4");
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

TEST(MessagesTest, NothingAndWhatIsNoMessageAreCorrupt) {
  EXPECT_EQ(decode("").error().code, ErrorCode::corrupt);
  EXPECT_EQ(decode("hello").error().code, ErrorCode::corrupt);
}

TEST(MessagesTest, AMessageOfALaterVersionIsUnsupported) {
  const Bytes field_15("\x7a\x00", 2);
  EXPECT_EQ(decode(field_15).error().code, ErrorCode::unsupported);
}

TEST(MessagesTest, EntriesEndBeforeOneOfALaterVersion) {
  wire::RaftMessage message;
  auto& append = *message.mutable_append_entries();
  append.set_term(3);
  for (int i = 0; i < 3; ++i) append.add_entries()->set_term(3);
  EXPECT_FALSE(std::get<AppendEntries>(*decode(message.SerializeAsString())).cut_at_unknown_kind);
  append.mutable_entries(1)->set_kind(static_cast<wire::EntryKind>(9));
  const auto decoded = decode(message.SerializeAsString());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::get<AppendEntries>(*decoded).entries.size(), 1u);
  EXPECT_TRUE(std::get<AppendEntries>(*decoded).cut_at_unknown_kind);
}

TEST(MessagesTest, AConfigurationThatCannotBeCountedIsCorrupt) {
  const auto corrupt = [](const Configuration& configuration) {
    const auto decoded = decode_configuration(encode(configuration));
    return !decoded && decoded.error().code == ErrorCode::corrupt;
  };
  EXPECT_FALSE(corrupt(joint()));
  Configuration other_directory = joint();
  other_directory.outgoing.at(NodeId(1)).incarnation = Incarnation(99);
  EXPECT_TRUE(corrupt(other_directory));
  Configuration outgoing_learner = joint();
  outgoing_learner.outgoing.at(NodeId(3)).is_voter = false;
  EXPECT_TRUE(corrupt(outgoing_learner));
  Configuration without_voters = joint();
  for (auto& [id, member] : without_voters.members) member.is_voter = false;
  EXPECT_TRUE(corrupt(without_voters));
}

TEST(MessagesTest, AnEntryWhoseKindDoesNotFitItsConfigurationIsCorrupt) {
  const auto with = [](wire::EntryKind kind, const Configuration& configuration) {
    wire::RaftMessage message;
    auto& append = *message.mutable_append_entries();
    append.set_term(3);
    append.set_prev_log_index(8);
    append.set_prev_log_term(3);
    append.add_entries()->set_term(3);
    append.mutable_entries(0)->set_kind(kind);
    append.mutable_entries(0)->set_data(encode(configuration));
    return message;
  };
  EXPECT_TRUE(decode(with(wire::CONFIGURATION, three_members()).SerializeAsString()));
  EXPECT_TRUE(decode(with(wire::JOINT_CONFIGURATION, joint()).SerializeAsString()));
  expect_corrupt(with(wire::CONFIGURATION, joint()));
  expect_corrupt(with(wire::JOINT_CONFIGURATION, three_members()));
  Configuration of_another_index = three_members();
  of_another_index.index = LogIndex(7);
  expect_corrupt(with(wire::CONFIGURATION, of_another_index));
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
      const auto* append = decoded ? std::get_if<AppendEntries>(&*decoded) : nullptr;
      if (decoded && !(append && append->cut_at_unknown_kind)) {
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
