// Tested by tests/sim/disk_test.cc.
#include "sim/attached_disk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "sim/machine.h"
#include "sim/sim_disk.h"
#include "sim/world.h"

namespace keelson::sim {

namespace {

Error not_found(std::string_view path) {
  return {ErrorCode::not_found, fmt::format("there is no \"{}\"", path)};
}

Error wrong_kind(std::string_view path, std::string_view what) {
  return {ErrorCode::invalid_argument, fmt::format("\"{}\" is {}", path, what)};
}

struct Split {
  std::string_view directory;
  std::string name;
};

// REQUIRES: check_path(path).
Split split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {std::string_view(path).substr(0, slash), path.substr(slash + 1)};
}

// The path of a directory that there is not: nothing, or a file.
Error no_directory(std::string_view path, bool is_file) {
  if (is_file) return wrong_kind(path, "a file");
  return not_found(path);
}

}  // namespace

// --- files ---

Result<std::size_t> AttachedFile::pread(std::span<char> into, std::uint64_t offset,
                                        Deadline deadline) {
  TRY(disk_.take_time(DiskOperation::read, path_, deadline));
  const FileBytes& content = image_->visible();
  if (offset >= content.size()) return std::size_t{0};
  const std::size_t size = std::min<std::uint64_t>(into.size(), content.size() - offset);
  if (!image_->harms().empty()) [[unlikely]] {
    TRY(disk_.meet_harms(*image_, path_, {offset, offset + size}));
  }
  content.read_into(into.first(size), offset);
  return size;
}

void AttachedFile::write_now(BytesView bytes, std::uint64_t offset) {
  if (bytes.empty()) return;
  if (!disk_.strikes(SimDisk::FileFault::misdirected_write, path_) ||
      !disk_.misdirect(*image_, path_, bytes, offset)) {
    image_->write(bytes, offset);
  }
  disk_.world_.trace().record(
      disk_.machine_.index(), Kind::disk_write, hash64(bytes, offset),
      [&] { return fmt::format("{} bytes at {} of {}", bytes.size(), offset, path_); });
  if (disk_.tap_ != nullptr) [[unlikely]] {
    disk_.tap_->on_write(disk_.machine_, path_, offset, bytes);
  }
}

Result<void> AttachedFile::pwrite(BytesView bytes, std::uint64_t offset, Deadline deadline) {
  if (auto done = disk_.take_time(DiskOperation::write, path_, deadline); !done.has_value()) {
    if (done.error().code == ErrorCode::io_error) {
      const std::uint64_t prefix = disk_.error_choices_.choose(bytes.size() + 1);
      const std::uint64_t size = image_->visible().size();
      const std::uint64_t growth = offset + prefix > size ? offset + prefix - size : 0;
      if (disk_.space_for(growth) == growth) write_now(bytes.substr(0, prefix), offset);
    }
    return done;
  }
  const std::uint64_t end = offset + bytes.size();
  const std::uint64_t size = image_->visible().size();
  if (end > size) {
    const std::uint64_t possible_end = size + disk_.space_for(end - size);
    if (possible_end < end) {
      // As much as there is space for is written.
      if (possible_end > offset) write_now(bytes.substr(0, possible_end - offset), offset);
      return disk_.no_space(path_);
    }
  }
  write_now(bytes, offset);
  return {};
}

Result<void> AttachedFile::truncate(std::uint64_t size, Deadline deadline) {
  TRY(disk_.take_time(DiskOperation::write, path_, deadline));
  const std::uint64_t size_before = image_->visible().size();
  if (size > size_before && disk_.space_for(size - size_before) < size - size_before) {
    return disk_.no_space(path_);
  }
  image_->truncate(size);
  disk_.world_.trace().record(disk_.machine_.index(), Kind::disk_write, hash64(path_, size),
                              [&] { return fmt::format("{} has {} bytes", path_, size); });
  if (disk_.tap_ != nullptr) [[unlikely]] disk_.tap_->on_truncate(disk_.machine_, path_, size);
  return {};
}

Result<void> AttachedFile::sync(Deadline deadline) {
  return disk_.sync_file(image_, path_, deadline);
}

// --- names ---

