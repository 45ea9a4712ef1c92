// The claims about what a probe costs (4, 5 and 6 of the probe's design), one after another on one
// cluster, with bursts of probes that all begin at once:
//
//   a follower answers from local state and sends nothing for it;
//   a leader spends few rounds however many ask at once;
//   a leader whose disk is stuck, and one that cannot reach a peer, answer in time;
//   a node that was told to stop is red from then on, and ends in time with probes in flight.
#include "scenarios/probe_bounds.h"

#include <fmt/format.h>

#include "scenarios/http_client.h"
#include "scenarios/storm.h"
#include "scenarios/words.h"
#include "sim/sim_network.h"

namespace keelson::scenarios {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Burst {
  std::size_t probes = 0;
  std::size_t answered_200 = 0;
  std::size_t answered_503 = 0;
  std::size_t ended = 0;  // By whatever answer, or none.
  Duration longest{0};    // Of those that were answered.
};

class ProbeBounds {
 public:
  explicit ProbeBounds(RunContext& context)
      : context_(context), chance_(context.choices.stream("bounds/story")),
        storm_(context, {.nodes = 3,
                         .groups = 0,
                         .profile = {},
                         .probe_interval = milliseconds(300),
                         .s3_clients = 1,
                         .plan = FaultPlan{}}),
        machine_(context.world.add_machine("burst")) {}

