// The file of a backup: the state of every group of one node at one moment.
//
//   file      = header (group data* group_end)* end           integers little-endian
//   frame     = size:u32 kind:u8 body checksum:u64    `size` counts the body; at most 16 MiB
//   header    (kind 1) = "keelson backup\n" version:u32 wall_ms:u64 groups:u32 cluster_id
//   group     (kind 2) = group:u64 index:u64 term:u64          in the order of ids
//   data      (kind 3) = a piece of the group's snapshot (core/kv/snapshot_format.h)
//   group_end (kind 4) = snapshot_bytes:u64 content_digest:u64     core/kv/snapshot_content.h
//   end       (kind 5) = frames:u64                            how many came before
//
// The checksum of a frame is XXH3 over its size, kind and body, seeded with the checksum of the
// frame before it (0 for the first): each says that its frame is whole and in its place, and the
// last one says so of the file.
//
// What is guaranteed: all groups are as they were at one time (core/kv/snapshot_cut.h), which is
// not before anything that was acknowledged before the backup was asked for; a transaction is in it
// with all that it wrote, in whatever groups, or not at all. No shard was moving then, so every key
// is in the one group that the shard map says. `index` and `term` are those of a log that went on
// from there a little: what a new cluster's log begins after.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/kv/snapshot_content.h"
#include "core/raft/types.h"

namespace keelson::admin::backup {

inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kBodyMost = 16 << 20;

struct Header {
  std::int64_t wall_ms = 0;  // When it was taken, by its node's clock.
  std::uint32_t groups = 0;
  std::string cluster_id;
};
struct Group {
  GroupId group;
  raft::LogIndex index;
  raft::Term term;
};

// What a whole backup holds.
struct Summary {
  struct Content {
    Group group;
    std::uint64_t snapshot_bytes = 0;
    std::uint64_t content_digest = 0;
  };
  Header header;
  std::vector<Content> groups;
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;
};

// Makes the frames of a file, in order; each call appends one to `out`.
class Writer {
 public:
  void header(const Header& header, Bytes& out);
  void group(const Group& group, Bytes& out);
  void data(BytesView piece, Bytes& out);
  void group_end(std::uint64_t snapshot_bytes, std::uint64_t content_digest, Bytes& out);
  void end(Bytes& out);

 private:
  void frame(std::uint8_t kind, BytesView body, Bytes& out);

  std::uint64_t checksum_ = 0;
  std::uint64_t frames_ = 0;
};

// What a Reader finds, in order. An error ends the reading.
class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual Result<void> on_header(const Header&) { return {}; }
  virtual Result<void> on_group(const Group&) { return {}; }
  // A piece of the group's snapshot, of a configuration without members; never empty.
  virtual Result<void> on_data(BytesView) { return {}; }
  virtual Result<void> on_group_end(const Summary::Content&) { return {}; }
};

// Reads a file in pieces cut anywhere and checks all that can be checked: frames, their order,
// every checksum, the snapshots inside and their digests.
class Reader {
 public:
  // `visitor` outlives the reader; null: whoever wants only the checks.
  explicit Reader(Visitor* visitor) : visitor_(visitor) {}

  // Errors: invalid_argument (no backup, of another version, damaged or out of order; the message
  // names frame and offset), those of the visitor.
  Result<void> put(BytesView bytes);

  // The file has ended. Errors: invalid_argument (it is cut off, saying where).
  Result<Summary> finish() const;

 private:
  Result<void> take(std::uint8_t kind, BytesView body);
  Result<void> take_header(BytesView body);
  Result<void> take_group(BytesView body);
  Result<void> take_data(BytesView body);
  Result<void> take_group_end(BytesView body);
  Result<void> take_end(BytesView body);
  Error wrong(const std::string& what) const;

  Visitor* const visitor_;
  Bytes rest_;                 // Of a frame that is not whole.
  std::uint64_t offset_ = 0;   // In the file, of rest_.
  std::uint64_t checksum_ = 0;
  bool has_header_ = false;
  bool has_end_ = false;
  std::optional<Summary::Content> open_;  // The group whose data comes.
  kv::SnapshotContent content_;
  Bytes renewed_;
  Summary summary_;
};

}  // namespace keelson::admin::backup
