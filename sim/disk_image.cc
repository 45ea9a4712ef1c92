// Tested by tests/sim/disk_test.cc and disk_image_test.cc.
#include "sim/disk_image.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace keelson::sim {

namespace {

// A kernel does not keep written data in memory for ever: beyond this much, what has waited longest
// goes to the disk by itself. It bounds the memory of files that are never synced.
constexpr std::size_t kUnsyncedChangesLimit = 64 * 1024;

// A torn write is torn into at most so many parts, each of whole sectors.
constexpr std::uint64_t kTornPartsLimit = 32;

std::uint64_t sector_of(std::uint64_t offset) { return offset / kSectorBytes; }

// From the first to the last place where they differ, to the sector. REQUIRES: equal sizes.
ByteRange difference(BytesView before, BytesView after) {
  ByteRange range{0, before.size()};
  const auto differs = [&](std::uint64_t begin, std::uint64_t end) {
    return before.substr(begin, end - begin) != after.substr(begin, end - begin);
  };
  while (range.begin < range.end) {
    const std::uint64_t end = std::min(range.begin + kSectorBytes, range.end);
    if (differs(range.begin, end)) break;
    range.begin = end;
  }
  while (range.begin < range.end) {
    const std::uint64_t begin = range.end - std::min(kSectorBytes, range.end - range.begin);
    if (differs(begin, range.end)) break;
    range.end = begin;
  }
  return range;
}

}  // namespace

FileImage::FileImage(std::shared_ptr<std::uint64_t> used_bytes)
    : used_bytes_(std::move(used_bytes)) {}

FileImage::~FileImage() { *used_bytes_ -= content_.size(); }

void FileImage::replace_content(FileBytes content) {
  *used_bytes_ += content.size();
  *used_bytes_ -= content_.size();
  content_ = std::move(content);
}

Bytes FileImage::durable() const {
  FileBytes content = content_;
  undo_all(content);
  return content.all();
}

void FileImage::write(BytesView bytes, std::uint64_t offset) {
  if (bytes.empty()) return;
  Change change{.offset = offset, .written = bytes.size(), .size_before = content_.size()};
  const std::uint64_t end = offset + bytes.size();
  change.size_after = std::max<std::uint64_t>(content_.size(), end);
  if (offset < content_.size()) {
    Bytes before = content_.read(offset, bytes.size());
    const ByteRange changed = difference(before, bytes.substr(0, before.size()));
    change.saved_at = offset + changed.begin;
    change.saved = changed.size() == before.size() ? std::move(before)
                                                   : before.substr(changed.begin, changed.size());
  }
  if (end > content_.size()) *used_bytes_ += end - content_.size();
  note(std::move(change));
  content_.write(bytes, offset);
  CHECK(content_.size() == changes_.back().size_after);
}

void FileImage::truncate(std::uint64_t size) {
  Change change{.offset = std::min<std::uint64_t>(size, content_.size()),
                .size_before = content_.size(),
                .size_after = size};
  if (size < content_.size()) change.before_cut = std::make_shared<FileBytes>(content_);
  note(std::move(change));
  *used_bytes_ += size;
  *used_bytes_ -= content_.size();
  content_.resize(size);
}

void FileImage::note(Change change) {
  if (changes_.size() >= kUnsyncedChangesLimit) write_back_oldest();
  changes_.push_back(std::move(change));
}

void FileImage::write_back_oldest() {
  make_durable(first_change_ + changes_.size() / 2);
}

std::vector<Bytes> FileImage::undo_all(FileBytes& content) const {
  std::vector<Bytes> written(changes_.size());
  for (std::size_t i = changes_.size(); i-- > 0;) {
    const Change& change = changes_[i];
    CHECK(content.size() == change.size_after);
    if (change.is_whole_file) {
      remains_->put_into(content);
      continue;
    }
    if (!change.is_dropped) written[i] = content.read(change.offset, change.written);
    if (change.before_cut != nullptr) {
      content.append_rest_of(*change.before_cut);
    } else {
      content.resize(change.size_before);
      content.write(change.saved, change.saved_at);
    }
  }
  return written;
}

void FileImage::redo(FileBytes& content, const Change& change, BytesView written) {
  if (change.written == 0) {
    content.resize(change.size_after);
  } else {
    content.write(written, change.offset);
  }
}

ByteRange FileImage::Change::range() const {
  if (written > 0) return {offset, offset + written};
  return {size_after, UINT64_MAX};
}

