// Tested by tests/sim/crash_points_test.cc.
#include "sim/crash_recording.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"

namespace keelson::sim {

namespace {

using Kind = CrashChange::Kind;

struct Split {
  std::string directory;
  std::string name;
};

Split split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

// A recording has no place for what failed half-way.
void check_is_harmless(const Error& error) {
  CHECK(error.code != ErrorCode::io_error);
  CHECK(error.code != ErrorCode::no_space);
}

class RecordingFile final : public File {
 public:
  RecordingFile(std::unique_ptr<File> file, CrashRecording& recording, CrashNodeId node,
                std::string path)
      : file_(std::move(file)), recording_(recording), node_(node), path_(std::move(path)) {}

  Result<std::size_t> pread(std::span<char> into, std::uint64_t offset,
                            Deadline deadline) override {
    return file_->pread(into, offset, deadline);
  }

  Result<void> pwrite(BytesView bytes, std::uint64_t offset, Deadline deadline) override {
    auto done = file_->pwrite(bytes, offset, deadline);
    if (!done.has_value()) {
      check_is_harmless(done.error());
    } else if (!bytes.empty()) {
      CrashChange change{
          .kind = Kind::write, .node = node_, .offset = offset, .bytes = {}, .names = {}};
      change.bytes = bytes;
      recording_.happened(
          {.text = fmt::format("write {} at {}, {} bytes", path_, offset, bytes.size()),
           .changes = {std::move(change)},
           .synced = {}});
    }
    return done;
  }

  Result<void> truncate(std::uint64_t size, Deadline deadline) override {
    auto done = file_->truncate(size, deadline);
    if (!done.has_value()) {
      check_is_harmless(done.error());
    } else {
      CrashChange change{.kind = Kind::truncate, .node = node_, .bytes = {}, .size = size,
                         .names = {}};
      recording_.happened({.text = fmt::format("truncate {} to {}", path_, size),
                           .changes = {std::move(change)},
                           .synced = {}});
    }
    return done;
  }

  Result<void> sync(Deadline deadline) override {
    const std::size_t operation = recording_.begin(
        {.text = fmt::format("sync {}", path_), .changes = {}, .synced = node_});
    auto done = file_->sync(deadline);
    if (done.has_value()) {
      recording_.end(operation);
    } else {
      check_is_harmless(done.error());  // Timed out: it may never have saved anything.
    }
    return done;
  }

  Result<std::uint64_t> size() override { return file_->size(); }

 private:
  const std::unique_ptr<File> file_;
  CrashRecording& recording_;
  const CrashNodeId node_;
  const std::string path_;
};

class RecordingDisk final : public Disk {
 public:
  RecordingDisk(Disk& disk, CrashRecording& recording) : disk_(disk), recording_(recording) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     Deadline deadline) override {
    TRY(auto file, disk_.open(path, mode, deadline));
    auto node = recording_.find(path);
    if (!node) {
      node = recording_.add_node(false);
      recording_.happened({.text = "create " + path, .changes = {names(path, node)}, .synced = {}});
    }
    return std::unique_ptr<File>(
        std::make_unique<RecordingFile>(std::move(file), recording_, *node, path));
  }

  Result<void> rename(const std::string& from, const std::string& to, Deadline deadline) override {
    TRY(disk_.rename(from, to, deadline));
    if (from == to) return {};
    const auto node = recording_.find(from);
    CHECK(node.has_value());
    CrashOperation operation{.text = fmt::format("rename {} to {}", from, to),
                             .changes = {names(to, node)},
                             .synced = {}};
    CrashChange gone = names(from, std::nullopt);
    if (gone.node == operation.changes.front().node) {
      operation.changes.front().names.push_back(std::move(gone.names.front()));
    } else {
      operation.changes.push_back(std::move(gone));
    }
    recording_.happened(std::move(operation));
    return {};
  }

  Result<void> remove(const std::string& path, Deadline deadline) override {
    TRY(disk_.remove(path, deadline));
    recording_.happened(
        {.text = "remove " + path, .changes = {names(path, std::nullopt)}, .synced = {}});
    return {};
  }

