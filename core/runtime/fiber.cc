// Tested by tests/core/runtime/fiber_test.cc.
#include "core/runtime/fiber.h"

#include <sys/mman.h>

#include "core/base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define KEELSON_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEELSON_ASAN 1
#endif
#endif
#ifdef KEELSON_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace keelson {

namespace {

// The one thread-local of node code: which fiber runs on this thread.
constinit thread_local Fiber* current_fiber = nullptr;

constexpr std::size_t kGuardSize = 4096;

// Tells AddressSanitizer that the stack is about to change. `saved` keeps the fake stack of the
// side that is left; nullptr when that side ends.
void leave_stack([[maybe_unused]] void** saved, [[maybe_unused]] const void* bottom,
                 [[maybe_unused]] std::size_t size) {
#ifdef KEELSON_ASAN
  __sanitizer_start_switch_fiber(saved, bottom, size);
#endif
}

void arrive_on_stack([[maybe_unused]] void* saved, [[maybe_unused]] const void** left_bottom,
                     [[maybe_unused]] std::size_t* left_size) {
#ifdef KEELSON_ASAN
  __sanitizer_finish_switch_fiber(saved, left_bottom, left_size);
#endif
}

// Gives Boost.Context a stack that is already there.
struct PooledStack {
  StackPool* pool;
  boost::context::stack_context allocate() { CHECK(false); return {}; }
  void deallocate(boost::context::stack_context& stack) { pool->give_back(stack); }
};

const char* bottom_of(const boost::context::stack_context& stack) {
  return static_cast<const char*>(stack.sp) - stack.size;
}

}  // namespace

StackPool::StackPool(std::size_t stack_size) : stack_size_(stack_size) {
  CHECK(stack_size_ % kGuardSize == 0);
}

StackPool::~StackPool() {
  for (const auto& stack : free_) {
    char* bottom = static_cast<char*>(stack.sp) - stack.size;
    munmap(bottom - kGuardSize, stack.size + kGuardSize);
  }
}

boost::context::stack_context StackPool::take() {
  if (!free_.empty()) {
    const auto stack = free_.back();
    free_.pop_back();
    return stack;
  }
  void* mapping = mmap(nullptr, stack_size_ + kGuardSize, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(mapping != MAP_FAILED);
  CHECK(mprotect(mapping, kGuardSize, PROT_NONE) == 0);
  boost::context::stack_context stack;
  stack.size = stack_size_;
  stack.sp = static_cast<char*>(mapping) + kGuardSize + stack_size_;
  return stack;
}

void StackPool::give_back(boost::context::stack_context stack) {
#ifdef KEELSON_ASAN
  // A stack that was unwound may still carry the poison of its last frames.
  __asan_unpoison_memory_region(bottom_of(stack), stack.size);
#endif
  free_.push_back(stack);
}

Fiber::Fiber(StackPool& stacks, std::string name, Task body)
    : stacks_(stacks), name_(std::move(name)), body_(std::move(body)), stack_(stacks.take()) {
  context_ = boost::context::fiber(
      std::allocator_arg,
      boost::context::preallocated(stack_.sp, stack_.size, stack_), PooledStack{&stacks_},
      [this](boost::context::fiber&& resumer) { return run(std::move(resumer)); });
}

Fiber::~Fiber() { kill(); }

Fiber* Fiber::current() { return current_fiber; }

boost::context::fiber Fiber::run(boost::context::fiber&& resumer) {
  arrive_on_stack(nullptr, &resumer_stack_bottom_, &resumer_stack_size_);
  resumer_ = std::move(resumer);
  try {
    if (state_ != State::killed) body_();
  } catch (const FiberKilled&) {
    CHECK(state_ == State::killed);
  }
  body_ = Task();  // Captures end on the stack they may refer to.
  state_ = State::ended;
  leave_stack(nullptr, resumer_stack_bottom_, resumer_stack_size_);
  return std::move(resumer_);
}

void Fiber::switch_to(bool to_unwind) {
  Fiber* const previous = current_fiber;
  current_fiber = this;
  void* fake_stack = nullptr;
  leave_stack(&fake_stack, bottom_of(stack_), stack_.size);
  if (!to_unwind) {
    context_ = std::move(context_).resume();
  } else {
    context_ = std::move(context_).resume_with(
        [this](boost::context::fiber&& resumer) -> boost::context::fiber {
          arrive_on_stack(nullptr, &resumer_stack_bottom_, &resumer_stack_size_);
          resumer_ = std::move(resumer);
          throw FiberKilled{};
        });
  }
  arrive_on_stack(fake_stack, nullptr, nullptr);
  current_fiber = previous;
}

void Fiber::resume() {
  CHECK(state_ == State::fresh || state_ == State::suspended);
  state_ = State::running;
  switch_to(false);
}

void Fiber::kill() {
  if (state_ == State::ended) return;
  CHECK(state_ == State::fresh || state_ == State::suspended);
  const bool has_frames = state_ == State::suspended;
  state_ = State::killed;
  // A fresh fiber has nothing to unwind: run() sees the state and returns at once.
  switch_to(has_frames);
  CHECK(state_ == State::ended);
}

void Fiber::suspend() {
  Fiber* const self = current_fiber;
  CHECK(self != nullptr);
  CHECK(self->state_ == State::running);  // A killed fiber's destructors must not suspend.
  self->state_ = State::suspended;
  void* fake_stack = nullptr;
  leave_stack(&fake_stack, self->resumer_stack_bottom_, self->resumer_stack_size_);
  self->resumer_ = std::move(self->resumer_).resume();
  arrive_on_stack(fake_stack, &self->resumer_stack_bottom_, &self->resumer_stack_size_);
}

void Fiber::go_on_unwinding() {
  CHECK(current_fiber != nullptr);
  CHECK(current_fiber->state_ == State::killed);
  throw FiberKilled{};
}

}  // namespace keelson