void FileImage::redo_torn(FileBytes& content, const Change& change, BytesView written,
                          std::uint64_t lost_parts, std::uint64_t number) {
  const std::uint64_t first = sector_of(change.offset);
  const std::uint64_t sectors = sector_of(change.offset + change.written - 1) - first + 1;
  const std::uint64_t parts = std::min(sectors, kTornPartsLimit);
  for (std::uint64_t sector = 0; sector < sectors; ++sector) {
    if (lost_parts >> (sector * parts / sectors) & 1) continue;
    const std::uint64_t begin = std::max((first + sector) * kSectorBytes, change.offset);
    const std::uint64_t end =
        std::min((first + sector + 1) * kSectorBytes, change.offset + change.written);
    if (!harms_.empty()) harms_.overwritten({begin, end}, number);
    content.write(written.substr(begin - change.offset, end - begin), begin);
  }
}

void FileImage::forget_changes(std::uint64_t until) {
  if (until <= first_change_) return;
  CHECK(until <= change_count());
  const auto count = static_cast<std::ptrdiff_t>(until - first_change_);
  for (std::ptrdiff_t i = 0; i < count && !harms_.empty(); ++i) {
    harms_.overwritten(changes_[static_cast<std::size_t>(i)].range(), first_change_ + i);
  }
  changes_.erase(changes_.begin(), changes_.begin() + count);
  first_change_ = until;
}

void FileImage::make_durable(std::uint64_t until) {
  if (!harms_.empty()) harms_.promised(until);
  if (until <= first_change_) return;
  if (!has_dropped_) {
    forget_changes(until);
    return;
  }
  part_for_good(until);
}

// Some of these changes were dropped by a failed sync, so what is visible and what is durable part
// for good. The difference becomes one dropped change of the whole file, of the number before
// `until`.
void FileImage::part_for_good(std::uint64_t until) {
  CHECK(until <= change_count());
  const std::size_t covered = static_cast<std::size_t>(until - first_change_);
  if (!remains_) remains_.emplace(changes_.front().size_before);
  for (std::size_t i = 0; i < covered; ++i) {
    const Change& change = changes_[i];
    if (change.is_whole_file) continue;
    if (change.is_dropped) {
      if (change.before_cut != nullptr) {
        remains_->dropped(change.offset, change.before_cut->read(change.offset, UINT64_MAX),
                          change.size_after);
      } else {
        remains_->dropped(change.saved_at, change.saved, change.size_after);
      }
      continue;
    }
    if (change.written > 0) {
      remains_->saved_write(change.range());
    } else {
      remains_->saved_size(change.size_after);
    }
    if (!harms_.empty()) harms_.overwritten(change.range(), first_change_ + i);
  }
  changes_.erase(changes_.begin(), changes_.begin() + static_cast<std::ptrdiff_t>(covered - 1));
  first_change_ = until - 1;
  changes_.front() = {.offset = 0,
                      .written = remains_->seen_size(),
                      .size_before = remains_->durable_size(),
                      .size_after = remains_->seen_size(),
                      .is_dropped = true,
                      .is_whole_file = true};
}

void FileImage::drop(std::uint64_t until) {
  CHECK(until <= change_count());
  for (std::uint64_t i = first_change_; i < until; ++i) {
    changes_[static_cast<std::size_t>(i - first_change_)].is_dropped = true;
    has_dropped_ = true;
  }
}

void FileImage::lose_power(const LossShares& shares, ChoiceStream& choices, Losses& losses) {
  if (!harms_.empty()) harms_.forget_unpromised();
  if (changes_.empty()) return;
  FileBytes content = content_;
  const std::vector<Bytes> written = undo_all(content);
  const bool all_are_lost = choices.chance(shares.lose_all_per_million);
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const Change& change = changes_[i];
    const std::uint64_t number = first_change_ + i;
    if (change.is_dropped || all_are_lost || choices.chance(shares.lose_write_per_million)) {
      ++losses.lost_changes;
      continue;
    }
    const std::uint64_t sectors =
        change.written == 0
            ? 0
            : sector_of(change.offset + change.written - 1) - sector_of(change.offset) + 1;
    const std::uint64_t patterns = std::uint64_t{1} << std::min(sectors, kTornPartsLimit);
    // The last pattern would lose every part.
    const std::uint64_t lost_parts =
        sectors < 2 ? 0 : choices.rarely(shares.tear_write_per_million, patterns - 1);
    if (lost_parts == 0) {
      redo(content, change, written[i]);
      if (!harms_.empty()) harms_.overwritten(change.range(), number);
    } else {
      redo_torn(content, change, written[i], lost_parts, number);
      ++losses.torn_writes;
    }
  }
  first_change_ += changes_.size();
  changes_.clear();
  has_dropped_ = false;
  remains_.reset();
  if (!harms_.empty()) lose_harms(content, losses);
  replace_content(std::move(content));
}

