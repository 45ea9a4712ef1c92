// Tested by tests/net/real_env_test.cc.
#include "net/real_env.h"

#include <unistd.h>

#include <cstdio>

#include "core/base/check.h"

namespace keelson {

void RealProcess::fail_stop(std::string_view why) {
  log_.event("process", std::string("ends at once: ").append(why));
  std::fflush(nullptr);
  _exit(kExitStatus);
}

Result<std::unique_ptr<RealEnv>> RealEnv::open(Reactor& reactor, const Options& options) {
  std::unique_ptr<RealEnv> real(new RealEnv(reactor, options));
  TRY(real->disk_, PosixDisk::open_root(reactor, real->scheduler_, options.data_directory,
                                         options.disk_io));
  real->log_.event("disk", real->disk_->describe_io());
  real->env_.emplace(Env{.clock = reactor.clock(),
                         .network = real->network_,
                         .disk = *real->disk_,
                         .random = real->random_,
                         .scheduler = real->scheduler_,
                         .process = real->process_,
                         .stop_requested = real->stop_requested_,
                         .log = real->log_,
                         .marks = real->marks_});
  return real;
}

RealEnv::RealEnv(Reactor& reactor, const Options& options)
    : reactor_(reactor), scheduler_(reactor.clock(), stacks_), network_(reactor, scheduler_),
      log_(reactor.clock(), options.node, options.log_format),
      process_(log_), stop_requested_(scheduler_) {
  reactor_.add(scheduler_);
}

RealEnv::~RealEnv() {
  CHECK(Fiber::current() == nullptr);
  reactor_.remove(scheduler_);
  scheduler_.kill_all();  // Fibers own what refers to the members below.
}

}  // namespace keelson
