// DiskSyncs: how a disk's syncs end without the loop waiting for them. Two ways: the kernel's
// io_uring (net/uring_syncs.h), or two threads that block instead of the loop (PooledSyncs).
#pragma once

#include <memory>
#include <string>

#include "core/base/result.h"
#include "core/runtime/sync.h"
#include "net/descriptor.h"
#include "net/reactor.h"
#include "net/sync_pool.h"

namespace keelson {

// Which way is taken; `automatic` is io_uring where the kernel permits it.
enum class DiskIo { automatic, io_uring, threads };

// One sync under way. It keeps its descriptor open and has room for its outcome by itself, so the
// fiber that asked for it may be unwound meanwhile.
struct SyncOperation {
  enum class Kind { data, data_and_names };  // fdatasync, fsync

  SyncOperation(Scheduler& scheduler, std::shared_ptr<Descriptor> of, Kind what)
      : descriptor(std::move(of)), kind(what), done(scheduler) {}

  const std::shared_ptr<Descriptor> descriptor;
  const Kind kind;
  int error = 0;  // An errno; read once `done` is set.
  Event done;     // Set on the loop, outside any fiber.
};

class DiskSyncs {
 public:
  // Waits for what has begun.
  virtual ~DiskSyncs() = default;

  // Begins; never suspends.
  virtual void begin(std::shared_ptr<SyncOperation> operation) = 0;

  // "io_uring", "2 sync threads".
  virtual std::string describe() const = 0;
};

// Errors: invalid_argument when io_uring is demanded and not permitted; the message says why.
Result<std::unique_ptr<DiskSyncs>> make_disk_syncs(Reactor& reactor, DiskIo io);

class PooledSyncs final : public DiskSyncs {
 public:
  // `why` they are pooled, if that is to be told.
  PooledSyncs(Reactor& reactor, std::string why) : reactor_(reactor), why_(std::move(why)) {}

  void begin(std::shared_ptr<SyncOperation> operation) override;
  std::string describe() const override;

 private:
  static constexpr int kThreads = 2;

  Reactor& reactor_;
  const std::string why_;
  SyncPool pool_{kThreads};
};

}  // namespace keelson
