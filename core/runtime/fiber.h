// Fiber: one stack of its own, run in turns with its resumer. The only user of Boost.Context.
//
// Node code never sees a Fiber: it spawns through TaskGroup and suspends through the calls that
// take a Deadline. Killing a suspended fiber unwinds its stack by an exception, FiberKilled, hence
// three rules: destructors do no I/O and never suspend; no catch (...); no noexcept on anything
// that may suspend.
#pragma once

#include <boost/context/fiber.hpp>
#include <memory>
#include <string>
#include <vector>

#include "core/runtime/task.h"

namespace keelson {

// Stacks with a guard page, kept for reuse: a fresh mapping costs a hundred times a pooled one.
// Outlives every fiber that runs on its stacks.
class StackPool {
 public:
  explicit StackPool(std::size_t stack_size = 256 * 1024);
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  boost::context::stack_context take();
  void give_back(boost::context::stack_context stack);

 private:
  const std::size_t stack_size_;
  std::vector<boost::context::stack_context> free_;
};

class TaskGroup;

// What unwinds the stack of a killed fiber. Nobody catches it, except where frames of C are in
// between, which it must not cross (core/storage/sqlite_vfs.cc): what these call catches it, makes
// them return, and in the meantime suspends no more; then unwinding goes on, outside any handler,
// by Fiber::go_on_unwinding().
struct FiberKilled {};

class Fiber {
 public:
  // `body` runs at the first resume(). `stacks` outlives the fiber.
  Fiber(StackPool& stacks, std::string name, Task body);
  // Kills the fiber if it has not ended.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs the fiber until it suspends or ends. REQUIRES: it is neither running nor ended.
  void resume();

  // Unwinds the fiber's stack, running its destructors, and ends it. Nothing happens when it has
  // ended. REQUIRES: it is not running.
  void kill();

  bool ended() const { return state_ == State::ended; }
  bool is_being_killed() const { return state_ == State::killed; }
  const std::string& name() const { return name_; }

  // The fiber that is running on this thread, or nullptr.
  static Fiber* current();

  // Returns to the resumer; comes back at the next resume(). REQUIRES: a fiber is running and is
  // not being killed.
  static void suspend();

  // See FiberKilled. REQUIRES: the running fiber is being killed.
  [[noreturn]] static void go_on_unwinding();

 private:
  friend class Scheduler;
  friend class TaskGroup;
  enum class State { fresh, suspended, running, killed, ended };

  boost::context::fiber run(boost::context::fiber&& resumer);
  void switch_to(bool to_unwind);

  StackPool& stacks_;
  const std::string name_;
  Task body_;
  boost::context::stack_context stack_;
  boost::context::fiber context_;  // Valid while suspended or fresh.
  boost::context::fiber resumer_;  // Valid while running.
  State state_ = State::fresh;

  // What AddressSanitizer wants to know about the resumer's stack.
  const void* resumer_stack_bottom_ = nullptr;
  std::size_t resumer_stack_size_ = 0;

  // The scheduler's and the task group's bookkeeping.
  bool in_ready_queue_ = false;
  Fiber* older_ = nullptr;    // The scheduler's list of living fibers, by age.
  Fiber* younger_ = nullptr;
  TaskGroup* group_ = nullptr;
  std::size_t group_slot_ = 0;  // Position in group_'s list.
};

}  // namespace keelson
