// Tested by tests/core/runtime/scheduler_test.cc.
#include "core/runtime/scheduler.h"

#include <utility>

#include "core/base/check.h"
#include "core/runtime/task_group.h"

namespace keelson {

Scheduler::Scheduler(const Clock& clock, StackPool& stacks, SchedulePolicy* policy)
    : clock_(clock), stacks_(stacks), policy_(policy), ready_ring_(16) {}

Scheduler::~Scheduler() {
  kill_all();
  CHECK(timers_.empty());
}

void Scheduler::run_ready() {
  while (ready_count_ > 0 && !halted_) {
    Fiber& fiber = take_next_ready();
    fiber.resume();
    if (fiber.ended()) forget(fiber);
  }
}

Fiber& Scheduler::take_next_ready() {
  const std::size_t mask = ready_ring_.size() - 1;
  std::size_t position = 0;
  if (policy_ != nullptr && ready_count_ > 1) {
    position = policy_->pick(ready_count_);
    CHECK(position < ready_count_);
  }
  Fiber* const chosen = ready_ring_[(ready_head_ + position) & mask];
  // Those before the chosen one move up; the order of the rest stays.
  for (std::size_t i = position; i > 0; --i) {
    ready_ring_[(ready_head_ + i) & mask] = ready_ring_[(ready_head_ + i - 1) & mask];
  }
  ready_head_ = (ready_head_ + 1) & mask;
  --ready_count_;
  chosen->in_ready_queue_ = false;
  return *chosen;
}

void Scheduler::wake(Fiber& fiber) {
  if (fiber.in_ready_queue_ || fiber.ended() || fiber.is_being_killed()) return;
  if (ready_count_ == ready_ring_.size()) {
    std::vector<Fiber*> larger(ready_ring_.size() * 2);
    for (std::size_t i = 0; i < ready_count_; ++i) {
      larger[i] = ready_ring_[(ready_head_ + i) & (ready_ring_.size() - 1)];
    }
    ready_ring_ = std::move(larger);
    ready_head_ = 0;
  }
  ready_ring_[(ready_head_ + ready_count_) & (ready_ring_.size() - 1)] = &fiber;
  ++ready_count_;
  fiber.in_ready_queue_ = true;
}

void Scheduler::remove_from_ready(Fiber& fiber) {
  if (!fiber.in_ready_queue_) return;
  const std::size_t mask = ready_ring_.size() - 1;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < ready_count_; ++i) {
    Fiber* const each = ready_ring_[(ready_head_ + i) & mask];
    if (each != &fiber) ready_ring_[(ready_head_ + kept++) & mask] = each;
  }
  CHECK(kept + 1 == ready_count_);
  ready_count_ = kept;
  fiber.in_ready_queue_ = false;
}

Fiber& Scheduler::spawn(std::string name, Task body) {
  auto* fiber = new Fiber(stacks_, std::move(name), std::move(body));
  fiber->older_ = youngest_;
  if (youngest_ != nullptr) youngest_->younger_ = fiber;
  youngest_ = fiber;
  ++fiber_count_;
  wake(*fiber);
  return *fiber;
}

void Scheduler::forget(Fiber& fiber) {
  CHECK(fiber.ended());
  CHECK(fiber.group_ == nullptr);  // A TaskGroup lets go of its fiber before the fiber ends.
  remove_from_ready(fiber);
  if (fiber.older_ != nullptr) fiber.older_->younger_ = fiber.younger_;
  if (fiber.younger_ != nullptr) fiber.younger_->older_ = fiber.older_;
  if (youngest_ == &fiber) youngest_ = fiber.older_;
  --fiber_count_;
  delete &fiber;
}

void Scheduler::kill(Fiber& fiber) {
  // One that never ran has nothing that would let go of its group.
  if (fiber.group_ != nullptr && fiber.state_ == Fiber::State::fresh) fiber.group_->let_go(fiber);
  fiber.kill();
  forget(fiber);
}

void Scheduler::kill_all() {
  while (youngest_ != nullptr) kill(*youngest_);
}

void Scheduler::yield() {
  Fiber* const self = Fiber::current();
  CHECK(self != nullptr);
  wake(*self);
  Fiber::suspend();
}

void Scheduler::park() { Fiber::suspend(); }

namespace {

// Disarms when the wait is over, also when it is over because the fiber is being killed.
class ArmedTimer {
 public:
  ArmedTimer(Scheduler& scheduler, Instant at) : scheduler_(scheduler) {
    scheduler_.arm(timer_, at, *Fiber::current());
  }
  ~ArmedTimer() { scheduler_.disarm(timer_); }

 private:
  Scheduler& scheduler_;
  Timer timer_;
};

}  // namespace

void Scheduler::sleep_until(Instant wake_at) {
  const ArmedTimer armed(*this, wake_at);
  while (clock_.now() < wake_at) park();
}

std::optional<Instant> Scheduler::next_timer() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.front()->at_;
}

void Scheduler::fire_timers() {
  const Instant now = clock_.now();
  while (!timers_.empty() && timers_.front()->at_ <= now) {
    Timer& due = *timers_.front();
    Fiber& fiber = *due.fiber_;
    disarm(due);
    wake(fiber);
  }
}

bool Scheduler::earlier(const Timer& a, const Timer& b) {
  return a.at_ != b.at_ ? a.at_ < b.at_ : a.sequence_ < b.sequence_;
}

void Scheduler::place(Timer* timer, std::size_t index) {
  timers_[index] = timer;
  timer->heap_index_ = index;
}

void Scheduler::sift_up(std::size_t index) {
  Timer* const timer = timers_[index];
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (!earlier(*timer, *timers_[parent])) break;
    place(timers_[parent], index);
    index = parent;
  }
  place(timer, index);
}

void Scheduler::sift_down(std::size_t index) {
  Timer* const timer = timers_[index];
  while (true) {
    std::size_t child = 2 * index + 1;
    if (child >= timers_.size()) break;
    if (child + 1 < timers_.size() && earlier(*timers_[child + 1], *timers_[child])) ++child;
    if (!earlier(*timers_[child], *timer)) break;
    place(timers_[child], index);
    index = child;
  }
  place(timer, index);
}

void Scheduler::arm(Timer& timer, Instant at, Fiber& fiber) {
  CHECK(timer.heap_index_ == Timer::kUnarmed);
  timer.at_ = at;
  timer.sequence_ = next_timer_sequence_++;
  timer.fiber_ = &fiber;
  timers_.push_back(&timer);
  timer.heap_index_ = timers_.size() - 1;
  sift_up(timer.heap_index_);
}

void Scheduler::disarm(Timer& timer) {
  if (timer.heap_index_ == Timer::kUnarmed) return;
  const std::size_t index = timer.heap_index_;
  timer.heap_index_ = Timer::kUnarmed;
  Timer* const last = timers_.back();
  timers_.pop_back();
  if (last == &timer) return;
  place(last, index);
  sift_up(index);
  sift_down(last->heap_index_);
}

}  // namespace keelson
