// Rows of the state's database, and how they get there, and what becomes durable of them. Tested by
// tests/core/kv/state_store_test.cc and state_saving_test.cc.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/kv/state_parts.h"

namespace keelson::kv {

const GroupState* StateStore::Parts::find(GroupId id) const {
  const auto found = groups_.find(id);
  return found == groups_.end() ? nullptr : &found->second;
}

// --- saving ---

Result<void> StateStore::Parts::make_room() {
  if (files_->failure()) return *files_->failure();
  if (save_error_) return save_error_->code == ErrorCode::no_space ? save() : *save_error_;
  if (unsaved_.bytes() < options_.unsaved_bytes_limit) return {};
  save_wanted_.notify_one();
  if (unsaved_.bytes() >= 2 * options_.unsaved_bytes_limit) return save();
  return {};
}

void StateStore::Parts::save_loop() {
  while (true) {
    (void)save_wanted_.wait(Deadline::never());
    // What fails is told to whoever applies next.
    if (unsaved_.bytes() >= options_.unsaved_bytes_limit) (void)save();
  }
}

Result<void> StateStore::Parts::save() {
  const FiberLock::Hold writing(write_lock_);
  if (!saving_.is_empty()) TRY(write_saving());
  {
    const FiberLock::Hold applying(apply_lock_);
    begin_saving();
  }
  return write_saving();
}

Result<void> StateStore::Parts::save_everything() {
  CHECK(write_lock_.is_held() && apply_lock_.is_held());
  if (!saving_.is_empty()) TRY(write_saving());
  begin_saving();
  return write_saving();
}

void StateStore::Parts::begin_saving() {
  CHECK(saving_.is_empty() && apply_lock_.is_held());
  for (auto& [id, group] : groups_) {
    if (group.is_saved) continue;
    unsaved_.put(group.store, kClockRow, VersionedValue{.value = encode(group.memory.clock)});
    unsaved_.put_group(id, group.row());
    group.is_saved = true;
  }
  std::swap(saving_, unsaved_);
}

Result<void> StateStore::Parts::write_saving() {
  if (saving_.is_empty() && garbage_.empty()) return {};
  std::optional<std::uint64_t> swept;
  std::uint64_t rows_written = 0;
  const auto done = in_transaction([&]() -> Result<void> {
    for (const auto& [store, rows] : saving_.stores()) TRY(save_rows(store, rows, rows_written));
    TRY(swept, sweep(kSweptBySave));
    for (const auto& [id, row] : saving_.groups()) TRY(save_group(id, row));
    return {};
  });
  if (!done) {
    save_error_ = done.error();
    return done;
  }
  save_error_.reset();
  for (const auto& [id, row] : saving_.groups()) note_committed(id, row);
  saving_ = {};
  forget_garbage(swept);
  return {};
}

void StateStore::Parts::note_committed(GroupId id, const GroupRow& row) {
  committed_[id] = {.label = row.label, .digest = row.digest};
}

Result<void> StateStore::Parts::save_rows(std::uint64_t store, const UnsavedRows& rows,
                                          std::uint64_t& rows_written) {
  for (const auto& [key, value] : rows.content) {
    if (value) {
      TRY(put(store, key, value->version, value->value));
    } else {
      TRY(remove_.bind(1, store).bind(2, BytesView(key)).run());
    }
    pause_if_ahead(rows_written);
  }
  // Of more than fit, only the newest have a place.
  const std::size_t limit = options_.tokens_remembered;
  for (std::size_t i = rows.tokens.size() - std::min(rows.tokens.size(), limit);
       i < rows.tokens.size(); ++i) {
    const UnsavedRows::Token& token = rows.tokens[i];
    TRY(put_token(store, token.number, token.token, token.outcome));
    pause_if_ahead(rows_written);
  }
  return {};
}

// Lets everybody else have a turn after some rows; not while more is applied than is saved.
void StateStore::Parts::pause_if_ahead(std::uint64_t& rows_written) {
  constexpr std::uint64_t kRowsAtOnce = 64;
  if (++rows_written % kRowsAtOnce != 0) return;
  if (unsaved_.bytes() < options_.unsaved_bytes_limit) env_.scheduler.sleep_for(Duration(1));
}

// --- reading ---

const std::optional<VersionedValue>* StateStore::Parts::find_unsaved(std::uint64_t store,
                                                                     BytesView key) const {
  const auto* const newest = unsaved_.find(store, key);
  return newest != nullptr ? newest : saving_.find(store, key);
}

Result<std::optional<std::uint64_t>> StateStore::Parts::find_version(std::uint64_t store,
                                                                     BytesView key) {
  CHECK(apply_lock_.is_held());
  if (const auto* const known = versions_.find(store, key)) return *known;
  find_version_.bind(1, store).bind(2, key);
  TRY(const bool is_row, find_version_.step());
  std::optional<std::uint64_t> version;
  if (is_row) version = find_version_.integer(0);
  find_version_.reset();
  versions_.remember(store, key, version);
  return version;
}

Result<std::optional<VersionedValue>> StateStore::Parts::find_value(std::uint64_t store,
                                                                    BytesView key) {
  CHECK(apply_lock_.is_held());
  find_value_.bind(1, store).bind(2, key);
  TRY(const bool is_row, find_value_.step());
  std::optional<VersionedValue> value;
  if (is_row) {
    value = VersionedValue{.value = Bytes(find_value_.bytes(1)), .version = find_value_.integer(0)};
  }
  find_value_.reset();
  return value;
}

Result<std::optional<BatchOutcome>> StateStore::Parts::find_outcome(std::uint64_t store,
                                                                    std::uint64_t number,
                                                                    BytesView token) {
  CHECK(apply_lock_.is_held());
  std::optional<BatchOutcome> outcome;
  for (const Unsaved* const rows : {&unsaved_, &saving_}) {
    const UnsavedRows::Token* const unsaved = rows->find_token(store, number);
    if (unsaved == nullptr) continue;
    if (unsaved->token == token) outcome = decode_batch_result(unsaved->outcome).outcome;
    return outcome;
  }
  find_token_.bind(1, store).bind(2, number % options_.tokens_remembered);
  TRY(const bool is_row, find_token_.step());
  CHECK(is_row);
  if (find_token_.bytes(0) == token) outcome = decode_batch_result(find_token_.bytes(1)).outcome;
  find_token_.reset();
  return outcome;
}

// --- rows ---

Result<void> StateStore::Parts::put(std::uint64_t store, BytesView key, std::uint64_t version,
                                    BytesView value) {
  CHECK(store > 0);
  return put_.bind(1, store).bind(2, key).bind(3, version).bind(4, value).run();
}

Result<void> StateStore::Parts::put_token(std::uint64_t store, std::uint64_t number,
                                          BytesView token, BytesView outcome) {
  put_token_.bind(1, store).bind(2, number % options_.tokens_remembered).bind(3, number);
  return put_token_.bind(4, token).bind(5, outcome).run();
}

Result<void> StateStore::Parts::save_group(GroupId id, const GroupRow& row) {
  CHECK(row.store > 0);
  save_group_.bind(1, id.value).bind(2, row.store);
  save_group_.bind(3, row.label.index.value).bind(4, row.label.term.value);
  return save_group_.bind(5, BytesView(row.configuration)).bind(6, row.digest).bind(7, row.tokens)
      .run();
}

Result<TokenIndex> StateStore::Parts::load_tokens(std::uint64_t store, std::uint64_t tokens) {
  TokenIndex index(options_.tokens_remembered);
  index.begin_at(tokens - std::min(tokens, options_.tokens_remembered));
  bool is_a_ring = true;
  TRY(walk_tokens(store, tokens, [&](std::uint64_t number, BytesView token, BytesView) {
    is_a_ring = is_a_ring && number == index.next();
    if (is_a_ring) index.add(TokenIndex::hash_of(token), number);
  }));
  if (!is_a_ring || index.next() != tokens) {
    return Error{ErrorCode::corrupt,
                 fmt::format("{}: the tokens of store {} are not the last of {}", path(), store,
                             tokens)};
  }
  return index;
}

// --- garbage ---

Result<std::optional<std::uint64_t>> StateStore::Parts::sweep(std::uint64_t rows) {
  if (garbage_.empty()) return std::optional<std::uint64_t>();
  const std::uint64_t store = garbage_.front();
  CHECK(rows > 0);
  for (const auto& [id, group] : groups_) CHECK(group.store != store);  // Nobody refers to it.
  nth_key_.bind(1, store).bind(2, rows);
  TRY(const bool has_more, nth_key_.step());
  const Bytes first_kept = has_more ? Bytes(nth_key_.bytes(0)) : Bytes();
  nth_key_.reset();
  if (has_more) {
    TRY(sweep_before_.bind(1, store).bind(2, BytesView(first_kept)).run());
    return std::optional<std::uint64_t>();
  }
  TRY(sweep_keys_.bind(1, store).run());
  TRY(sweep_tokens_.bind(1, store).run());
  TRY(drop_garbage_.bind(1, store).run());
  return std::optional<std::uint64_t>(store);
}

void StateStore::Parts::forget_garbage(std::optional<std::uint64_t> store) {
  if (!store) return;
  CHECK(!garbage_.empty() && garbage_.front() == *store);
  garbage_.erase(garbage_.begin());
}

// --- durability ---

Result<std::vector<std::pair<GroupId, raft::LogStart>>> StateStore::make_durable() {
  TRY(parts_->save());
  std::vector<std::pair<GroupId, raft::LogStart>> labels;
  for (const auto& [id, group] : parts_->committed_) labels.push_back({id, group.label});
  const FiberLock::Hold one_checkpoint(parts_->checkpoint_lock_);
  CHECK(parts_->checkpointer_ != nullptr);
  TRY(parts_->sync_and_mark());
  // All of it is durable now. What follows makes the -wal file shorter, and is not needed.
  if (const auto shortened = parts_->shorten_wal(); !shortened) {
    if (shortened.error().code != ErrorCode::no_space) return shortened.error();
    SOMETIMES(parts_->env_.marks, "kv: no space for a checkpoint");
  }
  return labels;
}

Result<void> StateStore::Parts::sync_and_mark() {
  CHECK(checkpoint_lock_.is_held());
  DurabilityMark mark{.wal = wal_extent(*files_), .groups = committed_};
  const std::uint64_t begun = wal_begun_;
  TRY(files_->sync_wal());
  const FiberLock::Hold hold(mark_lock_);
  if (wal_begun_ != begun) mark.wal = {};  // Those frames are in the database file by now.
  if (mark == mark_file_->mark()) return {};
  return mark_file_->write(mark);
}

// Otherwise a header that is torn as the file is begun anew would be taken for a rotten one.
Result<void> StateStore::Parts::mark_without_wal() {
  const FiberLock::Hold hold(mark_lock_);
  ++wal_begun_;
  if (mark_file_->mark().wal.frames == 0) return {};
  DurabilityMark mark = mark_file_->mark();
  mark.wal = {};
  return mark_file_->write(mark);
}

Result<void> StateStore::Parts::shorten_wal() {
  constexpr std::uint64_t kFrame = SqliteFiles::kPageSize + 24;
  const std::uint64_t writes_before = files_->wal_writes();
  TRY(const auto first, checkpointer_->checkpoint());
  const bool is_large = first.frames * kFrame > options_.wal_bytes_limit;
  const bool has_grown = files_->wal_writes() != writes_before;
  if (!(is_large && has_grown) && garbage_.empty()) return {};
  const FiberLock::Hold writing(write_lock_);
  if (is_large && has_grown) {
    // What was saved during the first one keeps the next transaction from beginning the file anew;
    // this one is short.
    SOMETIMES(env_.marks, "kv: a checkpoint that saving waits for");
    TRY(checkpointer_->checkpoint());
  }
  if (garbage_.empty()) return {};
  std::optional<std::uint64_t> swept;
  TRY(in_transaction([&]() -> Result<void> {
    TRY(swept, sweep(kSweptByCheckpoint));
    return {};
  }));
  forget_garbage(swept);
  return {};
}

}  // namespace keelson::kv
