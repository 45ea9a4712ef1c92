// Tested by tests/scenarios/log_tap_test.cc.
#include "scenarios/log_tap.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "core/base/check.h"
#include "core/storage/wal_format.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace keelson::scenarios {

namespace {

namespace wal_format = storage::wal_format;

std::optional<std::uint32_t> segment_number(std::string_view path) {
  constexpr std::string_view kFolder = "wal/";
  if (!path.starts_with(kFolder)) return std::nullopt;
  return wal_format::segment_of(path.substr(kFolder.size()));
}

// Takes a fixed-width integer off the front; nothing if there are too few octets.
std::optional<std::uint64_t> take(BytesView& bytes, std::size_t width) {
  if (bytes.size() < width) return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  bytes.remove_prefix(width);
  return value;
}

// The image shares memory with the disk each time that it has grown by so much.
constexpr std::uint64_t kSharedAtOnce = 256 << 10;

}  // namespace

LogTap::LogTap(sim::Machine& machine, NodeId node, RaftChecks& raft, Report& report)
    : machine_(machine), node_(node), raft_(raft), report_(report) {}

void LogTap::on_write(const sim::Machine&, const std::string& path, std::uint64_t offset,
                      BytesView bytes) {
  const auto number = segment_number(path);
  if (!number) return;
  Segment& segment = segments_[*number];
  // A header begins a segment anew: a file of that name was there before, and its name was lost.
  if (offset == 0) {
    segment = {};
    // What is before the last one was told for good.
    std::erase_if(segments_, [&](const auto& each) { return each.first + 1 < *number; });
  }
  sim::FileBytes& image = segment.image;
  if (offset < segment.said_to) {
    const std::uint64_t told = std::min<std::uint64_t>(bytes.size(), segment.said_to - offset);
    const bool is_same = image.read(offset, told) == bytes.substr(0, told);
    if (!is_same) complain(*number, segment, "wrote over");
  }
  // Zeros beyond the end, the room made ahead, are not kept: nothing is read from them.
  if (offset >= image.size() && sim::is_zeros(bytes)) return;
  image.write(bytes, offset);
}

void LogTap::on_truncate(const sim::Machine&, const std::string& path, std::uint64_t size) {
  const auto number = segment_number(path);
  if (!number) return;
  Segment& segment = segments_[*number];
  if (size < segment.said_to) complain(*number, segment, "cut off");
  if (size < segment.image.size()) segment.image.resize(size);
}

void LogTap::on_synced(const sim::Machine&, const std::string& path) {
  const auto number = segment_number(path);
  if (!number) return;
  ++syncs_;
  const auto segment = segments_.find(*number);
  if (segment != segments_.end()) read_on(segment->first, segment->second);
}

LogTap::Place LogTap::last_batch() const {
  if (last_segment_ == 0) return {};
  return {wal_format::segment_path(last_segment_), last_offset_};
}

void LogTap::on_power_loss(const sim::Machine&) { power_was_lost_ = true; }

void LogTap::on_wiped() {
  segments_.clear();
  power_was_lost_ = false;
}

void LogTap::on_restart() {
  if (!std::exchange(power_was_lost_, false)) return;
  demand_survival();
  for (auto& [number, segment] : segments_) {
    auto left = machine_.disk().read_durable(wal_format::segment_path(number));
    if (!left) {
      segment = {};
      continue;
    }
    segment.image = {};
    segment.image.write(*left, 0);
    read_on(number, segment);
  }
}

// Of the last segment that says anything: those before it may have been given back.
void LogTap::demand_survival() {
  if (machine_.disk().is_harmed()) return;
  for (auto last = segments_.rbegin(); last != segments_.rend(); ++last) {
    const auto& [number, segment] = *last;
    if (segment.said_to == 0) continue;
    const auto left = machine_.disk().read_durable(wal_format::segment_path(number));
    if (!left || BytesView(*left).substr(0, segment.said_to) !=
                     segment.image.read(0, segment.said_to)) {
      complain(number, segment, "relied on, before it was durable,");
    }
    return;
  }
}

void LogTap::complain(std::uint32_t number, const Segment& segment, std::string_view what) {
  report_.fail("durability", "a promise of the log is gone",
               fmt::format("{} {} what it had synced of segment {}, up to {}", to_string(node_),
                           what, number, segment.said_to),
               machine_.world().now());
}

