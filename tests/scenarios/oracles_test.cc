// The oracles on production nodes: they see what goes on, and a right node breaks none of them.
#include <gtest/gtest.h>

#include <memory>

#include "core/runtime/env.h"
#include "core/runtime/fiber.h"
#include "scenarios/cluster.h"
#include "scenarios/log_tap.h"
#include "scenarios/nemesis.h"
#include "scenarios/probe_protocol.h"
#include "scenarios/s3_client.h"
#include "scenarios/scenario.h"
#include "scenarios/store_models.h"
#include "scenarios/wire_tap.h"
#include "sim/sim_network.h"

namespace keelson::scenarios {
namespace {

using namespace std::chrono_literals;

constexpr GroupId kDefault{0};

// Three nodes with every tap, and a client that probes each node and one that writes and reads.
class Story : ApplyObserver {
 public:
  Story(std::uint64_t seed, StackPool& stacks)
      : choices_(seed), world_(choices_, options(stacks)) {
    world_.network().set_tap(&wire_);
    raft_.expect_durable_evidence();
    for (std::size_t number = 1; number <= cluster_.size(); ++number) {
      sim::Machine& machine = cluster_.machine(number);
      wire_.add_node(machine, NodeId(number));
      logs_.push_back(std::make_unique<LogTap>(machine, NodeId(number), raft_, report_));
      machine.disk().set_tap(logs_.back().get());
    }
    cluster_.start();
    for (std::size_t number = 1; number <= cluster_.size(); ++number) {
      world_.add_machine("c" + std::to_string(number)).start([this, number](Env& env) {
        probe(env, number);
      });
    }
    world_.add_machine("c9").start([this](Env& env) { write_and_read(env); });
  }
  ~Story() { stop_machines(world_); }

  void run(FaultPlan plan, Duration span) {
    nemesis_ = std::make_unique<Nemesis>(world_, targets(), std::move(plan));
    nemesis_->start();
    RunContext context{world_, choices_, report_};
    context.run_for(span);
    const HistoryVerdict verdict = check_objects(history_);
    if (verdict.verdict != Verdict::linearizable) {
      report_.fail("linearizability", "object", verdict.message, world_.now());
    }
  }

  std::string failure() const { return report_.failed() ? report_.failure()->message : ""; }

  std::uint64_t batches() const {
    std::uint64_t sum = 0;
    for (const auto& log : logs_) sum += log->batches();
    return sum;
  }

  Report report_;
  RaftChecks raft_{report_};
  ProbeClaim claim_;
  History history_;

 private:
  static sim::WorldOptions options(StackPool& stacks) {
    sim::WorldOptions options;
    options.stacks = &stacks;
    return options;
  }
  static NodeConfig config() {
    NodeConfig config = scenario_config(3, 2);
    config.wal_segment_bytes = 16 << 10;
    return config;
  }

  // All that a storm tells its oracles of what happens to a node.
  NemesisTargets targets() {
    NemesisTargets targets;
    targets.nodes = cluster_.machines();
    targets.leader = [this]() -> std::optional<std::size_t> {
      const auto reign = claim_.latest();
      if (!reign) return std::nullopt;
      return reign->node.value - 1;
    };
    targets.before_stop = [this](std::size_t node) {
      claim_.told_to_stop(NodeId(node + 1), world_.now());
    };
    targets.before_restart = [this](std::size_t node) {
      claim_.started_again(NodeId(node + 1));
      raft_.on_restart(NodeId(node + 1));
      logs_[node]->on_restart();
    };
    // What is harmed gets a new disk when the node has given it up.
    targets.on_ended = [this](std::size_t node, sim::EndReason reason, const std::string& why) {
      const bool gives_up = reason == sim::EndReason::fail_stopped
                                ? why.find("cannot be read") != std::string::npos
                                : !cluster_.start_failure(node + 1).empty();
      return gives_up && cluster_.machine(node + 1).disk().is_harmed();
    };
    targets.on_wiped = [this](std::size_t node) {
      logs_[node]->on_wiped();
      raft_.on_wiped(NodeId(node + 1));
    };
    targets.log_at_rest = [this](std::size_t node) {
      const LogTap::Place last = logs_[node]->last_batch();
      return std::pair(last.path, last.offset);
    };
    targets.log_syncs = [this](std::size_t node) { return logs_[node]->syncs(); };
    return targets;
  }

