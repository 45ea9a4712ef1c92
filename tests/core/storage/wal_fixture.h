// Words for tests of the write-ahead log.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/storage/wal.h"
#include "tests/core/storage/storage_world.h"

namespace keelson::storage {

inline raft::Entry entry(std::uint64_t index, std::uint64_t term, Bytes data) {
  return {raft::Term(term), raft::LogIndex(index), raft::EntryKind::command, std::move(data)};
}

inline raft::HardState hard_state(std::uint64_t term, std::uint64_t voted_for) {
  raft::HardState state{raft::Term(term), std::nullopt};
  if (voted_for != 0) state.voted_for = NodeId(voted_for);
  return state;
}

using Groups = std::map<GroupId, RecoveredGroup>;

inline const GroupId kGroups[] = {GroupId(0), GroupId(1), GroupId(7)};

// Everything that a log says of the groups that tests use.
inline Groups groups_of(Wal& wal) {
  Groups groups;
  for (const GroupId group : kGroups) {
    RecoveredGroup state = wal.take_recovered(group);
    if (state != RecoveredGroup{}) groups[group] = std::move(state);
  }
  return groups;
}

class WalTest : public testing::Test {
 protected:
  // The references of an Env outlive the log: one Env for each disk.
  Result<std::unique_ptr<Wal>> try_open(MemoryDisk& disk) {
    envs_.push_back(std::make_unique<Env>(world_.env(disk)));
    return Wal::open(*envs_.back(), options_, Deadline::never());
  }
  std::unique_ptr<Wal> open(MemoryDisk& disk) {
    auto wal = try_open(disk);
    if (!wal) {
      ADD_FAILURE() << wal.error().message;
      return nullptr;
    }
    return *std::move(wal);
  }
  Groups recover(MemoryDisk& disk) {
    const auto wal = open(disk);
    return wal == nullptr ? Groups{} : groups_of(*wal);
  }

  static void sync(Wal& wal) {
    const auto synced = wal.write_and_sync(Deadline::never());
    ASSERT_TRUE(synced) << synced.error().message;
  }
  // One batch with one entry of group 0.
  static void put(Wal& wal, std::uint64_t index, const Bytes& data) {
    wal.append(GroupId(0), std::nullopt, {entry(index, 1, data)});
    sync(wal);
  }
  // Group 0 with entries of term 1.
  static Groups log_of(const std::vector<Bytes>& data) {
    Groups groups;
    if (data.empty()) return groups;
    for (const Bytes& one : data) {
      auto& entries = groups[GroupId(0)].entries;
      entries.push_back(entry(entries.size() + 1, 1, one));
    }
    return groups;
  }

  std::uint64_t reached(std::string_view mark) const {
    const auto found = world_.marks.counts().find(mark);
    return found == world_.marks.counts().end() ? 0 : found->second;
  }

  StorageWorld world_;
  MemoryDisk disk_;
  WalOptions options_{.preallocate_bytes = 0, .seal_after = {}};

 private:
  std::vector<std::unique_ptr<Env>> envs_;
};

}  // namespace keelson::storage
