#include "scenarios/checker/report.h"

#include <gtest/gtest.h>

#include "scenarios/checker/history_reader.h"

namespace keelson::checker {
namespace {

Violation stale_read() {
  const auto history = read_history(
      R"({"event":"invoke","process":1,"op":"write","value":"<old>","time":5}
{"event":"ok","process":1,"time":6}
{"event":"invoke","process":1,"op":"write","value":"new"}
{"event":"ok","process":1}
{"event":"invoke","process":3,"op":"write","value":"later"}
{"event":"invoke","process":2,"op":"read"}
{"event":"ok","process":2,"value":"<old>"}
)",
      HistoryModel::reg, "h.jsonl");
  Violation violation;
  violation.file = "h & co.jsonl";
  violation.model = "register";
  violation.object = cut_by_key(*history).front();
  const Describe describe_it = [&](std::size_t op) { return describe(history->operations[op]); };
  const LinearizabilityResult refuted =
      check_object(violation.object.history, {}, {}, describe_it);
  violation.part =
      smallest_part(violation.object.history, ModelKind::objects, refuted, describe_it, {});
  return violation;
}

TEST(ReportTest, TheTextMarksTheAnswerThatNothingExplains) {
  EXPECT_EQ(text_report(stale_read()),
            "h & co.jsonl: not linearizable (register)\n"
            "3 of the 4 operations contradict each other: nothing explains process 2 read "
            "\"<old>\" (lines 6 and 7); before it the state was \"new\"\n"
            "   process 1 write \"<old>\" (lines 1 and 2)\n"
            "   process 1 write \"new\" (lines 3 and 4)\n"
            "=> process 2 read \"<old>\" (lines 6 and 7)\n");
}

TEST(ReportTest, TheDrawingNeedsNothingElseAndEscapesWhatItShows) {
  const std::string html = html_report(stale_read());
  EXPECT_EQ(html.find("<old>"), std::string::npos);
  EXPECT_EQ(html.find("http"), std::string::npos);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_NE(html.find("h &amp; co.jsonl"), std::string::npos);
  EXPECT_NE(html.find("prefers-color-scheme: dark"), std::string::npos);
  EXPECT_NE(html.find("<g class=\"bad\"><title>process 2 read &quot;&lt;old&gt;&quot;"),
            std::string::npos)
      << html;
  EXPECT_NE(html.find("line 1 (at 5)"), std::string::npos);
}

}  // namespace
}  // namespace keelson::checker
