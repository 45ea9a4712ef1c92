// SimDisk: faults of single files, and harm to what is at rest.
// Tested by tests/sim/disk_harm_test.cc.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/base/check.h"
#include "sim/machine.h"
#include "sim/sim_disk.h"
#include "sim/world.h"

namespace keelson::sim {

namespace {

// At most so many bytes that follow each other have a bit flipped.
constexpr std::uint64_t kFlippedBytesMost = 8;

template <typename Shares>
bool has_shares(const Shares& shares) {
  return shares.read_error_per_million != 0 || shares.write_error_per_million != 0 ||
         shares.sync_error_per_million != 0 || shares.misdirect_write_per_million != 0 ||
         shares.lose_sync_per_million != 0;
}

// Where a write of this phase may land in what is at rest.
std::vector<std::uint64_t> places_in(const std::vector<ByteRange>& at_rest, std::uint64_t phase) {
  std::vector<std::uint64_t> places;
  for (const ByteRange& range : at_rest) {
    const std::uint64_t behind = (range.begin + kSectorBytes - phase) % kSectorBytes;
    std::uint64_t place = range.begin + (behind == 0 ? 0 : kSectorBytes - behind);
    for (; place < range.end; place += kSectorBytes) places.push_back(place);
  }
  return places;
}

// The at-rest bytes from `begin` on.
std::uint64_t room_at(const std::vector<ByteRange>& at_rest, std::uint64_t begin) {
  for (const ByteRange& range : at_rest) {
    if (range.begin <= begin && begin < range.end) return range.end - begin;
  }
  return 0;
}

std::string directory_prefix(const std::string& path) {
  return path.substr(0, path.rfind('/') + 1);  // npos + 1 is 0.
}

}  // namespace

bool has_prefix(std::string_view path, std::string_view prefix) {
  if (path.substr(0, prefix.size()) == prefix) return true;
  return prefix.size() == path.size() + 1 && prefix.back() == '/' &&
         prefix.substr(0, path.size()) == path;
}

const DiskRule* rule_for(const DiskConditions& conditions, const std::string& path) {
  for (const DiskRule& rule : conditions.rules) {
    if (has_prefix(path, rule.path_prefix)) return &rule;
  }
  return nullptr;
}

// --- faults of single operations ---

void SimDisk::set_conditions(const DiskConditions& conditions) {
  conditions_ = conditions;
  look_for_strikes();
}

void SimDisk::look_for_strikes() {
  may_strike_ = !armed_.empty() || has_shares(conditions_) ||
                std::any_of(conditions_.rules.begin(), conditions_.rules.end(),
                            [](const DiskRule& rule) { return has_shares(rule); });
}

void SimDisk::arm(FileFault fault, std::string path_prefix, std::uint32_t count) {
  if (count == 0) return;
  armed_.push_back({fault, std::move(path_prefix), count});
  look_for_strikes();
}

void SimDisk::fail_next(DiskOperation kind, std::uint32_t count, std::string path_prefix) {
  CHECK(kind != DiskOperation::change_names);
  constexpr FileFault kFaults[3] = {FileFault::read_error, FileFault::write_error,
                                    FileFault::sync_error};
  arm(kFaults[static_cast<std::size_t>(kind)], std::move(path_prefix), count);
}

void SimDisk::misdirect_next_write(std::string path_prefix, std::uint32_t count) {
  arm(FileFault::misdirected_write, std::move(path_prefix), count);
}

void SimDisk::lose_next_sync(std::string path_prefix, std::uint32_t count) {
  arm(FileFault::lost_sync, std::move(path_prefix), count);
}

bool SimDisk::strikes_now(FileFault fault, const std::string& path) {
  const auto armed = std::find_if(armed_.begin(), armed_.end(), [&](const Armed& each) {
    return each.fault == fault && has_prefix(path, each.path_prefix);
  });
  if (armed != armed_.end()) {
    if (--armed->count == 0) {
      armed_.erase(armed);
      look_for_strikes();
    }
    return true;
  }
  const std::uint32_t share = share_of(fault, path);
  return share != 0 && choices_for(fault).chance(share);
}

std::uint32_t SimDisk::share_of(FileFault fault, const std::string& path) const {
  const auto share = [&](const auto& shares) {
    switch (fault) {
      case FileFault::read_error: return shares.read_error_per_million;
      case FileFault::write_error: return shares.write_error_per_million;
      case FileFault::sync_error: return shares.sync_error_per_million;
      case FileFault::misdirected_write: return shares.misdirect_write_per_million;
      case FileFault::lost_sync: return shares.lose_sync_per_million;
    }
    return std::uint32_t{0};
  };
  const DiskRule* const rule = rule_for(conditions_, path);
  return rule == nullptr ? share(conditions_) : share(*rule);
}

ChoiceStream& SimDisk::choices_for(FileFault fault) {
  const auto found = [&](ChoiceStream*& known, const char* purpose) -> ChoiceStream& {
    if (known == nullptr) {
      known = &world_.choices().stream("disk/" + machine_.name() + "/" + purpose);
    }
    return *known;
  };
  if (fault == FileFault::misdirected_write) return found(misdirect_choices_, "misdirect");
  if (fault == FileFault::lost_sync) return found(lost_sync_choices_, "lost_sync");
  return error_choices_;
}

bool SimDisk::misdirect(FileImage& file, const std::string& path, BytesView bytes,
                        std::uint64_t offset) {
  struct Place {
    FoundFile file;
    std::uint64_t offset;
  };
  std::vector<Place> places;
  const std::string prefix = directory_prefix(path);
  for (const FoundFile& found : files_below(prefix)) {
    // Only in the same directory, not in those below it.
    if (found.path.find('/', prefix.size()) != std::string::npos) continue;
    for (const std::uint64_t place : places_in(found.image->at_rest(), offset % kSectorBytes)) {
      if (found.image != &file || place != offset) places.push_back({found, place});
    }
  }
  if (places.empty()) return false;
  const Place& place = places[choices_for(FileFault::misdirected_write).choose(places.size())];
  FileImage& target = *place.file.image;
  const std::uint64_t room = room_at(target.at_rest(), place.offset);
  const BytesView landing = bytes.substr(0, std::min<std::uint64_t>(room, bytes.size()));
  const bool changes = target.visible().read(place.offset, landing.size()) != landing;
  target.replace_at_rest(landing, place.offset);
  if (changes) {
    target.note_harm(HarmKind::misdirected_write, {place.offset, place.offset + landing.size()});
  }

  const std::uint64_t end = offset + bytes.size();
  if (end > file.visible().size()) file.truncate(end);
  const bool misses = file.visible().read(offset, bytes.size()) != bytes;
  if (misses) file.note_harm(HarmKind::lost_write, {offset, end});
  world_.ledger().injected("disk.misdirected_write");
  if (changes || misses) world_.ledger().effective("disk.misdirected_write");
  note_fault(fmt::format("misdirects {} bytes from {} at {} to {} at {}", bytes.size(), path,
                         offset, place.file.path, place.offset));
  return true;
}

// --- harm to what is at rest ---

std::vector<SimDisk::FoundFile> SimDisk::files_below(const std::string& path_prefix) const {
  std::vector<FoundFile> found;
  const auto add = [&](const auto& self, const DirectoryImage& directory,
                       const std::string& path) -> void {
    for (const auto& [name, entry] : directory.durable()) {
      const Entry* const seen = directory.find(name);
      if (seen == nullptr || !(*seen == entry)) continue;
      if (entry.directory != nullptr) {
        self(self, *entry.directory, path + name + "/");
      } else if (has_prefix(path + name, path_prefix)) {
        found.push_back({path + name, entry.file.get()});
      }
    }
  };
  add(add, *root_, "");
  return found;
}

std::optional<DiskHarm> SimDisk::harm(HarmKind kind, const std::string& path_prefix) {
  const std::vector<FoundFile> files = files_below(path_prefix);
  std::uint64_t total = 0;
  for (const FoundFile& file : files) {
    for (const ByteRange& range : file.image->at_rest()) total += range.size();
  }
  if (total == 0) return std::nullopt;
  if (rot_choices_ == nullptr) {
    rot_choices_ = &world_.choices().stream("disk/" + machine_.name() + "/rot");
  }
  std::uint64_t drawn = rot_choices_->choose(total);
  for (const FoundFile& file : files) {
    for (const ByteRange& range : file.image->at_rest()) {
      if (drawn >= range.size()) {
        drawn -= range.size();
        continue;
      }
      const std::uint64_t place = range.begin + drawn;
      const std::uint64_t sector = place / kSectorBytes * kSectorBytes;
      const ByteRange part{std::max(range.begin, sector),
                           std::min(range.end, sector + kSectorBytes)};
      if (kind != HarmKind::flipped_bits) {
        return do_harm(kind, file, part, Bytes(part.size(), '\0'));
      }
      const std::uint64_t room = std::min(part.end - place, kFlippedBytesMost);
      const std::uint64_t length = 1 + rot_choices_->choose(room);
      Bytes flipped = file.image->visible().read(place, length);
      for (char& each : flipped) {
        const auto bit = static_cast<int>(rot_choices_->choose(8));
        each = static_cast<char>(each ^ (1 << bit));
      }
      return do_harm(kind, file, {place, place + length}, flipped);
    }
  }
  CHECK(false);
  return std::nullopt;
}

std::optional<DiskHarm> SimDisk::misplace_block(const std::string& path,
                                                std::size_t block_bytes) {
  CHECK(block_bytes > 0);
  const std::vector<FoundFile> files = files_below(path);
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const FoundFile& file) { return file.path == path; });
  if (found == files.end()) return std::nullopt;
  FileImage& file = *found->image;
  std::vector<std::uint64_t> blocks;
  for (const ByteRange& range : file.at_rest()) {
    std::uint64_t offset = (range.begin + block_bytes - 1) / block_bytes * block_bytes;
    for (; offset + block_bytes <= range.end; offset += block_bytes) blocks.push_back(offset);
  }
  if (blocks.empty()) return std::nullopt;
  ChoiceStream& chance = choices_for(FileFault::misdirected_write);
  const std::uint64_t target = blocks[chance.choose(blocks.size())];
  const auto content = [&](std::uint64_t offset) {
    return file.visible().read(offset, block_bytes);
  };
  std::erase_if(blocks, [&](std::uint64_t block) { return content(block) == content(target); });
  if (blocks.empty()) return std::nullopt;
  file.replace_at_rest(content(blocks[chance.choose(blocks.size())]), target);
  file.note_harm(HarmKind::misdirected_write, {target, target + block_bytes});
  world_.ledger().injected("disk.misdirected_write");
  world_.ledger().effective("disk.misdirected_write");
  note_fault(fmt::format("another block of {} lies at {}", path, target));
  return DiskHarm{path, HarmKind::misdirected_write, target, block_bytes};
}

