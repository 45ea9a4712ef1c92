#include "scenarios/probe_workload.h"

#include <fmt/format.h>

#include "scenarios/client_trace.h"
#include "scenarios/cluster.h"
#include "scenarios/http_client.h"
#include "scenarios/operation_paths.h"
#include "sim/machine.h"

namespace keelson::scenarios {

namespace {

using std::chrono::milliseconds;

// A client gives up later than a balancer would, so that a late answer is still judged.
constexpr Duration kPatience = std::chrono::seconds(3);

Manners draw_manners(sim::ChoiceStream& chance, std::uint32_t bad_per_thousand) {
  Manners manners;
  const auto kind = chance.rarely(bad_per_thousand * 1000, 6);
  manners.kind = static_cast<Manners::Kind>(kind);
  manners.pause = milliseconds(5);
  return manners;
}

// Some clients say that there is a body, and send none.
HttpRequest draw_request(sim::ChoiceStream& chance, const ProbeCall& call) {
  HttpRequest request{.method = call.method, .target = call.target.target};
  if (chance.chance(50'000)) {
    request.headers.push_back({"Transfer-Encoding", "chunked"});
    request.body = "0\r\n\r\n";
  }
  return request;
}

// Whether the status was received is what counts; a client may have left after it.
Outcome outcome_of(const ProbeObservation& seen, const CallResult& result) {
  if (seen.status != 0) return Outcome::ok;
  return result.end == CallResult::End::never_sent ? Outcome::fail : Outcome::unknown;
}

}  // namespace

const std::vector<Listener>& http_listeners() {
  static const std::vector<Listener> listeners{
      {"s3", kS3Port}, {"dynamodb", kDynamodbPort}, {"sqs", kSqsPort}, {"admin", kAdminPort}};
  return listeners;
}

// One client of one listener of one node, with the draws and the connection it keeps.
class ProbeCaller {
 public:
  ProbeCaller(Env& env, sim::Choices& choices, std::size_t the_node, const Listener& the_listener)
      : node(the_node), listener(the_listener),
        client(env.network, env.scheduler, Cluster::address(the_node, the_listener.port)),
        chance(choices.stream(fmt::format("probe/n{}/{}", the_node, the_listener.name))),
        targets(probe_targets(the_listener.name)), odd_targets(odd_probe_targets(listener.name)),
        leader{.target = leader_target(the_listener.name),
               .expectation = ProbeExpectation::leader} {}

  // Mostly the leader probe, which is what the claim is about.
  ProbeTarget draw_target(std::uint32_t odd_per_thousand) {
    if (chance.chance(odd_per_thousand * 1000)) {
      return odd_targets[chance.choose(odd_targets.size())];
    }
    const bool another_probe = chance.chance(150'000);
    if (!another_probe) return leader;
    return targets[chance.choose(targets.size())];
  }

  const std::size_t node;
  const Listener& listener;
  HttpClient client;
  sim::ChoiceStream& chance;

 private:
  const std::vector<ProbeTarget> targets;
  const std::vector<ProbeTarget> odd_targets;
  const ProbeTarget leader;
};

ProbeWorkload::ProbeWorkload(sim::World& world, const ProbeWorkloadOptions& options,
                             ProbeClaim& claim, const Disturbances& disturbances, Report& report)
    : world_(world), options_(options), claim_(claim), disturbances_(disturbances),
      report_(report) {
  for (std::size_t node = 1; node <= options_.nodes; ++node) {
    machines_.push_back(&world_.add_machine(fmt::format("p{}", node)));
  }
}

void ProbeWorkload::start() {
  for (std::size_t node = 1; node <= options_.nodes; ++node) {
    machines_[node - 1]->start([this, node](Env& env) {
      TaskGroup listeners(env.scheduler);
      for (const Listener& listener : http_listeners()) {
        listeners.spawn("probe client", [&] { probe_listener(env, node, listener); });
      }
      (void)listeners.join(Deadline::never());
    });
  }
}

void ProbeWorkload::probe_listener(Env& env, std::size_t node, const Listener& listener) {
  ProbeCaller caller(env, world_.choices(), node, listener);
  while (true) {
    // Seldom at 0. Never less than half: a run must end, too.
    caller.chance.begin_item();
    const auto spread = static_cast<std::uint64_t>(1 + options_.interval.count());
    env.scheduler.sleep_for(options_.interval * 3 / 2 -
                            Duration(static_cast<std::int64_t>(caller.chance.choose(spread))));
    if (!caller.chance.chance(800'000)) caller.client.close();  // The others are kept alive.
    probe_once(env, caller);
  }
}

void ProbeWorkload::probe_once(Env& env, ProbeCaller& caller) {
  ProbeCall call{.node = fmt::format("n{}", caller.node),
                 .listener = caller.listener.name,
                 .method = caller.chance.chance(300'000) ? "HEAD" : "GET",
                 .target = caller.draw_target(options_.odd_path_per_thousand)};
  if (caller.chance.chance(20'000)) call.method = "POST";
  const Manners manners = draw_manners(caller.chance, options_.bad_manners_per_thousand);

  ProbeObservation seen{.node = NodeId(caller.node),
                        .listener = call.listener,
                        .target = call.target.target,
                        .start = world_.now(),
                        .end = {},
                        .status = 0};
  sim::Machine& machine = *machines_[caller.node - 1];
  const std::uint64_t traced = trace_call(
      machine, fmt::format("{} {} {}", call.method, call.target.target, call.listener), call.node);
  const CallResult result =
      caller.client.call(draw_request(caller.chance, call), Deadline::in(env.clock, kPatience),
                         manners, [&](int status) {
                           seen.status = status;
                           seen.end = world_.now();
                         });
  if (seen.status == 0) seen.end = world_.now();
  const std::string client = fmt::format("p{}", caller.node);
  trace_return(machine, traced, outcome_of(seen, result),
               seen.status != 0 ? std::to_string(seen.status) : result.why);
  judge(call, seen, result);

  const bool was_polite = manners.kind == Manners::Kind::polite;
  if (!was_polite || result.end == CallResult::End::never_sent) return;
  if (call.target.expectation == ProbeExpectation::not_200) return;  // Not a probe's business.
  const auto late = judge_probe_time(call, client, seen.start, seen.end, options_.bound,
                                     disturbances_);
  if (late) report_.fail("probe bound", late->kind, late->message, world_.now());
}

void ProbeWorkload::judge(const ProbeCall& call, const ProbeObservation& seen,
                          const CallResult& result) {
  report_.count(seen.status == 200   ? "probes answered 200"
                : seen.status == 503 ? "probes answered 503"
                : seen.status == 0   ? "probes not answered"
                                     : "probes answered otherwise");
  const std::string_view path = path_of(call.method, call.target.expectation, seen.status);
  if (!path.empty()) report_.reached(path);
  if (call.target.expectation == ProbeExpectation::leader &&
      (call.method == "GET" || call.method == "HEAD")) {
    const std::uint64_t contested_before = claim_.contested_200();
    if (const auto broken = claim_.judge(seen)) {
      report_.fail("probe claim", "stale 200", *broken, world_.now());
    }
    if (claim_.contested_200() > contested_before) {
      report_.reached("probe: a 200 while a newer leader appeared");
    }
  }
  if (const auto violation = judge_probe_answer(call, result)) {
    report_.fail("probe protocol", violation->kind, violation->message, world_.now());
  }
}

}  // namespace keelson::scenarios
