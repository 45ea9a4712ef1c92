// Tested by tests/core/storage/sqlite_vfs_test.cc.
#include "core/storage/sqlite_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/check.h"

namespace keelson {

namespace {

constexpr std::size_t kContent = SqliteFiles::kPageSize - SqliteFiles::kPageReserved;
constexpr std::size_t kChecked = kContent + 8;  // Content and salt.
constexpr std::uint64_t kWalHeader = 32;
constexpr std::uint64_t kFrameHeader = 24;
constexpr std::uint64_t kFrame = kFrameHeader + SqliteFiles::kPageSize;
// Longer runs of frames are written before their commit.
constexpr std::size_t kGatheredMost = 256 * 1024;
constexpr std::uint64_t kPauseBytes = 256 * 1024;

std::uint64_t page_number(std::uint64_t offset) { return offset / SqliteFiles::kPageSize + 1; }

BytesView view(std::span<const char> bytes) { return {bytes.data(), bytes.size()}; }

// SQLite writes numbers big-endian.
std::uint32_t read_be32(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::uint64_t checksum_of(std::span<const char> page, std::uint64_t offset) {
  return hash64(view(page.first(kChecked)), page_number(offset));
}

std::uint64_t checksum_of_frame(BytesView page) {
  return std::max<std::uint64_t>(1, hash64(page));  // 0 stands for "not known".
}

// What SQLite looks for in the header before it opens the -wal file: the size of pages, the bytes
// reserved in each, and that there is a -wal file.
void put_constant_header(std::span<char> page) {
  constexpr char kMagic[] = "SQLite format 3";
  static_assert(sizeof kMagic == 16);
  std::fill(page.begin(), page.end(), '\0');
  std::memcpy(page.data(), kMagic, sizeof kMagic);
  page[16] = SqliteFiles::kPageSize >> 8;
  page[18] = page[19] = 2;
  page[20] = SqliteFiles::kPageReserved;
  page[21] = 64;
  page[22] = page[23] = 32;
}

}  // namespace

SqliteFiles::SqliteFiles(std::string path, BytesView unique)
    : path_(std::move(path)), own_salt_(hash64(unique)), chance_(hash64(unique, own_salt_)) {
  database_.path = path_;
  wal_.path = path_ + "-wal";
}

Result<std::unique_ptr<SqliteFiles>> SqliteFiles::open(Disk& disk, std::string path,
                                                       Purpose purpose, BytesView unique,
                                                       Deadline deadline) {
  std::unique_ptr<SqliteFiles> files(new SqliteFiles(std::move(path), unique));
  files->deadline_ = deadline;
  if (purpose == Purpose::make) {
    TRY(files->database_.file, disk.open(files->path_, OpenMode::create, deadline));
    TRY(files->database_.file->truncate(0, deadline));
    files->salt_ = files->own_salt_;
  } else {
    TRY(files->database_.file, disk.open(files->path_, OpenMode::existing, deadline));
    TRY(files->wal_.file, disk.open(files->wal_.path, OpenMode::existing, deadline));
    TRY(files->learn_salt());
    TRY(files->write_wal_again());
  }
  files->deadline_ = Deadline::never();
  return files;
}

Result<void> SqliteFiles::write_wal_again() {
  TRY(const std::uint64_t size, wal_.file->size());
  Bytes part(std::min<std::uint64_t>(size, 1 << 20), '\0');
  for (std::uint64_t offset = 0; offset < size; offset += part.size()) {
    TRY(const std::size_t count, wal_.file->pread(part, offset, deadline_));
    TRY(wal_.file->pwrite(BytesView(part).substr(0, count), offset, deadline_));
  }
  return wal_.file->sync(deadline_);
}

// From the first page that is whole: a checkpoint may have left any of them torn.
Result<void> SqliteFiles::learn_salt() {
  TRY(const std::uint64_t size, database_.file->size());
  std::array<char, kPageSize> page;
  for (std::uint64_t offset = 0; offset + kPageSize <= size; offset += kPageSize) {
    TRY(const std::size_t count, database_.file->pread(page, offset, deadline_));
    if (count == kPageSize && is_whole(page, offset)) {
      salt_ = read_u64(view(page).substr(kContent));
      return {};
    }
  }
  return Error{ErrorCode::corrupt, fmt::format("{}: no page of it is whole, from offset 0 to {}",
                                               path_, size)};
}

bool SqliteFiles::is_whole(std::span<const char> page, std::uint64_t offset) const {
  CHECK(page.size() == kPageSize);
  if (read_u64(view(page).substr(kChecked)) != checksum_of(page, offset)) return false;
  return !salt_ || read_u64(view(page).substr(kContent)) == *salt_;
}

Result<void> SqliteFiles::check_page(std::span<const char> page, std::uint64_t offset) {
  if (is_whole(page, offset)) return {};
  return Error{ErrorCode::corrupt, fmt::format("{}: page {} at offset {} fails its checksum", path_,
                                               page_number(offset), offset)};
}

// --- the database file ---

Result<std::size_t> SqliteFiles::read_header(std::span<char> into, std::uint64_t offset) {
  if (failure_) return *failure_;
  CHECK(offset + into.size() <= kPageSize);
  std::array<char, kPageSize> page;
  TRY(const std::size_t count, database_.file->pread(page, 0, deadline_));
  if (count == 0 && !has_wal()) return std::size_t{0};
  if (count < kPageSize || !is_whole(page, 0)) put_constant_header(page);
  std::copy_n(page.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
  return into.size();
}

Result<void> SqliteFiles::read_page(std::span<char> into, std::uint64_t offset) {
  if (failure_) return *failure_;
  CHECK(into.size() == kPageSize && offset % kPageSize == 0);
  // A checkpoint that did not come to the end has synced nothing, and yet is read from here.
  if (offset >= pages_at_ && offset < pages_at_ + pages_.size()) {
    std::copy_n(pages_.begin() + static_cast<std::ptrdiff_t>(offset - pages_at_), kPageSize,
                into.begin());
    return {};
  }
  TRY(const std::size_t count, database_.file->pread(into, offset, deadline_));
  if (count < kPageSize) {
    return Error{ErrorCode::corrupt, fmt::format("{}: ends at offset {}, within or before page {}",
                                                 path_, offset + count, page_number(offset))};
  }
  return check_page(into, offset);
}

// Only the checkpointing connection writes here.
Result<void> SqliteFiles::write_page(BytesView page, std::uint64_t offset) {
  if (failure_) return *failure_;
  CHECK(page.size() == kPageSize && offset % kPageSize == 0);
  CHECK(salt_.has_value());
  std::copy_n(page.begin(), kContent, page_to_write_.begin());
  Bytes number;
  append_u64(number, *salt_);
  std::copy(number.begin(), number.end(), page_to_write_.begin() + kContent);
  number.clear();
  append_u64(number, checksum_of(page_to_write_, offset));
  std::copy(number.begin(), number.end(), page_to_write_.begin() + kChecked);
  if (pages_together_bytes_ <= kPageSize) return put(database_, view(page_to_write_), offset);
  if (!pages_.empty() && offset != pages_at_ + pages_.size()) TRY(write_pages());
  if (pages_.empty()) pages_at_ = offset;
  pages_.append(view(page_to_write_));
  return pages_.size() < pages_together_bytes_ ? Result<void>() : write_pages();
}

// What cannot be written is kept: SQLite may have been told that the file has it.
Result<void> SqliteFiles::write_pages() {
  if (pages_.empty()) return {};
  TRY(put(database_, pages_, pages_at_));
  pages_.clear();
  return {};
}

Result<void> SqliteFiles::truncate_database(std::uint64_t size) {
  if (failure_) return *failure_;
  TRY(write_pages());
  TRY(const std::uint64_t now, database_.file->size());
  if (now == size) return {};
  ++database_.writes;
  return database_.file->truncate(size, deadline_);
}

Result<void> SqliteFiles::sync_database() {
  if (failure_) return *failure_;
  TRY(write_pages());
  return sync(database_);
}

Result<std::uint64_t> SqliteFiles::database_size() {
  if (failure_) return *failure_;
  TRY(const std::uint64_t size, database_.file->size());
  return pages_.empty() ? size : std::max<std::uint64_t>(size, pages_at_ + pages_.size());
}

// --- the -wal file ---

Result<std::size_t> SqliteFiles::read_wal(std::span<char> into, std::uint64_t offset) {
  if (failure_) return *failure_;
  if (!gathered_.empty() && offset < gathered_at_ + gathered_.size() &&
      offset + into.size() > gathered_at_) {
    TRY(write_gathered());
  }
  TRY(const std::size_t count, wal_.file->pread(into, offset, deadline_));
  if (offset < kWalHeader || count < into.size()) return count;
  // A page of a frame, or a whole frame, as SQLite reads them when it recovers.
  const std::uint64_t within = (offset - kWalHeader) % kFrame;
  const bool is_page = within == kFrameHeader && into.size() == kPageSize;
  const bool is_frame = within == 0 && into.size() == kFrame;
  if (!is_page && !is_frame) return count;
  const std::uint64_t frame = (offset - kWalHeader) / kFrame + 1;
  const std::uint64_t found = checksum_of_frame(view(into.last(kPageSize)));
  std::uint64_t& known = frame_checksum(frame);
  if (known == 0) known = found;
  if (known != found) {
    return Error{ErrorCode::corrupt, fmt::format("{}: frame {} at offset {} fails its checksum",
                                                 wal_.path, frame, offset - within)};
  }
  return count;
}

Result<void> SqliteFiles::write_wal(BytesView bytes, std::uint64_t offset) {
  if (failure_) return *failure_;
  if (offset >= kWalHeader) {
    const std::uint64_t within = (offset - kWalHeader) % kFrame;
    const bool continues = !gathered_.empty() && offset == gathered_at_ + gathered_.size();
    if (within == 0 && bytes.size() == kFrameHeader && (continues || gathered_.empty())) {
      frame_commits_ = read_be32(bytes.data() + 4) != 0;
      return gather(bytes, offset);
    }
    if (within == kFrameHeader && bytes.size() == kPageSize) {
      frame_checksum((offset - kWalHeader) / kFrame + 1) = checksum_of_frame(bytes);
      if (continues) {
        TRY(gather(bytes, offset));
        if (frame_commits_ || gathered_.size() >= kGatheredMost) return write_gathered();
        return {};
      }
    }
  }
  // Its header, or something out of the order of appending.
  TRY(write_gathered());
  if (offset == 0 && before_wal_begins_) TRY(before_wal_begins_());
  return put(wal_, bytes, offset);
}

Result<void> SqliteFiles::gather(BytesView bytes, std::uint64_t offset) {
  if (gathered_.empty()) gathered_at_ = offset;
  gathered_.append(bytes);
  return {};
}

Result<void> SqliteFiles::write_gathered() {
  if (gathered_.empty()) return {};
  // Nothing of a transaction that fails here is needed again.
  Bytes frames = std::exchange(gathered_, {});
  TRY(put(wal_, frames, gathered_at_));
  if (gathered_.empty() && frames.capacity() <= 2 * kGatheredMost) {
    frames.clear();
    gathered_ = std::move(frames);  // Its capacity.
  }
  return {};
}

void SqliteFiles::forget_gathered() { gathered_.clear(); }

Result<void> SqliteFiles::truncate_wal(std::uint64_t size) {
  if (failure_) return *failure_;
  TRY(write_gathered());
  ++wal_.writes;
  return wal_.file->truncate(size, deadline_);
}

Result<void> SqliteFiles::sync_wal() { return sync(wal_); }

Result<std::uint64_t> SqliteFiles::wal_size() {
  if (failure_) return *failure_;
  return wal_.file->size();
}

std::uint64_t& SqliteFiles::frame_checksum(std::uint64_t frame) {
  CHECK(frame > 0);
  if (frame_checksums_.size() < frame) frame_checksums_.resize(frame);
  return frame_checksums_[frame - 1];
}

// --- both ---

Result<void> SqliteFiles::put(OneFile& file, BytesView bytes, std::uint64_t offset) {
  struct Writing {
    SqliteFiles& files;
    bool has_ended = false;
    ~Writing() {
      if (!has_ended) files.abandon();  // The fiber was killed.
    }
  } writing{*this};
  ++file.writes;  // Before: a sync that begins while it is under way does not cover it.
  auto written = file.file->pwrite(bytes, offset, deadline_);
  ++file.writes;
  writing.has_ended = true;
  written_since_pause_ += bytes.size();
  if (written_since_pause_ >= kPauseBytes) {
    written_since_pause_ = 0;
    if (pause_) pause_();
  }
  return written;
}

Result<void> SqliteFiles::sync(OneFile& file) {
  if (failure_) return *failure_;
  const std::uint64_t covered = file.writes;
  if (file.synced >= covered) return {};
  if (const auto synced = file.file->sync(deadline_); !synced) {
    // What was written may be gone although it is still seen.
    failure_ = Error{ErrorCode::io_error,
                     fmt::format("{}: sync: {}", file.path, synced.error().message)};
    return *failure_;
  }
  file.synced = std::max(file.synced, covered);
  return {};
}

void SqliteFiles::abandon() {
  if (!failure_) failure_ = Error{ErrorCode::io_error, path_ + ": no longer in use"};
}

void SqliteFiles::draw(std::span<char> into) {
  for (char& octet : into) octet = static_cast<char>(hash64({}, chance_ + ++drawn_));
}

}  // namespace keelson
