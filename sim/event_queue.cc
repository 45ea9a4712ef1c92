// Tested by tests/sim/world_test.cc.
#include "sim/event_queue.h"

#include "core/base/check.h"

namespace keelson::sim {

namespace {

constexpr std::size_t kArity = 4;

bool earlier(const Event& a, const Event& b) {
  return a.at != b.at ? a.at < b.at : a.sequence < b.sequence;
}

}  // namespace

void EventQueue::schedule(TrueTime at, EventTarget& target, std::uint64_t argument) {
  CHECK(at >= now_);
  const Event event{at, next_sequence_++, &target, argument};
  std::size_t hole = heap_.size();
  heap_.push_back(event);
  while (hole > 0) {
    const std::size_t parent = (hole - 1) / kArity;
    if (!earlier(event, heap_[parent])) break;
    heap_[hole] = heap_[parent];
    hole = parent;
  }
  heap_[hole] = event;
}

Event EventQueue::take_next() {
  CHECK(!heap_.empty());
  const Event next = heap_.front();
  const Event last = heap_.back();
  heap_.pop_back();
  const std::size_t size = heap_.size();
  std::size_t hole = 0;
  while (size > 0) {
    const std::size_t first_child = kArity * hole + 1;
    if (first_child >= size) break;
    const std::size_t end = first_child + kArity < size ? first_child + kArity : size;
    std::size_t least = first_child;
    for (std::size_t child = first_child + 1; child < end; ++child) {
      if (earlier(heap_[child], heap_[least])) least = child;
    }
    if (!earlier(heap_[least], last)) break;
    heap_[hole] = heap_[least];
    hole = least;
  }
  if (size > 0) heap_[hole] = last;
  CHECK(next.at >= now_);
  now_ = next.at;
  ++taken_;
  return next;
}

void EventQueue::advance_to(TrueTime time) {
  CHECK(time >= now_);
  CHECK(heap_.empty() || time <= heap_.front().at);
  now_ = time;
}

}  // namespace keelson::sim
