// SyncPool: the few threads that wait for the disk, so that the loop need not.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace keelson {

class SyncPool {
 public:
  explicit SyncPool(int threads_count);
  // Waits until everything submitted is done.
  ~SyncPool();
  SyncPool(const SyncPool&) = delete;
  SyncPool& operator=(const SyncPool&) = delete;

  // Runs `task` on one of the threads; tasks begin in the order of submission. What `task` owns is
  // destroyed on that thread.
  void submit(std::function<void()> task);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;  // Guarded by mutex_, as is is_closing_.
  bool is_closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace keelson
