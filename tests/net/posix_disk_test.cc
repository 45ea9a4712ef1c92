// What only files have. What every disk promises is tests/conformance/disk_properties.cc.
#include "net/posix_disk.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "core/runtime/sync.h"
#include "tests/net/temporary_directory.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

class PosixDiskTest : public testing::Test {
 protected:
  PosixDiskTest() { reactor_.add(scheduler_); }
  ~PosixDiskTest() override {
    reactor_.remove(scheduler_);
    scheduler_.kill_all();
  }

  void run(std::function<void()> body) {
    scheduler_.spawn("test", [this, body = std::move(body)] {
      body();
      reactor_.stop();
    });
    reactor_.run();
  }

  Result<std::unique_ptr<PosixDisk>> open_root(const std::string& directory,
                                               DiskIo io = DiskIo::automatic) {
    return PosixDisk::open_root(reactor_, scheduler_, directory, io);
  }

  Deadline patience() { return Deadline::in(reactor_.clock(), 20s); }

  TemporaryDirectory directory_;
  Reactor reactor_;
  StackPool stacks_;
  Scheduler scheduler_{reactor_.clock(), stacks_};
};

TEST_F(PosixDiskTest, ADataDirectoryHasOneOwner) {
  auto first = open_root(directory_.path());
  ASSERT_TRUE(first.has_value()) << first.error().message;
  const auto second = open_root(directory_.path());
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(second.error().message.find(directory_.path()), std::string::npos);
  EXPECT_NE(second.error().message.find("in use"), std::string::npos);
  first->reset();
  EXPECT_TRUE(open_root(directory_.path()).has_value());
}

TEST_F(PosixDiskTest, AnOwnerThatDiedDoesNotKeepTheDirectory) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto owned = open_root(directory_.path());
    _exit(owned.has_value() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(open_root(directory_.path()).has_value());
}

TEST_F(PosixDiskTest, TheDataDirectoryIsMadeWithItsParentsForItsOwnerOnly) {
  const std::string path = directory_ / "a/b/c";
  ASSERT_TRUE(open_root(path).has_value());
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(PosixDiskTest, AFileIsNoDataDirectory) {
  const auto opened = open_root("/dev/null");
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::invalid_argument) << opened.error().message;
  EXPECT_FALSE(open_root("").has_value());
}

