// Tested by tests/core/runtime/task_group_test.cc.
#include "core/runtime/task_group.h"

#include "core/base/check.h"

namespace keelson {

Fiber& TaskGroup::spawn(std::string name, Task body) {
  // Lets go however the body ends: by returning or by unwinding.
  struct Membership {
    ~Membership() {
      Fiber& self = *Fiber::current();
      if (self.group_ != nullptr) self.group_->let_go(self);
    }
  };
  Fiber& fiber = scheduler_.spawn(std::move(name), [body = std::move(body)]() mutable {
    const Membership membership;
    body();
  });
  fiber.group_ = this;
  fiber.group_slot_ = fibers_.size();
  fibers_.push_back(&fiber);
  return fiber;
}

void TaskGroup::let_go(Fiber& fiber) {
  CHECK(fiber.group_ == this);
  Fiber* const last = fibers_.back();
  fibers_[fiber.group_slot_] = last;
  last->group_slot_ = fiber.group_slot_;
  fibers_.pop_back();
  fiber.group_ = nullptr;
  if (fibers_.empty()) ended_.notify_all();
}

void TaskGroup::kill(Fiber& fiber) {
  CHECK(fiber.group_ == this);
  scheduler_.kill(fiber);
}

void TaskGroup::stop() {
  while (!fibers_.empty()) kill(*fibers_.back());
}

bool TaskGroup::join(Deadline deadline) {
  while (!fibers_.empty()) {
    if (!ended_.wait(deadline)) return fibers_.empty();
  }
  return true;
}

}  // namespace keelson
