// The events of a world in the order of (true time, sequence): ties never depend on addresses.
#pragma once

#include <vector>

#include "sim/true_time.h"

namespace keelson::sim {

// What an event does when its time has come.
class EventTarget {
 public:
  virtual ~EventTarget() = default;
  // `argument` is what schedule() was given. A target that changes its mind ignores events whose
  // argument (say, a generation) is out of date; it outlives its events.
  virtual void on_event(std::uint64_t argument) = 0;
};

struct Event {
  TrueTime at;
  std::uint64_t sequence = 0;
  EventTarget* target = nullptr;
  std::uint64_t argument = 0;
};

class EventQueue {
 public:
  // REQUIRES: at >= now().
  void schedule(TrueTime at, EventTarget& target, std::uint64_t argument = 0);

  bool empty() const { return heap_.empty(); }
  // REQUIRES: !empty().
  TrueTime next_time() const { return heap_.front().at; }
  // Takes the next event and moves now() to it. REQUIRES: !empty().
  Event take_next();

  TrueTime now() const { return now_; }
  // REQUIRES: now() <= time <= next_time().
  void advance_to(TrueTime time);
  std::uint64_t taken() const { return taken_; }

 private:
  TrueTime now_;
  std::uint64_t next_sequence_ = 0;
  std::uint64_t taken_ = 0;
  std::vector<Event> heap_;  // A 4-ary heap.
};

}  // namespace keelson::sim
