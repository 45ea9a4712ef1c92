// Tested by tests/conformance/disk_properties.cc and tests/net/posix_disk_test.cc.
#include "net/posix_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/base/check.h"
#include "core/runtime/sync.h"

namespace keelson {

namespace {

// In the root: locked while a process owns the directory. Nodes do not see it.
constexpr const char* kLockName = "LOCK";

Error error_from(int error, const std::string& path) {
  const auto with = [&](ErrorCode code) {
    return Error{code, (path.empty() ? "data directory" : path) + ": " + std::strerror(error)};
  };
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return with(ErrorCode::not_found);
    case ENOSPC:
    case EDQUOT:
      return with(ErrorCode::no_space);
    case EISDIR:
    case EEXIST:
    case ENOTEMPTY:
    case ENAMETOOLONG:
      return with(ErrorCode::invalid_argument);
    default:
      return with(ErrorCode::io_error);
  }
}

// A path that a node may name.
Result<void> check_nodes_path(const std::string& path) {
  if (path == kLockName) {
    return Error{ErrorCode::invalid_argument, path + " is the lock of the data directory"};
  }
  return check_path(path);
}

bool is_directory(int root, const std::string& path) {
  struct stat status;
  return fstatat(root, path.c_str(), &status, 0) == 0 && S_ISDIR(status.st_mode);
}

bool exists(int root, const std::string& path) {
  struct stat status;
  return fstatat(root, path.c_str(), &status, 0) == 0;
}

// The kernel would also rename a directory onto an empty one, and says of a directory onto a file
// what it says of a path through a file.
Result<void> check_is_renamable(int root, const std::string& from, const std::string& to) {
  const std::size_t slash = to.rfind('/');
  const bool has_parent = slash == std::string::npos || is_directory(root, to.substr(0, slash));
  if (from == to || !has_parent || !exists(root, from)) return {};
  const bool is_directory_from = is_directory(root, from);
  const bool is_into_itself = is_directory_from && to.substr(0, from.size() + 1) == from + "/";
  if (is_into_itself || is_directory(root, to) || (is_directory_from && exists(root, to))) {
    return Error{ErrorCode::invalid_argument, "cannot rename " + from + " onto " + to};
  }
  return {};
}

// mkdir -p. Relative to `root`, or absolute.
Result<void> make_directories(int root, const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string prefix = path.substr(0, end);
    if (mkdirat(root, prefix.c_str(), 0700) != 0 &&
        !(errno == EEXIST && is_directory(root, prefix))) {
      return error_from(errno, prefix);
    }
    if (end == std::string::npos) return {};
  }
}

}  // namespace

