#include "scenarios/checker/history_reader.h"

#include <gtest/gtest.h>

#include "scenarios/checker/check_history.h"

namespace keelson::checker {
namespace {

std::string error_of(std::string_view text, HistoryModel model = HistoryModel::reg) {
  const auto history = read_history(text, model, "h.jsonl");
  return history ? "" : history.error().message;
}

Verdict verdict_of(std::string_view text, HistoryModel model) {
  const auto history = read_history(text, model, "h.jsonl");
  EXPECT_TRUE(history) << error_of(text, model);
  return check_history(*history, kind_of(model), {}, [](std::size_t) { return std::string(); })
      .verdict;
}

TEST(HistoryReaderTest, TakesEveryFieldAndKeepsTheOrderOfTheLines) {
  const auto history = read_history(
      R"({"event":"invoke","process":"a","op":"put","key":"x","value":{"b":1,"a":[2]},"time":10}

{"event":"invoke","process":2,"op":"delete","key":"x","if_value":{"a":[2],"b":1},"time":11}
{"event":"ok","process":"a","op":"put","key":"x","time":12}
{"event":"ok","process":2,"applied":false,"time":13}
{"event":"invoke","process":2,"op":"get","key":"y"}
{"event":"unknown","process":2}
{"event":"invoke","process":2,"op":"get","key":"y"})",
      HistoryModel::kv, "h.jsonl");
  ASSERT_TRUE(history);
  ASSERT_EQ(history->operations.size(), 4u);
  const Operation& put = history->operations[0];
  EXPECT_EQ(put.process, "a");
  EXPECT_EQ(put.kind, Kind::write);
  EXPECT_EQ(put.value, R"({"a":[2],"b":1})");
  EXPECT_EQ(put.called_line, 1u);
  EXPECT_EQ(put.returned_line, 4u);
  EXPECT_EQ(put.called_at, 10);
  const Operation& removal = history->operations[1];
  EXPECT_EQ(removal.kind, Kind::remove);
  EXPECT_TRUE(removal.is_conditional);
  EXPECT_FALSE(removal.applied);
  EXPECT_EQ(removal.expected, put.value);  // The order of members does not matter.
  EXPECT_EQ(history->operations[2].outcome, Outcome::unknown);
  EXPECT_EQ(history->operations[3].outcome, Outcome::unknown);  // It never ended.
  const std::vector<HistoryEvent> events{{0, false}, {1, false}, {0, true},
                                         {1, true},  {2, false}, {3, false}};
  EXPECT_EQ(history->events, events);
}

TEST(HistoryReaderTest, SaysInWhichLineWhatIsWrong) {
  const std::string write = R"({"event":"invoke","process":1,"op":"write","value":1})" "\n";
  EXPECT_EQ(error_of(write + "{"), "h.jsonl:2: not JSON: incomplete JSON");
  EXPECT_EQ(error_of(write + "[]"), "h.jsonl:2: a line should be a JSON object");
  EXPECT_EQ(error_of(write + "{\"process\":1}"), "h.jsonl:2: \"event\" is missing");
  EXPECT_EQ(error_of("{\"event\":\"ok\"}"), "h.jsonl:1: \"process\" is missing");
  EXPECT_EQ(error_of("{\"event\":\"began\",\"process\":1}"),
            "h.jsonl:1: \"event\" should be \"invoke\", \"ok\", \"fail\" or \"unknown\", not "
            "\"began\"");
  EXPECT_EQ(error_of(R"({"event":"invoke","process":[],"op":"read"})"),
            "h.jsonl:1: \"process\" should be a string or a whole number, not []");
  EXPECT_EQ(error_of(R"({"event":"invoke","process":1,"op":"put"})"),
            "h.jsonl:1: unknown \"op\" \"put\": this model has read, write, cas");
  EXPECT_EQ(error_of(R"({"event":"invoke","process":1,"op":"read","valeu":1})"),
            "h.jsonl:1: unknown field \"valeu\"");
  EXPECT_EQ(error_of(R"({"event":"ok","process":1})"),
            "h.jsonl:1: process 1 has nothing under way that could end");
  EXPECT_EQ(error_of(write + write),
            "h.jsonl:2: process 1 invokes while its operation of line 1 has not ended: one at a "
            "time");
  EXPECT_EQ(error_of(write + R"({"event":"ok","process":1,"op":"read"})"),
            "h.jsonl:2: \"op\" is read, but process 1 has invoked write in line 1");
  EXPECT_EQ(error_of(write + R"({"event":"ok","process":1,"applied":true})"),
            "h.jsonl:2: \"applied\" is for operations on a condition");
  EXPECT_EQ(error_of(R"({"event":"invoke","process":1,"op":"cas","value":1})"),
            "h.jsonl:1: \"value\" of cas should be [what must be there, what to write]");
  EXPECT_EQ(error_of(R"({"event":"invoke","process":1,"op":"write"})"),
            "h.jsonl:1: write needs a \"value\" other than null");
  EXPECT_EQ(error_of(R"({"event":"invoke","process":1,"op":"get"})", HistoryModel::kv),
            "h.jsonl:1: \"key\" is missing");
  const std::string read = R"({"event":"invoke","process":1,"op":"read"})" "\n";
  EXPECT_EQ(error_of(read + R"({"event":"ok","process":1})"),
            "h.jsonl:2: the answer of read needs a \"value\": null if there was none");
  EXPECT_EQ(error_of(""), "h.jsonl: there is no operation in it");
}

// --- histories that are known to be bad, and a neighbour of each that is not ---

std::string history_of(std::initializer_list<std::string_view> lines) {
  std::string text;
  for (const std::string_view line : lines) text += "{" + std::string(line) + "}\n";
  return text;
}

constexpr const char* kWrite1 = R"("event":"invoke","process":1,"op":"write","value":1)";
constexpr const char* kWrite2 = R"("event":"invoke","process":1,"op":"write","value":2)";
constexpr const char* kRead = R"("event":"invoke","process":2,"op":"read")";
constexpr const char* kOk1 = R"("event":"ok","process":1)";
constexpr const char* kSaw1 = R"("event":"ok","process":2,"value":1)";

TEST(KnownBadHistoryTest, AStaleReadIsRefused) {
  EXPECT_EQ(verdict_of(history_of({kWrite1, kOk1, kWrite2, kOk1, kRead, kSaw1}), HistoryModel::reg),
            Verdict::not_linearizable);
  EXPECT_EQ(verdict_of(history_of({kWrite1, kOk1, kWrite2, kRead, kOk1, kSaw1}), HistoryModel::reg),
            Verdict::linearizable);
}

TEST(KnownBadHistoryTest, AReadOfAFailedWriteIsRefused) {
  constexpr const char* kFailed = R"("event":"fail","process":1)";
  constexpr const char* kUnknown = R"("event":"unknown","process":1)";
  EXPECT_EQ(verdict_of(history_of({kWrite1, kFailed, kRead, kSaw1}), HistoryModel::reg),
            Verdict::not_linearizable);
  EXPECT_EQ(verdict_of(history_of({kWrite1, kUnknown, kRead, kSaw1}), HistoryModel::reg),
            Verdict::linearizable);
}

TEST(KnownBadHistoryTest, ALostUpdateIsRefused) {
  constexpr const char* kCasA = R"("event":"invoke","process":2,"op":"cas","value":[1,2])";
  constexpr const char* kCasB = R"("event":"invoke","process":3,"op":"cas","value":[1,3])";
  constexpr const char* kOkA = R"("event":"ok","process":2)";
  constexpr const char* kOkB = R"("event":"ok","process":3)";
  constexpr const char* kRefusedB = R"("event":"ok","process":3,"applied":false)";
  EXPECT_EQ(verdict_of(history_of({kWrite1, kOk1, kCasA, kCasB, kOkA, kOkB}), HistoryModel::reg),
            Verdict::not_linearizable);
  EXPECT_EQ(
      verdict_of(history_of({kWrite1, kOk1, kCasA, kCasB, kOkA, kRefusedB}), HistoryModel::reg),
      Verdict::linearizable);
}

TEST(KnownBadHistoryTest, TwoPutsOfWhatWasAbsentCannotBothSucceed) {
  constexpr const char* kPutA =
      R"("event":"invoke","process":1,"op":"put","key":"x","value":1,"if_value":null)";
  constexpr const char* kPutB =
      R"("event":"invoke","process":2,"op":"put","key":"x","value":2,"if_value":null)";
  constexpr const char* kPutY =
      R"("event":"invoke","process":2,"op":"put","key":"y","value":2,"if_value":null)";
  constexpr const char* kOk2 = R"("event":"ok","process":2)";
  EXPECT_EQ(verdict_of(history_of({kPutA, kPutB, kOk1, kOk2}), HistoryModel::kv),
            Verdict::not_linearizable);
  EXPECT_EQ(verdict_of(history_of({kPutA, kPutY, kOk1, kOk2}), HistoryModel::kv),
            Verdict::linearizable);
}

constexpr const char* kEnqueue1 = R"("event":"invoke","process":1,"op":"enqueue","value":1)";
constexpr const char* kEnqueue2 = R"("event":"invoke","process":1,"op":"enqueue","value":2)";
constexpr const char* kDequeue = R"("event":"invoke","process":2,"op":"dequeue")";
constexpr const char* kSaw2 = R"("event":"ok","process":2,"value":2)";
constexpr const char* kSawNone = R"("event":"ok","process":2,"value":null)";

TEST(KnownBadHistoryTest, ADoubleDequeueIsRefused) {
  EXPECT_EQ(verdict_of(history_of({kEnqueue1, kOk1, kDequeue, kSaw1, kDequeue, kSaw1}),
                       HistoryModel::queue),
            Verdict::not_linearizable);
  EXPECT_EQ(verdict_of(history_of({kEnqueue1, kOk1, kDequeue, kSaw1, kDequeue, kSawNone}),
                       HistoryModel::queue),
            Verdict::linearizable);
}

TEST(KnownBadHistoryTest, AReorderedQueueIsRefused) {
  EXPECT_EQ(verdict_of(history_of({kEnqueue1, kOk1, kEnqueue2, kOk1, kDequeue, kSaw2, kDequeue,
                                   kSaw1}),
                       HistoryModel::queue),
            Verdict::not_linearizable);
  EXPECT_EQ(verdict_of(history_of({kEnqueue1, kOk1, kEnqueue2, kOk1, kDequeue, kSaw1, kDequeue,
                                   kSaw2}),
                       HistoryModel::queue),
            Verdict::linearizable);
}

TEST(KnownBadHistoryTest, AQueueThatIsCalledEmptyAndIsNotIsRefused) {
  EXPECT_EQ(verdict_of(history_of({kEnqueue1, kOk1, kDequeue, kSawNone}), HistoryModel::queue),
            Verdict::not_linearizable);
  EXPECT_EQ(verdict_of(history_of({kEnqueue1, kDequeue, kOk1, kSawNone}), HistoryModel::queue),
            Verdict::linearizable);
}

}  // namespace
}  // namespace keelson::checker
