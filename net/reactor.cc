// Tested by tests/net/reactor_test.cc and tests/conformance.
#include "net/reactor.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/check.h"

namespace keelson {

void Reactor::run() {
  CHECK(Fiber::current() == nullptr);
  while (true) {
    ++turn_;
    run_fibers();
    if (stop_requested_.exchange(false)) return;
    wait_for_events();
  }
}

void Reactor::run_fibers() {
  // By index: a fiber may add the scheduler of a further node.
  for (std::size_t i = 0; i < schedulers_.size(); ++i) {
    clock_.refresh();
    schedulers_[i]->fire_timers();
    schedulers_[i]->run_ready();
  }
}

std::optional<Duration> Reactor::time_to_wait() {
  if (!reports_for_next_turn_.empty()) return Duration(0);
  std::optional<Instant> wake_at;
  for (const Scheduler* scheduler : schedulers_) {
    if (scheduler->is_halted()) continue;
    if (scheduler->has_ready()) return Duration(0);
    const auto next = scheduler->next_timer();
    if (next && (!wake_at || *next < *wake_at)) wake_at = next;
  }
  if (!wake_at) return std::nullopt;
  clock_.refresh();  // The fibers have taken their time.
  return std::max(*wake_at - clock_.now(), Duration(0));
}

void Reactor::wait_for_events() {
  const auto to_wait = time_to_wait();
  timespec timeout{};
  if (to_wait) {
    timeout.tv_sec = to_wait->count() / 1'000'000'000;
    timeout.tv_nsec = to_wait->count() % 1'000'000'000;
  }
  std::array<epoll_event, 256> events;
  const int count = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()),
                                 to_wait ? &timeout : nullptr, nullptr);
  CHECK(count >= 0 || errno == EINTR);

  // Reports asked for while this turn's are dispatched belong to the next one.
  const auto reports = std::exchange(reports_for_next_turn_, {});
  for (int i = 0; i < count; ++i) {
    const std::uint64_t name = events[i].data.u64;
    dispatch({static_cast<std::uint32_t>(name), static_cast<std::uint32_t>(name >> 32)},
             events[i].events);
  }
  for (const Report& report : reports) dispatch(report.watch, report.events);
}

void Reactor::dispatch(Watch watch, std::uint32_t events) {
  CHECK(watch.slot < slots_.size());
  const Slot& slot = slots_[watch.slot];
  if (slot.watcher == nullptr || slot.generation != watch.generation) return;  // Forgotten since.
  slot.watcher->on_events(events);
}

void Reactor::add(Scheduler& scheduler) {
  CHECK(&scheduler.clock() == &clock_);
  CHECK(std::find(schedulers_.begin(), schedulers_.end(), &scheduler) == schedulers_.end());
  schedulers_.push_back(&scheduler);
}

void Reactor::remove(Scheduler& scheduler) {
  CHECK(Fiber::current() == nullptr);
  const auto found = std::find(schedulers_.begin(), schedulers_.end(), &scheduler);
  CHECK(found != schedulers_.end());
  schedulers_.erase(found);
}

Reactor::Watch Reactor::watch(int descriptor, std::uint32_t events, Watcher& watcher) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  slots_[slot].watcher = &watcher;
  const Watch watch{slot, slots_[slot].generation};
  epoll_event event{};
  event.events = events | EPOLLET;
  event.data.u64 = std::uint64_t{watch.generation} << 32 | watch.slot;
  CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0);
  return watch;
}

void Reactor::forget(Watch watch) {
  CHECK(watch.slot < slots_.size());
  Slot& slot = slots_[watch.slot];
  CHECK(slot.watcher != nullptr && slot.generation == watch.generation);
  slot.watcher = nullptr;
  ++slot.generation;
  free_slots_.push_back(watch.slot);
}

void Reactor::report_again(Watch watch, std::uint32_t events) {
  reports_for_next_turn_.push_back({watch, events});
}

// The eventfd by which other threads end the wait.
class Reactor::Inbox final : public Watcher {
 public:
  explicit Inbox(Reactor& reactor)
      : reactor_(reactor), eventfd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    CHECK(eventfd_ >= 0);
    watch_ = reactor_.watch(eventfd_, EPOLLIN, *this);
  }
  ~Inbox() {
    reactor_.forget(watch_);
    close(eventfd_);
  }

  void ring() {
    const std::uint64_t one = 1;
    CHECK(write(eventfd_, &one, sizeof one) == sizeof one);
  }

  // Edge-triggered: every ring is reported anew, so nobody needs to read the count; it would take
  // more rings than a process lives to fill it.
  void on_events(std::uint32_t) override { reactor_.run_posted(); }

 private:
  Reactor& reactor_;
  const int eventfd_;
  Watch watch_;
};

// One signal, taken from the process's hands and turned into an event.
class Reactor::SignalWatcher final : public Watcher {
 public:
  SignalWatcher(Reactor& reactor, int signal, std::function<void()> callback)
      : reactor_(reactor), callback_(std::move(callback)) {
    sigemptyset(&set_);
    CHECK(sigaddset(&set_, signal) == 0);
    CHECK(pthread_sigmask(SIG_BLOCK, &set_, nullptr) == 0);
    signalfd_ = signalfd(-1, &set_, SFD_NONBLOCK | SFD_CLOEXEC);
    CHECK(signalfd_ >= 0);
    watch_ = reactor_.watch(signalfd_, EPOLLIN, *this);
  }
  ~SignalWatcher() {
    reactor_.forget(watch_);
    close(signalfd_);
    pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
  }

  void on_events(std::uint32_t) override {
    signalfd_siginfo info;
    while (read(signalfd_, &info, sizeof info) == sizeof info) callback_();
  }

 private:
  Reactor& reactor_;
  const std::function<void()> callback_;
  sigset_t set_;
  int signalfd_ = -1;
  Watch watch_;
};

void Reactor::on_signal(int signal, std::function<void()> callback) {
  signals_.push_back(std::make_unique<SignalWatcher>(*this, signal, std::move(callback)));
}

void Reactor::stop() {
  stop_requested_ = true;
  inbox_->ring();
}

void Reactor::post(std::function<void()> task) {
  bool was_empty;
  {
    const std::lock_guard lock(posted_mutex_);
    was_empty = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (was_empty) inbox_->ring();  // Otherwise the loop has been told and has not come yet.
}

void Reactor::run_posted() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(posted_mutex_);
    tasks.swap(posted_);
  }
  for (const auto& task : tasks) task();
}

Reactor::Reactor() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  CHECK(epoll_ >= 0);
  inbox_ = std::make_unique<Inbox>(*this);
}

Reactor::~Reactor() {
  CHECK(schedulers_.empty());
  signals_.clear();
  inbox_.reset();
  CHECK(free_slots_.size() == slots_.size());
  close(epoll_);
}

}  // namespace keelson