Result<std::unique_ptr<File>> AttachedDisk::open(const std::string& path, OpenMode mode,
                                                 Deadline deadline) {
  TRY(check_path(path));
  TRY(disk_.take_time(DiskOperation::change_names, path, deadline));
  const auto [directory_path, name] = split(path);
  const auto directory = disk_.find_directory(directory_path);
  if (directory == nullptr) return not_found(directory_path);
  if (const Entry* const known = directory->find(name); known != nullptr) {
    if (known->file == nullptr) return wrong_kind(path, "a directory");
    return std::unique_ptr<File>(std::make_unique<AttachedFile>(disk_, known->file, path));
  }
  if (mode == OpenMode::existing) return not_found(path);
  auto image = std::make_shared<FileImage>(disk_.used_bytes_);
  directory->apply({{name, Entry{image, nullptr}}});
  return std::unique_ptr<File>(std::make_unique<AttachedFile>(disk_, std::move(image), path));
}

Result<void> AttachedDisk::rename(const std::string& from, const std::string& to,
                                  Deadline deadline) {
  TRY(check_path(from));
  TRY(check_path(to));
  TRY(disk_.take_time(DiskOperation::change_names, from, deadline));
  const auto [from_path, from_name] = split(from);
  const auto [to_path, to_name] = split(to);
  const auto from_directory = disk_.find_directory(from_path);
  const auto to_directory = disk_.find_directory(to_path);
  if (from_directory == nullptr || from_directory->find(from_name) == nullptr) {
    return not_found(from);
  }
  if (to_directory == nullptr) return not_found(to_path);
  if (from == to) return {};
  const Entry moved = *from_directory->find(from_name);
  const Entry* const replaced = to_directory->find(to_name);
  if (replaced != nullptr && replaced->directory != nullptr) return wrong_kind(to, "a directory");
  if (moved.directory != nullptr) {
    if (replaced != nullptr) return wrong_kind(to, "a file");
    if (has_prefix(to, from + "/")) return wrong_kind(to, "inside " + from);
  }
  if (from_directory == to_directory) {
    from_directory->apply({{from_name, std::nullopt}, {to_name, moved}});
  } else {
    // Two directories are made durable one by one, so each may lose its half.
    to_directory->apply({{to_name, moved}});
    from_directory->apply({{from_name, std::nullopt}});
  }
  return {};
}

Result<void> AttachedDisk::remove(const std::string& path, Deadline deadline) {
  TRY(check_path(path));
  TRY(disk_.take_time(DiskOperation::change_names, path, deadline));
  const auto [directory_path, name] = split(path);
  const auto directory = disk_.find_directory(directory_path);
  const Entry* const known = directory == nullptr ? nullptr : directory->find(name);
  if (known == nullptr) return not_found(path);
  if (known->directory != nullptr && !known->directory->visible().empty()) {
    return wrong_kind(path, "a directory that is not empty");
  }
  directory->apply({{name, std::nullopt}});
  return {};
}

Result<void> AttachedDisk::create_directory(const std::string& path, Deadline deadline) {
  TRY(check_path(path));
  TRY(disk_.take_time(DiskOperation::change_names, path, deadline));
  std::size_t end = 0;
  while (end < path.size()) {
    end = std::min(path.find('/', end), path.size());
    const std::string so_far = path.substr(0, end++);
    const auto [parent_path, name] = split(so_far);
    const auto parent = disk_.find_directory(parent_path);
    CHECK(parent != nullptr);
    const Entry* const known = parent->find(name);
    if (known == nullptr) {
      parent->apply({{name, Entry{nullptr, std::make_shared<DirectoryImage>()}}});
    } else if (known->directory == nullptr) {
      return wrong_kind(so_far, "a file");
    }
  }
  return {};
}

Result<std::vector<std::string>> AttachedDisk::list(const std::string& path, Deadline deadline) {
  if (!path.empty()) TRY(check_path(path));
  TRY(disk_.take_time(DiskOperation::read, path, deadline));
  const auto directory = disk_.find_directory(path);
  if (directory == nullptr) return no_directory(path, disk_.read_visible(path).has_value());
  std::vector<std::string> names;
  for (const auto& [name, entry] : directory->visible()) names.push_back(name);
  return names;
}

Result<void> AttachedDisk::sync_directory(const std::string& path, Deadline deadline) {
  if (!path.empty()) TRY(check_path(path));
  auto directory = disk_.find_directory(path);
  if (directory == nullptr) return no_directory(path, disk_.read_visible(path).has_value());
  return disk_.sync_directory(std::move(directory), path, deadline);
}

Result<std::uint64_t> AttachedDisk::free_bytes() { return disk_.free_bytes(); }

}  // namespace keelson::sim
