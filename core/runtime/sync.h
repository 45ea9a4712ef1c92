// How fibers of one scheduler wait for each other.
#pragma once

#include <deque>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "core/runtime/scheduler.h"

namespace keelson {

// Fibers that wait for a condition that the caller keeps. notify makes them ready; they look at the
// condition again themselves:
//   while (queue.empty()) if (!arrived.wait(deadline)) return timed_out;
// REQUIRES: no fiber waits when it is destroyed, except fibers that are being killed.
class WaitQueue {
 public:
  explicit WaitQueue(Scheduler& scheduler) : scheduler_(scheduler) {}
  ~WaitQueue() { CHECK(first_ == nullptr); }
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;

  // Suspends until notified (true) or the deadline (false). A notification that comes at the very
  // deadline counts as one.
  [[nodiscard]] bool wait(Deadline deadline);

  // Wakes the fiber that has waited longest, or all. Never suspends; fine outside any fiber.
  void notify_one();
  void notify_all();

  bool has_waiters() const { return first_ != nullptr; }

 private:
  struct Waiter;
  void unlink(Waiter& waiter);

  Scheduler& scheduler_;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
};

// Something that happens once and stays.
class Event {
 public:
  explicit Event(Scheduler& scheduler) : waiters_(scheduler) {}

  void set() {
    is_set_ = true;
    waiters_.notify_all();
  }
  bool is_set() const { return is_set_; }

  // False if the deadline came first.
  [[nodiscard]] bool wait(Deadline deadline) {
    while (!is_set_) {
      if (!waiters_.wait(deadline)) return is_set_;
    }
    return true;
  }

 private:
  bool is_set_ = false;
  WaitQueue waiters_;
};

// A bounded queue between fibers.
template <typename T>
class Queue {
 public:
  Queue(Scheduler& scheduler, std::size_t items_limit)
      : items_limit_(items_limit), changed_(scheduler) {}

  // False, and the item is dropped, when the queue is full. Never suspends.
  [[nodiscard]] bool try_push(T item) {
    if (items_.size() >= items_limit_) return false;
    items_.push_back(std::move(item));
    changed_.notify_one();
    return true;
  }

  // Suspends until there is an item; nothing when the deadline came first.
  [[nodiscard]] std::optional<T> pop(Deadline deadline) {
    while (items_.empty()) {
      if (!changed_.wait(deadline) && items_.empty()) return std::nullopt;
    }
    T item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

  std::size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  void clear() { items_.clear(); }

 private:
  const std::size_t items_limit_;
  std::deque<T> items_;
  WaitQueue changed_;
};

}  // namespace keelson
