// The oldest mistake about leases: the holder counts its lease from when the grant arrived and not
// from when it was sent. Three machines pass a token around: `giver` grants it to `left` and
// `right` in turn, waits until the lease must be over, with a margin for clocks, and grants it to
// the other. A grant that is delayed by more than the margin lets two hold the token at one true
// instant. It takes a delay fault: a run without faults never fails.
//
// Tested by tests/scenarios/canary_test.cc, which also measures the share of failing seeds.
#include "scenarios/canary.h"

#include <fmt/format.h>

#include <array>

#include "core/base/check.h"
#include "core/runtime/env.h"
#include "scenarios/words.h"
#include "sim/machine.h"
#include "sim/sim_network.h"

namespace keelson::scenarios {

namespace {

using namespace std::chrono_literals;

constexpr Duration kLease = 80ms;
constexpr Duration kMargin = 20ms;
constexpr int kRounds = 12;

// Knows in true time who holds the token.
class TokenOracle {
 public:
  explicit TokenOracle(RunContext& context) : context_(context) {}

  void takes(const std::string& name) {
    if (!holder_.empty() && holder_ != name) {
      context_.report.fail("token", "two holders",
                           fmt::format("{} took the token at {} while {} had held it since {}",
                                       name, say(context_.world.now()), holder_, say(since_)),
                           context_.world.now());
    }
    holder_ = name;
    since_ = context_.world.now();
    context_.report.reached("canary: the token was taken");
  }
  void gives_up(const std::string& name) {
    if (holder_ == name) holder_.clear();
  }

 private:
  RunContext& context_;
  std::string holder_;
  sim::TrueTime since_;
};

void hold_when_granted(Env& env, const std::string& name, TokenOracle& oracle) {
  const auto listener = env.network.listen(name + ":1");
  CHECK(listener.has_value());
  const auto connection = (*listener)->accept(Deadline::never());
  if (!connection) return;
  std::array<char, 1> grant;
  while (true) {
    const auto count = (*connection)->read(grant, Deadline::never());
    if (!count || *count == 0) return;
    oracle.takes(name);
    env.scheduler.sleep_for(kLease);  // The bug: the grant was sent some time ago.
    oracle.gives_up(name);
  }
}

void give_in_turn(Env& env) {
  env.scheduler.sleep_for(1ms);  // Until the others listen.
  std::array<std::unique_ptr<Connection>, 2> holders;
  for (const std::size_t side : {0, 1}) {
    auto connection = env.network.connect(side == 0 ? "left:1" : "right:1",
                                          Deadline::in(env.clock, 10s));
    if (!connection) return;
    holders[side] = std::move(*connection);
  }
  for (int round = 0; round < kRounds; ++round) {
    if (!holders[round % 2]->write("g", Deadline::in(env.clock, 10s))) return;
    env.scheduler.sleep_for(kLease + kMargin);
  }
}

// How slow the network is in this run; nothing at 0.
sim::LinkConditions draw_conditions(sim::Choices& choices) {
  sim::ChoiceStream& stream = choices.stream("canary/network");
  sim::LinkConditions conditions;
  constexpr std::array<std::uint32_t, 4> kTailPerMillion = {0, 20'000, 50'000, 100'000};
  conditions.tail_per_million = kTailPerMillion[stream.choose(kTailPerMillion.size())];
  conditions.tail_unit = 15ms;
  conditions.tail_most = 120ms;
  return conditions;
}

void run(RunContext& context) {
  TokenOracle oracle(context);
  context.world.network().set_conditions(draw_conditions(context.choices));
  for (const std::string name : {"left", "right"}) {
    context.world.add_machine(name).start(
        [name, &oracle](Env& env) { hold_when_granted(env, name, oracle); });
  }
  context.world.add_machine("giver").start(give_in_turn);
  context.run_for((kLease + kMargin) * (kRounds + 1));
  stop_machines(context.world);
}

}  // namespace

Scenario canary() {
  return {.name = "canary",
          .promise = "Two machines never hold the token at once: broken by design when a grant is "
                     "late, so that a gate can prove that it sees.",
          .must_reach = {"canary: the token was taken"},
          .run = run,
          .fails_by_design = true};
}

}  // namespace keelson::scenarios
