// Disk of the real world: files below a data directory that one process owns.
//
// Reads and writes happen on the loop, in the page cache; fdatasync and fsync happen on two threads
// and wake the fiber through Reactor::post. An operation keeps its descriptor open by itself, so
// the fiber that asked for it may be unwound meanwhile.
#pragma once

#include "core/runtime/disk.h"
#include "core/runtime/scheduler.h"
#include "net/reactor.h"
#include "net/sync_pool.h"

namespace keelson {

// Closes a file descriptor when it goes.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const { return number_; }

 private:
  const int number_;
};

// Outlives its files.
class PosixDisk final : public Disk {
 public:
  // Opens the data directory, creating it and its parents as needed, and locks it until this object
  // ends or the process dies. `scheduler` runs the fibers that will sync. Errors: invalid_argument
  // (in use by a process, or not a directory; the message says which), io_error.
  static Result<std::unique_ptr<PosixDisk>> open_root(Reactor& reactor, Scheduler& scheduler,
                                                      const std::string& directory);
  // Waits for the syncs that are under way.
  ~PosixDisk() override = default;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     Deadline deadline) override;
  Result<void> rename(const std::string& from, const std::string& to, Deadline deadline) override;
  // Takes files, and directories that are empty.
  Result<void> remove(const std::string& path, Deadline deadline) override;
  Result<void> create_directory(const std::string& path, Deadline deadline) override;
  Result<std::vector<std::string>> list(const std::string& path, Deadline deadline) override;
  Result<void> sync_directory(const std::string& path, Deadline deadline) override;
  Result<std::uint64_t> free_bytes() override;

 private:
  friend class PosixFile;
  enum class SyncKind { data, data_and_names };

  PosixDisk(Reactor& reactor, Scheduler& scheduler, std::unique_ptr<Descriptor> root,
            std::unique_ptr<Descriptor> lock)
      : reactor_(reactor), scheduler_(scheduler), root_(std::move(root)), lock_(std::move(lock)) {}

  // Suspends until the sync is done or the deadline; the sync goes on regardless.
  Result<void> sync(std::shared_ptr<Descriptor> descriptor, SyncKind kind,
                    const std::string& path, Deadline deadline);
  Result<std::shared_ptr<Descriptor>> open_directory(const std::string& path);

  Reactor& reactor_;
  Scheduler& scheduler_;
  const std::unique_ptr<Descriptor> root_;
  const std::unique_ptr<Descriptor> lock_;
  SyncPool pool_{2};
};

}  // namespace keelson
