#include "tools/show/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "scenarios/catalogue.h"

namespace keelson::show {
namespace {

struct Recorded {
  Recording recording;
  scenarios::RunResult result;
};

Recorded record(std::string_view scenario, std::uint64_t seed) {
  Recorder recorder;
  scenarios::RunOptions options;
  recorder.attach(options);
  sim::Choices choices(seed);
  Recorded run;
  run.result = run_scenario(*scenarios::find_scenario(scenario), choices, options);
  run.recording = recorder.take();
  return run;
}

// Of a run that has most of what can go wrong.
const Recorded& a_storm() {
  static const Recorded run = record("swarm", 3);
  return run;
}

TEST(Recorder, TheRunIsTheSameWhetherItIsRecordedOrNot) {
  for (const auto& [scenario, seed] : {std::pair("leader_probe", 7), {"swarm", 3},
                                       {"one_way_partition", 2}, {"cross_group_cycle", 5},
                                       {"lost_disks", 1}, {"canary", 4}}) {
    sim::Choices choices(static_cast<std::uint64_t>(seed));
    const auto plain = run_scenario(*scenarios::find_scenario(scenario), choices);
    const Recorded recorded = record(scenario, static_cast<std::uint64_t>(seed));
    EXPECT_EQ(recorded.result.digest, plain.digest) << scenario;
    EXPECT_EQ(recorded.result.events, plain.events) << scenario;
  }
}

TEST(Recorder, NodesAndClientsHaveTheirNames) {
  const Recording& recording = a_storm().recording;
  ASSERT_GT(recording.machines.size(), 4u);
  EXPECT_EQ(recording.machines[0].name, "world");
  EXPECT_EQ(recording.machines[1].name, "n1");
  EXPECT_TRUE(recording.machines[1].is_node);
  EXPECT_FALSE(recording.machines.back().is_node);
}

TEST(Recorder, MessagesAreReceivedAfterTheyWereSentOrLost) {
  std::set<MessageKind> kinds;
  std::size_t received = 0;
  std::size_t lost = 0;
  for (const Message& message : a_storm().recording.messages) {
    kinds.insert(message.kind);
    if (message.received != kNever) {
      ++received;
      EXPECT_GT(message.received, message.sent);
      EXPECT_EQ(message.lost, kNever);
    }
    if (message.lost != kNever) {
      ++lost;
      EXPECT_GE(message.lost, message.sent);
    }
    EXPECT_NE(message.from, message.to);
  }
  EXPECT_GT(received, 10 * lost);
  EXPECT_GT(lost, 0u);
  for (const MessageKind kind :
       {MessageKind::heartbeat, MessageKind::append, MessageKind::append_reply, MessageKind::vote,
        MessageKind::vote_reply, MessageKind::pre_vote, MessageKind::session, MessageKind::http}) {
    EXPECT_TRUE(kinds.contains(kind)) << name_of(kind);
  }
}

TEST(Recorder, EveryTermHasItsLeaderAndIndexesOnlyGrowInOneLife) {
  std::map<std::pair<std::int32_t, std::uint64_t>, std::set<std::uint32_t>> leaders;
  std::map<std::pair<std::uint32_t, std::int32_t>, State> latest;
  for (const State& state : a_storm().recording.states) {
    if (state.role == State::Role::leader) leaders[{state.group, state.term}].insert(state.machine);
    State& before = latest[{state.machine, state.group}];
    if (before.role > State::Role::starting && state.role > State::Role::starting) {
      EXPECT_GE(state.at, before.at);
      EXPECT_GE(state.term, before.term);
      EXPECT_GE(state.commit, before.commit);
      EXPECT_GE(state.applied, before.applied);
    }
    if (state.role > State::Role::starting) {
      EXPECT_LE(state.applied, state.commit);
      EXPECT_LE(state.commit, state.last);
    }
    if (state.role == State::Role::leader) {
      EXPECT_EQ(state.leader, state.machine);
    }
    before = state;
  }
  EXPECT_GT(leaders.size(), 1u);
  for (const auto& [term, who] : leaders) EXPECT_EQ(who.size(), 1u);
}

TEST(Recorder, LeadersHaveVotedForThemselves) {
  std::size_t seen = 0;
  for (const State& state : a_storm().recording.states) {
    if (state.role != State::Role::leader || state.vote == 0) continue;
    ++seen;
    EXPECT_EQ(state.vote, state.machine);
  }
  EXPECT_GT(seen, 0u);
}

TEST(Recorder, OperationsEndWithTheirAnswers) {
  const Recording& recording = a_storm().recording;
  std::set<std::string> outcomes;
  std::set<std::string> answers;
  for (const Operation& operation : recording.operations) {
    outcomes.insert(recording.texts.all()[operation.outcome]);
    answers.insert(recording.texts.all()[operation.answer]);
    if (operation.returned != kNever) {
      EXPECT_GE(operation.returned, operation.called);
    }
    EXPECT_TRUE(recording.machines.at(operation.node).is_node);
  }
  EXPECT_THAT(outcomes, testing::IsSupersetOf({"ok", "unknown"}));
  EXPECT_THAT(answers, testing::IsSupersetOf({"200", "503"}));
}

// Of a run: what was asked by those whose words begin like this, and how it ended.
std::map<std::string, std::set<std::string>> asked(const Recording& recording,
                                                   std::string_view beginning) {
  std::map<std::string, std::set<std::string>> found;
  const std::vector<std::string>& texts = recording.texts.all();
  for (const Operation& operation : recording.operations) {
    if (!texts[operation.what].starts_with(beginning)) continue;
    EXPECT_TRUE(recording.machines.at(operation.node).is_node);
    found[texts[operation.what]].insert(texts[operation.outcome] + ": " + texts[operation.answer]);
  }
  return found;
}

TEST(Recorder, RequestsOfEveryS3ClientAreOperations) {
  const Recording recording = record("s3_full", 5).recording;
  EXPECT_THAT(asked(recording, "PUT /bucket-full")["PUT /bucket-full"],
              testing::Contains("ok: 200"));
  EXPECT_GT(asked(recording, "GET /bucket-full?list-type=2").size(), 1u);
  EXPECT_GT(asked(recording, "POST /bucket-full/").size(), 1u);
  for (const Operation& operation : recording.operations) {
    const std::string& what = recording.texts.all()[operation.what];
    EXPECT_TRUE(recording.machines.at(operation.node).is_node) << what;
    const bool is_order = what.starts_with("operator: ");
    EXPECT_EQ(recording.machines.at(operation.client).is_node, is_order) << what;
  }
}

TEST(Recorder, TransactionsAreOperationsOfTheNodesThatTheirClientsLiveIn) {
  const Recording recording = record("cross_group_cycle", 5).recording;
  std::set<std::string> ends;
  for (const auto& [what, how] : asked(recording, "")) {
    if (what.ends_with(" the ring")) ends.insert(how.begin(), how.end());
  }
  EXPECT_THAT(ends, testing::IsSupersetOf({"ok: done", "fail: "}));
  for (const Operation& operation : recording.operations) {
    const bool is_transaction = recording.texts.all()[operation.what].ends_with(" the ring");
    EXPECT_TRUE(!is_transaction || operation.client == operation.node);
  }
}

TEST(Recorder, WhatOperatorsAskForAreOperations) {
  // One run need not have both ends.
  std::set<std::string> ends;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    for (const auto& [what, how] : asked(record("transfer", seed).recording, "operator: hands g")) {
      ends.insert(how.begin(), how.end());
    }
  }
  EXPECT_THAT(ends, testing::IsSupersetOf({"ok: done", "unknown: its process ended"}));
  const auto changed = asked(record("membership_change", 5).recording, "operator: learner added");
  EXPECT_FALSE(changed.empty());
  EXPECT_FALSE(asked(record("split_under_load", 5).recording, "operator: split a shard").empty());
}

TEST(Recorder, CutsBeginAndEndAndNothingIsReceivedMeanwhile) {
  const Recording recording = record("leader_probe", 17).recording;
  ASSERT_FALSE(recording.links.empty());
  std::size_t stopped = 0;
  for (const LinkTrouble& cut : recording.links) {
    if (cut.clogged_by != 0) continue;
    const std::int64_t end = cut.end == kNever ? recording.end : cut.end;
    EXPECT_GE(end, cut.begin);
    for (const Message& message : recording.messages) {
      if (message.from != cut.from || message.to != cut.to) continue;
      const bool is_within = message.sent > cut.begin && message.sent < end;
      if (!is_within) continue;
      ++stopped;
      EXPECT_TRUE(message.received == kNever || message.received >= end)
          << recording.texts.all()[message.text];
    }
  }
  EXPECT_GT(stopped, 0u);
}

TEST(Recorder, TheEndOfTheRunIsNobodysDeath) {
  const Recording& recording = a_storm().recording;
  for (const Event& event : recording.events) {
    const bool is_kill = recording.texts.all()[event.text] == "killed";
    EXPECT_FALSE(is_kill && event.at == recording.end);
  }
  for (const Message& message : recording.messages) EXPECT_NE(message.lost, recording.end);
  // A run that is over in the middle of things, too.
  const Recording canary = record("canary", 4).recording;
  for (const Message& message : canary.messages) EXPECT_NE(message.lost, canary.end);
  for (const Operation& operation : recording.operations) {
    const bool is_kill = recording.texts.all()[operation.answer] == "its process ended";
    EXPECT_FALSE(is_kill && operation.returned == recording.end);
  }
}

}  // namespace
}  // namespace keelson::show
