// The file state/DURABLE: how far the state has become durable, so that one which is found behind
// that, or mixed of two, is known to be damaged. For the state store alone.
//
// Why: a frame of the -wal file that rots after its sync ends SQLite's recovery, as one does that
// was never synced. The state would be an older one in silence; and as a checkpoint may have copied
// pages of later frames, it may be none that ever was. A page of the database that a write missed
// is the same in small.
//
// Grammar, integers little-endian; the file has two slots, 65536 octets apart, so that one of them
// is whole whatever a loss of power does to a write of the other:
//   slot  = magic:u64 sequence:u64 wal_salt:u64 wal_frames:u64 count:u64 group[count] checksum:u64
//   group = id:u64 index:u64 term:u64 digest:u64           by id
// A sequence's slot is its last bit; the higher sequence counts, or what is whole. The checksum is
// XXH3 of all before it. The first 4096 octets of both slots are allocated when the file is made.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/raft/types.h"
#include "core/runtime/disk.h"
#include "core/storage/sqlite_wal.h"

namespace keelson::kv {

// What was durable at one moment.
struct DurabilityMark {
  struct Group {
    raft::LogStart label;
    std::uint64_t digest = 0;

    bool operator==(const Group&) const = default;
  };

  WalExtent wal;
  std::map<GroupId, Group> groups;

  bool operator==(const DurabilityMark&) const = default;
};

class MarkFile {
 public:
  static constexpr std::size_t kGroupsMost = 2000;

  // Makes the file, in the place of any other, with a mark that asks for nothing: durable, its name
  // is not. Suspends. Errors: io_error, no_space.
  static Result<void> make(Disk& disk, const std::string& path, Deadline deadline);

  // Reads the newest mark, and makes sure that it is durable: an earlier sync of it may have
  // failed. Suspends. Errors: corrupt (it is missing, or no slot is whole), io_error.
  static Result<std::unique_ptr<MarkFile>> open(Disk& disk, const std::string& path,
                                                Deadline deadline);

  const DurabilityMark& mark() const { return mark_; }

  // Durable when it returns; after an error the one before counts. Suspends; one at a time.
  // REQUIRES: at most kGroupsMost groups. Errors: io_error (no later call succeeds), no_space.
  Result<void> write(const DurabilityMark& mark);

 private:
  MarkFile(std::unique_ptr<File> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  Result<bool> read_slot(std::uint64_t slot, Deadline deadline);
  Result<void> put(std::uint64_t sequence, const DurabilityMark& mark, Deadline deadline);

  std::unique_ptr<File> file_;
  const std::string path_;
  std::uint64_t sequence_ = 0;  // Of the mark.
  DurabilityMark mark_;
  bool has_failed_ = false;
};

}  // namespace keelson::kv
