// Tested by tests/sim/disk_harm_test.cc.
#include "sim/disk_harm.h"

#include <utility>

#include "core/base/check.h"

namespace keelson::sim {

std::string_view fault_of(HarmKind kind) {
  switch (kind) {
    case HarmKind::flipped_bits: return "disk.rot";
    case HarmKind::zeroed_sector: return "disk.zeroed_sector";
    case HarmKind::unreadable_sector: return "disk.unreadable_sector";
    case HarmKind::misdirected_write:
    case HarmKind::lost_write: return "disk.misdirected_write";
    case HarmKind::lost_sync: return "disk.lost_sync";
  }
  return "?";
}

std::string_view name_of(HarmKind kind) {
  switch (kind) {
    case HarmKind::flipped_bits: return "flipped bits";
    case HarmKind::zeroed_sector: return "zeroed sector";
    case HarmKind::unreadable_sector: return "unreadable sector";
    case HarmKind::misdirected_write: return "misdirected write";
    case HarmKind::lost_write: return "lost write";
    case HarmKind::lost_sync: return "lost sync";
  }
  return "?";
}

void subtract(std::vector<ByteRange>& ranges, ByteRange taken) {
  if (taken.begin >= taken.end) return;
  std::vector<ByteRange> left;
  for (const ByteRange& range : ranges) {
    CHECK(range.begin < range.end);
    if (!range.overlaps(taken)) {
      left.push_back(range);
      continue;
    }
    if (range.begin < taken.begin) left.push_back({range.begin, taken.begin});
    if (taken.end < range.end) left.push_back({taken.end, range.end});
  }
  ranges = std::move(left);
}

void FileHarms::overwritten(ByteRange range, std::uint64_t change) {
  std::vector<FileHarm> left;
  for (const FileHarm& harm : all_) {
    if (change < harm.since) {
      left.push_back(harm);
      continue;
    }
    std::vector<ByteRange> ranges{harm.range};
    subtract(ranges, range);
    for (const ByteRange& each : ranges) {
      left.push_back(harm);
      left.back().range = each;
    }
  }
  all_ = std::move(left);
}

void FileHarms::promised(std::uint64_t until) {
  for (FileHarm& harm : all_) harm.is_promised |= harm.since <= until;
}

void FileHarms::forget_unpromised() {
  std::erase_if(all_, [](const FileHarm& harm) {
    return harm.kind == HarmKind::lost_write && !harm.is_promised;
  });
}

}  // namespace keelson::sim
