// What crash points are made from: the operations that a script performed on its disk, as changes
// of numbered files and directories, in order. Used by sim/crash_points.cc only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/runtime/disk.h"
#include "sim/crash_points.h"

namespace keelson::sim {

// Position in CrashRecording::nodes. 0 is the data directory.
using CrashNodeId = std::size_t;

// Something that becomes durable, or is lost, as a whole or by sectors.
struct CrashChange {
  enum class Kind { write, truncate, names };

  Kind kind = Kind::write;
  CrashNodeId node = 0;      // The file, or the directory whose names change.
  std::uint64_t offset = 0;  // Of a write.
  Bytes bytes;               // Of a write.
  std::uint64_t size = 0;    // What a truncation leaves.
  // Of names: what each stands for now, if anything.
  std::vector<std::pair<std::string, std::optional<CrashNodeId>>> names;
};

struct CrashOperation {
  std::string text;
  std::vector<CrashChange> changes;   // None if it is a sync.
  std::optional<CrashNodeId> synced;
};

// An operation begins or has ended.
struct CrashEvent {
  std::size_t operation = 0;  // From 0.
  bool has_ended = false;
  std::size_t notes_before = 0;  // How many notes had been made when it happened.
};

// A file or a directory, with its names.
struct CrashNode {
  bool is_directory = false;
  Bytes bytes;
  std::map<std::string, CrashNodeId, std::less<>> names;
};

class CrashRecording final : public CrashJournal {
 public:
  // Begins with what is durable.
  explicit CrashRecording(const DiskContent& initial);

  void note(std::string text) override { notes_.push_back(std::move(text)); }
  std::uint64_t operations() const override { return operations_.size(); }

  const std::vector<CrashOperation>& all_operations() const { return operations_; }
  const std::vector<CrashEvent>& events() const { return events_; }
  const std::vector<std::string>& notes() const { return notes_; }
  // As it was before the first operation; files made later are in it, empty and without a name.
  const std::vector<CrashNode>& initial_nodes() const { return initial_nodes_; }

  // --- for the disk that records ---

  // Both return the operation's position.
  std::size_t begin(CrashOperation operation);
  void end(std::size_t operation);
  void happened(CrashOperation operation) { end(begin(std::move(operation))); }

  // Nothing if there is none of this path now.
  std::optional<CrashNodeId> find(std::string_view path) const;
  CrashNodeId add_node(bool is_directory);

 private:
  std::vector<CrashNode> initial_nodes_;
  std::vector<CrashNode> nodes_;  // As they are now; without bytes.
  std::vector<CrashOperation> operations_;
  std::vector<CrashEvent> events_;
  std::vector<std::string> notes_;
};

// Hands everything on to `disk` and records what succeeds. The arguments outlive it and its files.
std::unique_ptr<Disk> record_disk(Disk& disk, CrashRecording& recording);

}  // namespace keelson::sim
