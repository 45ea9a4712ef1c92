#include "core/kv/forward.h"

#include <gtest/gtest.h>

namespace keelson::kv {
namespace {

using namespace std::chrono_literals;

TEST(ForwardTest, AForwardedBatchReadsBack) {
  ForwardRequest request{.request_id = 7,
                         .group = GroupId(3),
                         .route = "orders",
                         .remaining = 1500us,
                         .hops = 1,
                         .work = Batch{.token = "t", .conditions = {}, .mutations = {{"k", "v"}}}};
  const auto read = forward_request_from_bytes(to_bytes(request));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->request_id, 7u);
  EXPECT_EQ(read->group, GroupId(3));
  EXPECT_EQ(read->route, "orders");
  EXPECT_EQ(read->remaining, 1500us);
  EXPECT_EQ(read->hops, 1u);
  const Batch* const batch = std::get_if<Batch>(&read->work);
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->token, "t");
  EXPECT_EQ(batch->mutations.at(0).value, "v");
}

TEST(ForwardTest, AForwardedGetReadsBackEvenWithoutKeys) {
  for (const std::vector<Bytes>& keys : {std::vector<Bytes>{"a", "", "b"}, std::vector<Bytes>{}}) {
    ForwardRequest request;
    request.work = GetRequest{keys};
    const auto read = forward_request_from_bytes(to_bytes(request));
    ASSERT_TRUE(read);
    const GetRequest* const get = std::get_if<GetRequest>(&read->work);
    ASSERT_NE(get, nullptr);
    EXPECT_EQ(get->keys, keys);
  }
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
                     .result = BatchOutcome{.applied = false, .failed_condition = 2, .version = 4},
                     .term = raft::Term(5),
                     .leader = NodeId(1)};
  auto read = forward_reply_from_bytes(to_bytes(reply));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->request_id, 9u);
  EXPECT_EQ(read->term, raft::Term(5));
  EXPECT_EQ(read->leader, NodeId(1));
  const auto* const outcome = std::get_if<BatchOutcome>(&read->result);
  ASSERT_NE(outcome, nullptr);
  EXPECT_FALSE(outcome->applied);
  EXPECT_EQ(outcome->failed_condition, 2u);
  EXPECT_EQ(outcome->version, 4u);

  reply.result = GetReply{VersionedValue{"v", 3}, std::nullopt, VersionedValue{"", 1}};
  reply.leader.reset();
  read = forward_reply_from_bytes(to_bytes(reply));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->leader, std::nullopt);
  const auto* const values = std::get_if<GetReply>(&read->result);
  ASSERT_TRUE(values != nullptr && values->size() == 3);
  EXPECT_EQ(values->at(0)->value, "v");
  EXPECT_EQ(values->at(0)->version, 3u);
  EXPECT_FALSE(values->at(1).has_value());
  EXPECT_EQ(values->at(2)->value, "");
}

TEST(ForwardTest, EveryErrorCodeReadsBackAndAnUnknownOneMayHaveHappened) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::corrupt); ++code) {
    ForwardReply reply;
    reply.result = Error{static_cast<ErrorCode>(code), "why"};
    const auto read = forward_reply_from_bytes(to_bytes(reply));
    ASSERT_TRUE(read);
    const auto* const error = std::get_if<Error>(&read->result);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->code, static_cast<ErrorCode>(code));
    EXPECT_EQ(error->message, "why");
  }
  const auto read = forward_reply_from_bytes(Bytes("\x22\x02\x08\x63", 4));
  ASSERT_TRUE(read);
  EXPECT_EQ(std::get_if<Error>(&read->result)->code, ErrorCode::timed_out);
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