  void on_applied(const sim::Machine& machine, GroupId group, const raft::Entry& entry) override {
    raft_.on_applied(NodeId(machine.index()), group, entry, world_.now());
  }
  void on_installed(const sim::Machine& machine, GroupId group,
                    const raft::StateLabel& label) override {
    raft_.on_installed(NodeId(machine.index()), group, label, world_.now());
  }
  void on_state(const sim::Machine& machine, GroupId group, raft::LogIndex index,
                std::uint64_t digest) override {
    raft_.on_state(NodeId(machine.index()), group, index, digest, world_.now());
  }

  void probe(Env& env, std::size_t number) {
    HttpClient http(env.network, env.scheduler, Cluster::address(number, kS3Port));
    ProbeCall call;
    call.node = "n" + std::to_string(number);
    call.listener = "s3";
    call.target = {leader_target("s3"), ProbeExpectation::leader};
    HttpRequest request;
    request.target = call.target.target;
    while (true) {
      ProbeObservation seen{.node = NodeId(number), .listener = "s3", .target = request.target,
                            .start = world_.now(), .end = {}, .status = 0};
      const CallResult result =
          http.call(request, Deadline::in(env.clock, 2s), {}, [&](int status) {
            seen.status = status;
            seen.end = world_.now();
          });
      if (const auto violation = claim_.judge(seen)) {
        report_.fail("probe claim", "stale 200", *violation, world_.now());
      }
      if (const auto violation = judge_probe_answer(call, result)) {
        report_.fail("probe protocol", violation->kind, violation->message, world_.now());
      }
      env.scheduler.sleep_for(10ms);
    }
  }

  void write_and_read(Env& env) {
    for (int i = 0;; ++i) {
      const std::size_t node = static_cast<std::size_t>(i) % 3 + 1;
      S3Client s3(env, Cluster::address(node, kS3Port), "bucket");
      if (i % 10 == 0) (void)s3.create_bucket(Deadline::in(env.clock, 1s));
      Call call;
      call.kind = i % 3 == 0 ? Call::Kind::put : Call::Kind::get;
      call.value = "v" + std::to_string(i);
      const History::Id id =
          history_.call(9, "x", call, "n" + std::to_string(node), world_.now());
      const S3Answer answer = s3.perform("x", call, Deadline::in(env.clock, 1s));
      if (!answer.violation.empty()) {
        report_.fail("s3 protocol", "answer", answer.violation, world_.now());
      }
      switch (answer.outcome) {
        case Outcome::ok: history_.ok(id, answer.answer, world_.now()); break;
        case Outcome::fail: history_.fail(id, world_.now()); break;
        default: history_.unknown(id, world_.now()); break;
      }
      env.scheduler.sleep_for(20ms);
    }
  }

  sim::Choices choices_;
  sim::World world_;
  Cluster cluster_{world_, config(), this};
  WireTap wire_{world_, kDefault, raft_, claim_, report_};
  std::vector<std::unique_ptr<LogTap>> logs_;
  std::unique_ptr<Nemesis> nemesis_;
};

TEST(OraclesTest, SeeACalmClusterAtWork) {
  StackPool stacks;
  Story story(1, stacks);
  story.run({}, 5s);
  EXPECT_EQ(story.failure(), "");
  EXPECT_GE(story.claim_.reigns().size(), 1u);
  EXPECT_GT(story.claim_.answered_200(), 100u);
  EXPECT_GT(story.raft_.seen().appends, 100u);
  EXPECT_GT(story.raft_.seen().votes, 0u);
  EXPECT_GT(story.raft_.seen().applied, 100u);
  EXPECT_GT(story.batches(), 30u);
  EXPECT_GT(story.history_.count(Outcome::ok), 50u);
}

TEST(OraclesTest, HoldUnderEveryKindOfFault) {
  StackPool stacks;
  std::uint64_t writes = 0;
  std::uint64_t contested = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    sim::Choices choices(seed);
    Story story(seed, stacks);
    story.run(draw_fault_plan(choices, 3, 5s), 6s);
    EXPECT_EQ(story.failure(), "") << "seed " << seed;
    writes += story.history_.count(Outcome::ok);
    contested += story.claim_.contested_200();
  }
  EXPECT_GT(writes, 1000u);
  RecordProperty("contested", static_cast<int>(contested));
}

}  // namespace
}  // namespace keelson::scenarios