  Result<void> create_directory(const std::string& path, Deadline deadline) override {
    TRY(disk_.create_directory(path, deadline));
    for (std::size_t end = 0; end < path.size();) {
      end = std::min(path.find('/', end), path.size());
      const std::string so_far = path.substr(0, end++);
      if (recording_.find(so_far)) continue;
      const CrashNodeId node = recording_.add_node(true);
      recording_.happened(
          {.text = "create directory " + so_far, .changes = {names(so_far, node)}, .synced = {}});
    }
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& path, Deadline deadline) override {
    return disk_.list(path, deadline);
  }

  Result<void> sync_directory(const std::string& path, Deadline deadline) override {
    const auto node = recording_.find(path);
    // What is no directory fails, and has nothing to be recorded.
    if (!node) return disk_.sync_directory(path, deadline);
    const std::size_t operation = recording_.begin(
        {.text = fmt::format("sync directory \"{}\"", path), .changes = {}, .synced = *node});
    auto done = disk_.sync_directory(path, deadline);
    if (done.has_value()) {
      recording_.end(operation);
    } else {
      check_is_harmless(done.error());
    }
    return done;
  }

  Result<std::uint64_t> free_bytes() override { return disk_.free_bytes(); }

 private:
  CrashChange names(const std::string& path, std::optional<CrashNodeId> node) const {
    const auto [directory_path, name] = split(path);
    const auto directory = recording_.find(directory_path);
    CHECK(directory.has_value());
    CrashChange change{.kind = Kind::names, .node = *directory, .bytes = {}, .names = {}};
    change.names.emplace_back(name, node);
    return change;
  }

  Disk& disk_;
  CrashRecording& recording_;
};

}  // namespace

CrashRecording::CrashRecording(const DiskContent& initial) {
  add_node(true);
  // Parents come first: directories are sorted, and so are the ones on the way to a file.
  const auto add = [&](const std::string& path, bool is_directory) {
    const auto [directory_path, name] = split(path);
    const auto directory = find(directory_path);
    CHECK(directory.has_value() && nodes_[*directory].is_directory);
    const CrashNodeId node = add_node(is_directory);
    nodes_[*directory].names[name] = node;
    initial_nodes_[*directory].names[name] = node;
    return node;
  };
  const auto add_directories = [&](const std::string& path) {
    for (std::size_t end = 0; end < path.size();) {
      end = std::min(path.find('/', end), path.size());
      const std::string so_far = path.substr(0, end++);
      if (!find(so_far)) add(so_far, true);
    }
  };
  for (const std::string& path : initial.directories) add_directories(path);
  for (const auto& [path, bytes] : initial.files) {
    add_directories(split(path).directory);
    initial_nodes_[add(path, false)].bytes = bytes;
  }
}

CrashNodeId CrashRecording::add_node(bool is_directory) {
  CrashNode node;
  node.is_directory = is_directory;
  nodes_.push_back(node);
  initial_nodes_.push_back(std::move(node));
  return nodes_.size() - 1;
}

std::optional<CrashNodeId> CrashRecording::find(std::string_view path) const {
  CrashNodeId at = 0;
  while (!path.empty()) {
    const std::size_t length = std::min(path.find('/'), path.size());
    const auto found = nodes_[at].names.find(path.substr(0, length));
    if (found == nodes_[at].names.end()) return std::nullopt;
    at = found->second;
    path.remove_prefix(std::min(length + 1, path.size()));
  }
  return at;
}

std::size_t CrashRecording::begin(CrashOperation operation) {
  for (const CrashChange& change : operation.changes) {
    if (change.kind != Kind::names) continue;
    auto& names = nodes_[change.node].names;
    for (const auto& [name, node] : change.names) {
      if (node) {
        names[name] = *node;
      } else {
        names.erase(name);
      }
    }
  }
  events_.push_back({operations_.size(), false, notes_.size()});
  operations_.push_back(std::move(operation));
  return operations_.size() - 1;
}

void CrashRecording::end(std::size_t operation) {
  CHECK(operation < operations_.size());
  events_.push_back({operation, true, notes_.size()});
}

std::unique_ptr<Disk> record_disk(Disk& disk, CrashRecording& recording) {
  return std::make_unique<RecordingDisk>(disk, recording);
}

}  // namespace keelson::sim
