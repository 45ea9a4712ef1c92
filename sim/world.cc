// Tested by tests/sim/world_test.cc.
#include "sim/world.h"

#include <utility>

#include "core/base/check.h"
#include "core/runtime/fiber.h"
#include "sim/choices.h"
#include "sim/machine.h"
#include "sim/sim_network.h"

namespace keelson::sim {

namespace {

// More events than this at one instant, or turns after one event, are a loop that waits for
// nothing.
constexpr std::uint64_t kEventsAtOneTimeLimit = 10'000'000;
constexpr std::size_t kTurnsAfterOneEventLimit = 1'000'000;

std::uint32_t draw_shuffle(Choices& choices, const WorldOptions& options) {
  if (!options.shuffle_fibers) return 0;
  constexpr std::uint32_t kPerMillion[] = {0, 10'000, 100'000, 500'000};
  return kPerMillion[choices.stream("world/shuffle").choose(std::size(kPerMillion))];
}

}  // namespace

World::World(Choices& choices, WorldOptions options)
    : choices_(choices),
      options_(options),
      trace_(events_),
      own_stacks_(options.stacks == nullptr ? std::make_unique<StackPool>() : nullptr),
      stacks_(options.stacks == nullptr ? own_stacks_.get() : options.stacks),
      shuffle_per_million_(draw_shuffle(choices, options)),
      network_(std::make_unique<SimNetwork>(*this)) {
  CHECK(options.uptime_limit >= Duration::zero());
}

World::~World() {
  CHECK(!in_loop_);
  trace_.set_listener(nullptr);
  trace_.log_digests(nullptr);
  // All go before any is destroyed, as each may still speak of its peers.
  for (auto machine = machines_.rbegin(); machine != machines_.rend(); ++machine) {
    (*machine)->set_on_ended(nullptr);
    (*machine)->kill();
  }
}

Machine& World::add_machine(std::string name) {
  CHECK(!name.empty() && name.find_first_of(":> \t\r\n") == std::string::npos);
  CHECK(find_machine(name) == nullptr);
  trace_.add_machine_name(name);
  const auto index = static_cast<std::uint32_t>(machines_.size() + 1);
  machines_.push_back(std::make_unique<Machine>(*this, std::move(name), index));
  return *machines_.back();
}

Machine* World::find_machine(std::string_view name) {
  for (const auto& machine : machines_) {
    if (machine->name() == name) return machine.get();
  }
  return nullptr;
}

Machine& World::machine(std::string_view name) {
  Machine* const found = find_machine(name);
  CHECK(found != nullptr);
  return *found;
}

void World::run_until(TrueTime time) {
  (void)run_until([] { return false; }, time);
}

bool World::run_until(const std::function<bool()>& condition, TrueTime limit) {
  CHECK(!in_loop_ && Fiber::current() == nullptr);
  CHECK(limit >= now());
  in_loop_ = true;
  run_touched();  // By what the harness did since the last loop.
  bool holds = condition();
  while (!holds && !events_.empty() && events_.next_time() <= limit) {
    take_event();
    run_touched();
    holds = condition();
  }
  if (!holds && limit != TrueTime::end()) {
    events_.advance_to(limit);
    choices_.time_is(limit);
  }
  in_loop_ = false;
  return holds;
}

void World::take_event() {
  const TrueTime before = now();
  const Event event = events_.take_next();
  choices_.time_is(event.at);
  events_at_this_time_ = event.at == before ? events_at_this_time_ + 1 : 0;
  CHECK(events_at_this_time_ < kEventsAtOneTimeLimit);
  trace_.record(0, Kind::step, event.sequence);
  event.target->on_event(event.argument);
}

// Running a machine may touch others, and itself again.
void World::run_touched() {
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    CHECK(i < kTurnsAfterOneEventLimit);
    touched_[i]->run();
  }
  touched_.clear();
}

void World::at(TrueTime time, std::function<void()> action) {
  CHECK(action != nullptr);
  events_.schedule(time, actions_, actions_.add(std::move(action)));
}

std::uint64_t World::Actions::add(std::function<void()> action) {
  waiting_.emplace(next_, std::move(action));
  return next_++;
}

void World::Actions::on_event(std::uint64_t argument) {
  const auto action = waiting_.extract(argument);
  CHECK(!action.empty());
  action.mapped()();
}

}  // namespace keelson::sim
