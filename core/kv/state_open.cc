// How the state's database comes to be, and is opened again. Tested by
// tests/core/kv/state_store_test.cc.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/kv/state_parts.h"
#include "core/kv/state_schema.h"
#include "core/raft/messages.h"

namespace keelson::kv {

namespace {

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Fine when there is none.
Result<void> remove_if_there(Disk& disk, const std::string& path, Deadline deadline) {
  auto removed = disk.remove(path, deadline);
  if (!removed && removed.error().code != ErrorCode::not_found) return removed;
  return {};
}

}  // namespace

// A database that has its name is complete, and has its -wal file and its mark: power may be lost
// at any step.
Result<void> StateStore::Parts::make_if_missing(Deadline deadline) {
  Disk& disk = env_.disk;
  TRY(disk.create_directory(options_.folder, deadline));
  TRY(disk.sync_directory(parent_of(options_.folder), deadline));
  TRY(const std::vector<std::string> names, disk.list(options_.folder, deadline));
  const auto has = [&](const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (has("state.db")) {
    if (has("state.db-wal")) return {};
    return Error{ErrorCode::corrupt, fmt::format("{}-wal: it is missing, from offset 0", path())};
  }
  // A -wal file without a database is what is left of one that was set aside.
  TRY(remove_if_there(disk, path() + "-wal", deadline));
  TRY(SqliteDatabase::make(disk, path() + ".new", sql::kSchema, env_.random.identifier(),
                           deadline));
  TRY(const auto wal, disk.open(path() + "-wal", OpenMode::create, deadline));
  TRY(wal->sync(deadline));
  TRY(MarkFile::make(disk, mark_path(), deadline));
  TRY(disk.sync_directory(options_.folder, deadline));
  TRY(disk.rename(path() + ".new", path(), deadline));
  return disk.sync_directory(options_.folder, deadline);
}

Result<void> StateStore::Parts::open(Deadline deadline) {
  TRY(make_if_missing(deadline));
  TRY(files_, SqliteFiles::open(env_.disk, path(), SqliteFiles::Purpose::use,
                                env_.random.identifier(), deadline));
  files_->set_deadline(deadline);
  TRY(mark_file_, MarkFile::open(env_.disk, mark_path(), deadline));
  // The first look recovers what the -wal file has.
  auto opened = SqliteDatabase::open(*files_, {.cache_bytes = options_.cache_bytes / 2});
  TRY(check_wal_mark());  // What the file has lost explains whatever else does not fit.
  TRY(main_, std::move(opened));
  TRY(main_->execute(
      fmt::format("PRAGMA journal_size_limit={};", options_.wal_bytes_limit).c_str()));
  const FiberLock::Hold writing(write_lock_);
  const FiberLock::Hold applying(apply_lock_);
  TRY(reader_, SqliteDatabase::open(*files_, {.cache_bytes = options_.cache_bytes / 2}));
  TRY(prepare_statements());
  TRY(load());
  TRY(check_group_marks());
  files_->set_before_wal_begins([this] { return mark_without_wal(); });
  TRY(checkpointer_,
      SqliteDatabase::open(*files_, {.cache_bytes = 64 * 1024,
                                     .sync_wal = [this] { return sync_and_mark(); }}));
  // What the checkpointer learns of the -wal file it learns with its first transaction.
  TRY(SqliteStatement first, checkpointer_->prepare(sql::kLoadGarbage));
  TRY(const bool is_row, first.step());
  (void)is_row;
  files_->set_deadline(Deadline::never());
  files_->set_pages_together(options_.checkpoint_write_bytes);
  files_->set_pause([this] { env_.scheduler.sleep_for(Duration(1)); });
  saver_.spawn("state saver", [this] { save_loop(); });
  return {};
}

Result<void> StateStore::Parts::prepare_statements() {
  const std::pair<SqliteStatement*, const char*> all[] = {
      {&begin_, "BEGIN IMMEDIATE"},
      {&commit_, "COMMIT"},
      {&put_, sql::kPut},
      {&remove_, sql::kRemove},
      {&walk_content_, sql::kWalkContent},
      {&put_token_, sql::kPutToken},
      {&walk_tokens_, sql::kWalkTokens},
      {&save_group_, sql::kSaveGroup},
      {&load_staging_, sql::kLoadStaging},
      {&save_staging_, sql::kSaveStaging},
      {&drop_staging_, sql::kDropStaging},
      {&add_garbage_, sql::kAddGarbage},
      {&drop_garbage_, sql::kDropGarbage},
      {&nth_key_, sql::kNthKey},
      {&sweep_before_, sql::kSweepBefore},
      {&sweep_keys_, sql::kSweepKeys},
      {&sweep_tokens_, sql::kSweepTokens},
  };
  for (const auto& [statement, text] : all) {
    TRY(*statement, main_->prepare(text));
  }
  TRY(find_version_, reader_->prepare(sql::kFindVersion));
  TRY(find_value_, reader_->prepare(sql::kFindValue));
  TRY(find_token_, reader_->prepare(sql::kFindToken));
  TRY(scan_, reader_->prepare(sql::kScan));
  TRY(scan_to_end_, reader_->prepare(sql::kScanToEnd));
  return {};
}

Result<void> StateStore::Parts::load() {
  TRY(SqliteStatement groups, main_->prepare(sql::kLoadGroups));
  while (true) {
    TRY(const bool is_row, groups.step());
    if (!is_row) break;
    const GroupId id(groups.integer(0));
    GroupState& group = groups_.emplace(id, options_.tokens_remembered).first->second;
    group.store = groups.integer(1);
    group.label.index = raft::LogIndex(groups.integer(2));
    group.label.term = raft::Term(groups.integer(3));
    group.configuration = groups.bytes(4);
    TRY(group.label.configuration, raft::decode_configuration(group.configuration));
    group.digest = groups.integer(5);
    const std::uint64_t tokens = groups.integer(6);
    TRY(TokenIndex index, load_tokens(group.store, tokens));
    group.tokens = std::move(index);
    note_committed(id, group.row());
    TRY(load_rules(group));
  }
  TRY(SqliteStatement garbage, main_->prepare(sql::kLoadGarbage));
  while (true) {
    TRY(const bool is_row, garbage.step());
    if (!is_row) break;
    garbage_.push_back(garbage.integer(0));
  }
  TRY(SqliteStatement highest, main_->prepare(sql::kHighestStore));
  TRY(const bool is_row, highest.step());
  CHECK(is_row);
  next_store_ = highest.integer(0) + 1;  // NULL reads as 0.
  return {};
}

// A state that is before its mark has lost something, and may be mixed of several.
Error StateStore::Parts::before_mark(std::string_view what) const {
  return {ErrorCode::corrupt, fmt::format("{}: {}", mark_path(), what)};
}

Result<void> StateStore::Parts::check_wal_mark() {
  const DurabilityMark& mark = mark_file_->mark();
  if (mark.wal.frames == 0) return {};
  TRY(const bool has_header, has_wal_header(*files_));
  if (!has_header) {
    return before_mark(fmt::format("{} frames were durable in {}-wal, whose header at offset 0 "
                                   "fails its checksum", mark.wal.frames, path()));
  }
  // Under another salt it was begun anew, for all of it had been copied.
  const WalExtent found = wal_extent(*files_);
  if (found.salt == mark.wal.salt && found.frames < mark.wal.frames) {
    return before_mark(fmt::format("{} frames were durable in {}-wal, and {} are whole",
                                   mark.wal.frames, path(), found.frames));
  }
  return {};
}

Result<void> StateStore::Parts::check_group_marks() {
  for (const auto& [id, durable] : mark_file_->mark().groups) {
    const auto found = committed_.find(id);
    const DurabilityMark::Group has =
        found == committed_.end() ? DurabilityMark::Group{} : found->second;
    if (has.label.index > durable.label.index || has == durable) continue;
    return before_mark(fmt::format(
        "{} was durable at index {} term {} with digest {:016x}, and {} has it at index {} term {} "
        "with digest {:016x}", to_string(id), durable.label.index.value, durable.label.term.value,
        durable.digest, path(), has.label.index.value, has.label.term.value, has.digest));
  }
  return {};
}

Result<std::unique_ptr<StateStore>> StateStore::open(Env& env, StateStoreOptions options,
                                                     Deadline deadline) {
  CHECK(options.tokens_remembered > 0);
  CHECK(options.chunk_bytes > 0);
  auto parts = std::make_unique<Parts>(env, std::move(options));
  TRY(parts->open(deadline));
  return std::unique_ptr<StateStore>(new StateStore(std::move(parts)));
}

// The database first: without its -wal file it would be an older state than was promised.
Result<void> StateStore::set_aside(Env& env, const StateStoreOptions& options, Deadline deadline) {
  for (const char* const name : {"/state.db", "/state.db-wal", "/DURABLE"}) {
    const std::string path = options.folder + name;
    auto renamed = env.disk.rename(path, path + ".damaged", deadline);
    if (!renamed && renamed.error().code != ErrorCode::not_found) return renamed;
    if (!renamed) continue;
    env.log.event("kv", fmt::format("{} is set aside as {}.damaged", path, path));
    TRY(env.disk.sync_directory(options.folder, deadline));
  }
  return {};
}

Result<void> StateStore::set_aside() {
  parts_->files_->abandon();
  return set_aside(parts_->env_, parts_->options_, Deadline::never());
}

}  // namespace keelson::kv
