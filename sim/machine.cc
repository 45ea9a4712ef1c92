// Tested by tests/sim/machine_test.cc.
#include "sim/machine.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/runtime/env.h"
#include "core/runtime/fiber.h"
#include "sim/choices.h"
#include "sim/sim_disk.h"
#include "sim/sim_network.h"
#include "sim/sim_random.h"
#include "sim/world.h"

namespace keelson::sim {

const char* name_of(EndReason reason) {
  switch (reason) {
    case EndReason::returned: return "returned";
    case EndReason::fail_stopped: return "fail-stopped";
    case EndReason::crashed: return "crashed";
    case EndReason::killed: return "killed";
  }
  return "?";
}

// What is lost when the process goes.
struct Machine::Incarnation : Process, EventLog {
  explicit Incarnation(Machine& owner)
      : machine(owner),
        scheduler(owner.clock_, owner.world_.stacks(), owner.schedule_.get()),
        random(owner.world_.choices(), owner.name_, owner.index_, owner.starts_),
        stop_requested(scheduler) {}

  void fail_stop(std::string_view why) override {
    CHECK(Fiber::current() != nullptr);
    event("process", fmt::format("fail-stop: {}", why));
    machine.end_by(EndReason::fail_stopped, std::string(why));
    while (true) scheduler.park();  // Halted: it comes back as an unwinding.
  }

  void event(std::string_view component, std::string_view text) override {
    machine.world_.trace().line(machine.index_, Kind::log, component, text);
  }