std::optional<DiskHarm> SimDisk::harm_at(HarmKind kind, const std::string& path,
                                         std::uint64_t offset, std::uint64_t length) {
  for (const FoundFile& file : files_below(path)) {
    if (file.path != path || length == 0) continue;
    const std::uint64_t room = room_at(file.image->at_rest(), offset);
    const ByteRange range{offset, offset + std::min(room, length)};
    if (range.begin == range.end) return std::nullopt;
    Bytes replacement(range.size(), '\0');
    if (kind == HarmKind::flipped_bits) {
      replacement = file.image->visible().read(range.begin, range.size());
      for (char& each : replacement) each = static_cast<char>(each ^ 1);
    }
    return do_harm(kind, file, range, replacement);
  }
  return std::nullopt;
}

std::optional<DiskHarm> SimDisk::do_harm(HarmKind kind, const FoundFile& file, ByteRange range,
                                         const Bytes& replacement) {
  CHECK(kind == HarmKind::flipped_bits || kind == HarmKind::zeroed_sector ||
        kind == HarmKind::unreadable_sector);
  if (kind != HarmKind::unreadable_sector) {
    // Zeros in the place of zeros are no harm.
    if (file.image->visible().read(range.begin, range.size()) == replacement) return std::nullopt;
    file.image->replace_at_rest(replacement, range.begin);
  }
  file.image->note_harm(kind, range);
  world_.ledger().injected(fault_of(kind));
  note_fault(fmt::format("{}: {} bytes at {} of {}", name_of(kind), range.size(), range.begin,
                         file.path));
  return DiskHarm{file.path, kind, range.begin, range.size()};
}

