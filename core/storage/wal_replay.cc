// Tested by tests/core/storage/wal_test.cc, wal_compaction_test.cc and wal_damage_test.cc.
#include "core/storage/wal_replay.h"

#include <fmt/format.h>

#include <utility>

#include "core/storage/wal_format.h"

namespace keelson::storage {

namespace {

using wal_format::RecordKind;

Error corrupt(std::string message) { return Error{ErrorCode::corrupt, std::move(message)}; }

raft::HardState read_hard_state(ByteReader& reader) {
  raft::HardState hard_state;
  hard_state.current_term = raft::Term(reader.u64());
  const NodeId voted_for(reader.u64());
  if (voted_for.value != 0) hard_state.voted_for = voted_for;
  return hard_state;
}

raft::LogStart read_start(ByteReader& reader) {
  raft::LogStart start;
  start.index = raft::LogIndex(reader.u64());
  start.term = raft::Term(reader.u64());
  return start;
}

Result<raft::Entry> read_entry(ByteReader& reader) {
  raft::Entry entry;
  entry.term = raft::Term(reader.u64());
  entry.index = raft::LogIndex(reader.u64());
  const std::uint8_t kind = reader.u8();
  const std::uint32_t length = reader.u32();
  const BytesView data = reader.take(length);
  if (reader.failed()) return corrupt("an entry that is cut short");
  if (kind > static_cast<std::uint8_t>(raft::EntryKind::joint_configuration)) {
    return corrupt(fmt::format("an entry of unknown kind {}", kind));
  }
  entry.kind = static_cast<raft::EntryKind>(kind);
  entry.data = Bytes(data);
  return entry;
}

// Whether the record that `rest` begins with is of this kind.
bool is_next(BytesView rest, RecordKind kind) {
  return rest.size() > 8 && static_cast<unsigned char>(rest[8]) == static_cast<unsigned char>(kind);
}

}  // namespace

Result<void> Replay::read_batch(BytesView payload, std::uint32_t segment) {
  CHECK(segment > 0 && segment >= segment_);
  ByteReader reader(payload);
  if (segment != segment_) TRY(read_state(reader, payload, segment));
  segment_ = segment;
  last_had_records_ = !reader.at_end();
  while (!reader.at_end()) TRY(read_record(reader));
  return {};
}

// What the first batch of a segment has at its front.
Result<void> Replay::read_state(ByteReader& reader, BytesView payload, std::uint32_t segment) {
  constexpr std::size_t kOldestSegmentBytes = 13;
  constexpr std::size_t kGroupStateBytes = 57;
  if (!is_next(payload, RecordKind::oldest_segment) || payload.size() < kOldestSegmentBytes) {
    return corrupt("a segment that does not begin with the state of the log");
  }
  (void)reader.take(9);
  const std::uint32_t oldest = reader.u32();
  std::size_t at = kOldestSegmentBytes;
  std::map<GroupId, GroupLog::Summary> stated;
  while (is_next(payload.substr(at), RecordKind::group_state)) {
    const GroupId group(reader.u64());
    (void)reader.u8();
    const raft::HardState hard_state = read_hard_state(reader);
    const raft::LogStart start = read_start(reader);
    const raft::LogStart last = read_start(reader);
    if (reader.failed()) return corrupt("a state of a group that is cut short");
    if (!stated.emplace(group, GroupLog::Summary{hard_state, start, last}).second) {
      return corrupt(fmt::format("two states of {}", to_string(group)));
    }
    at += kGroupStateBytes;
  }
  if (has_read()) {
    if (oldest != oldest_segment_) {
      return corrupt(fmt::format("the log is said to begin with segment {} and with {}", oldest,
                                 oldest_segment_));
    }
    return check_state(stated);
  }
  if (oldest == 0 || oldest > segment) {
    return corrupt(fmt::format("the log is said to begin with segment {}", oldest));
  }
  oldest_segment_ = oldest;
  return begin_with(stated, segment);
}

// The segment before has been read: what is said here must be what is known.
Result<void> Replay::check_state(const std::map<GroupId, GroupLog::Summary>& stated) const {
  if (stated.size() != groups_.size()) return corrupt("a state with other groups than before");
  for (const auto& [id, group] : groups_) {
    const auto found = stated.find(id);
    if (found == stated.end() || found->second != group.log.summary()) {
      return corrupt(fmt::format("{}: a state that is not what the records before give",
                                 to_string(id)));
    }
  }
  return {};
}

Result<void> Replay::begin_with(const std::map<GroupId, GroupLog::Summary>& stated,
                                std::uint32_t segment) {
  for (const auto& [id, summary] : stated) {
    TRY(GroupLog log, GroupLog::of(summary, segment - 1));
    groups_[id] = {std::move(log), {}, summary.last.index.next()};
  }
  return {};
}

Result<void> Replay::read_record(ByteReader& reader) {
  const GroupId group(reader.u64());
  const std::uint8_t kind = reader.u8();
  if (reader.failed()) return corrupt("a record that is cut short");
  if (kind == static_cast<std::uint8_t>(RecordKind::oldest_segment)) {
    return read_oldest_segment(reader, group);
  }
  if (auto read = read_group_record(reader, kind, groups_[group]); !read) {
    return corrupt(to_string(group) + ": " + read.error().message);
  }
  return {};
}

Result<void> Replay::read_oldest_segment(ByteReader& reader, GroupId group) {
  const std::uint32_t oldest = reader.u32();
  if (reader.failed() || group.value != 0) return corrupt("an oldest segment that is cut short");
  if (oldest < oldest_segment_ || oldest > segment_) {
    return corrupt(fmt::format("the oldest segment goes from {} to {}", oldest_segment_, oldest));
  }
  oldest_segment_ = oldest;
  return {};
}

Result<void> Replay::read_group_record(ByteReader& reader, std::uint8_t kind, Group& group) {
  switch (static_cast<RecordKind>(kind)) {
    case RecordKind::hard_state: {
      const raft::HardState hard_state = read_hard_state(reader);
      if (reader.failed()) return corrupt("a hard state that is cut short");
      return group.log.set_hard_state(hard_state);
    }
    case RecordKind::entries: return read_entries(reader, group);
    case RecordKind::cut: return read_cut(reader, group);
    case RecordKind::restart: return read_restart(reader, group);
    default: return corrupt(fmt::format("a record of unknown kind {}, or out of place", kind));
  }
}

Result<void> Replay::read_entries(ByteReader& reader, Group& group) {
  const std::uint32_t count = reader.u32();
  if (count == 0) return corrupt("a record of no entries, or one that is cut short");
  for (std::uint32_t i = 0; i < count; ++i) {
    TRY(raft::Entry entry, read_entry(reader));
    TRY(add(std::move(entry), segment_, group));
  }
  return {};
}

Result<void> Replay::add(raft::Entry entry, std::uint32_t segment, Group& group) {
  TRY(group.log.put({segment, entry.term, entry.index, entry.index}));
  if (entry.index < group.first_present) {
    group.entries.clear();
    group.first_present = entry.index;
  }
  group.entries.resize(entry.index.value - group.first_present.value);
  group.entries.push_back(std::move(entry));
  return {};
}

Result<void> Replay::read_cut(ByteReader& reader, Group& group) {
  const raft::LogStart start = read_start(reader);
  if (reader.failed()) return corrupt("a cut that is cut short");
  TRY(group.log.cut(start));
  if (start.index < group.first_present) return {};
  const auto count = static_cast<std::ptrdiff_t>(start.index.next().value -
                                                 group.first_present.value);
  group.entries.erase(group.entries.begin(), group.entries.begin() + count);
  group.first_present = start.index.next();
  return {};
}

Result<void> Replay::read_restart(ByteReader& reader, Group& group) {
  const raft::LogStart start = read_start(reader);
  if (reader.failed()) return corrupt("a restart that is cut short");
  TRY(group.log.restart(start));
  group.entries.clear();
  group.first_present = start.index.next();
  return {};
}

Result<void> Replay::check_complete() const {
  for (const auto& [id, group] : groups_) {
    const raft::LogIndex first = group.log.start().index.next();
    if (group.first_present == first) continue;
    return corrupt(fmt::format("{}: entries {} to {} are missing", to_string(id), first.value,
                               group.first_present.value - 1));
  }
  return {};
}

}  // namespace keelson::storage
