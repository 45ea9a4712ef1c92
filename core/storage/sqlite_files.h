// The two files of a SQLite database on our Disk, as SQLite's connections share them: what is
// written where, how damage is found, and what may be lost.
//
// DATABASE FILE ("state.db"). A plain SQLite database of pages of 4096 bytes; every page ends in 16
// "reserved" bytes, which SQLite leaves to us:
//   page  = content[4080] salt:u64 checksum:u64      (little-endian)
//   checksum = XXH3(content and salt, seeded with the page's number, from 1)
// The salt is drawn when the file is made and is the same in all pages. So a page that rotted, was
// torn, or belongs to another place or another file is an error of whoever reads it, with file and
// offset, and of nobody else: a checkpoint that lost power leaves torn pages, all of which are in
// the -wal file and are never read from here. A page that the file is too short for is damage, too.
// Only the header in page 1 is asked for before SQLite looks into the -wal file: when that page is
// damaged it gets what never changes in it (the size of pages), and page 1 itself only if it is
// whole.
//
// WRITE-AHEAD LOG ("state.db-wal"). SQLite's format: a header of 32 bytes, frames of 24 + 4096,
// chained by checksums of SQLite's own that end the recovery at the first frame that does not fit.
// While the database is open, the XXH3 of every frame's page is kept in memory and compared when
// the page is read. Frames are gathered and written with the frame that commits them, by one write.
// The file is never removed, and is there before the database file is.
//
// POWER LOSS. A commit writes frames and syncs nothing: what is lost of them ends the recovery at
// an earlier commit. A checkpoint syncs the -wal file, copies pages to the database file, and syncs
// that; until then every page copied is durable in the -wal file. Only after that may the next
// writer start the -wal file from its beginning, under a new salt, with a header that is synced
// before any frame follows it: otherwise old frames, a part of them overwritten, could be recovered
// as the latest.
//
// A SYNC THAT FAILED before this process began has left frames that reads show and nothing saves: a
// sync now would say that they are durable, and they would go with the power. So the -wal file is
// written again, as it is, when it is opened. What a checkpoint lost in the same way is still in
// it.
//
// A failed sync, and the death of a fiber inside a call, end the use of both files: every later
// call fails at once and touches no Disk.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/runtime/disk.h"

namespace keelson {

class SqliteFiles {
 public:
  static constexpr std::size_t kPageSize = 4096;
  static constexpr std::size_t kPageReserved = 16;

  // What a database is made of or found in. `unique` (RandomSource::identifier()) gives the salts.
  enum class Purpose {
    make,  // The database file alone, without a -wal; empty.
    use,   // Both exist.
  };
  // Errors: not_found (use: the message names the file that is missing), corrupt, io_error,
  // no_space, timed_out.
  static Result<std::unique_ptr<SqliteFiles>> open(Disk& disk, std::string path, Purpose purpose,
                                                   BytesView unique, Deadline deadline);

  const std::string& path() const { return path_; }
  bool has_wal() const { return wal_.file != nullptr; }

  // Pages that a checkpoint writes one behind the other go to the disk together, when there are so
  // many bytes of them, or at the latest with its sync; one by one, unless set.
  void set_pages_together(std::size_t bytes) { pages_together_bytes_ = bytes; }

  // Until when the calls below wait for the disk; never, unless set.
  void set_deadline(Deadline deadline) { deadline_ = deadline; }

  // --- the database file: may suspend ---

  // Some of page 1, as far as the file has it: how many bytes. For SQLite's first look.
  Result<std::size_t> read_header(std::span<char> into, std::uint64_t offset);
  // A whole page. Errors: corrupt.
  Result<void> read_page(std::span<char> into, std::uint64_t offset);
  Result<void> write_page(BytesView page, std::uint64_t offset);
  Result<void> truncate_database(std::uint64_t size);
  Result<void> sync_database();
  Result<std::uint64_t> database_size();

  // --- the -wal file: may suspend ---

