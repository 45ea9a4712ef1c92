// Tested by tests/core/kv/group_machine_test.cc and transaction_properties_test.cc.
#include "core/kv/versions.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/base/check.h"
#include "core/kv/history_rows.h"

namespace keelson::kv {

namespace {

// Rows looked at at a time where the number is not bounded by the request.
constexpr std::size_t kPage = 256;
// Where rows are folded most of a page may be read for nothing.
constexpr std::size_t kFoldedPage = 32;

// Calls visit(row) for the rows of a range, page by page, until it says false.
template <typename Visit>
Result<void> for_each_row(Rows& rows, BytesView from, BytesView to, const Visit& visit) {
  Bytes next(from);
  while (true) {
    TRY(const std::vector<Row> page, rows.scan(next, to, kPage));
    for (const Row& row : page) {
      TRY(const bool goes_on, visit(row));
      if (!goes_on) return {};
    }
    if (page.size() < kPage) return {};
    next = page.back().key + '\0';
  }
}

class SnapshotReader {
 public:
  SnapshotReader(Rows& rows, const ReadRequest& request) : rows_(rows), request_(request) {}

  Result<std::optional<VersionedValue>> get(BytesView key) {
    TRY(std::optional<VersionedValue> newest, rows_.get(key));
    if (!request_.at) return newest;
    if (newest) {
      TRY(const bool is_visible, sees(Timestamp(newest->version)));
      if (is_visible) return newest;
    }
    const Timestamp after = request_.at->next();
    TRY(std::vector<Row> old,
        rows_.scan(history_row(key, after), history_row(key, Timestamp(UINT64_MAX)), 1));
    if (old.empty()) return std::optional<VersionedValue>();
    TRY(const OldVersion which, parse_history_row(old.front().key));
    TRY(check_certain(which.end));
    // It may have begun later than the snapshot: the key was absent then.
    if (Timestamp(old.front().value.version) > *request_.at) return std::optional<VersionedValue>();
    return std::optional(std::move(old.front().value));
  }

  Result<void> get_range(ReadReply& reply) {
    CHECK(request_.rows_limit > 0);
    const KeyRange& range = *request_.range;
    if (!request_.folding) {
      TRY(Part part, get_part(range, request_.rows_limit));
      for (auto& [key, value] : part.rows) add_row(reply, key, std::move(value));
      reply.covered_to = std::move(part.covered_to);
      return {};
    }
    reply.covered_to = range.from;
    do {
      const std::size_t wanted = request_.rows_limit - reply.rows.size();
      TRY(Part part, get_part({reply.covered_to, range.to}, std::min(wanted, kFoldedPage)));
      const Bytes before = reply.covered_to;
      fold(reply, std::move(part));
      CHECK(reply.covered_to.empty() || reply.covered_to > before);
    } while (reply.covered_to != range.to && reply.rows.size() < request_.rows_limit);
    return {};
  }

 private:
  struct Part {
    std::map<Bytes, VersionedValue> rows;
    Bytes covered_to;
  };

  Result<Part> get_part(const KeyRange& range, std::size_t limit) {
    TRY(std::vector<Row> newest, rows_.scan(range.from, range.to, limit));
    Part part;
    part.covered_to = newest.size() < limit ? range.to : newest.back().key + '\0';
    for (Row& row : newest) {
      TRY(const bool is_visible, sees(Timestamp(row.value.version)));
      if (is_visible) part.rows.emplace(std::move(row.key), std::move(row.value));
    }
    if (request_.at) TRY(add_old(range.from, part.covered_to, part.rows));
    return part;
  }

  // Up to the first rows that are folded: what else belongs to them is passed over.
  void fold(ReadReply& reply, Part part) {
    for (auto& [key, value] : part.rows) {
      if (reply.rows.size() == request_.rows_limit) {
        reply.covered_to = key;
        return;
      }
      const std::size_t at = key.find(request_.folding->delimiter, request_.folding->after);
      if (at == Bytes::npos) {
        add_row(reply, key, std::move(value));
        continue;
      }
      Bytes common = key.substr(0, at + request_.folding->delimiter.size());
      const Bytes& end = request_.range->to;
      reply.covered_to = end_of(common);
      if (reply.covered_to.empty() || (!end.empty() && end < reply.covered_to)) {
        reply.covered_to = end;
      }
      reply.rows.push_back({.key = std::move(common), .value = {}});
      return;
    }
    reply.covered_to = std::move(part.covered_to);
  }

  void add_row(ReadReply& reply, const Bytes& key, VersionedValue value) const {
    if (value.value.size() > request_.value_octets) value.value.resize(request_.value_octets);
    reply.rows.push_back({key, std::move(value)});
  }

  Result<bool> sees(Timestamp version) {
    if (!request_.at || version <= *request_.at) return true;
    TRY(check_certain(version));
    return false;
  }

