// What a node sees of its simulated disk: the Disk of one incarnation and its files. They may
// outlive the incarnation, as harmless shells.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/runtime/disk.h"
#include "sim/disk_image.h"

namespace keelson::sim {

class SimDisk;

class AttachedFile : public File {
 public:
  // `path` is what it was opened as; taps are told that, also after a rename.
  AttachedFile(SimDisk& disk, std::shared_ptr<FileImage> image, std::string path)
      : disk_(disk), image_(std::move(image)), path_(std::move(path)) {}

  Result<std::size_t> pread(std::span<char> into, std::uint64_t offset,
                            Deadline deadline) override;
  Result<void> pwrite(BytesView bytes, std::uint64_t offset, Deadline deadline) override;
  Result<void> sync(Deadline deadline) override;
  Result<void> truncate(std::uint64_t size, Deadline deadline) override;
  Result<std::uint64_t> size() override { return std::uint64_t{image_->visible().size()}; }

 private:
  void write_now(BytesView bytes, std::uint64_t offset);

  SimDisk& disk_;
  const std::shared_ptr<FileImage> image_;
  const std::string path_;
};

class AttachedDisk : public Disk {
 public:
  explicit AttachedDisk(SimDisk& disk) : disk_(disk) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     Deadline deadline) override;
  Result<void> rename(const std::string& from, const std::string& to, Deadline deadline) override;
  Result<void> remove(const std::string& path, Deadline deadline) override;
  Result<void> create_directory(const std::string& path, Deadline deadline) override;
  Result<std::vector<std::string>> list(const std::string& path, Deadline deadline) override;
  Result<void> sync_directory(const std::string& path, Deadline deadline) override;
  Result<std::uint64_t> free_bytes() override;

 private:
  SimDisk& disk_;
};

}  // namespace keelson::sim
