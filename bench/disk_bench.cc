// What a sync costs a fiber: each appender writes 4 KiB to a file of its own and waits until they
// are durable, again and again, through the production disk.
//
//   keelson-disk-bench DIRECTORY [io_uring|threads] [APPENDERS] [MILLISECONDS] [growing|prepared]
//
// Prints one line of JSON. A prepared file is written with zeros and synced before the clock
// starts.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "net/real_env.h"

namespace keelson::bench {
namespace {

constexpr std::size_t kAppendBytes = 4096;
constexpr std::uint64_t kPreparedBytes = 64 << 20;

struct Setting {
  std::string directory;
  DiskIo io = DiskIo::automatic;
  std::size_t appenders = 1;
  Duration span = std::chrono::seconds(1);
  bool prepared = false;
};

class DiskBench {
 public:
  explicit DiskBench(const Setting& setting) : setting_(setting) {
    auto opened = RealEnv::open(reactor_, {.node = "bench",
                                           .data_directory = setting.directory,
                                           .disk_io = setting.io});
    if (!opened) {
      fmt::print(stderr, "keelson-disk-bench: {}\n", opened.error().message);
      std::exit(1);
    }
    real_ = *std::move(opened);
  }

  void run() {
    for (std::size_t i = 0; i < setting_.appenders; ++i) {
      files_.push_back(nullptr);
      real_->scheduler().spawn("appender", [this, i] { append(i); });
    }
    reactor_.run();
    print();
  }

 private:
  void append(std::size_t number) {
    auto& file = files_[number];
    file = *real_->env().disk.open("file" + std::to_string(number), OpenMode::create,
                                   Deadline::never());
    const Bytes zeros(1 << 20, '\0');
    for (std::uint64_t at = 0; setting_.prepared && at < kPreparedBytes; at += zeros.size()) {
      CHECK(file->pwrite(zeros, at, Deadline::never()).has_value());
    }
    CHECK(file->sync(Deadline::never()).has_value());
    if (++ready_ == setting_.appenders) start_ = reactor_.clock().now();
    while (ready_ < setting_.appenders) real_->scheduler().sleep_for(std::chrono::milliseconds(1));

    std::uint64_t position = 0;
    Bytes bytes(kAppendBytes, 'x');
    while (reactor_.clock().now() - start_ < setting_.span) {
      const Instant before = reactor_.clock().now();
      ++bytes[0];
      CHECK(file->pwrite(bytes, position, Deadline::never()).has_value());
      CHECK(file->sync(Deadline::never()).has_value());
      latencies_.push_back((reactor_.clock().now() - before).count());
      position = (position + kAppendBytes) % kPreparedBytes;
    }
    end_ = reactor_.clock().now();
    if (++done_ == setting_.appenders) reactor_.stop();
  }

  void print() {
    CHECK(!latencies_.empty());
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [&](std::size_t percent) {
      return latencies_[(latencies_.size() - 1) * percent / 100] / 1000;
    };
    const std::int64_t span_us = (end_ - start_).count() / 1000;
    fmt::print("{{\"io\":\"{}\",\"prepared\":{},\"appenders\":{},\"appends_per_second\":{},"
               "\"p50_us\":{},\"p99_us\":{}}}\n",
               setting_.io == DiskIo::threads ? "threads" : "io_uring", setting_.prepared,
               setting_.appenders,
               static_cast<std::int64_t>(latencies_.size()) * 1'000'000 / span_us, at(50), at(99));
  }

  const Setting setting_;
  Reactor reactor_;
  std::unique_ptr<RealEnv> real_;
  std::vector<std::unique_ptr<File>> files_;
  std::size_t ready_ = 0;
  std::size_t done_ = 0;
  Instant start_;
  Instant end_;
  std::vector<std::int64_t> latencies_;
};

}  // namespace
}  // namespace keelson::bench

int main(int argc, char** argv) {
  using namespace keelson;
  if (argc < 2) {
    fmt::print(stderr, "usage: keelson-disk-bench DIRECTORY [io_uring|threads] [APPENDERS] "
                       "[MILLISECONDS] [growing|prepared]\n");
    return 2;
  }
  bench::Setting setting{.directory = argv[1]};
  setting.io = argc > 2 && std::string(argv[2]) == "threads" ? DiskIo::threads : DiskIo::io_uring;
  if (argc > 3) setting.appenders = static_cast<std::size_t>(std::max(1, std::atoi(argv[3])));
  if (argc > 4) setting.span = std::chrono::milliseconds(std::max(1, std::atoi(argv[4])));
  setting.prepared = argc > 5 && std::string(argv[5]) == "prepared";
  bench::DiskBench(setting).run();
  return 0;
}
