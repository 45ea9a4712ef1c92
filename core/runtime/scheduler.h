// Scheduler: the fibers of one process, who of them is ready, and when the others want to be woken.
//
// The same code runs in both worlds. The world calls the first group of functions: it advances its
// clock, fires timers, and runs ready fibers until all wait. Ready fibers run first in, first out,
// unless the world brings a policy of its own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/runtime/clock.h"
#include "core/runtime/fiber.h"

namespace keelson {

// Decides which ready fiber runs next.
class SchedulePolicy {
 public:
  virtual ~SchedulePolicy() = default;

  // Returns the position, in the order of becoming ready, of the fiber to run; 0 is first in, first
  // out. REQUIRES: ready_count >= 2.
  virtual std::size_t pick(std::size_t ready_count) = 0;
};

// A wish to be woken at a time: lives on the stack of the fiber that waits.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  friend class Scheduler;
  static constexpr std::size_t kUnarmed = SIZE_MAX;

  Instant at_;
  std::uint64_t sequence_ = 0;  // Equal instants fire in the order of arming.
  Fiber* fiber_ = nullptr;
  std::size_t heap_index_ = kUnarmed;
};

class Scheduler {
 public:
  // The arguments outlive the scheduler.
  Scheduler(const Clock& clock, StackPool& stacks, SchedulePolicy* policy = nullptr);
  // Kills what is left, youngest first.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // --- for the world, outside any fiber of this scheduler ---

  // Runs ready fibers until every fiber waits or halt() was called.
  void run_ready();
  bool has_ready() const { return ready_count_ > 0; }
  // The earliest instant at which fire_timers() would wake a fiber.
  std::optional<Instant> next_timer() const;
  // Makes every fiber ready whose timer is due at the clock's now().
  void fire_timers();
  // Unwinds all fibers, youngest first, and forgets them.
  void kill_all();
  // Lets no fiber run any more, except to unwind.
  void halt() { halted_ = true; }
  bool is_halted() const { return halted_; }

  // --- for fibers ---

  // Lets the other ready fibers run.
  void yield();
  void sleep_until(Instant wake_at);
  void sleep_for(Duration span) { sleep_until(clock_.now() + span); }
  const Clock& clock() const { return clock_; }

  // --- for TaskGroup and sync.h ---

  // A new fiber, ready to run. It is forgotten when it ends.
  Fiber& spawn(std::string name, Task body);
  // Ends one fiber by unwinding it. REQUIRES: it is not running.
  void kill(Fiber& fiber);
  // Suspends the running fiber until wake(fiber).
  void park();
  // Makes a parked fiber ready; nothing happens if it is ready already.
  void wake(Fiber& fiber);
  // REQUIRES: the timer is not armed and is disarmed before it is destroyed.
  void arm(Timer& timer, Instant at, Fiber& fiber);
  void disarm(Timer& timer);

  std::size_t fiber_count() const { return fiber_count_; }

 private:
  Fiber& take_next_ready();
  void remove_from_ready(Fiber& fiber);
  void forget(Fiber& fiber);
  static bool earlier(const Timer& a, const Timer& b);
  void sift_up(std::size_t index);
  void sift_down(std::size_t index);
  void place(Timer* timer, std::size_t index);

  const Clock& clock_;
  StackPool& stacks_;
  SchedulePolicy* const policy_;
  bool halted_ = false;

  // Living fibers, oldest to youngest.
  Fiber* youngest_ = nullptr;
  std::size_t fiber_count_ = 0;

  // Ready fibers in the order of becoming ready: a ring whose capacity is a power of two.
  std::vector<Fiber*> ready_ring_;
  std::size_t ready_head_ = 0;
  std::size_t ready_count_ = 0;

  // Armed timers: a binary heap by (instant, sequence).
  std::vector<Timer*> timers_;
  std::uint64_t next_timer_sequence_ = 0;
};

}  // namespace keelson
