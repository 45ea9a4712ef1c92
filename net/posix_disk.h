// Disk of the real world: files below a data directory that one process owns.
//
// Reads and writes happen on the loop, in the page cache; fdatasync and fsync are waited for
// elsewhere (net/disk_syncs.h), and the fiber is woken when they end.
#pragma once

#include "core/runtime/disk.h"
#include "core/runtime/scheduler.h"
#include "net/disk_syncs.h"

namespace keelson {

// Outlives its files.
class PosixDisk final : public Disk {
 public:
  // Opens the data directory, creating it and its parents as needed, and locks it until this object
  // ends or the process dies. `scheduler` runs the fibers that will sync. Errors: invalid_argument
  // (in use by a process, not a directory, or no such `io` here; the message says which), io_error.
  static Result<std::unique_ptr<PosixDisk>> open_root(Reactor& reactor, Scheduler& scheduler,
                                                      const std::string& directory,
                                                      DiskIo io = DiskIo::automatic);
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

  // How syncs are waited for: "io_uring", "2 sync threads, io_uring is not permitted: ...".
  std::string describe_io() const { return syncs_->describe(); }

 private:
  friend class PosixFile;

  PosixDisk(Scheduler& scheduler, std::unique_ptr<Descriptor> root,
            std::unique_ptr<Descriptor> lock, std::unique_ptr<DiskSyncs> syncs)
      : scheduler_(scheduler), root_(std::move(root)), lock_(std::move(lock)),
        syncs_(std::move(syncs)) {}

  // Suspends until the sync is done or the deadline; the sync goes on regardless.
  Result<void> sync(std::shared_ptr<Descriptor> descriptor, SyncOperation::Kind kind,
                    const std::string& path, Deadline deadline);
  Result<std::shared_ptr<Descriptor>> open_directory(const std::string& path);

  Scheduler& scheduler_;
  const std::unique_ptr<Descriptor> root_;
  const std::unique_ptr<Descriptor> lock_;
  const std::unique_ptr<DiskSyncs> syncs_;
};

}  // namespace keelson
