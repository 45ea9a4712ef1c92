// Tested by tests/tools/keelson_bench_test.py.
#include "tools/load/event_loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/base/check.h"

namespace keelson::load {

std::int64_t now_ns() {
  timespec time;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

EventLoop::EventLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) { CHECK(epoll_ >= 0); }

EventLoop::~EventLoop() { close(epoll_); }

void EventLoop::watch(int descriptor, Watcher& watcher) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &watcher;
  CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0);
}

void EventLoop::turn(std::int64_t until) {
  const std::int64_t wait = std::max<std::int64_t>(until - now_ns(), 0);
  const timespec timeout{.tv_sec = wait / 1'000'000'000, .tv_nsec = wait % 1'000'000'000};
  std::array<epoll_event, 256> events;
  const int count = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout,
                                 nullptr);
  CHECK(count >= 0 || errno == EINTR);
  for (int i = 0; i < count; ++i) {
    static_cast<Watcher*>(events[i].data.ptr)->on_events(events[i].events);
  }
}

}  // namespace keelson::load
