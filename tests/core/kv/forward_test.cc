#include "core/kv/forward.h"

#include <gtest/gtest.h>

namespace keelson::kv {
namespace {

using namespace std::chrono_literals;

TEST(ForwardTest, AForwardedBatchReadsBack) {
  ForwardRequest request{.request_id = 7,
                         .group = GroupId(3),
                         .remaining = 1500us,
                         .hops = 1,
                         .now = Timestamp(77),
                         .work = Batch{.token = "t", .conditions = {}, .mutations = {{"k", "v"}}}};
  const auto read = forward_request_from_bytes(to_bytes(request));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->request_id, 7u);
  EXPECT_EQ(read->group, GroupId(3));
  EXPECT_EQ(read->remaining, 1500us);
  EXPECT_EQ(read->hops, 1u);
  EXPECT_EQ(read->now, Timestamp(77));
  const Batch* const batch = std::get_if<Batch>(&read->work);
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->token, "t");
  EXPECT_EQ(batch->mutations.at(0).value, "v");
}

TEST(ForwardTest, AForwardedGetReadsBackEvenWithoutKeys) {
  for (const std::vector<Bytes>& keys : {std::vector<Bytes>{"a", "", "b"}, std::vector<Bytes>{}}) {
    ForwardRequest request;
    request.work = ReadRequest{.keys = keys};
    const auto read = forward_request_from_bytes(to_bytes(request));
    ASSERT_TRUE(read);
    const ReadRequest* const get = std::get_if<ReadRequest>(&read->work);
    ASSERT_NE(get, nullptr);
    EXPECT_EQ(get->keys, keys);
  }
}

TEST(ForwardTest, AReadOfARangeACommandAndTheCeilingReadBack) {
  ForwardRequest request;
  request.work = ReadRequest{.range = KeyRange{"a", ""},
                             .rows_limit = 5,
                             .at = Timestamp(),
                             .uncertain_until = Timestamp(9)};
  auto read = forward_request_from_bytes(to_bytes(request));
  ASSERT_TRUE(read);
  const ReadRequest* const get = std::get_if<ReadRequest>(&read->work);
  ASSERT_NE(get, nullptr);
  EXPECT_EQ(get->range, (KeyRange{"a", ""}));
  EXPECT_EQ(get->rows_limit, 5u);
  EXPECT_EQ(get->at, Timestamp());
  EXPECT_EQ(get->uncertain_until, Timestamp(9));

  request.work = CommandRequest{encode_command(Forget{"t"}), Timestamp(3)};
  read = forward_request_from_bytes(to_bytes(request));
  ASSERT_TRUE(read);
  EXPECT_EQ(std::get_if<CommandRequest>(&read->work)->at_least, Timestamp(3));
  EXPECT_TRUE(decode_command(std::get_if<CommandRequest>(&read->work)->entry));

  request.work = CeilingRequest{Timestamp(4), true};
  read = forward_request_from_bytes(to_bytes(request));
  ASSERT_TRUE(read);
  EXPECT_EQ(std::get_if<CeilingRequest>(&read->work)->at_least, Timestamp(4));
  EXPECT_TRUE(std::get_if<CeilingRequest>(&read->work)->begins_to_lead);
}

TEST(ForwardTest, TheRemainingTimeStaysWithinItsBounds) {
  const auto over_the_wire = [](Duration remaining) {
    ForwardRequest request;
    request.remaining = remaining;
    return forward_request_from_bytes(to_bytes(request))->remaining;
  };
  EXPECT_EQ(over_the_wire(-1s), 0s);
  EXPECT_EQ(over_the_wire(999ns), 0s);  // Rounded down: never later than the deadline.
  EXPECT_EQ(over_the_wire(Duration::max()), std::chrono::floor<std::chrono::microseconds>(
                                                Duration::max()));
  // Bytes of another's making: 2^64 - 1 microseconds do not overflow into the past.
  const Bytes huge("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x3a\x00", 13);
  const auto read = forward_request_from_bytes(huge);
  ASSERT_TRUE(read);
  EXPECT_GT(read->remaining, 24h);
}