void LogTap::read_on(std::uint32_t number, Segment& segment) {
  if (segment.read_to == 0) {
    const auto header = wal_format::decode_segment_header(
        segment.image.read(0, wal_format::kSegmentHeaderBytes));
    if (!header || !*header || (*header)->segment != number) return;
    segment.salt = (*header)->salt;
    segment.read_to = wal_format::kSegmentHeaderBytes;
  }
  const std::uint64_t begin = segment.read_to;
  const Bytes unread = segment.image.read(begin, UINT64_MAX);
  while (segment.read_to < segment.image.size()) {
    const auto batch = wal_format::read_batch(BytesView(unread).substr(segment.read_to - begin),
                                              {segment.salt, number, segment.read_to});
    if (!batch) break;
    if (!batch->payload.empty()) {  // Not a seal.
      ++batches_;
      last_segment_ = number;
      last_offset_ = segment.read_to;
    }
    if (!tell(batch->payload)) {
      report_.fail("log format", "unreadable record",
                   fmt::format("{} synced a batch at {} of segment {} that does not follow the "
                               "grammar of the log",
                               to_string(node_), segment.read_to, number),
                   machine_.world().now());
      return;
    }
    segment.read_to += wal_format::kBatchHeaderBytes + batch->payload.size();
    if (!batch->payload.empty()) segment.said_to = segment.read_to;
  }
  if (segment.said_to >= segment.shared_to + kSharedAtOnce) share_memory(number, segment);
}

void LogTap::share_memory(std::uint32_t number, Segment& segment) {
  const auto* const file = machine_.disk().visible_file(wal_format::segment_path(number));
  if (file != nullptr) segment.image.share_blocks_of(*file, segment.said_to);
  segment.shared_to = segment.said_to;
}

bool LogTap::tell(BytesView payload) {
  constexpr std::uint64_t kHardState = 1;
  constexpr std::uint64_t kEntries = 2;
  constexpr std::uint64_t kCut = 3;
  constexpr std::uint64_t kRestart = 4;
  constexpr std::uint64_t kOldestSegment = 5;
  constexpr std::uint64_t kGroupState = 6;
  while (!payload.empty()) {
    const auto group = take(payload, 8);
    const auto kind = take(payload, 1);
    if (!group || !kind) return false;
    // The state at the front of a segment says again what was told before.
    if (*kind == kOldestSegment || *kind == kGroupState) {
      const std::size_t size = *kind == kOldestSegment ? 4 : 48;
      if (payload.size() < size) return false;
      payload.remove_prefix(size);
      continue;
    }
    ++records_;
    if (*kind == kHardState) {
      const auto term = take(payload, 8);
      const auto vote = take(payload, 8);
      if (!term || !vote) return false;
      raft::HardState state;
      state.current_term = raft::Term(*term);
      if (*vote != 0) state.voted_for = NodeId(*vote);
      raft_.on_durable_state(node_, GroupId(*group), state, machine_.world().now());
    } else if (*kind == kEntries) {
      if (!tell_entries(GroupId(*group), payload)) return false;
    } else if (*kind == kCut || *kind == kRestart) {
      const auto index = take(payload, 8);
      const auto term = take(payload, 8);
      if (!index || !term) return false;
      raft_.on_durable_start(node_, GroupId(*group), {raft::LogIndex(*index), raft::Term(*term)},
                             *kind == kRestart, machine_.world().now());
    } else {
      return false;
    }
  }
  return true;
}

bool LogTap::tell_entries(GroupId group, BytesView& payload) {
  const auto count = take(payload, 4);
  if (!count) return false;
  for (std::uint64_t i = 0; i < *count; ++i) {
    const auto term = take(payload, 8);
    const auto index = take(payload, 8);
    const auto kind = take(payload, 1);
    const auto length = take(payload, 4);
    if (!term || !index || !kind || !length || payload.size() < *length) return false;
    raft::Entry entry;
    entry.term = raft::Term(*term);
    entry.index = raft::LogIndex(*index);
    entry.kind = static_cast<raft::EntryKind>(*kind);
    entry.data.assign(payload.substr(0, *length));
    payload.remove_prefix(*length);
    raft_.on_durable_entry(node_, group, entry, machine_.world().now());
  }
  raft_.on_durable_append_end(node_, group, machine_.world().now());
  return true;
}

}  // namespace keelson::scenarios
