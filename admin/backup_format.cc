// Tested by tests/admin/backup_format_test.cc.
#include "admin/backup_format.h"

#include <fmt/format.h>

#include <utility>

namespace keelson::admin::backup {

namespace {

constexpr std::string_view kMagic = "keelson backup\n";
constexpr std::size_t kHeadSize = 5;
constexpr std::size_t kChecksumSize = 8;

enum Kind : std::uint8_t {
  kHeader = 1,
  kGroup = 2,
  kData = 3,
  kGroupEnd = 4,
  kEnd = 5,
};

}  // namespace

// --- writing ---

void Writer::frame(std::uint8_t kind, BytesView body, Bytes& out) {
  CHECK(body.size() <= kBodyMost);
  const std::size_t begin = out.size();
  append_u32(out, static_cast<std::uint32_t>(body.size()));
  out.push_back(static_cast<char>(kind));
  out.append(body);
  checksum_ = hash64(BytesView(out).substr(begin), checksum_);
  append_u64(out, checksum_);
  ++frames_;
}

void Writer::header(const Header& header, Bytes& out) {
  Bytes body(kMagic);
  append_u32(body, kVersion);
  append_u64(body, static_cast<std::uint64_t>(header.wall_ms));
  append_u32(body, header.groups);
  body.append(header.cluster_id);
  frame(kHeader, body, out);
}

void Writer::group(const Group& group, Bytes& out) {
  Bytes body;
  append_u64(body, group.group.value);
  append_u64(body, group.index.value);
  append_u64(body, group.term.value);
  frame(kGroup, body, out);
}

void Writer::data(BytesView piece, Bytes& out) { frame(kData, piece, out); }

void Writer::group_end(std::uint64_t snapshot_bytes, std::uint64_t content_digest, Bytes& out) {
  Bytes body;
  append_u64(body, snapshot_bytes);
  append_u64(body, content_digest);
  frame(kGroupEnd, body, out);
}

void Writer::end(Bytes& out) {
  Bytes body;
  append_u64(body, frames_);
  frame(kEnd, body, out);
}

// --- reading ---

Error Reader::wrong(const std::string& what) const {
  return {ErrorCode::invalid_argument,
          fmt::format("backup: frame {} at offset {}: {}", summary_.frames, offset_, what)};
}

Result<void> Reader::put(BytesView bytes) {
  rest_.append(bytes);
  std::size_t used = 0;
  while (true) {
    const BytesView left = BytesView(rest_).substr(used);
    if (has_end_ && !left.empty()) return wrong("something after its end");
    if (left.size() < kHeadSize) break;
    const std::uint32_t size = read_u32(left);
    // Before anything else: whatever is no backup must not be waited for.
    const bool is_first = summary_.frames == 0;
    if (size > kBodyMost || (is_first && static_cast<std::uint8_t>(left[4]) != kHeader)) {
      return wrong(is_first ? "this is no Keelson backup" : "its size is impossible");
    }
    const std::size_t framed = kHeadSize + size;
    if (left.size() < framed + kChecksumSize) break;
    const std::uint64_t checksum = hash64(left.substr(0, framed), checksum_);
    if (checksum != read_u64(left.substr(framed))) {
      return wrong(is_first ? "this is no Keelson backup, or its first frame is damaged"
                            : "its checksum is wrong: the file was altered or damaged here");
    }
    checksum_ = checksum;
    TRY(take(static_cast<std::uint8_t>(left[4]), left.substr(kHeadSize, size)));
    used += framed + kChecksumSize;
    offset_ += framed + kChecksumSize;
    ++summary_.frames;
  }
  rest_.erase(0, used);
  return {};
}

Result<Summary> Reader::finish() const {
  if (!has_end_) return wrong("the file ends here, but the backup does not: it was cut off");
  Summary summary = summary_;
  summary.bytes = offset_;
  return summary;
}

Result<void> Reader::take(std::uint8_t kind, BytesView body) {
  if (has_header_ == (kind == kHeader)) return wrong("a frame of this kind cannot stand here");
  switch (kind) {
    case kHeader: return take_header(body);
    case kGroup: return take_group(body);
    case kData: return take_data(body);
    case kGroupEnd: return take_group_end(body);
    case kEnd: return take_end(body);
    default: return wrong(fmt::format("unknown kind {}", kind));
  }
}

Result<void> Reader::take_header(BytesView body) {
  if (!body.starts_with(kMagic) || body.size() < kMagic.size() + 16) {
    return wrong("this is no Keelson backup");
  }
  body.remove_prefix(kMagic.size());
  if (const std::uint32_t version = read_u32(body); version != kVersion) {
    return wrong(fmt::format("the file is of version {}, this program knows {}", version,
                             kVersion));
  }
  has_header_ = true;
  summary_.header = {.wall_ms = static_cast<std::int64_t>(read_u64(body.substr(4))),
                     .groups = read_u32(body.substr(12)),
                     .cluster_id = Bytes(body.substr(16))};
  return visitor_ != nullptr ? visitor_->on_header(summary_.header) : Result<void>();
}

Result<void> Reader::take_group(BytesView body) {
  if (open_ || body.size() != 24) return wrong("a group cannot begin here");
  const Group group{GroupId(read_u64(body)), raft::LogIndex(read_u64(body.substr(8))),
                    raft::Term(read_u64(body.substr(16)))};
  if (!summary_.groups.empty() && !(summary_.groups.back().group.group < group.group)) {
    return wrong("groups out of order");
  }
  open_ = Summary::Content{.group = group};
  content_ = kv::SnapshotContent();
  return visitor_ != nullptr ? visitor_->on_group(group) : Result<void>();
}

Result<void> Reader::take_data(BytesView body) {
  if (!open_) return wrong("data of no group");
  open_->snapshot_bytes += body.size();
  renewed_.clear();
  const auto taken = content_.put(body, visitor_ != nullptr ? &renewed_ : nullptr);
  if (!taken) return wrong(taken.error().message);
  if (renewed_.empty()) return {};
  return visitor_->on_data(renewed_);
}

Result<void> Reader::take_group_end(BytesView body) {
  if (!open_ || body.size() != 16) return wrong("a group cannot end here");
  if (!content_.is_complete()) return wrong("the group's snapshot is not whole");
  open_->content_digest = content_.digest();
  if (read_u64(body) != open_->snapshot_bytes ||
      read_u64(body.substr(8)) != open_->content_digest) {
    return wrong("the group's content is not what its digest says");
  }
  summary_.groups.push_back(*std::exchange(open_, std::nullopt));
  return visitor_ != nullptr ? visitor_->on_group_end(summary_.groups.back()) : Result<void>();
}

Result<void> Reader::take_end(BytesView body) {
  if (open_ || body.size() != 8 || read_u64(body) != summary_.frames ||
      summary_.groups.size() != summary_.header.groups) {
    return wrong("the backup cannot end here");
  }
  has_end_ = true;
  return {};
}

}  // namespace keelson::admin::backup
