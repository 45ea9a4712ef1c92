// Tested by tests/core/runtime/sync_test.cc.
#include "core/runtime/sync.h"

namespace keelson {

// Lives on the stack of the fiber that waits, and leaves the queue with it, however it leaves.
struct WaitQueue::Waiter {
  Waiter(WaitQueue& q, Deadline deadline) : queue(q), fiber(*Fiber::current()) {
    previous = queue.last_;
    (previous != nullptr ? previous->next : queue.first_) = this;
    queue.last_ = this;
    if (!deadline.is_never()) queue.scheduler_.arm(timer, deadline.at, fiber);
  }
  ~Waiter() {
    if (!notified) queue.unlink(*this);
    queue.scheduler_.disarm(timer);
  }

  WaitQueue& queue;
  Fiber& fiber;
  Timer timer;
  Waiter* previous = nullptr;
  Waiter* next = nullptr;
  bool notified = false;
};

void WaitQueue::unlink(Waiter& waiter) {
  (waiter.previous != nullptr ? waiter.previous->next : first_) = waiter.next;
  (waiter.next != nullptr ? waiter.next->previous : last_) = waiter.previous;
}

bool WaitQueue::wait(Deadline deadline) {
  CHECK(Fiber::current() != nullptr);
  Waiter waiter(*this, deadline);
  while (!waiter.notified) {
    if (!deadline.is_never() && scheduler_.clock().now() >= deadline.at) return false;
    scheduler_.park();
  }
  return true;
}

void WaitQueue::notify_one() {
  if (first_ == nullptr) return;
  Waiter& waiter = *first_;
  unlink(waiter);
  waiter.notified = true;
  scheduler_.wake(waiter.fiber);
}

void WaitQueue::notify_all() {
  while (first_ != nullptr) notify_one();
}

}  // namespace keelson
