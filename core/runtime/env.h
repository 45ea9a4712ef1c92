// Env: all the outside there is. A node is handed one and looks nothing up for itself.
#pragma once

#include <string_view>

#include "core/base/event_log.h"
#include "core/runtime/clock.h"
#include "core/runtime/disk.h"
#include "core/runtime/network.h"
#include "core/runtime/random.h"
#include "core/runtime/scheduler.h"
#include "core/runtime/sync.h"

namespace keelson {

// The process that a node lives in, as far as the node may end it.
class Process {
 public:
  virtual ~Process() = default;

  // Ends the whole node at once, as SIGKILL would, because it may promise nothing more (a failed
  // sync, an index that went backwards). Its fibers never run again.
  [[noreturn]] virtual void fail_stop(std::string_view why) = 0;
};

// References to one process's view of its world; all outlive the node.
struct Env {
  Clock& clock;
  Network& network;
  Disk& disk;
  RandomSource& random;
  Scheduler& scheduler;
  Process& process;
  Event& stop_requested;  // Set when the operator asks for an orderly stop (SIGTERM).
  EventLog& log;
  Marks& marks;
};

}  // namespace keelson
