// Reactor: the main loop of the real world. One thread, which runs the fibers of any number of
// schedulers and waits in epoll while all of them wait.
//
// Everything belongs to the thread that calls run(), except post() and stop(), which any thread may
// call. Waking a sleeping loop from another thread costs some 40 microseconds, so what can be done
// on the loop is done on the loop; only waiting for the disk is not (net/sync_pool.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/runtime/scheduler.h"
#include "net/system_clock.h"

namespace keelson {

class Reactor {
 public:
  Reactor();
  // REQUIRES: no scheduler is left and nothing is watched.
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // The clock of every scheduler that this reactor runs.
  SystemClock& clock() { return clock_; }

  // Runs the scheduler's fibers from the next turn on. The scheduler reads this reactor's clock.
  void add(Scheduler& scheduler);
  // REQUIRES: called outside any fiber.
  void remove(Scheduler& scheduler);

  // Turns until stop(). REQUIRES: called outside any fiber.
  void run();
  // Lets run() return at the end of its turn. Any thread.
  void stop();

  // Calls `task` on the loop, outside any fiber, in the order of posting. Any thread. A task that
  // is still there when the reactor ends is dropped.
  void post(std::function<void()> task);

  // Calls `callback` on the loop, outside any fiber, whenever the signal arrives, which no longer
  // does what it does by default. REQUIRES: called by the thread that runs the loop, before the
  // process has other threads that let the signal through (SyncPool's do not).
  void on_signal(int signal, std::function<void()> callback);

  // --- for what owns descriptors (net/socket_network.h) ---

  class Watcher {
   public:
    // `events` are epoll's. Called outside any fiber; as its last act it may destroy this object.
    virtual void on_events(std::uint32_t events) = 0;

   protected:
    ~Watcher() = default;
  };

  // Names one registration; an old name never reaches a new watcher.
  struct Watch {
    std::uint32_t slot = UINT32_MAX;
    std::uint32_t generation = 0;
  };

  // Reports events on the descriptor, edge-triggered. `watcher` lives until forget().
  [[nodiscard]] Watch watch(int descriptor, std::uint32_t events, Watcher& watcher);
  // No call reaches the watcher any more, even if its event was already fetched. REQUIRES: the
  // caller closes the descriptor at once, for that is what takes it out of epoll.
  void forget(Watch watch);
  // Reports `events` once more in the next turn: for who stops early to let others have a turn.
  void report_again(Watch watch, std::uint32_t events);
  // How many times the loop has turned.
  std::uint64_t turn() const { return turn_; }

 private:
  struct Slot {
    Watcher* watcher = nullptr;
    std::uint32_t generation = 0;
  };
  struct Report {
    Watch watch;
    std::uint32_t events;
  };
  class Inbox;
  class SignalWatcher;

  void run_fibers();
  void wait_for_events();
  // Nothing when only an event can end the wait.
  std::optional<Duration> time_to_wait();
  void dispatch(Watch watch, std::uint32_t events);
  void run_posted();

  SystemClock clock_;
  std::uint64_t turn_ = 0;
  std::vector<Scheduler*> schedulers_;

  const int epoll_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<Report> reports_for_next_turn_;
  std::vector<std::unique_ptr<SignalWatcher>> signals_;

  // Shared with other threads.
  std::atomic<bool> stop_requested_ = false;
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;  // Guarded by posted_mutex_.
  std::unique_ptr<Inbox> inbox_;               // An eventfd: writable from any thread.
};

}  // namespace keelson
