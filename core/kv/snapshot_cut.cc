// Tested by tests/core/kv/snapshot_cut_test.cc and tests/core/node/backup_test.cc.
#include "core/kv/snapshot_cut.h"

#include <variant>

#include "core/base/check.h"
#include "core/kv/command.h"
#include "core/kv/history_rows.h"
#include "core/kv/rows.h"

namespace keelson::kv {

namespace {

Error malformed(const char* what) {
  return {ErrorCode::invalid_argument, std::string("snapshot: ") + what};
}

// A transaction that has only read something here may be left: nothing comes of it.
bool writes_something(BytesView prepared_row) {
  const auto stamped = decode_command(prepared_row);
  const Prepare* const prepare = stamped ? std::get_if<Prepare>(&stamped->command) : nullptr;
  return prepare == nullptr || !prepare->mutations.empty();
}

}  // namespace

Result<void> SnapshotCut::put(BytesView bytes, Bytes& out) {
  rest_.append(bytes);
  BytesView left = rest_;
  while (!left.empty()) {
    const std::uint64_t checksum_before = checksum_;
    TRY(std::optional<snapshot::Record> record, snapshot::take(left, checksum_));
    if (!record) break;
    if (auto* const end = std::get_if<snapshot::End>(&*record)) {
      if (end->checksum != checksum_before) return malformed("its checksum is wrong");
      while (!old_.empty()) append_old(out);  // Where there are no tokens.
      end->checksum = cut_checksum_;
    }
    TRY(take(*record, out));
  }
  rest_.erase(0, rest_.size() - left.size());
  return {};
}

Result<void> SnapshotCut::take(const snapshot::Record& record, Bytes& out) {
  if (const auto* const key = std::get_if<snapshot::Key>(&record)) return take_key(*key, out);
  // After the header come the keys, and after these the tokens.
  while (!old_.empty()) append_old(out);
  snapshot::append(out, record, cut_checksum_);
  return {};
}

Result<void> SnapshotCut::take_key(const snapshot::Key& key, Bytes& out) {
  if (key.key.starts_with(kHistoryRows)) return remember(key);
  if (key.key.starts_with(kRecordRows)) return {};
  const bool is_later = Timestamp(key.version) > at_;
  if (key.key.starts_with(kPreparedRows)) {
    if (is_later || !writes_something(key.value)) return {};
    return malformed("a transaction was under way when it was cut");
  }
  append_old_before(key.key, out);
  if (!is_user_key(key.key) || !is_later) {
    snapshot::append(out, key, cut_checksum_);
  } else if (!old_.empty() && old_.begin()->first == key.key) {
    append_old(out);
  }
  return {};
}

Result<void> SnapshotCut::remember(const snapshot::Key& row) {
  if (Timestamp(row.version) > at_) return {};
  auto old = parse_history_row(row.key);
  if (!old) return malformed("an old version's row");
  if (old->end <= at_) return {};
  const bool is_only_one =
      old_.emplace(std::move(old->key), VersionedValue{Bytes(row.value), row.version}).second;
  CHECK(is_only_one);  // A version begins when the one before it ends.
  return {};
}

// Keys that were removed since.
void SnapshotCut::append_old_before(BytesView key, Bytes& out) {
  while (!old_.empty() && old_.begin()->first < key) append_old(out);
}

void SnapshotCut::append_old(Bytes& out) {
  CHECK(!old_.empty());
  const auto& [key, old] = *old_.begin();
  CHECK(Timestamp(old.version) <= at_);
  snapshot::append(out, snapshot::Key{old.version, key, old.value}, cut_checksum_);
  old_.erase(old_.begin());
}

}  // namespace keelson::kv
