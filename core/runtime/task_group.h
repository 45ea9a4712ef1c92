// TaskGroup: fibers that belong to an owner and end before it.
#pragma once

#include <string>
#include <vector>

#include "core/runtime/scheduler.h"
#include "core/runtime/sync.h"

namespace keelson {

class TaskGroup {
 public:
  explicit TaskGroup(Scheduler& scheduler) : scheduler_(scheduler), ended_(scheduler) {}
  // Kills the fibers that are left: whatever they refer to may be declared before the group.
  ~TaskGroup() { stop(); }
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // `name` is for people ("http connection").
  Fiber& spawn(std::string name, Task body);

  // Unwinds every fiber of the group. REQUIRES: not called by one of them.
  void stop();
  // Unwinds one. REQUIRES: it belongs to this group and is not running.
  void kill(Fiber& fiber);

  // Suspends until every fiber has ended by itself (true) or the deadline (false).
  [[nodiscard]] bool join(Deadline deadline);

  std::size_t size() const { return fibers_.size(); }

 private:
  friend class Scheduler;

  void let_go(Fiber& fiber);

  Scheduler& scheduler_;
  std::vector<Fiber*> fibers_;
  WaitQueue ended_;
};

}  // namespace keelson
