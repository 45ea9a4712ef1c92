// RealEnv: one node's Env in the real world. START HERE for net/.
//
//   Reactor reactor;
//   TRY(auto real, RealEnv::open(reactor, {.node = "n1", .data_directory = dir}));
//   real->scheduler().spawn("node", [&] { run_node(real->env()); });
//   reactor.on_signal(SIGTERM, [&] { real->stop_requested().set(); });
//   reactor.run();
#pragma once

#include <optional>

#include "core/runtime/env.h"
#include "net/os_random.h"
#include "net/posix_disk.h"
#include "net/reactor.h"
#include "net/socket_network.h"
#include "net/stderr_log.h"

namespace keelson {

// Ends the process: with status 70 (EX_SOFTWARE), at once, without unwinding anything. Nodes that
// share the process (`keelson dev`) end with it, as machines on one power strip would.
class RealProcess final : public Process {
 public:
  static constexpr int kExitStatus = 70;

  explicit RealProcess(EventLog& log) : log_(log) {}

  [[noreturn]] void fail_stop(std::string_view why) override;

 private:
  EventLog& log_;
};

class RealEnv {
 public:
  struct Options {
    std::string node;            // What the log calls the node: "n1".
    std::string data_directory;  // Created if absent, and locked.
    DiskIo disk_io = DiskIo::automatic;
    LogFormat log_format = LogFormat::text;
  };

  // The node's fibers run in `reactor`, which outlives this object. Logs one line, how the disk is
  // synced. Errors: those of PosixDisk::open_root.
  static Result<std::unique_ptr<RealEnv>> open(Reactor& reactor, const Options& options);
  // Kills the node's fibers, youngest first. REQUIRES: called outside any fiber.
  ~RealEnv();
  RealEnv(const RealEnv&) = delete;
  RealEnv& operator=(const RealEnv&) = delete;

  Env& env() { return *env_; }
  Scheduler& scheduler() { return scheduler_; }
  Event& stop_requested() { return stop_requested_; }

 private:
  RealEnv(Reactor& reactor, const Options& options);

  Reactor& reactor_;
  StackPool stacks_;
  Scheduler scheduler_;
  SocketNetwork network_;
  std::unique_ptr<PosixDisk> disk_;  // Set by open().
  OsRandom random_;
  StderrLog log_;
  Marks marks_;
  RealProcess process_;
  Event stop_requested_;
  std::optional<Env> env_;  // Set by open().
};

}  // namespace keelson
