// A store's content as rows: what the database has, and above it what was applied since. Tested by
// tests/core/kv/state_store_test.cc and state_properties_test.cc.
#include <algorithm>
#include <utility>

#include "core/kv/state_parts.h"

namespace keelson::kv {

namespace {

// What memory has of the beginning of a range, nothing where the key was removed.
struct Overlay {
  std::map<Bytes, std::optional<VersionedValue>, std::less<>> rows;
  std::size_t removed = 0;
};

// Enough of it for the first `limit` rows of the whole.
Overlay overlay_of(const std::vector<const UnsavedRows*>& newest_first, BytesView from,
                   BytesView to, std::size_t limit) {
  Overlay overlay;
  using Content = decltype(UnsavedRows::content);
  std::vector<std::pair<Content::const_iterator, Content::const_iterator>> ahead;
  for (const UnsavedRows* const rows : newest_first) {
    const auto end = to.empty() ? rows->content.end() : rows->content.lower_bound(to);
    auto begin = rows->content.lower_bound(from);
    if (!to.empty() && to <= from) begin = end;
    ahead.emplace_back(begin, end);
  }
  for (std::size_t live = 0; live < limit;) {
    const Bytes* next = nullptr;
    for (const auto& [at, end] : ahead) {
      if (at != end && (next == nullptr || at->first < *next)) next = &at->first;
    }
    if (next == nullptr) break;
    const Bytes key = *next;
    for (auto& [at, end] : ahead) {
      if (at == end || at->first != key) continue;
      if (overlay.rows.emplace(key, at->second).second) ++(at->second ? live : overlay.removed);
      ++at;
    }
  }
  return overlay;
}

}  // namespace

Result<std::vector<Row>> StateStore::Parts::scan(std::uint64_t store, BytesView from, BytesView to,
                                                 std::size_t limit) {
  CHECK(apply_lock_.is_held());
  // Copied before the database is read: what is saved meanwhile leaves memory.
  std::vector<const UnsavedRows*> newest_first;
  for (const Unsaved* const unsaved : {&unsaved_, &saving_}) {
    const auto rows = unsaved->stores().find(store);
    if (rows != unsaved->stores().end()) newest_first.push_back(&rows->second);
  }
  Overlay overlay = overlay_of(newest_first, from, to, limit);
  const std::size_t wanted = limit > INT64_MAX - overlay.removed ? INT64_MAX
                                                                 : limit + overlay.removed;
  SqliteStatement& scan = to.empty() ? scan_to_end_ : scan_;
  scan.bind(1, store).bind(2, from);
  if (!to.empty()) scan.bind(3, to);
  scan.bind(to.empty() ? 3 : 4, std::uint64_t{wanted});
  while (true) {
    TRY(const bool is_row, scan.step());
    if (!is_row) break;
    const BytesView key = scan.bytes(0);
    if (overlay.rows.contains(key)) continue;
    overlay.rows.emplace(Bytes(key), VersionedValue{.value = Bytes(scan.bytes(2)),
                                                    .version = scan.integer(1)});
  }
  scan.reset();
  std::vector<Row> found;
  for (auto& [key, value] : overlay.rows) {
    if (found.size() == limit) break;
    if (value) found.push_back({key, *std::move(value)});
  }
  return found;
}

Result<void> StateStore::Parts::load_rules(GroupState& group) {
  StoreRows rows(*this, group.store);
  TRY(group.memory, GroupMemory::load(rows));
  return {};
}

Result<std::optional<VersionedValue>> StateStore::StoreRows::get(BytesView key) {
  if (const auto* const unsaved = parts_.find_unsaved(store_, key)) return *unsaved;
  return parts_.find_value(store_, key);
}

Result<std::optional<std::uint64_t>> StateStore::StoreRows::version(BytesView key) {
  if (const auto* const unsaved = parts_.find_unsaved(store_, key)) {
    if (!*unsaved) return std::optional<std::uint64_t>();
    return std::optional((*unsaved)->version);
  }
  return parts_.find_version(store_, key);
}

void StateStore::StoreRows::write(BytesView key, std::optional<VersionedValue> value) {
  parts_.versions_.forget(store_, key);
  parts_.unsaved_.put(store_, key, std::move(value));
}

}  // namespace keelson::kv
