#include "tools/show/diagram.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tools/show/perfetto.h"

namespace keelson::show {
namespace {

namespace json = boost::json;

// n1 leads, is cut off, and answers c1 once too often.
Recording a_failure() {
  Recording recording;
  recording.scenario = "leader_probe";
  recording.seed = 7;
  recording.repeat = "keelson-sim run leader_probe --seed 7";
  recording.digest = 0xabc;
  recording.end = 2000;
  recording.violation = {.oracle = "probe claim", .message = "n1 </script> answered", .at = 1900};
  recording.machines = {{"world", false}, {"n1", true}, {"n2", true}, {"c1", false}};
  recording.groups = 1;
  const std::uint32_t none = recording.texts.add("");
  const std::uint32_t words = recording.texts.add("</script><b>\"put\"");
  const std::uint32_t ok = recording.texts.add("ok");
  recording.messages = {
      {.kind = MessageKind::vote, .from = 1, .to = 2, .group = 0, .term = 3, .sent = 100,
       .received = 200, .text = words},
      {.kind = MessageKind::heartbeat, .from = 1, .to = 2, .group = 0, .term = 3, .sent = 300,
       .lost = 400, .text = words}};
  recording.states = {{.at = 50, .machine = 1, .role = State::Role::candidate, .term = 3},
                      {.at = 210, .machine = 1, .role = State::Role::leader, .term = 3,
                       .leader = 1, .vote = 1, .configuration = none},
                      {.at = 220, .machine = 1, .role = State::Role::leader, .term = 3,
                       .leader = 1, .vote = 1, .commit = 1, .configuration = none}};
  recording.events = {{.at = 250, .machine = 0, .kind = EventKind::network_fault, .text = words}};
  recording.operations = {{.client = 3, .node = 1, .called = 1800, .returned = 1900,
                           .what = words, .outcome = ok, .answer = none}};
  recording.links = {{.from = 1, .to = 2, .begin = 250}};
  return recording;
}

TEST(Diagram, TextsAreToldOnce) {
  Texts texts;
  EXPECT_EQ(texts.add("a"), 0u);
  EXPECT_EQ(texts.add("b"), 1u);
  EXPECT_EQ(texts.add("a"), 0u);
  EXPECT_EQ(texts.all(), (std::vector<std::string>{"a", "b"}));
}

TEST(Diagram, TheDataSayWhatWasRecorded) {
  const json::value run = json::parse(to_json(a_failure(), {}));
  EXPECT_EQ(run.at("scenario"), "leader_probe");
  EXPECT_EQ(run.at("digest"), "0000000000000abc");
  EXPECT_EQ(run.at("violation").at("at"), 1900);
  EXPECT_EQ(run.at("machines"),
            json::parse(R"([["world",false],["n1",true],["n2",true],["c1",false]])"));
  EXPECT_EQ(run.at("messages"), json::parse("[[100,200,-1,1,2,5,0,3,1],[300,-1,400,1,2,0,0,3,1]]"));
  EXPECT_EQ(run.at("messageKinds").at(5), "RequestVote");
  EXPECT_EQ(run.at("roles").at(run.at("states").at(1).at(3).to_number<std::size_t>()), "leader");
  EXPECT_EQ(run.at("links"), json::parse("[[250,-1,1,2,0]]"));
  EXPECT_EQ(run.at("operations"), json::parse("[[1800,1900,3,1,1,2,0]]"));
  const Recording held = [] {
    Recording recording = a_failure();
    recording.violation.reset();
    return recording;
  }();
  EXPECT_TRUE(json::parse(to_json(held, {})).at("violation").is_null());
}

TEST(Diagram, NothingInTheDataEndsTheirElement) {
  const std::string page = to_page(a_failure(), {});
  const std::string opening = "<script type=\"application/json\" id=\"run\">";
  const std::size_t begin = page.find(opening) + opening.size();
  const std::size_t end = page.find("</script>", begin);
  const json::value run = json::parse(page.substr(begin, end - begin));
  EXPECT_EQ(run.at("texts").at(1), "</script><b>\"put\"");
  EXPECT_EQ(run.at("violation").at("message"), "n1 </script> answered");
}

TEST(Diagram, ThePageIsWholeAndAsksForNothing) {
  const std::string page = to_page(a_failure(), {});
  EXPECT_EQ(page.find("{{"), std::string::npos);
  EXPECT_NE(page.find("<h1>leader_probe, seed 7</h1>"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(page.find("http://"), std::string::npos);
  EXPECT_EQ(page.find("https://"), std::string::npos);
  EXPECT_EQ(page.find(" src="), std::string::npos);
}

TEST(Diagram, TheCurveOfCausesIsReadAndShown) {
  const auto cause =
      parse_cause(R"([{"virtual_ns": 5, "probability": 0.25, "runs": 8, "more": true},
                      {"virtual_ns": 9, "probability": 1, "runs": 8}])");
  ASSERT_TRUE(cause.has_value());
  const json::value run = json::parse(to_json(a_failure(), *cause));
  EXPECT_EQ(run.at("cause"), json::parse("[[5,0.25,8],[9,1.0,8]]"));
}

TEST(Diagram, WhatIsNoCurveIsRefused) {
  for (const char* text : {"", "{}", "[1]", R"([{"virtual_ns": 5, "runs": 8}])",
                           R"([{"virtual_ns": "5", "probability": 1, "runs": 8}])"}) {
    const auto cause = parse_cause(text);
    ASSERT_FALSE(cause.has_value()) << text;
    EXPECT_EQ(cause.error().code, ErrorCode::invalid_argument);
  }
}

// --- Perfetto ---

json::array trace_events() {
  return json::parse(to_perfetto(a_failure())).at("traceEvents").as_array();
}

json::array of_phase(std::string_view phase) {
  json::array found;
  for (const json::value& event : trace_events()) {
    if (event.at("ph").as_string() == phase) found.push_back(event);
  }
  return found;
}

TEST(Perfetto, EveryMachineIsANamedProcess) {
  std::map<std::uint64_t, std::string> names;
  for (const json::value& event : of_phase("M")) {
    if (event.at("name") != "process_name") continue;
    names[event.at("pid").to_number<std::uint64_t>()] = event.at("args").at("name").as_string();
  }
  EXPECT_EQ(names, (std::map<std::uint64_t, std::string>{
                       {0, "world"}, {1, "n1"}, {2, "n2"}, {3, "c1"}}));
}

TEST(Perfetto, AMessageThatArrivesIsAFlowAndOneThatDoesNotIsNone) {
  const json::array starts = of_phase("s");
  const json::array ends = of_phase("f");
  ASSERT_EQ(starts.size(), 1u);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(starts[0].at("id"), ends[0].at("id"));
  EXPECT_EQ(starts[0].at("pid"), 1);
  EXPECT_EQ(ends[0].at("pid"), 2);
  EXPECT_EQ(starts[0].at("ts"), 0.1);
  EXPECT_EQ(ends[0].at("ts"), 0.2);
}

TEST(Perfetto, RolesAreSpansThatGoOnWhileRoleAndTermDo) {
  std::vector<std::string> roles;
  for (const json::value& event : of_phase("X")) {
    if (event.at("tid").to_number<int>() < 1000) continue;
    roles.push_back(std::string(event.at("name").as_string()));
    if (roles.size() == 2) {
      EXPECT_EQ(event.at("ts"), 0.21);
      EXPECT_DOUBLE_EQ(event.at("dur").as_double(), 1.79);
    }
  }
  EXPECT_EQ(roles, (std::vector<std::string>{"candidate t3", "leader t3"}));
}

TEST(Perfetto, TheViolationIsSeenOnAllTracks) {
  bool is_there = false;
  for (const json::value& event : of_phase("i")) {
    if (event.at("cat") == "violation") is_there = event.at("s") == "g" && event.at("ts") == 1.9;
  }
  EXPECT_TRUE(is_there);
}

}  // namespace
}  // namespace keelson::show
