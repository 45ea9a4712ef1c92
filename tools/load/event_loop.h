// The load generator's own epoll loop: bare, so that one core of it can drive servers to their
// limit.
#pragma once

#include <cstdint>

namespace keelson::load {

// Nanoseconds of CLOCK_MONOTONIC.
std::int64_t now_ns();

class EventLoop {
 public:
  class Watcher {
   public:
    virtual void on_events(std::uint32_t events) = 0;

   protected:
    ~Watcher() = default;
  };

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Edge-triggered, for everything. The caller closes the descriptor to end it, which it may not do
  // while another watcher's event is handled.
  void watch(int descriptor, Watcher& watcher);

  // Waits until `until` at most and calls whom it concerns.
  void turn(std::int64_t until);

 private:
  const int epoll_;
};

}  // namespace keelson::load