// Lost syncs come to light where what is left differs from what was seen.
void FileImage::lose_harms(const FileBytes& content, Losses& losses) {
  std::erase_if(harms_.all(), [&](FileHarm& harm) {
    if (harm.kind != HarmKind::lost_sync || harm.was_noticed) return false;
    const auto part = [&](const FileBytes& whole) {
      return whole.read(harm.range.begin, harm.range.size());
    };
    if (part(content) == part(content_)) return true;
    harm.was_noticed = true;
    ++losses.broken_syncs;
    return false;
  });
}

// --- harm ---

std::vector<ByteRange> FileImage::at_rest() const {
  std::vector<ByteRange> ranges;
  if (!content_.empty()) ranges.push_back({0, content_.size()});
  for (const Change& change : changes_) {
    subtract(ranges, change.range());
    // What lies beyond an earlier end is zeros that were never written.
    if (change.size_after > change.size_before) {
      subtract(ranges, {change.size_before, change.size_after});
    }
  }
  return ranges;
}

void FileImage::replace_at_rest(BytesView bytes, std::uint64_t offset) {
  CHECK(offset + bytes.size() <= content_.size());
  content_.write(bytes, offset);
}

void FileImage::note_harm(HarmKind kind, ByteRange range) {
  CHECK(range.begin < range.end);
  harms_.add({.kind = kind, .range = range, .since = change_count()});
}

bool FileImage::lose_sync(std::uint64_t until) {
  // What an earlier failed or lost sync has dropped is nobody's promise of now.
  std::vector<ByteRange> lost;
  for (std::uint64_t i = first_change_; i < until; ++i) {
    const Change& change = changes_[static_cast<std::size_t>(i - first_change_)];
    if (change.is_dropped) continue;
    ByteRange range = change.range();
    if (change.written == 0) {
      range.end = std::max(change.size_before, change.size_after);
      range.begin = std::min(change.size_before, change.size_after);
    }
    if (range.begin < range.end) lost.push_back(range);
  }
  if (lost.empty()) return false;
  drop(until);
  harms_.promised(until);
  for (const ByteRange& range : lost) {
    harms_.add({.kind = HarmKind::lost_sync, .range = range, .since = until, .is_promised = true});
  }
  return true;
}

std::vector<FileHarm*> FileImage::harms_met(ByteRange range) {
  std::vector<FileHarm*> met;
  for (FileHarm& harm : harms_.all()) {
    if (harm.kind == HarmKind::lost_sync || !harm.range.overlaps(range)) continue;
    std::vector<ByteRange> seen{{std::max(harm.range.begin, range.begin),
                                 std::min(harm.range.end, range.end)}};
    for (std::uint64_t i = std::max(harm.since, first_change_); i < change_count(); ++i) {
      const Change& change = changes_[static_cast<std::size_t>(i - first_change_)];
      if (!change.is_whole_file) subtract(seen, change.range());
    }
    if (!seen.empty()) met.push_back(&harm);
  }
  return met;
}

const Entry* DirectoryImage::find(const std::string& name) const {
  const auto found = visible_.find(name);
  return found == visible_.end() ? nullptr : &found->second;
}

void DirectoryImage::apply_to(Entries& entries, const Change& change) {
  for (const auto& [name, entry] : change) {
    if (entry) {
      entries[name] = *entry;
    } else {
      entries.erase(name);
    }
  }
}

void DirectoryImage::apply(Change change) {
  apply_to(visible_, change);
  changes_.push_back(std::move(change));
}

void DirectoryImage::make_durable(std::uint64_t until) {
  if (until <= first_change_) return;
  CHECK(until <= change_count());
  const auto count = static_cast<std::ptrdiff_t>(until - first_change_);
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    apply_to(durable_, changes_[static_cast<std::size_t>(i)]);
  }
  changes_.erase(changes_.begin(), changes_.begin() + count);
  first_change_ = until;
}

void DirectoryImage::lose_power(const LossesOf& losses_of, const std::string& path,
                                ChoiceStream& choices, Losses& losses) {
  for (const Change& change : changes_) {
    const LossShares& shares = losses_of(path + change.front().first);
    if (choices.chance(shares.lose_entry_per_million)) {
      ++losses.lost_entries;
    } else {
      apply_to(durable_, change);
    }
  }
  first_change_ += changes_.size();
  changes_.clear();
  visible_ = durable_;
  for (auto& [name, entry] : visible_) {
    const std::string inner = path + name;
    if (entry.file != nullptr) entry.file->lose_power(losses_of(inner), choices, losses);
    if (entry.directory != nullptr) {
      entry.directory->lose_power(losses_of, inner + "/", choices, losses);
    }
  }
}

}  // namespace keelson::sim