  Machine& machine;
  Scheduler scheduler;
  SimRandomSource random;
  keelson::Event stop_requested;
  std::unique_ptr<Network> network;
  std::unique_ptr<Disk> disk;
  std::optional<Env> env;
  // Set while the incarnation is to end as soon as its present turn is over.
  std::optional<EndReason> ending;
  std::string ending_why;
};

Machine::Machine(World& world, std::string name, std::uint32_t index)
    : world_(world),
      name_(std::move(name)),
      index_(index),
      clock_(world.events(), world.ledger(), world.options().wall_epoch_ms,
             [this](std::string_view what) {
               world_.trace().record(index_, Kind::clock, hash64(what),
                                     [&] { return std::string(what); });
               touch();
             }) {
  if (world.shuffle_per_million() != 0) {
    schedule_ = std::make_unique<SimSchedulePolicy>(world.choices(), name_,
                                                    world.shuffle_per_million());
  }
  disk_ = std::make_unique<SimDisk>(world, *this);
}

Machine::~Machine() { CHECK(!is_running()); }

void Machine::start(Program program) {
  CHECK(!is_running());
  CHECK(program != nullptr);
  program_ = std::move(program);
  restart();
}

void Machine::restart() {
  CHECK(!is_running());
  CHECK(program_ != nullptr);
  ++starts_;
  world_.trace().record(index_, Kind::start, starts_,
                        [&] { return fmt::format("starts, incarnation {}", starts_); });
  const auto uptime_limit = static_cast<std::uint64_t>(world_.options().uptime_limit.count());
  ChoiceStream& origins = world_.choices().stream("clock/" + name_ + "/origin");
  clock_.boot(Instant{static_cast<std::int64_t>(origins.choose(uptime_limit + 1))});

  incarnation_ = std::make_unique<Incarnation>(*this);
  Incarnation& incarnation = *incarnation_;
  incarnation.network = world_.network().endpoint(*this);
  incarnation.disk = disk_->attach();
  incarnation.env.emplace(Env{.clock = clock_,
                              .network = *incarnation.network,
                              .disk = *incarnation.disk,
                              .random = incarnation.random,
                              .scheduler = incarnation.scheduler,
                              .process = incarnation,
                              .stop_requested = incarnation.stop_requested,
                              .log = incarnation,
                              .marks = marks_});
  incarnation.scheduler.spawn("main", [this, &incarnation, program = program_] {
    program(*incarnation.env);
    end_by(EndReason::returned, "");
  });
  touch();
}

void Machine::request_stop() {
  CHECK(is_running());
  incarnation_->stop_requested.set();
  touch();
}

void Machine::spawn(std::string name, Program body) {
  CHECK(is_running());
  incarnation_->scheduler.spawn(std::move(name), [this, body = std::move(body)] {
    body(*incarnation_->env);
  });
  touch();
}

void Machine::crash() {
  if (!is_running()) return;
  world_.ledger().injected("machine.crash");
  end_by(EndReason::crashed, "");
}

void Machine::kill() {
  if (!is_running()) return;
  world_.ledger().injected("machine.kill");
  end_by(EndReason::killed, "");
}

// Ends the incarnation now, or, when one of its fibers asks, as soon as that fiber suspends.
void Machine::end_by(EndReason reason, std::string why) {
  if (!in_turn_) {
    end(reason, why);
  } else if (!incarnation_->ending) {
    incarnation_->ending = reason;
    incarnation_->ending_why = std::move(why);
    incarnation_->scheduler.halt();
  }
}

void Machine::end(EndReason reason, const std::string& reason_given) {
  CHECK(is_running());
  CHECK(!in_turn_);
  Scheduler& scheduler = incarnation_->scheduler;
  std::string why = reason_given;
  if (reason == EndReason::returned && scheduler.fiber_count() > 0) {
    why = fmt::format("{} fibers left", scheduler.fiber_count());
  }
  world_.trace().record(index_, Kind::end, static_cast<std::uint64_t>(reason), [&] {
    return fmt::format("{}{}{}", name_of(reason), why.empty() ? "" : ": ", why);
  });
  if (reason == EndReason::crashed) world_.ledger().effective("machine.crash");
  if (reason == EndReason::killed) world_.ledger().effective("machine.kill");

  scheduler.halt();
  revoke_env(reason);
  scheduler.kill_all();
  incarnation_.reset();
  paused_ = false;
  run_is_due_ = false;
  timer_event_ = 0;
  run_event_ = 0;
  if (on_ended_) {
    const OnEnded on_ended = on_ended_;  // It may replace itself.
    on_ended(reason, std::move(why));
  }
}

void Machine::revoke_env(EndReason reason) {
  const bool power_is_lost = reason == EndReason::crashed;
  world_.network().machine_gone(*this, power_is_lost);
  if (power_is_lost) {
    disk_->power_loss();
  } else {
    disk_->process_gone();
  }
}

void Machine::pause() {
  if (!is_running() || paused_) return;
  paused_ = true;
  world_.ledger().injected("machine.pause");
  world_.trace().record(index_, Kind::pause, 0, [] { return std::string("pauses"); });
}

void Machine::resume() {
  if (!paused_) return;
  CHECK(is_running());
  paused_ = false;
  if (incarnation_->scheduler.has_ready()) world_.ledger().effective("machine.pause");
  world_.trace().record(index_, Kind::resume, 0, [] { return std::string("resumes"); });
  touch();
}

void Machine::set_slowness(Duration span) {
  CHECK(span >= Duration::zero());
  slowness_ = span;
  if (span > Duration::zero()) world_.ledger().injected("machine.slow");
  touch();
}

std::size_t Machine::fiber_count() const {
  return is_running() ? incarnation_->scheduler.fiber_count() : 0;
}

Scheduler& Machine::scheduler() {
  CHECK(is_running());
  return incarnation_->scheduler;
}

void Machine::touch() {
  if (touched_) return;
  touched_ = true;
  world_.will_run(*this);
}

void Machine::run() {
  CHECK(!in_turn_);
  touched_ = false;
  if (!is_running()) return;
  Scheduler& scheduler = incarnation_->scheduler;
  if (scheduler.has_ready() && !paused_ && !waits_because_slow()) {
    in_turn_ = true;
    scheduler.run_ready();
    in_turn_ = false;
    if (incarnation_->ending) {
      end(*incarnation_->ending, incarnation_->ending_why);
      return;
    }
  }
  arm_timer();
}

// A slow machine looks at what is ready only some time after the first event that made it so.
bool Machine::waits_because_slow() {
  if (run_is_due_ || slowness_ == Duration::zero()) {
    run_is_due_ = false;
    return false;
  }
  if (run_event_ == 0) {
    run_event_ = ++last_event_number_;
    world_.events().schedule(world_.now() + slowness_, *this, run_event_);
    world_.ledger().effective("machine.slow");
  }
  return true;
}

// Sees to it that an event comes not later than the earliest timer. One that comes earlier, because
// the timer has been put off since, finds nothing due and arms again: most deadlines are put off.
void Machine::arm_timer() {
  const std::optional<Instant> next = incarnation_->scheduler.next_timer();
  if (!next) return;
  const TrueTime due = clock_.true_time_of(*next);
  if (due == TrueTime::end()) return;
  if (timer_event_ != 0 && timer_event_at_ <= due) return;
  timer_event_ = ++last_event_number_;
  timer_event_at_ = due;
  world_.events().schedule(due, *this, timer_event_);
}

void Machine::on_event(std::uint64_t argument) {
  if (argument == timer_event_) {
    timer_event_ = 0;
    incarnation_->scheduler.fire_timers();
    touch();
  } else if (argument == run_event_) {
    run_event_ = 0;
    run_is_due_ = true;
    touch();
  }
}

}  // namespace keelson::sim