TEST(ForwardTest, EachKindOfReplyReadsBack) {
  ForwardReply reply{.request_id = 9,
                     .result = Answer(BatchOutcome{.applied = false, .failed_condition = 2,
                                                   .version = 4}),
                     .term = raft::Term(5),
                     .leader = NodeId(1),
                     .now = Timestamp(78)};
  auto read = forward_reply_from_bytes(to_bytes(reply));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->request_id, 9u);
  EXPECT_EQ(read->term, raft::Term(5));
  EXPECT_EQ(read->leader, NodeId(1));
  EXPECT_EQ(read->now, Timestamp(78));
  ASSERT_TRUE(read->result);
  const auto* const outcome = std::get_if<BatchOutcome>(&*read->result);
  ASSERT_NE(outcome, nullptr);
  EXPECT_FALSE(outcome->applied);
  EXPECT_EQ(outcome->failed_condition, 2u);
  EXPECT_EQ(outcome->version, 4u);

  ReadReply found{.values = {VersionedValue{"v", 3}, std::nullopt, VersionedValue{"", 1}},
                  .rows = {{"k", {"w", 9}}},
                  .covered_to = "l",
                  .at = Timestamp(7),
                  .uncertain_until = Timestamp(8)};
  reply.result = Answer(found);
  reply.leader.reset();
  read = forward_reply_from_bytes(to_bytes(reply));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->leader, std::nullopt);
  ASSERT_TRUE(read->result);
  const auto* const values = std::get_if<ReadReply>(&*read->result);
  ASSERT_TRUE(values != nullptr && values->values.size() == 3);
  EXPECT_EQ(values->values.at(0)->value, "v");
  EXPECT_EQ(values->values.at(0)->version, 3u);
  EXPECT_FALSE(values->values.at(1).has_value());
  EXPECT_EQ(values->values.at(2)->value, "");
  ASSERT_EQ(values->rows.size(), 1u);
  EXPECT_EQ(values->rows[0].key, "k");
  EXPECT_EQ(values->rows[0].value.value, "w");
  EXPECT_EQ(values->rows[0].value.version, 9u);
  EXPECT_EQ(values->covered_to, "l");
  EXPECT_EQ(values->at, Timestamp(7));
  EXPECT_EQ(values->uncertain_until, Timestamp(8));

  reply.result = Answer(CommandResult{.status = CommandResult::Status::locked,
                                      .at = Timestamp(5),
                                      .previous = Timestamp(4),
                                      .failed_condition = 3,
                                      .lock = Lock{"t", GroupId(2), Timestamp(1), Timestamp(2)},
                                      .next = "n"});
  read = forward_reply_from_bytes(to_bytes(reply));
  ASSERT_TRUE(read && read->result);
  const auto* const result = std::get_if<CommandResult>(&*read->result);
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(result->status, CommandResult::Status::locked);
  EXPECT_EQ(result->at, Timestamp(5));
  EXPECT_EQ(result->failed_condition, 3u);
  EXPECT_EQ(result->lock, (Lock{"t", GroupId(2), Timestamp(1), Timestamp(2)}));
  EXPECT_EQ(result->next, "n");

  reply.result = Answer(CeilingReply{Timestamp(1), Timestamp(2)});
  read = forward_reply_from_bytes(to_bytes(reply));
  ASSERT_TRUE(read && read->result);
  EXPECT_EQ(std::get_if<CeilingReply>(&*read->result)->ceiling, Timestamp(2));
}

TEST(ForwardTest, EveryErrorCodeReadsBackAndAnUnknownOneMayHaveHappened) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::corrupt); ++code) {
    ForwardReply reply;
    reply.result = Error{static_cast<ErrorCode>(code), "why"};
    const auto read = forward_reply_from_bytes(to_bytes(reply));
    ASSERT_TRUE(read);
    ASSERT_FALSE(read->result);
    EXPECT_EQ(read->result.error().code, static_cast<ErrorCode>(code));
    EXPECT_EQ(read->result.error().message, "why");
  }
  const auto read = forward_reply_from_bytes(Bytes("\x22\x02\x08\x63", 4));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->result.error().code, ErrorCode::timed_out);
}

TEST(ForwardTest, WhatAsksOrAnswersNothingIsCorrupt) {
  for (const Bytes& bytes : {Bytes(), Bytes("garbage"), Bytes("\x08\x07", 2)}) {
    ASSERT_FALSE(forward_request_from_bytes(bytes));
    EXPECT_EQ(forward_request_from_bytes(bytes).error().code, ErrorCode::corrupt);
    ASSERT_FALSE(forward_reply_from_bytes(bytes));
    EXPECT_EQ(forward_reply_from_bytes(bytes).error().code, ErrorCode::corrupt);
  }
  // A batch inside that is none.
  EXPECT_FALSE(forward_request_from_bytes(Bytes("\x32\x05\x12\x03\x0a\x01" "a", 7)));
}

}  // namespace
}  // namespace keelson::kv
