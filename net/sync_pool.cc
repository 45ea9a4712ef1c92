// Tested by tests/net/posix_disk_test.cc.
#include "net/sync_pool.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

#include "core/base/check.h"

namespace keelson {

SyncPool::SyncPool(int threads_count) {
  // The threads inherit the mask: signals are for the loop.
  sigset_t all, before;
  sigfillset(&all);
  CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
  for (int i = 0; i < threads_count; ++i) threads_.emplace_back([this] { work(); });
  CHECK(pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
}

SyncPool::~SyncPool() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void SyncPool::submit(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    CHECK(!is_closing_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void SyncPool::work() {
  while (true) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return is_closing_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace keelson
