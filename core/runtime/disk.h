// The disk, as a node is allowed to see it, and what survives a loss of power.
//
// Production: net/posix_disk.h. Simulation: sim/sim_disk.h. What both promise is
// tests/conformance/disk_properties.cc.
//
// A write is seen by later reads at once and is durable only after a sync() of its file that began
// after the write returned. A created, renamed or removed name is durable only after a
// sync_directory() of its directory. After a failed sync() the written bytes may be gone although
// reads still show them, and a later successful sync() says nothing about them: the node must end.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/runtime/clock.h"

namespace keelson {

// A fiber that is killed inside one of these calls leaves the operation to end or not, as a loss of
// power would; the bytes passed are not read after the call has returned or unwound.
class File {
 public:
  virtual ~File() = default;

  // How many bytes were read: fewer than asked only at the end of the file. Errors: io_error.
  virtual Result<std::size_t> pread(std::span<char> into, std::uint64_t offset,
                                    Deadline deadline) = 0;

  // All of `bytes` or an error; writing past the end fills the gap with zeros. Errors: io_error,
  // no_space (in both cases some prefix may have been written).
  virtual Result<void> pwrite(BytesView bytes, std::uint64_t offset, Deadline deadline) = 0;

  // Errors: io_error; timed_out says that the outcome is not known yet.
  virtual Result<void> sync(Deadline deadline) = 0;

  // Cuts or zero-extends; durable after sync().
  virtual Result<void> truncate(std::uint64_t size, Deadline deadline) = 0;

  virtual Result<std::uint64_t> size() = 0;
};

enum class OpenMode {
  existing,  // not_found when absent
  create,    // created empty when absent, kept when present
};

// Paths are relative to the node's data directory: names with "/" between them, of 1 to 255 bytes,
// without zero bytes, none of them "." or "..", and the first not "LOCK", which the world keeps for
// itself. Other paths are invalid_argument, and so is a file in place of a directory or the other
// way round; a path through what does not exist or is no directory is not_found.
class Disk {
 public:
  virtual ~Disk() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                             Deadline deadline) = 0;
  // Atomically replaces the file `to`, if it exists, by the file `from`; its handles follow a file.
  // A directory moves with all that is in it, but only to a new name: where there is a directory or
  // a file already, or into itself, is invalid_argument, and so is a file onto a directory.
  virtual Result<void> rename(const std::string& from, const std::string& to,
                              Deadline deadline) = 0;
  // A file, whose handles stay good, or an empty directory. Errors: not_found, invalid_argument.
  virtual Result<void> remove(const std::string& path, Deadline deadline) = 0;
  // Makes the directory and its parents; fine when it exists.
  virtual Result<void> create_directory(const std::string& path, Deadline deadline) = 0;
  // The names directly below `path`, sorted; "" is the data directory itself.
  virtual Result<std::vector<std::string>> list(const std::string& path, Deadline deadline) = 0;
  virtual Result<void> sync_directory(const std::string& path, Deadline deadline) = 0;
  virtual Result<std::uint64_t> free_bytes() = 0;
};

// Refuses, with invalid_argument, what is no path as described above. For the worlds.
Result<void> check_path(const std::string& path);

}  // namespace keelson