class PosixFile final : public File {
 public:
  PosixFile(PosixDisk& disk, std::shared_ptr<Descriptor> descriptor, std::string path)
      : disk_(disk), descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<std::size_t> pread(std::span<char> into, std::uint64_t offset, Deadline) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = ::pread(descriptor_->number(), into.data() + done, into.size() - done,
                                  static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return error_from(errno, path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<void> pwrite(BytesView bytes, std::uint64_t offset, Deadline) override {
    while (!bytes.empty()) {
      const ssize_t put = ::pwrite(descriptor_->number(), bytes.data(), bytes.size(),
                                   static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return error_from(errno, path_);
      bytes.remove_prefix(static_cast<std::size_t>(put));
      offset += static_cast<std::uint64_t>(put);
    }
    return {};
  }

  Result<void> sync(Deadline deadline) override {
    return disk_.sync(descriptor_, SyncOperation::Kind::data, path_, deadline);
  }

  Result<void> truncate(std::uint64_t size, Deadline) override {
    while (ftruncate(descriptor_->number(), static_cast<off_t>(size)) != 0) {
      if (errno != EINTR) return error_from(errno, path_);
    }
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat status;
    if (fstat(descriptor_->number(), &status) != 0) return error_from(errno, path_);
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  PosixDisk& disk_;
  const std::shared_ptr<Descriptor> descriptor_;
  const std::string path_;
};

Result<std::unique_ptr<PosixDisk>> PosixDisk::open_root(Reactor& reactor, Scheduler& scheduler,
                                                        const std::string& directory, DiskIo io) {
  if (directory.empty() || directory.find('\0') != std::string::npos) {
    return Error{ErrorCode::invalid_argument, "no data directory is named"};
  }
  TRY(make_directories(AT_FDCWD, directory));
  auto root = std::make_unique<Descriptor>(
      ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root->number() < 0) return error_from(errno, directory);
  auto lock = std::make_unique<Descriptor>(
      openat(root->number(), kLockName, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock->number() < 0) return error_from(errno, directory + "/" + kLockName);
  if (flock(lock->number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return error_from(errno, directory + "/" + kLockName);
    return Error{ErrorCode::invalid_argument,
                 "data directory " + directory + " is in use by another node"};
  }
  TRY(auto syncs, make_disk_syncs(reactor, io));
  return std::unique_ptr<PosixDisk>(
      new PosixDisk(scheduler, std::move(root), std::move(lock), std::move(syncs)));
}

Result<std::unique_ptr<File>> PosixDisk::open(const std::string& path, OpenMode mode, Deadline) {
  TRY(check_nodes_path(path));
  const int create = mode == OpenMode::create ? O_CREAT : 0;
  auto descriptor = std::make_shared<Descriptor>(
      openat(root_->number(), path.c_str(), O_RDWR | O_CLOEXEC | create, 0600));
  if (descriptor->number() < 0) return error_from(errno, path);
  return std::unique_ptr<File>(new PosixFile(*this, std::move(descriptor), path));
}

Result<void> PosixDisk::rename(const std::string& from, const std::string& to, Deadline) {
  TRY(check_nodes_path(from));
  TRY(check_nodes_path(to));
  TRY(check_is_renamable(root_->number(), from, to));
  if (renameat(root_->number(), from.c_str(), root_->number(), to.c_str()) != 0) {
    return error_from(errno, from + " -> " + to);
  }
  return {};
}

Result<void> PosixDisk::remove(const std::string& path, Deadline) {
  TRY(check_nodes_path(path));
  if (unlinkat(root_->number(), path.c_str(), 0) == 0) return {};
  if (errno == EISDIR && unlinkat(root_->number(), path.c_str(), AT_REMOVEDIR) == 0) return {};
  return error_from(errno, path);
}

Result<void> PosixDisk::create_directory(const std::string& path, Deadline) {
  TRY(check_nodes_path(path));
  return make_directories(root_->number(), path);
}

Result<std::shared_ptr<Descriptor>> PosixDisk::open_directory(const std::string& path) {
  if (!path.empty()) TRY(check_nodes_path(path));
  auto descriptor = std::make_shared<Descriptor>(openat(
      root_->number(), path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Here ENOTDIR may also mean that the last name is a file's.
  if (descriptor->number() < 0 && errno == ENOTDIR && exists(root_->number(), path)) {
    return Error{ErrorCode::invalid_argument, path + " is a file"};
  }
  if (descriptor->number() < 0) return error_from(errno, path);
  return descriptor;
}

Result<std::vector<std::string>> PosixDisk::list(const std::string& path, Deadline) {
  TRY(const auto descriptor, open_directory(path));
  // fdopendir takes the descriptor for itself.
  DIR* const directory = fdopendir(fcntl(descriptor->number(), F_DUPFD_CLOEXEC, 0));
  if (directory == nullptr) return error_from(errno, path);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || (path.empty() && name == kLockName)) continue;
    names.emplace_back(name);
  }
  const int error = errno;
  closedir(directory);
  if (error != 0) return error_from(error, path);
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> PosixDisk::sync_directory(const std::string& path, Deadline deadline) {
  TRY(auto descriptor, open_directory(path));
  return sync(std::move(descriptor), SyncOperation::Kind::data_and_names, path, deadline);
}

Result<void> PosixDisk::sync(std::shared_ptr<Descriptor> descriptor, SyncOperation::Kind kind,
                             const std::string& path, Deadline deadline) {
  const auto operation =
      std::make_shared<SyncOperation>(scheduler_, std::move(descriptor), kind);
  syncs_->begin(operation);
  if (!operation->done.wait(deadline)) {
    return Error{ErrorCode::timed_out, path + ": the sync is still under way"};
  }
  if (operation->error == 0) return {};
  // Whatever the errno: what was written may be gone, even if the disk was merely full.
  return Error{ErrorCode::io_error, path + ": sync failed: " + std::strerror(operation->error)};
}

Result<std::uint64_t> PosixDisk::free_bytes() {
  struct statvfs status;
  if (fstatvfs(root_->number(), &status) != 0) return error_from(errno, "");
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

}  // namespace keelson
