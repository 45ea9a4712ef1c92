// A disk in memory for tests of storage: the most forgetful one that core/runtime/disk.h allows. A
// loss of power takes everything that was not synced, and a failed sync takes it too, while reads
// still show it. Suspends only when it is given a latency.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/runtime/disk.h"
#include "core/runtime/scheduler.h"

namespace keelson {

class MemoryDisk : public Disk {
 public:
  // Called after every operation that changes something, at the moment it has taken effect.
  std::function<void()> on_operation;
  // A sync takes so long: REQUIRES that it is called by a fiber of this scheduler.
  Scheduler* scheduler = nullptr;
  Duration sync_latency{};
  // Faults, used up one by one.
  int syncs_to_fail = 0;
  int directory_syncs_to_fail = 0;
  bool names_find_space = true;  // Otherwise no file can be created.
  std::optional<std::size_t> space_left;  // Bytes the next writes may still take.
  int syncs = 0;
  int writes = 0;

  // What a node finds after a loss of power now.
  std::unique_ptr<MemoryDisk> after_power_loss() const {
    auto disk = std::make_unique<MemoryDisk>();
    disk->directories_ = disk->durable_directories_ = durable_directories_;
    for (const auto& [path, file] : durable_names_) {
      if (!durable_directories_.contains(parent_of(path))) continue;
      disk->names_[path] = disk->durable_names_[path] =
          std::make_shared<Stored>(Stored{file->durable, file->durable, {}});
    }
    return disk;
  }
  // What a node finds when only its process has died: the page cache is still there.
  std::unique_ptr<MemoryDisk> after_process_death() const {
    auto disk = std::make_unique<MemoryDisk>();
    disk->directories_ = directories_;
    disk->durable_directories_ = durable_directories_;
    std::map<const Stored*, std::shared_ptr<Stored>> copies;
    const auto copy_of = [&](const std::shared_ptr<Stored>& file) {
      std::shared_ptr<Stored>& copy = copies[file.get()];
      if (copy == nullptr) copy = std::make_shared<Stored>(*file);
      return copy;
    };
    for (const auto& [path, file] : names_) disk->names_[path] = copy_of(file);
    for (const auto& [path, file] : durable_names_) disk->durable_names_[path] = copy_of(file);
    return disk;
  }

  bool exists(const std::string& path) const { return names_.contains(path); }
  const Bytes& content(const std::string& path) const { return names_.at(path)->seen; }
  // Puts a file there, durably.
  void put(const std::string& path, const Bytes& content) {
    names_[path] = durable_names_[path] = std::make_shared<Stored>(Stored{content, content, {}});
  }
  void erase(const std::string& path) {
    names_.erase(path);
    durable_names_.erase(path);
  }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode, Deadline) override {
    if (!names_.contains(path)) {
      if (mode == OpenMode::existing || !directories_.contains(parent_of(path))) {
        return Error{ErrorCode::not_found, path};
      }
      if (!names_find_space) return Error{ErrorCode::no_space, path};
      names_[path] = std::make_shared<Stored>();
      done();
    }
    return std::unique_ptr<File>(new OpenFile(*this, names_[path]));
  }
  Result<void> rename(const std::string& from, const std::string& to, Deadline) override {
    if (!names_.contains(from)) return Error{ErrorCode::not_found, from};
    names_[to] = names_[from];
    names_.erase(from);
    done();
    return {};
  }
  Result<void> remove(const std::string& path, Deadline) override {
    if (names_.erase(path) == 0) return Error{ErrorCode::not_found, path};
    done();
    return {};
  }
  Result<void> create_directory(const std::string& path, Deadline) override {
    CHECK(path.find('/') == std::string::npos);  // Storage needs no deeper ones.
    directories_.insert(path);
    done();
    return {};
  }
  Result<std::vector<std::string>> list(const std::string& path, Deadline) override {
    std::vector<std::string> found;
    for (const auto& [name, file] : names_) {
      if (parent_of(name) == path) found.push_back(name.substr(name.rfind('/') + 1));
    }
    return found;
  }
  Result<void> sync_directory(const std::string& path, Deadline) override {
    if (sync_latency > Duration::zero()) scheduler->sleep_for(sync_latency);
    if (directory_syncs_to_fail > 0) {
      --directory_syncs_to_fail;
      return Error{ErrorCode::io_error, "sync of a directory failed"};
    }
    std::erase_if(durable_names_, [&](const auto& entry) {
      return parent_of(entry.first) == path && !names_.contains(entry.first);
    });
    for (const auto& [name, file] : names_) {
      if (parent_of(name) == path) durable_names_[name] = file;
    }
    if (path.empty()) durable_directories_ = directories_;
    done();
    return {};
  }
  Result<std::uint64_t> free_bytes() override { return std::uint64_t{1} << 40; }

 private:
  struct Stored {
    Bytes seen;
    Bytes durable;
    std::set<std::size_t> dirty;  // Offsets of `seen` that a sync would save.
  };

  class OpenFile : public File {
   public:
    OpenFile(MemoryDisk& disk, std::shared_ptr<Stored> file)
        : disk_(disk), file_(std::move(file)) {}

    Result<std::size_t> pread(std::span<char> into, std::uint64_t offset, Deadline) override {
      if (offset >= file_->seen.size()) return std::size_t{0};
      return file_->seen.copy(into.data(), into.size(), offset);
    }
    Result<void> pwrite(BytesView bytes, std::uint64_t offset, Deadline) override {
      ++disk_.writes;
      std::size_t accepted = bytes.size();
      if (disk_.space_left) {
        accepted = std::min(accepted, *disk_.space_left);
        *disk_.space_left -= accepted;
      }
      if (file_->seen.size() < offset + accepted) file_->seen.resize(offset + accepted);
      file_->seen.replace(offset, accepted, bytes.substr(0, accepted));
      for (std::size_t i = 0; i < accepted; ++i) file_->dirty.insert(offset + i);
      disk_.done();
      if (accepted < bytes.size()) return Error{ErrorCode::no_space, "no space"};
      return {};
    }
    Result<void> sync(Deadline) override {
      ++disk_.syncs;
      if (disk_.sync_latency > Duration::zero()) {
        disk_.scheduler->sleep_for(disk_.sync_latency);
      }
      const std::set<std::size_t> dirty = std::exchange(file_->dirty, {});
      if (disk_.syncs_to_fail > 0) {
        --disk_.syncs_to_fail;
        return Error{ErrorCode::io_error, "sync failed"};
      }
      file_->durable.resize(file_->seen.size());
      for (const std::size_t offset : dirty) {
        if (offset < file_->seen.size()) file_->durable[offset] = file_->seen[offset];
      }
      disk_.done();
      return {};
    }
    Result<void> truncate(std::uint64_t size, Deadline) override {
      file_->seen.resize(size);
      disk_.done();
      return {};
    }
    Result<std::uint64_t> size() override { return std::uint64_t{file_->seen.size()}; }

   private:
    MemoryDisk& disk_;
    const std::shared_ptr<Stored> file_;
  };

  static std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
  }
  void done() {
    if (on_operation) on_operation();
  }

  std::map<std::string, std::shared_ptr<Stored>> names_, durable_names_;
  std::set<std::string> directories_{""}, durable_directories_{""};
};

}  // namespace keelson