Result<void> SimDisk::meet_harms(FileImage& file, const std::string& path, ByteRange range) {
  bool is_unreadable = false;
  for (FileHarm* const harm : file.harms_met(range)) {
    is_unreadable |= harm->kind == HarmKind::unreadable_sector;
    const bool counted_before = harm->kind == HarmKind::misdirected_write ||
                                harm->kind == HarmKind::lost_write || harm->was_noticed;
    if (!counted_before) world_.ledger().effective(fault_of(harm->kind));
    harm->was_noticed = true;
  }
  if (!is_unreadable) return {};
  return Error{ErrorCode::io_error, fmt::format("a sector of \"{}\" cannot be read", path)};
}

std::vector<DiskHarm> SimDisk::harms() const {
  std::vector<DiskHarm> all;
  const auto add_file = [&](const FileImage& file, const std::string& path) {
    for (const FileHarm& harm : file.harms().all()) {
      // An unsynced write that went elsewhere was promised to nobody yet, and will be.
      all.push_back({path, harm.kind, harm.range.begin, harm.range.size()});
    }
  };
  const auto add = [&](const auto& self, const DirectoryImage::Entries& entries,
                       const DirectoryImage::Entries* others, const std::string& path) -> void {
    for (const auto& [name, entry] : entries) {
      if (others != nullptr) {
        const auto other = others->find(name);
        if (other != others->end() && other->second == entry) continue;
      }
      if (entry.file != nullptr) {
        add_file(*entry.file, path + name);
      } else {
        const DirectoryImage& inner = *entry.directory;
        self(self, inner.visible(), nullptr, path + name + "/");
        self(self, inner.durable(), &inner.visible(), path + name + "/");
      }
    }
  };
  add(add, root_->visible(), nullptr, "");
  add(add, root_->durable(), &root_->visible(), "");
  std::stable_sort(all.begin(), all.end(), [](const DiskHarm& a, const DiskHarm& b) {
    return std::tie(a.path, a.offset) < std::tie(b.path, b.offset);
  });
  return all;
}

}  // namespace keelson::sim
