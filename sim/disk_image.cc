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

}  // namespace

FileImage::FileImage(std::shared_ptr<std::uint64_t> used_bytes)
    : used_bytes_(std::move(used_bytes)) {}

FileImage::~FileImage() { *used_bytes_ -= content_.size(); }

void FileImage::replace_content(Bytes content) {
  *used_bytes_ += content.size();
  *used_bytes_ -= content_.size();
  content_ = std::move(content);
}

Bytes FileImage::durable() const {
  Bytes content = content_;
  undo_all(content);
  return content;
}

void FileImage::write(BytesView bytes, std::uint64_t offset) {
  if (bytes.empty()) return;
  Change change{.offset = offset, .written = bytes.size(), .size_before = content_.size()};
  const std::uint64_t end = offset + bytes.size();
  change.size_after = std::max<std::uint64_t>(content_.size(), end);
  const std::uint64_t overwritten_end = std::min<std::uint64_t>(end, content_.size());
  if (offset < overwritten_end) change.saved = overwritten_end - offset;
  note(change);
  if (end > content_.size()) *used_bytes_ += end - content_.size();
  if (offset > content_.size()) content_.resize(offset);
  // What lies beyond the end is appended, which touches it once.
  content_.replace(offset, std::min<std::uint64_t>(bytes.size(), content_.size() - offset), bytes);
  CHECK(content_.size() == change.size_after);
}

void FileImage::truncate(std::uint64_t size) {
  Change change{.offset = std::min<std::uint64_t>(size, content_.size()),
                .size_before = content_.size(),
                .size_after = size};
  change.saved = content_.size() - change.offset;
  note(change);
  *used_bytes_ += size;
  *used_bytes_ -= content_.size();
  content_.resize(size);
}

// Saves what the change is about to replace.
void FileImage::note(const Change& change) {
  if (changes_.size() >= kUnsyncedChangesLimit) write_back_oldest();
  if (change.saved > 0) saved_bytes_.append(content_, change.offset, change.saved);
  changes_.push_back(change);
}

void FileImage::write_back_oldest() {
  make_durable(first_change_ + changes_.size() / 2);
}

std::vector<FileImage::Undone> FileImage::undo_all(Bytes& content) const {
  std::vector<Undone> undone(changes_.size());
  std::size_t saved_end = saved_bytes_.size();
  for (std::size_t i = changes_.size(); i-- > 0;) {
    const Change& change = changes_[i];
    CHECK(content.size() == change.size_after);
    CHECK(saved_end >= change.saved);
    undone[i].change = change;
    if (!change.is_dropped && change.written > 0) {
      undone[i].bytes = content.substr(change.offset, change.written);
    }
    if (change.is_whole_file) {
      remains_->put_into(content);
      continue;
    }
    content.resize(change.size_before);
    if (change.saved == 0) continue;
    saved_end -= change.saved;
    content.replace(change.offset, change.saved, saved_bytes_, saved_end, change.saved);
  }
  CHECK(saved_end == 0);
  return undone;
}

void FileImage::redo(Bytes& content, const Undone& undone) {
  const Change& change = undone.change;
  if (change.written == 0) {
    content.resize(change.size_after);
    return;
  }
  if (content.size() < change.offset + change.written) {
    content.resize(change.offset + change.written);
  }
  content.replace(change.offset, change.written, undone.bytes);
}

ByteRange FileImage::Change::range() const {
  if (written > 0) return {offset, offset + written};
  return {size_after, UINT64_MAX};
}

void FileImage::redo_torn(Bytes& content, const Undone& undone, std::uint64_t lost_parts,
                          std::uint64_t number) {
  const Change& change = undone.change;
  const std::uint64_t first = sector_of(change.offset);
  const std::uint64_t sectors = sector_of(change.offset + change.written - 1) - first + 1;
  const std::uint64_t parts = std::min(sectors, kTornPartsLimit);
  for (std::uint64_t sector = 0; sector < sectors; ++sector) {
    if (lost_parts >> (sector * parts / sectors) & 1) continue;
    const std::uint64_t begin = std::max((first + sector) * kSectorBytes, change.offset);
    const std::uint64_t end =
        std::min((first + sector + 1) * kSectorBytes, change.offset + change.written);
    if (content.size() < end) content.resize(end);
    if (!harms_.empty()) harms_.overwritten({begin, end}, number);
    content.replace(begin, end - begin, undone.bytes, begin - change.offset, end - begin);
  }
}

void FileImage::forget_changes(std::uint64_t until) {
  if (until <= first_change_) return;
  CHECK(until <= change_count());
  const auto count = static_cast<std::ptrdiff_t>(until - first_change_);
  std::size_t saved = 0;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const Change& change = changes_[static_cast<std::size_t>(i)];
    saved += change.saved;
    if (!harms_.empty()) harms_.overwritten(change.range(), first_change_ + i);
  }
  saved_bytes_.erase(0, saved);
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
  std::size_t saved = 0;
  for (std::size_t i = 0; i < covered; ++i) {
    const Change& change = changes_[i];
    const BytesView replaced = BytesView(saved_bytes_).substr(saved, change.saved);
    saved += change.saved;
    if (change.is_whole_file) continue;
    if (change.is_dropped) {
      remains_->dropped(change.offset, replaced, change.size_after);
      continue;
    }
    if (change.written > 0) {
      remains_->saved_write(change.range());
    } else {
      remains_->saved_size(change.size_after);
    }
    if (!harms_.empty()) harms_.overwritten(change.range(), first_change_ + i);
  }
  saved_bytes_.erase(0, saved);
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
  Bytes content = content_;
  const std::vector<Undone> undone = undo_all(content);
  const bool all_are_lost = choices.chance(shares.lose_all_per_million);
  std::uint64_t number = first_change_;
  for (const Undone& each : undone) {
    const std::uint64_t this_number = number++;
    if (each.change.is_dropped || all_are_lost || choices.chance(shares.lose_write_per_million)) {
      ++losses.lost_changes;
      continue;
    }
    const std::uint64_t sectors =
        each.change.written == 0 ? 0
                                 : sector_of(each.change.offset + each.change.written - 1) -
                                       sector_of(each.change.offset) + 1;
    const std::uint64_t patterns = std::uint64_t{1} << std::min(sectors, kTornPartsLimit);
    // The last pattern would lose every part.
    const std::uint64_t lost_parts =
        sectors < 2 ? 0 : choices.rarely(shares.tear_write_per_million, patterns - 1);
    if (lost_parts == 0) {
      redo(content, each);
      if (!harms_.empty()) harms_.overwritten(each.change.range(), this_number);
    } else {
      redo_torn(content, each, lost_parts, this_number);
      ++losses.torn_writes;
    }
  }
  changes_.clear();
  saved_bytes_.clear();
  has_dropped_ = false;
  remains_.reset();
  first_change_ += undone.size();
  if (!harms_.empty()) lose_harms(content, losses);
  replace_content(std::move(content));
}

// Lost syncs come to light where what is left differs from what was seen.
void FileImage::lose_harms(const Bytes& content, Losses& losses) {
  std::erase_if(harms_.all(), [&](FileHarm& harm) {
    if (harm.kind != HarmKind::lost_sync || harm.was_noticed) return false;
    const auto part = [&](const Bytes& whole) {
      const auto begin = std::min<std::uint64_t>(harm.range.begin, whole.size());
      return BytesView(whole).substr(begin, harm.range.end - harm.range.begin);
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
  content_.replace(offset, bytes.size(), bytes);
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
