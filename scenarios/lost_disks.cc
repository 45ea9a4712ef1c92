#include "scenarios/lost_disks.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "scenarios/http_client.h"
#include "scenarios/probe_protocol.h"
#include "scenarios/s3_client.h"
#include "scenarios/storm.h"

namespace keelson::scenarios {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class LostDisks {
 public:
  explicit LostDisks(RunContext& context)
      : context_(context), chance_(context.choices.stream("lost_disks/story")),
        storm_(context, {.profile = {}, .s3_clients = 3, .plan = FaultPlan{}}),
        judge_(context.world.add_machine("witness")) {}

  void run() {
    if (!storm_.set_up()) return;
    storm_.nemesis().start();
    context_.run_for(milliseconds(500));
    const std::size_t minority = (storm_.cluster().size() - 1) / 2;
    lose(minority);
    const bool recovered =
        context_.run_until([&] { return storm_.nemesis().budget().harmed_count() == 0; },
                           context_.world.now() + seconds(10));
    if (context_.report.failed()) return;
    if (!recovered) {
      return context_.report.fail("liveness", "not admitted",
                                  fmt::format("{} of {} disks were lost, and 10 s later some node "
                                              "has no vote yet",
                                              minority, storm_.cluster().size()),
                                  context_.world.now());
    }
    context_.report.reached("budget: a minority of the disks was lost and replaced");
    context_.run_for(milliseconds(500));
    lose(minority + 1);
    context_.run_for(seconds(2));  // Whatever was under way has ended.
    demand_silence();
    if (!context_.report.failed()) storm_.check();
  }

 private:
  void lose(std::size_t count) {
    std::vector<std::size_t> order(storm_.cluster().size());
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t i = 0; i < count; ++i) {
      std::swap(order[i], order[i + chance_.choose(order.size() - i)]);
      storm_.nemesis().lose_disk(order[i]);
    }
  }

  // Nobody has what was acknowledged: no read, no write and no probe may be answered as if.
  void demand_silence() {
    bool done = false;
    judge_.start([&](Env& env) {
      for (int round = 0; round < 3; ++round) {
        for (std::size_t node = 1; node <= storm_.cluster().size(); ++node) ask(env, node);
        env.scheduler.sleep_for(milliseconds(300));
      }
      done = true;
    });
    (void)context_.run_until([&] { return done; }, context_.world.now() + seconds(120));
    judge_.kill();
    if (done) context_.report.reached("budget: no answer after a majority of the disks was lost");
  }

  void ask(Env& env, std::size_t node) {
    S3Client s3(env, Cluster::address(node, kS3Port), "bucket-a");
    const auto get = s3.perform("key-0", {.kind = Call::Kind::get, .value = {}, .expected = {}},
                                Deadline::in(env.clock, seconds(3)));
    if (get.outcome == Outcome::ok) complain(node, "a read");
    const auto put = s3.perform("key-0", {.kind = Call::Kind::put, .value = "x", .expected = {}},
                                Deadline::in(env.clock, seconds(3)));
    if (put.outcome == Outcome::ok) complain(node, "a write");
    HttpClient http(env.network, env.scheduler, Cluster::address(node, kAdminPort));
    const auto probe = http.call({.method = "GET",
                                  .target = leader_target("admin"),
                                  .headers = {},
                                  .body = {}},
                                 Deadline::in(env.clock, seconds(3)));
    if (probe.end == CallResult::End::answered && probe.response.status == 200) {
      complain(node, "a leader probe");
    }
  }

  void complain(std::size_t node, std::string_view what) {
    context_.report.fail("fault budget", "an answer from nowhere",
                         fmt::format("n{} answered {} although a majority of the disks is lost",
                                     node, what),
                         context_.world.now());
  }

  RunContext& context_;
  sim::ChoiceStream& chance_;
  Storm storm_;
  sim::Machine& judge_;
};

void run(RunContext& context) { LostDisks(context).run(); }

}  // namespace

Scenario lost_disks() {
  return {.name = "lost_disks",
          .promise =
              "A minority of lost disks costs nothing that was acknowledged; when a majority "
              "is lost, no node answers rather than one wrongly.",
          .must_reach = {"budget: a minority of the disks was lost and replaced",
                         "budget: no answer after a majority of the disks was lost"},
          .run = run};
}

}  // namespace keelson::scenarios
