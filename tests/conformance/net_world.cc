// The real world, with either way of syncing: machines are RealEnvs of this process, on loopback
// and in temporary directories.
#include "net/real_env.h"
#include "tests/conformance/conformance.h"
#include "tests/net/temporary_directory.h"

namespace keelson::conformance {

namespace {

using namespace std::chrono_literals;

class NetWorld final : public ConformanceWorld {
 public:
  explicit NetWorld(DiskIo io) : io_(io) {}

  void run(std::vector<Program> programs) override {
    for (std::size_t i = 0; i < programs.size(); ++i) start(std::move(programs[i]), i);
    machines_.front()->scheduler().spawn("watchdog", [this] {
      machines_.front()->scheduler().sleep_for(60s);
      ADD_FAILURE() << running_count_ << " programs still run";
      reactor_.stop();
    });
    reactor_.run();
  }

 private:
  void start(Program program, std::size_t index) {
    const std::string name = "n" + std::to_string(index + 1);
    auto opened = RealEnv::open(
        reactor_, {.node = name, .data_directory = directory_ / name, .disk_io = io_});
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    RealEnv& machine = *machines_.emplace_back(*std::move(opened));
    ++running_count_;
    machine.scheduler().spawn("program", [this, &machine, program = std::move(program)] {
      Host host{machine.env(), "127.0.0.1"};
      program(host);
      if (--running_count_ == 0) reactor_.stop();
    });
  }

  const DiskIo io_;
  TemporaryDirectory directory_;
  Reactor reactor_;
  std::vector<std::unique_ptr<RealEnv>> machines_;
  int running_count_ = 0;
};

}  // namespace

std::unique_ptr<ConformanceWorld> make_threads_net_world(std::uint64_t) {
  return std::make_unique<NetWorld>(DiskIo::threads);
}

std::unique_ptr<ConformanceWorld> make_uring_net_world(std::uint64_t) {
  return std::make_unique<NetWorld>(DiskIo::io_uring);
}

bool io_uring_is_permitted() {
  Reactor reactor;
  return make_disk_syncs(reactor, DiskIo::io_uring).has_value();
}

}  // namespace keelson::conformance