  Result<void> check_certain(Timestamp changed) {
    CHECK(request_.at && changed > *request_.at);
    if (changed > request_.uncertain_until) return {};
    return Error{ErrorCode::conflict,
                 fmt::format("a version of {} may be older than the reader at {}",
                             to_string(changed), to_string(*request_.at))};
  }

  // What was there at the snapshot and is not the newest any more.
  Result<void> add_old(BytesView from, BytesView to, std::map<Bytes, VersionedValue>& found) {
    const Bytes first = history_row(from, Timestamp());
    const Bytes last = to.empty() ? end_of(kHistoryRows) : history_row(to, Timestamp());
    return for_each_row(rows_, first, last, [&](const Row& row) -> Result<bool> {
      TRY(OldVersion which, parse_history_row(row.key));
      if (which.end <= *request_.at) return true;
      const bool was_visible = Timestamp(row.value.version) <= *request_.at;
      if (was_visible) {
        TRY(check_certain(which.end));
        found.emplace(std::move(which.key), row.value);
      }
      return true;
    });
  }

  Rows& rows_;
  const ReadRequest& request_;
};

}  // namespace

Result<ReadOutcome> read(Rows& rows, const GroupMemory& group, ReadRequest request) {
  const auto& [clock, locks, ownership, shards] = group;
  for (const Bytes& key : request.keys) {
    if (!ownership.serves(key)) return ReadOutcome{};
  }
  if (request.range && !ownership.serves(*request.range)) return ReadOutcome{};
  if (request.at && *request.at < clock.safe_point) {
    return Error{ErrorCode::conflict,
                 fmt::format("a snapshot at {} is too old: versions before {} are gone",
                             to_string(*request.at), to_string(clock.safe_point))};
  }
  if (request.uncertain_until == Timestamp()) {
    request.uncertain_until = locks.is_empty() ? clock.last : Timestamp(UINT64_MAX);
  }
  // A transaction that was prepared later commits later.
  const Timestamp until =
      request.at ? std::max(*request.at, request.uncertain_until) : Timestamp(UINT64_MAX);
  for (const Bytes& key : request.keys) {
    if (const Lock* const lock = locks.writer_of(key, until)) return ReadOutcome{.lock = *lock};
  }
  if (request.range) {
    const Lock* const lock = locks.writer_in(request.range->from, request.range->to, until);
    if (lock != nullptr) return ReadOutcome{.lock = *lock};
  }
  SnapshotReader reader(rows, request);
  ReadReply reply;
  reply.values.reserve(request.keys.size());
  for (const Bytes& key : request.keys) {
    TRY(std::optional<VersionedValue> value, reader.get(key));
    reply.values.push_back(std::move(value));
  }
  if (request.range) TRY(reader.get_range(reply));
  reply.at = request.at.value_or(Timestamp());
  reply.uncertain_until = request.uncertain_until;
  return ReadOutcome{.reply = std::move(reply)};
}

Result<void> write_version(Rows& rows, Timestamp safe_point, Timestamp at, Mutation mutation) {
  // A reader before `at` is at the safe point or later.
  if (safe_point < at) {
    TRY(std::optional<VersionedValue> old, rows.get(mutation.key));
    // Written twice by one command, it was never there for anybody.
    if (old && Timestamp(old->version) != at) {
      CHECK(Timestamp(old->version) < at);
      rows.put(history_row(mutation.key, at), *std::move(old));
    }
  }
  if (mutation.value) {
    rows.put(mutation.key, {.value = *std::move(mutation.value), .version = at.value});
  } else {
    rows.remove(mutation.key);
  }
  return {};
}

Result<Bytes> collect_versions(Rows& rows, Timestamp safe_point, BytesView from,
                               std::size_t limit) {
  const BytesView first = from.empty() ? kHistoryRows : from;
  if (!first.starts_with(kHistoryRows)) return Bytes();
  TRY(const std::vector<Row> old, rows.scan(first, end_of(kHistoryRows), limit));
  for (const Row& row : old) {
    TRY(const OldVersion which, parse_history_row(row.key));
    if (which.end <= safe_point) rows.remove(row.key);
  }
  return old.size() < limit ? Bytes() : old.back().key + '\0';
}

Result<bool> holds(Rows& rows, const Condition& condition) {
  if (condition.kind == Condition::Kind::range_is) {
    RangeDigest digest;
    TRY(for_each_row(rows, condition.key, condition.end, [&](const Row& row) -> Result<bool> {
      digest.add(row.key, row.value.version);
      return true;
    }));
    return digest.value() == condition.version;
  }
  TRY(const std::optional<std::uint64_t> version, rows.version(condition.key));
  switch (condition.kind) {
    case Condition::Kind::exists: return version.has_value();
    case Condition::Kind::absent: return !version.has_value();
    case Condition::Kind::version_is: return version == condition.version;
    case Condition::Kind::range_is: break;
  }
  CHECK(false);  // The codec lets no other kind through.
  return false;
}

}  // namespace keelson::kv