  void run() {
    if (!storm_.set_up()) return;
    context_.run_for(seconds(1));
    std::size_t leader = *storm_.latest_leader() + 1;
    const std::size_t follower = 1 + (leader + chance_.choose(2)) % 3;
    follower_sends_nothing(follower);
    leader_shares_rounds(leader);
    if (chance_.chance(500'000)) stuck_disk_does_not_hold_probes(leader);
    unreachable_peers_do_not_hold_probes(leader);
    if (!context_.report.failed()) stop_with_probes_in_flight(leader);
    if (context_.report.failed()) return;
    storm_.check();
  }

 private:
  // All of a burst begins at one true instant, each on a connection of its own.
  void begin_burst(std::size_t node, std::size_t probes, Burst& burst) {
    burst = {.probes = probes};
    machine_.start([this, node, probes, &burst](Env& env) {
      TaskGroup callers(env.scheduler);
      for (std::size_t i = 0; i < probes; ++i) {
        const Listener& listener = http_listeners()[i % http_listeners().size()];
        callers.spawn("burst probe", [&] { probe(env, node, listener, burst); });
      }
      (void)callers.join(Deadline::never());
    });
  }

  void probe(Env& env, std::size_t node, const Listener& listener, Burst& burst) {
    HttpClient client(env.network, env.scheduler, Cluster::address(node, listener.port));
    const sim::TrueTime start = context_.world.now();
    const auto result = client.call({.method = "GET",
                                     .target = leader_target(listener.name),
                                     .headers = {},
                                     .body = {}},
                                    Deadline::in(env.clock, seconds(5)));
    ++burst.ended;
    if (result.end != CallResult::End::answered) return;
    burst.longest = std::max<Duration>(burst.longest, context_.world.now() - start);
    if (result.response.status == 200) ++burst.answered_200;
    if (result.response.status == 503) ++burst.answered_503;
  }

  Burst run_burst(std::size_t node, std::size_t probes) {
    Burst burst;
    begin_burst(node, probes, burst);
    (void)context_.run_until([&] { return burst.ended == probes; },
                             context_.world.now() + seconds(6));
    machine_.kill();
    return burst;
  }

  std::uint64_t messages_from(std::size_t node) {
    std::uint64_t messages = 0;
    for (sim::Machine* const peer : storm_.cluster().machines()) {
      sim::Machine& from = storm_.cluster().machine(node);
      if (peer != &from) messages += context_.world.network().sent(from, *peer).messages;
    }
    return messages;
  }

  void demand(bool holds, std::string_view kind, const std::string& message) {
    if (!holds) context_.report.fail("probe cost", kind, message, context_.world.now());
  }

  // Claim 5. What the node sends without being asked is measured first; a burst may add nothing to
  // it but the noise of one heartbeat.
  void follower_sends_nothing(std::size_t follower) {
    context_.run_for(seconds(1));
    const auto before_idle = messages_from(follower);
    context_.run_for(milliseconds(500));
    const auto idle = messages_from(follower) - before_idle;
    const auto before = messages_from(follower);
    const sim::TrueTime end = context_.world.now() + milliseconds(500);
    const Burst burst = run_burst(follower, 200);
    context_.run_until(std::max(end, context_.world.now()));
    const auto with_probes = messages_from(follower) - before;
    demand(burst.answered_503 == 200, "follower answers",
           fmt::format("n{} is a follower, and answered {} of 200 probes with 503", follower,
                       burst.answered_503));
    // The clients' own traffic varies between the two half seconds: a forwarded write is a message.
    demand(with_probes <= idle + 40, "follower sends",
           fmt::format("n{} sent {} messages in a half second with 200 probes, {} without",
                       follower, with_probes, idle));
    context_.report.reached("bounds: a follower was asked by many");
  }

  void leader_shares_rounds(std::size_t leader) {
    const auto before = messages_from(leader);
    const sim::TrueTime start = context_.world.now();
    const Burst burst = run_burst(leader, 400);
    const auto messages = messages_from(leader) - before;
    const auto span_ms = (context_.world.now() - start).count() / 1'000'000;
    demand(burst.answered_200 == 400, "leader answers",
           fmt::format("n{} leads undisturbed, and answered {} of 400 probes with 200", leader,
                       burst.answered_200));
    demand(messages <= 60, "leader sends",
           fmt::format("n{} sent {} messages to answer 400 probes in {} ms", leader, messages,
                       span_ms));
    context_.report.reached("bounds: a leader was asked by many");
  }

  void answers_in_time(const Burst& burst, std::size_t node, std::string_view when) {
    const Duration bound = storm_.config().probe_timeout + milliseconds(100);
    demand(burst.answered_200 + burst.answered_503 == burst.probes && burst.longest <= bound,
           "in time",
           fmt::format("{}, n{} answered {} of {} probes, the last after {}; the bound is {}", when,
                       node, burst.answered_200 + burst.answered_503, burst.probes,
                       say(burst.longest), say(bound)));
  }

  void stuck_disk_does_not_hold_probes(std::size_t leader) {
    storm_.cluster().machine(leader).disk().stick();
    context_.run_for(milliseconds(300));  // Writes are waiting for it.
    answers_in_time(run_burst(leader, 200), leader, "with its disk stuck");
    storm_.cluster().machine(leader).disk().unstick();
    context_.report.reached("bounds: a disk was stuck");
    context_.run_for(seconds(3));
  }

  void unreachable_peers_do_not_hold_probes(std::size_t& leader) {
    leader = *storm_.latest_leader() + 1;  // The stuck disk may have cost it the lead.
    context_.world.network().isolate(storm_.cluster().machine(leader));
    // The clients still reach it.
    for (const auto& machine : context_.world.machines()) {
      if (is_node(*machine)) continue;
      context_.world.network().heal(storm_.cluster().machine(leader), *machine);
      context_.world.network().heal(*machine, storm_.cluster().machine(leader));
    }
    const Burst burst = run_burst(leader, 300);
    answers_in_time(burst, leader, "with no peer to be reached");
    demand(burst.answered_200 == 0, "alone",
           fmt::format("n{} reaches no peer, and answered 200 {} times", leader,
                       burst.answered_200));
    Node* const node = storm_.cluster().node(leader);
    context_.run_for(storm_.config().probe_timeout + milliseconds(200));
    if (node == nullptr || context_.report.failed()) return;
    // The S3 client may still wait for its put, the node for a ceiling of its timestamps, in each
    // group, and the storm's own prober, which asks each listener; the 300 probes may not.
    const std::size_t others = 2 + 2 * storm_.config().group_count + http_listeners().size();
    demand(node->raft().waiting_callers() <= others, "piled up",
           fmt::format("{} callers still wait inside n{}", node->raft().waiting_callers(), leader));
    context_.report.reached("bounds: no peer was reachable");
  }

  // Claim 6, and the bound of an orderly stop.
  void stop_with_probes_in_flight(std::size_t node) {
    const bool alone = chance_.chance(500'000);
    if (!alone) {
      context_.world.network().heal_all();
      context_.run_for(seconds(3));
      node = *storm_.latest_leader() + 1;
    }
    Burst in_flight;
    begin_burst(node, 100, in_flight);
    context_.run_for(Duration(chance_.choose(2'000'000)));
    sim::Machine& stopped = storm_.cluster().machine(node);
    const sim::TrueTime asked = context_.world.now();
    stopped.request_stop();
    context_.run_for(milliseconds(1));  // The signal is in.
    machine_.kill();
    const Burst after = run_burst(node, 40);
    demand(after.answered_200 == 0, "red",
           fmt::format("n{} was told to stop, and answered 200 {} times afterwards", node,
                       after.answered_200));
    const Duration bound = storm_.config().drain_timeout + milliseconds(500);
    const bool ended = context_.run_until([&] { return !stopped.is_running(); }, asked + bound);
    demand(ended || context_.report.failed(), "stop bound",
           fmt::format("n{} still runs {} after it was told to stop", node, say(bound)));
    context_.report.reached("bounds: stopped with probes in flight");
    if (after.answered_503 > 0) context_.report.reached("bounds: red before it stopped serving");
  }

  bool is_node(const sim::Machine& machine) {
    return machine.index() <= storm_.cluster().size();
  }

  RunContext& context_;
  sim::ChoiceStream& chance_;
  Storm storm_;
  sim::Machine& machine_;
};

void run(RunContext& context) { ProbeBounds(context).run(); }

}  // namespace

Scenario probe_bounds() {
  return {.name = "probe_bounds",
          .promise = "A probe costs a follower nothing and a leader a shared round, is answered "
                     "within its budget whatever is stuck, and is red from the moment of a drain.",
          .must_reach = {"bounds: a follower was asked by many",
                         "bounds: a leader was asked by many",
                         "bounds: a disk was stuck", "bounds: no peer was reachable",
                         "bounds: stopped with probes in flight",
                         "bounds: red before it stopped serving"},
          .run = run};
}

}  // namespace keelson::scenarios