  // Errors: corrupt.
  Result<std::size_t> read_wal(std::span<char> into, std::uint64_t offset);
  Result<void> write_wal(BytesView bytes, std::uint64_t offset);
  Result<void> truncate_wal(std::uint64_t size);
  // Makes every commit durable that was made before the call.
  Result<void> sync_wal();
  Result<std::uint64_t> wal_size();
  // Grows with every write.
  std::uint64_t wal_writes() const { return wal_.writes; }
  // After a rollback: drops frames that wait for the one that commits them.
  void forget_gathered();
  // Called before the -wal file is begun anew, when all of it is durable in the database file: what
  // remembers its frames must forget them first. May suspend; its error is the write's.
  void set_before_wal_begins(std::function<Result<void>()> action) {
    before_wal_begins_ = std::move(action);
  }
  // What a call does after every 256 KiB that it has written, if it is set: it may suspend, so that
  // a large transaction or checkpoint does not keep everybody else waiting.
  void set_pause(std::function<void()> pause) { pause_ = std::move(pause); }
  // False while there are any.
  bool wal_is_written() const { return gathered_.empty(); }

  // --- the end ---

  // Every call fails from now on, without a touch of the Disk. A killed fiber, or the owner's end.
  void abandon();
  bool is_abandoned() const { return failure_.has_value(); }
  // What every call fails with, if it does.
  const std::optional<Error>& failure() const { return failure_; }

  // --- memory that the connections share: SQLite's "shared memory" ---

  struct SharedMemory {
    static constexpr int kLocks = 8;
    std::vector<std::unique_ptr<char[]>> regions;
    std::array<int, kLocks> readers{};  // How many connections hold the lock shared; -1: one alone.
  };
  SharedMemory& shared_memory() { return shared_memory_; }

  // Bytes for SQLite's generator of chance (salts of the -wal file): never the same twice.
  void draw(std::span<char> into);

 private:
  struct OneFile {
    std::unique_ptr<File> file;
    std::string path;
    // Writes so far, and how many of them a sync has covered. What is found at the start may be
    // in the page cache only, hence one write.
    std::uint64_t writes = 1;
    std::uint64_t synced = 0;
  };

  SqliteFiles(std::string path, BytesView unique);
  Result<void> learn_salt();
  Result<void> write_wal_again();
  Result<void> check_page(std::span<const char> page, std::uint64_t offset);
  bool is_whole(std::span<const char> page, std::uint64_t offset) const;
  Result<void> gather(BytesView bytes, std::uint64_t offset);
  Result<void> write_gathered();
  Result<void> write_pages();
  Result<void> put(OneFile& file, BytesView bytes, std::uint64_t offset);
  Result<void> sync(OneFile& file);
  std::uint64_t& frame_checksum(std::uint64_t frame);

  const std::string path_;
  Deadline deadline_ = Deadline::never();
  OneFile database_;
  OneFile wal_;  // No file while a database is made.
  std::optional<Error> failure_;

  std::optional<std::uint64_t> salt_;  // Nothing until a page was read or made.
  std::uint64_t own_salt_;             // For a file that we make.
  std::array<char, kPageSize> page_to_write_;
  // Pages that follow one another and are not written yet, and where they belong. Until then they
  // are read from here.
  Bytes pages_;
  std::uint64_t pages_at_ = 0;
  std::size_t pages_together_bytes_ = kPageSize;

  // XXH3 of the page in each frame of the -wal file, from frame 1 at [0]; 0 where it is not known.
  std::vector<std::uint64_t> frame_checksums_;
  // Frames of a transaction that has not committed yet, and where they belong.
  std::function<Result<void>()> before_wal_begins_;
  std::function<void()> pause_;
  std::uint64_t written_since_pause_ = 0;
  Bytes gathered_;
  std::uint64_t gathered_at_ = 0;
  bool frame_commits_ = false;  // The header gathered last says so.

  SharedMemory shared_memory_;
  std::uint64_t chance_;
  std::uint64_t drawn_ = 0;
};

}  // namespace keelson