TEST_F(PosixDiskTest, NodesDoNotSeeTheLock) {
  run([&] {
    auto disk = *open_root(directory_.path());
    EXPECT_TRUE(std::filesystem::exists(directory_ / "LOCK"));
    EXPECT_EQ(*disk->list("", patience()), std::vector<std::string>{});
    EXPECT_EQ(disk->remove("LOCK", patience()).error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(disk->open("LOCK", OpenMode::create, patience()).error().code,
              ErrorCode::invalid_argument);
  });
}

TEST_F(PosixDiskTest, TheLoopTurnsWhileThePoolIsStuck) {
  // Both threads wait for what only the loop can give them, with nothing else behind them done.
  SyncPool pool(2);
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  int done = 0;
  run([&] {
    for (int i = 0; i < 5; ++i) {
      pool.submit([&] {
        released.wait();
        reactor_.post([&] { ++done; });
      });
    }
    for (int i = 0; i < 10; ++i) scheduler_.sleep_for(1ms);
    EXPECT_EQ(done, 0);
    release.set_value();
    const Deadline deadline = patience();
    while (done < 5 && reactor_.clock().now() < deadline.at) scheduler_.sleep_for(1ms);
    EXPECT_EQ(done, 5);
  });
}

TEST_F(PosixDiskTest, APoolFinishesWhatWasSubmittedBeforeItEnds) {
  std::atomic<int> done = 0;
  {
    SyncPool pool(2);
    for (int i = 0; i < 100; ++i) pool.submit([&] { ++done; });
  }
  EXPECT_EQ(done, 100);
}

// --- either way of syncing ---

class PosixDiskSyncTest : public PosixDiskTest, public testing::WithParamInterface<DiskIo> {};

std::vector<DiskIo> possible_ways() {
  std::vector<DiskIo> ways{DiskIo::threads};
  Reactor reactor;
  const auto uring = make_disk_syncs(reactor, DiskIo::io_uring);
  if (uring) ways.push_back(DiskIo::io_uring);
  if (!uring) std::printf("left out: %s\n", uring.error().message.c_str());
  return ways;
}

std::string name_of_io(const testing::TestParamInfo<DiskIo>& info) {
  return info.param == DiskIo::io_uring ? "io_uring" : "threads";
}
INSTANTIATE_TEST_SUITE_P(By, PosixDiskSyncTest, testing::ValuesIn(possible_ways()),
                         name_of_io);

TEST_F(PosixDiskTest, ThreadsSayWhyTheyDoIt) {
  EXPECT_EQ(PooledSyncs(reactor_, "").describe(), "2 sync threads");
  EXPECT_EQ(PooledSyncs(reactor_, "io_uring is not permitted: Operation not permitted").describe(),
            "2 sync threads, io_uring is not permitted: Operation not permitted");
}

TEST_F(PosixDiskTest, AKernelThatRefusesIoUringGetsThreads) {
  // A ring is a file, and this child may open no more.
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto disk_reactor = std::make_unique<Reactor>();
    const rlimit none{.rlim_cur = 3, .rlim_max = 3};
    if (setrlimit(RLIMIT_NOFILE, &none) != 0) _exit(2);
    const auto demanded = make_disk_syncs(*disk_reactor, DiskIo::io_uring);
    const auto chosen = make_disk_syncs(*disk_reactor, DiskIo::automatic);
    if (demanded.has_value() || !chosen.has_value()) _exit(3);
    _exit((*chosen)->describe().starts_with("2 sync threads, io_uring is not permitted: ") ? 0 : 4);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_P(PosixDiskSyncTest, AFullDiskIsNoSpaceForAWriteAndTheEndForASync) {
  std::filesystem::create_symlink("/dev/full", directory_ / "full");
  run([&] {
    auto disk = *open_root(directory_.path(), GetParam());
    auto file = *disk->open("full", OpenMode::existing, patience());
    EXPECT_EQ(file->pwrite("more", 0, patience()).error().code, ErrorCode::no_space);
    EXPECT_EQ(file->sync(patience()).error().code, ErrorCode::io_error);
  });
}

TEST_P(PosixDiskSyncTest, OtherFibersRunWhileOneSyncs) {
  run([&] {
    auto disk = *open_root(directory_.path(), GetParam());
    auto file = *disk->open("file", OpenMode::create, patience());
    ASSERT_TRUE(file->pwrite(Bytes(1 << 20, 'x'), 0, patience()).has_value());
    bool has_run = false;
    scheduler_.spawn("other", [&] { has_run = true; });
    ASSERT_TRUE(file->sync(patience()).has_value());
    EXPECT_TRUE(has_run);
  });
}

TEST_P(PosixDiskSyncTest, ADiskMayGoWhileTheSyncOfAKilledFiberIsUnderWay) {
  for (int i = 0; i < 10; ++i) {
    auto disk = *open_root(directory_.path(), GetParam());
    bool has_begun = false;
    scheduler_.spawn("syncer", [&] {
      auto file = *disk->open("file", OpenMode::create, patience());
      ASSERT_TRUE(file->pwrite(Bytes(1 << 20, 'x'), 0, patience()).has_value());
      has_begun = true;
      (void)file->sync(patience());
    });
    scheduler_.run_ready();
    EXPECT_TRUE(has_begun);
    scheduler_.kill_all();
  }
  run([&] { scheduler_.sleep_for(1ms); });  // The loop takes what the threads have posted.
}

TEST_P(PosixDiskSyncTest, ManyMoreSyncsThanARingHoldsAllEnd) {
  int ended = 0;
  run([&] {
    auto disk = *open_root(directory_.path(), GetParam());
    auto file = *disk->open("file", OpenMode::create, patience());
    for (int i = 0; i < 300; ++i) {
      scheduler_.spawn("syncer", [&, i] {
        ASSERT_TRUE(file->pwrite("x", static_cast<std::uint64_t>(i), patience()).has_value());
        ASSERT_TRUE(file->sync(patience()).has_value());
        ++ended;
      });
    }
    const Deadline deadline = patience();
    while (ended < 300 && reactor_.clock().now() < deadline.at) scheduler_.sleep_for(1ms);
  });
  EXPECT_EQ(ended, 300);
}

TEST_P(PosixDiskSyncTest, ASyncThatNobodyWaitsForAnyMoreKeepsItsFileOpen) {
  run([&] {
    auto disk = *open_root(directory_.path(), GetParam());
    for (int i = 0; i < 20; ++i) {
      auto file = *disk->open("file", OpenMode::create, patience());
      ASSERT_TRUE(file->pwrite(Bytes(1 << 16, 'x'), 0, patience()).has_value());
      const auto outcome = file->sync(Deadline{reactor_.clock().now()});
      EXPECT_TRUE(outcome.has_value() || outcome.error().code == ErrorCode::timed_out);
      file.reset();
      // A descriptor of the same number, which cannot be synced, must not be taken for the file's.
      auto other = *disk->open("other", OpenMode::create, patience());
      ASSERT_TRUE(other->sync(patience()).has_value());
    }
  });
}

}  // namespace
}  // namespace keelson
