// Tested by tests/core/kv/state_mark_test.cc and state_crash_points_test.cc.
#include "core/kv/state_mark.h"

#include <fmt/format.h>

#include <optional>
#include <span>
#include <utility>

#include "core/base/check.h"

namespace keelson::kv {

namespace {

constexpr std::uint64_t kMagic = 0x0a31'5255'444c'454b;  // "KELDUR1\n" on disk.
constexpr std::uint64_t kSlotBytes = 64 << 10;
constexpr std::size_t kAllocated = 4096;
constexpr std::size_t kHead = 5 * 8;
constexpr std::size_t kGroup = 4 * 8;
static_assert(kHead + kGroup * MarkFile::kGroupsMost + 8 <= kSlotBytes);

Bytes encode(std::uint64_t sequence, const DurabilityMark& mark) {
  Bytes bytes;
  for (const std::uint64_t field : {kMagic, sequence, mark.wal.salt, mark.wal.frames,
                                    std::uint64_t{mark.groups.size()}}) {
    append_u64(bytes, field);
  }
  for (const auto& [id, group] : mark.groups) {
    append_u64(bytes, id.value);
    append_u64(bytes, group.label.index.value);
    append_u64(bytes, group.label.term.value);
    append_u64(bytes, group.digest);
  }
  append_u64(bytes, hash64(bytes));
  return bytes;
}

struct Slot {
  std::uint64_t sequence = 0;
  DurabilityMark mark;
};

// Nothing if it is not whole.
std::optional<Slot> decode(BytesView bytes) {
  const auto field = [&](std::size_t at) { return read_u64(bytes.substr(at)); };
  if (bytes.size() < kHead + 8 || field(0) != kMagic) return std::nullopt;
  const std::uint64_t count = field(32);
  if (count > MarkFile::kGroupsMost) return std::nullopt;
  const std::size_t checked = kHead + kGroup * static_cast<std::size_t>(count);
  if (bytes.size() < checked + 8) return std::nullopt;
  if (field(checked) != hash64(bytes.substr(0, checked))) return std::nullopt;
  Slot slot{.sequence = field(8),
            .mark = {.wal = {.salt = field(16), .frames = field(24)}, .groups = {}}};
  for (std::size_t at = kHead; at < checked; at += kGroup) {
    DurabilityMark::Group& group = slot.mark.groups[GroupId(field(at))];
    group.label = {.index = raft::LogIndex(field(at + 8)), .term = raft::Term(field(at + 16))};
    group.digest = field(at + 24);
  }
  return slot;
}

}  // namespace

Result<void> MarkFile::make(Disk& disk, const std::string& path, Deadline deadline) {
  TRY(const auto file, disk.open(path, OpenMode::create, deadline));
  TRY(file->truncate(0, deadline));
  for (const std::uint64_t sequence : {0, 1}) {
    Bytes slot = encode(sequence, {});
    slot.resize(kAllocated);
    TRY(file->pwrite(slot, sequence * kSlotBytes, deadline));
  }
  return file->sync(deadline);
}

Result<std::unique_ptr<MarkFile>> MarkFile::open(Disk& disk, const std::string& path,
                                                 Deadline deadline) {
  auto opened = disk.open(path, OpenMode::existing, deadline);
  if (!opened && opened.error().code == ErrorCode::not_found) {
    return Error{ErrorCode::corrupt, fmt::format("{}: it is missing, from offset 0", path)};
  }
  if (!opened) return std::move(opened).error();
  std::unique_ptr<MarkFile> marks(new MarkFile(*std::move(opened), path));
  bool is_any_whole = false;
  for (const std::uint64_t slot : {0, 1}) {
    TRY(const bool is_whole, marks->read_slot(slot, deadline));
    is_any_whole = is_any_whole || is_whole;
  }
  if (!is_any_whole) {
    return Error{ErrorCode::corrupt,
                 fmt::format("{}: both slots, at offsets 0 and {}, fail their checksums", path,
                             kSlotBytes)};
  }
  TRY(marks->put(marks->sequence_, marks->mark_, deadline));
  return marks;
}

Result<bool> MarkFile::read_slot(std::uint64_t slot, Deadline deadline) {
  Bytes bytes(kSlotBytes, '\0');
  TRY(const std::size_t count,
      file_->pread(std::span(bytes.data(), bytes.size()), slot * kSlotBytes, deadline));
  auto found = decode(BytesView(bytes).substr(0, count));
  if (!found || found->sequence % 2 != slot) return false;
  if (found->sequence >= sequence_) {
    sequence_ = found->sequence;
    mark_ = std::move(found->mark);
  }
  return true;
}

Result<void> MarkFile::write(const DurabilityMark& mark) {
  TRY(put(sequence_ + 1, mark, Deadline::never()));
  ++sequence_;
  mark_ = mark;
  return {};
}

Result<void> MarkFile::put(std::uint64_t sequence, const DurabilityMark& mark,
                           Deadline deadline) {
  CHECK(mark.groups.size() <= kGroupsMost);
  if (has_failed_) return Error{ErrorCode::io_error, path_ + ": no longer in use"};
  TRY(file_->pwrite(encode(sequence, mark), sequence % 2 * kSlotBytes, deadline));
  if (const auto synced = file_->sync(deadline); !synced) {
    has_failed_ = true;
    return Error{ErrorCode::io_error, fmt::format("{}: sync: {}", path_, synced.error().message)};
  }
  return {};
}

}  // namespace keelson::kv
